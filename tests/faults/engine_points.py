"""L1 on the real thing: engine and keeper killed at each system call of one whole operation.

``python tests/faults/engine_points.py [--points N] [--seed S] [--jobs J] [--seconds S]``. The
operation: two runs are accepted and started, one saves a checkpoint and ends, the other asks,
parks, is answered, starts again and ends. strace, attached to the living process, kills it at the
k-th call or has the disk refuse that call. Then both runs have to come to their end, and the
checker of the random kills reads what is left. A point counts only when its fault was injected.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from fault_project import LEDGER_AGENT, FaultProject, NotInTimeError
from invariants import check_everything
from tracer import why_not
from trap import Trap

KILL = "signal=KILL"
CALLS = {
    "engine": ("openat", "write", "fsync", "fdatasync", "pwrite64", "rename", "renameat", "mkdir",
               "sendto", "recvfrom", "unlink"),
    "keeper": ("openat", "write", "rename", "sendto", "recvfrom", "close", "waitid"),
}  # fmt: skip
REFUSABLE = {
    "engine": ("write", "fsync", "fdatasync", "pwrite64", "rename", "renameat"),
    "keeper": ("write", "rename"),
}
ERRORS = ("error=EIO", "error=ENOSPC")
AGENTS = ("worker", "asker")
LIMIT_S = 40.0
"""From the operation's begin to the end of both runs, fault and recovery included."""
EACH = 15
"""Points in one project; the checker reads it when they are done."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a process is hit."""

    target: str
    call: str
    when: int
    fault: str

    def __str__(self) -> str:
        """What ``--only`` takes."""
        return f"{self.target}/{self.fault}/{self.call}/{self.when}"


@dataclass(slots=True)
class Batch:
    """What a number of points in one project came to."""

    hits: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    violations: list[str] = field(default_factory=list)


class Operation:
    """One project in which the same operation is done again and again."""

    def __init__(self) -> None:
        self.project = FaultProject()
        self.acknowledged: list[dict[str, Any]] = []
        self._before: dict[str, str] = {}
        self._serial = 0
        place = str(self.project.ledgers)
        text = "[defaults.retry]\nbase_delay_seconds = 0.05\nmax_retries = 1000\n"
        for name, kind, count in (("worker", "work", "2"), ("asker", "ask", "1")):
            command = ["{python}", str(LEDGER_AGENT), kind, place, count, "0.001"]
            text += f"[agents.{name}]\ncommand = {json.dumps(command)}\n"
        (self.project.directory / "config.toml").write_text(text)

    def be_up(self) -> None:
        """A pair that is young: the delay before a new engine grows with the dead ones."""
        project = self.project
        for _ in range(3):
            project.wait("nobody", self._is_nobody_left)
            if project.run("up", check=None).returncode == 0 and len(project.holders()) == 2:
                return
        raise NotInTimeError(f"no engine comes up\n{project.account()}")

    def _is_nobody_left(self) -> bool:
        # Again and again: a keeper that dies a moment after its engine has started another one.
        holders = self.project.holders()
        for pid in holders.values():
            self.project.kill(pid)
        return not holders

    def do(self, trap: Trap | None) -> None:
        """The operation to its end; raises NotInTimeError when it does not come to one."""
        project = self.project
        project.wait("an engine that answers", lambda: project.ask("snapshot"))
        self._before = {name: run["id"] for name, run in project.states().items()}
        end = time.monotonic() + LIMIT_S
        accepted = False
        while time.monotonic() < end:
            if trap is not None and trap.is_closed():
                trap.end()
                trap = None
            if not project.holders():
                project.run("up", check=None)
            if not accepted:
                accepted = self._start(fresh=not self._new_runs(project.states()))
            states = project.states()  # Empty when no engine answers just now.
            runs = self._new_runs(states)
            if accepted and states and len(runs) < len(AGENTS):
                raise NotInTimeError(f"I2: an acknowledged start is lost: {project.account()}")
            for request in runs.get("asker", {}).get("requests", []):
                self._answer(request)
            if len(runs) == 2 and all(run["status"] == "succeeded" for run in runs.values()):
                return
            time.sleep(0.01)
        raise NotInTimeError(f"no end after {LIMIT_S:g} s\n{project.account()}")

    def _new_runs(self, states: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {name: run for name, run in states.items() if run["id"] != self._before.get(name)}

    def _start(self, *, fresh: bool) -> bool:
        return self.project.ask("start", names=list(AGENTS), fresh=fresh, by="driver") is not None

    def _answer(self, request: dict[str, Any]) -> None:
        if request.get("state", "open") != "open":
            return
        self._serial += 1
        word = {"call": "answer", "id": request["id"], "allow": True}
        comment = f"word {self._serial}"
        if self.project.ask(
            "answer", id=request["id"], hash=request["sha256"], allow=True, comment=comment,
            by="driver",
        ):  # fmt: skip
            self.acknowledged.append({**word, "comment": comment})

    def try_point(self, point: Point) -> tuple[bool, str | None]:
        """Whether the fault was injected, and what is wrong after it."""
        self.be_up()
        log = self.project.directory / "trace"
        pid = self.project.holders()[point.target]
        trap = Trap(str(point), pid, point.call, point.fault, point.when, log)
        try:
            if not trap.is_attached(pid):
                return False, None
            self.do(trap)
        except (NotInTimeError, AssertionError) as error:
            trap.end()
            return True, f"{point}: {error}"
        return trap.end(), None

    def check(self) -> list[str]:
        """What the checker finds once everybody is gone."""
        project = self.project
        for _ in range(2):
            for pid in project.holders().values():
                project.kill(pid)
        ledgers = {name: project.ledger(name) for name in AGENTS}
        return check_everything(project.files.state_db, ledgers, self.acknowledged, [])


def places(target: str) -> list[tuple[str, int]]:
    """Every (call, index) of the operation, from one that is only traced."""
    operation = Operation()
    try:
        operation.be_up()
        log = operation.project.directory / "trace"
        pid = operation.project.holders()[target]
        trap = Trap(target, pid, ",".join(CALLS[target]), "", 0, log)
        assert trap.is_attached(pid), "strace cannot attach"
        operation.do(None)
        trap.let_go()
        calls = Counter(re.findall(r"^(\d+ +\w+)\(", log.read_text(errors="replace"), re.M))
    finally:
        operation.project.end()
    most: Counter[str] = Counter()
    for name, count in calls.items():
        call = name.split()[1]
        most[call] = max(most[call], count)
    return [(call, when) for call in CALLS[target] for when in range(1, most[call] + 1)]


def all_points(seed: int) -> list[Point]:
    """Every place with every fault, in an order that the seed decides."""
    found = []
    for target in CALLS:
        for call, when in places(target):
            found.append(Point(target, call, when, KILL))
            if call in REFUSABLE[target]:
                found += [Point(target, call, when, error) for error in ERRORS]
    random.Random(seed).shuffle(found)
    return found


def run_batch(points: Sequence[Point], until: float) -> Batch:
    """Some points in one project, until the monotonic moment ``until``."""
    operation, batch = Operation(), Batch()
    try:
        for point in points:
            if time.monotonic() > until:
                break
            is_hit, problem = operation.try_point(point)
            batch.hits[point.target] += is_hit
            batch.missed += not is_hit
            if problem:
                batch.violations.append(problem)
                print(f"{problem}\nagain: python tests/faults/engine_points.py --only {point}",
                      flush=True)  # fmt: skip
        is_begun = bool(batch.missed or batch.hits.total())
        if is_begun and (found := operation.check()):
            batch.violations += found
            names = " ".join(map(str, points))
            print("\n".join(found), f"\nafter, in this order: {names}", flush=True)
    finally:
        operation.project.end()
    return batch


def run_all(points: Sequence[Point], jobs: int, seconds: float) -> Batch:
    """All of them, in projects of their own."""
    until, total = time.monotonic() + seconds, Batch()
    parts = [points[at : at + EACH] for at in range(0, len(points), EACH)]
    with ProcessPoolExecutor(jobs) as pool:
        for batch in pool.map(run_batch, parts, [until] * len(parts)):
            total.hits += batch.hits
            total.missed += batch.missed
            total.violations += batch.violations
    return total


def parse_points(names: Iterable[str]) -> list[Point]:
    """The points that print like this."""
    found = []
    for name in names:
        target, fault, call, when = name.split("/")
        found.append(Point(target, call, int(when), fault))
    return found


def main() -> int:
    """The long version; exit status 1 with a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=10**6, help="at most")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin none after these")
    parser.add_argument("--only", nargs="+", metavar="POINT", help="these, as they were printed")
    arguments = parser.parse_args()
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    began = time.monotonic()
    if arguments.only:
        points = parse_points(arguments.only)
    else:
        points = all_points(arguments.seed)
        print(f"{len(points)} points are there", flush=True)
    total = run_all(points[: arguments.points], arguments.jobs, arguments.seconds)
    print(", ".join(f"{name} {count}" for name, count in sorted(total.hits.items())))
    print(
        f"{total.hits.total()} points, {len(total.violations)} violations, "
        f"{time.monotonic() - began:.1f} s, seed {arguments.seed}; {total.missed} more were tried "
        "to whose call the process did not come"
    )
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main())

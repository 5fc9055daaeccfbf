"""L1: the writers killed, or refused by the disk, at every system call they make.

``python tests/faults/kill_points.py [--points N] [--seed S] [--subject NAME] [--fault FAULT]``
goes through all points, and on to N with points that the seed draws: two faults, one in each of
two lives. strace injects, so nothing of ours knows. After each life the files are read again:
the old value or the new one, never a torn one, and whatever was acknowledged is there. A last
life without a fault has to go on to the end. A point counts only when its fault was injected.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from point_checks import CHECKS, ended_keeper, ran_again
from tracer import Life, NoLifeError, Stall, Tracer, Zygote, counts, why_not

KILL = "signal=KILL"
FAULTS = (KILL, "error=EIO", "error=ENOSPC", "error=EIO:4", "error=ENOSPC:4")
"""``:4``: four times in a row."""
CALLS = {
    "store": ("pwrite64", "fdatasync", "openat", "ftruncate", "unlink"),
    "sleeper": ("openat", "write", "fdatasync", "fsync", "rename", "ftruncate"),
    "step": ("openat", "write", "fdatasync", "fsync", "rename", "ftruncate"),
    "record": ("openat", "write", "ftruncate", "rename"),
    "keeper": ("openat", "write", "rename", "sendto", "recvfrom", "close", "waitid", "kill"),
}  # fmt: skip
USUAL_CALLS = ("openat", "write", "fsync", "rename", "renameat", "mkdir", "mkdirat", "close")
LIVES_ON = frozenset(
    {"checkpoint", "step", "request", "sleeper", "store", "keeper", "resume", "identity"}
)
"""Subjects whose next life goes on from what the one before it left."""
LEAVES = frozenset({"request", "sleeper"})
"""Subjects whose whole life ends with 75."""
NO_REFUSAL = frozenset({"close", "waitid", "recvfrom", "sendto", "kill"})
"""What no disk refuses."""
NEVER_REFUSED = frozenset({("keeper", "write")})
"""Among them are those of a signal to the loop's own pipe, which no disk refuses either; that a
record cannot be written is what ``record`` and the keeper's refused renames show."""
SPARE = 20
"""Calls between the most that a thread made when it was traced and the one that is hit."""
PARKED = 75


@dataclass(frozen=True, slots=True)
class Place:
    """One call of a writer, in the part under test."""

    thread: str
    """``main``, or ``other`` for any thread that it starts."""
    call: str
    index: int
    """The how-manieth of its kind in that part, from 1."""
    waste: int
    """Vain calls that make it the one that strace hits."""


@dataclass(frozen=True, slots=True)
class Point:
    """A writer and where its lives, but for the last one, meet a fault."""

    subject: str
    fault: str
    places: tuple[Place, ...]

    def __str__(self) -> str:
        """What ``--only`` takes."""
        where = "+".join(f"{place.thread}.{place.call}.{place.index}" for place in self.places)
        return f"{self.subject}/{self.fault}/{where}"


@dataclass(slots=True)
class Tally:
    """What was tried."""

    points: int = 0
    """With the fault really injected into the first life, and into the second of two."""
    missed: int = 0
    """The writer did not come to that call."""
    by_subject: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)


class Forge:
    """Tracers for all subjects and faults; one for each thread of the driver."""

    def __init__(self, number: int | None = None) -> None:
        cpus = sorted(os.sched_getaffinity(0))
        self._cpu = random.choice(cpus) if number is None else cpus[number % len(cpus)]
        self._zygote = Zygote()
        self.untraced = Stall(self._zygote, self._cpu)
        self._tracers: dict[tuple[str, str], Tracer] = {}
        self._limits: dict[str, dict[str, int]] = {}
        self._places: dict[str, tuple[Place, ...]] = {}

    def end(self) -> None:
        """Nothing is left."""
        for tracer in self._tracers.values():
            tracer.end()
        self._tracers.clear()
        self.untraced.end()
        self._zygote.end()

    def trace(self, subject: str, calls: Iterable[str], *options: str) -> Life:
        """One life that is only traced."""
        wanted = f"trace={','.join(calls)},getpgid,execve"
        tracer = Tracer(self._zygote, [*options, "-e", wanted], self._cpu)
        try:
            return tracer.live(subject, tracer.room(), 1)
        finally:
            tracer.end()

    def places(self, subject: str) -> tuple[Place, ...]:
        """Every call of the part under test, from one life that is only traced."""
        if subject not in self._places:
            calls = CALLS.get(subject, USUAL_CALLS)
            life = self.trace(subject, calls)
            by_thread, before = counts(life)
            limits = {call: max(n[call] for n in by_thread.values()) + SPARE for call in calls}
            self._limits[subject] = limits
            own = by_thread.pop(life.pid, Counter())
            # Children of the writer (a keeper has some) execute another program; threads do not.
            others = [n for n in by_thread.values() if not n["execve"]]
            most = {call: max([n[call] for n in others], default=0) for call in calls}
            found = [
                Place("main", call, index, limits[call] - before[call] - index)
                for call in calls
                for index in range(1, own[call] - before[call] + 1)
            ]
            found += [
                Place("other", call, index, limits[call] - index)
                for call in calls
                for index in range(1, most[call] + 1)
            ]
            self._places[subject] = tuple(found)
        return self._places[subject]

    def points(self, subject: str, fault: str) -> Iterator[Point]:
        """One fault, at each place where it can be."""
        for place in self.places(subject):
            if fault == KILL or _is_refusable(subject, place.call):
                yield Point(subject, fault, (place,))

    def tracer(self, subject: str, fault: str) -> Tracer:
        """Made when it is first asked for."""
        known = self._tracers.get((subject, fault))
        if known is None:
            self.places(subject)
            what, _, times = fault.partition(":")
            options = ["-e", f"trace={','.join(self._limits[subject])}"]
            for call, limit in self._limits[subject].items():
                when = f"{limit}..{limit + int(times) - 1}" if times else str(limit)
                if what == KILL or _is_refusable(subject, call):
                    options += ["-e", f"inject={call}:{what}:when={when}"]
            known = self._tracers[subject, fault] = Tracer(self._zygote, options, self._cpu)
        return known

    def forget(self, point: Point) -> None:
        """The stalls of a point whose life did not end are of no more use."""
        tracer = self._tracers.pop((point.subject, point.fault), None)
        if tracer is not None:
            tracer.end()
        self.untraced.end()
        self.untraced = Stall(self._zygote, self._cpu)


def _is_refusable(subject: str, call: str) -> bool:
    return call not in NO_REFUSAL and (subject, call) not in NEVER_REFUSED


def try_point(forge: Forge, point: Point) -> tuple[bool, str | None]:
    """Whether the fault was injected, and what is wrong after it."""
    try:
        return _try(forge.tracer(point.subject, point.fault), forge.untraced, point)
    except NoLifeError as error:
        forge.forget(point)
        return True, f"{point}: {error}"


def _try(tracer: Tracer, untraced: Stall, point: Point) -> tuple[bool, str | None]:
    subject, check, room = point.subject, CHECKS[point.subject], tracer.room()
    told = hits = 0
    for number, place in enumerate(point.places, 1):
        life = tracer.live(subject, room, number, call=place.call, thread=place.thread,
                           waste=place.waste)  # fmt: skip
        hits += life.is_hit
        told = max(told, life.acks)
        if problem := check(room, told):
            return True, f"{point}: after ack {told}: {problem}"
    is_hit = hits == len(point.places)
    if subject not in LIVES_ON:
        return is_hit, None
    last = untraced.live(subject, room, len(point.places) + 1)
    if last.status != (PARKED if subject in LEAVES else 0):
        return True, f"{point}: the last life ended with {last.status}: {last.output}"
    problem = check(room, max(told, last.acks))
    if subject == "step":
        problem = problem or ran_again(room, hits)
    if subject == "keeper":
        problem = problem or ended_keeper(room)
    return is_hit, f"{point}: after the last life: {problem}" if problem else None


def drawn(forge: Forge, subject: str, fault: str, seed: int) -> Iterator[Point]:
    """Points with a fault in each of two lives, without end; one seed is one sequence."""
    rng = random.Random(f"{seed}:{subject}:{fault}")
    single = [point.places[0] for point in forge.points(subject, fault)]
    while single:
        yield Point(subject, fault, (rng.choice(single), rng.choice(single)))


def parse_point(forge: Forge, text: str) -> Point:
    """The point that prints as ``text``. Raises KeyError when the writer has no such call."""
    subject, fault, where = text.split("/")
    known = {f"{p.thread}.{p.call}.{p.index}": p for p in forge.places(subject)}
    return Point(subject, fault, tuple(known[name] for name in where.split("+")))


def unsynced(forge: Forge, subject: str) -> list[str]:
    """What is not on the disk at the moment of an acknowledgement, by one traced life.

    A kill cannot show it, because the page cache outlives a process: every file that was written
    has to be synced before it is renamed or promised, every new name by a sync of its folder.
    """
    calls = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat")
    bad, files, folders, is_on = [], set[str](), set[str](), False
    for line in forge.trace(subject, calls, "-y").log:
        call = line.split()[1].partition("(")[0]
        quoted = re.findall(r'"([^"]*)"', line)
        opened = re.search(r"\d+<([^>]*)>", line)
        path = opened[1] if opened else ""
        if call == "getpgid":
            is_on = True
        elif not is_on:
            continue
        elif call == "write" and quoted and quoted[0].startswith("ack "):
            bad += [f"{quoted[0][:5]} before {name} is synced" for name in (*files, *folders)]
        elif any(word in line for word in ("progress.json", "ledger", "/epoch", "-shm", ".out1")):
            continue  # These promise nothing.
        elif call in ("write", "pwrite64") and "/lwz-" in path:
            files.add(path)
        elif call in ("fsync", "fdatasync"):
            files.discard(path)
            folders.discard(path)
        elif call in ("rename", "renameat") and len(quoted) == 2:
            old, new = (str(Path(path, name)) for name in quoted)
            bad += [f"{Path(old).name} is renamed before it is synced"] if old in files else []
            folders.add(str(Path(new).parent))
    return bad


# The long version.

_forges: list[Forge] = []
"""The one of this worker process."""


@dataclass(frozen=True, slots=True)
class Task:
    """A writer and a fault; one worker goes through its points."""

    subject: str
    fault: str
    draws: int | None
    """Points with two faults that are drawn; None: every place with one."""
    seed: int
    until: float
    """Monotonic moment after which no point is begun."""


def _begin_worker(number: Any) -> None:
    with number.get_lock():
        _forges.append(Forge(number.value))
        number.value += 1


def _work(task: Task) -> Tally:
    forge, tally, began = _forges[0], Tally(), time.monotonic()
    points = forge.points(task.subject, task.fault)
    if task.draws is not None:
        both = drawn(forge, task.subject, task.fault, task.seed)
        points = (point for _, point in zip(range(task.draws), both, strict=False))
    for point in points:
        if time.monotonic() > task.until:
            break
        is_hit, problem = try_point(forge, point)
        tally.points += is_hit
        tally.missed += not is_hit
        if problem:
            tally.violations.append(problem)
            again = f"python tests/faults/kill_points.py --only {point}"
            print(f"{problem}\nagain: {again}", flush=True)
    tally.by_subject[task.subject] += tally.points
    kind = "one fault" if task.draws is None else "two faults"
    print(f"  {task.subject}, {task.fault}, {kind}: {tally.points} points, "
          f"{len(tally.violations)} violations, {time.monotonic() - began:.1f} s",
          flush=True)  # fmt: skip
    return tally


def _end_worker(_number: int) -> None:
    for forge in _forges:
        forge.end()
    _forges.clear()


def run_all(tasks: Iterable[Task], jobs: int) -> Tally:
    """Every task, by ``jobs`` processes side by side."""
    total, number = Tally(), multiprocessing.Value("i", 0)
    with ProcessPoolExecutor(jobs, initializer=_begin_worker, initargs=(number,)) as pool:
        for tally in pool.map(_work, tasks):
            total.points += tally.points
            total.missed += tally.missed
            total.by_subject += tally.by_subject
            total.violations += tally.violations
        list(pool.map(_end_worker, range(jobs)))
    return total


def main() -> int:
    """All points, or those of one subject; exit status 1 with a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=0, help="in all, when there are fewer places")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1, 10**6))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1e9, help="begin no point after these")
    parser.add_argument("--subject", choices=sorted(CHECKS))
    parser.add_argument("--fault", choices=FAULTS)
    parser.add_argument("--only", metavar="POINT", help="one point, as it was printed")
    arguments = parser.parse_args()
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    if arguments.only:
        return _one(arguments.only)
    began = time.monotonic()
    subjects = [arguments.subject] if arguments.subject else sorted(CHECKS)
    faults = [arguments.fault] if arguments.fault else FAULTS
    pairs = [(subject, fault) for subject in subjects for fault in faults]
    able = sum(subject in LIVES_ON for subject, _fault in pairs) or 1
    single = _count_single(pairs)
    draws = max(0, -(-(arguments.points - single) // able))
    print(f"{single} points with one fault; {draws * able} with two are drawn", flush=True)
    until = began + arguments.seconds
    tasks = [Task(*pair, None, arguments.seed, until) for pair in pairs]
    tasks += [
        Task(*pair, draws, arguments.seed, until) for pair in pairs if draws and pair[0] in LIVES_ON
    ]
    total = run_all(tasks, arguments.jobs)
    print(", ".join(f"{name} {count}" for name, count in sorted(total.by_subject.items())))
    print(
        f"{total.points} points, {len(total.violations)} violations, "
        f"{time.monotonic() - began:.1f} s, seed {arguments.seed}; {total.missed} more were "
        "drawn whose writer did not come to the call"
    )
    return 1 if total.violations else 0


def _count_single(pairs: Iterable[tuple[str, str]]) -> int:
    forge = Forge()
    try:
        return sum(1 for pair in pairs for _ in forge.points(*pair))
    finally:
        forge.end()


def _one(text: str) -> int:
    forge = Forge()
    try:
        is_hit, problem = try_point(forge, parse_point(forge, text))
    finally:
        forge.end()
    print(problem or f"{text}: no violation; the fault was {'' if is_hit else 'not '}injected")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())

"""L1: the writers killed, or refused by the disk, at every system call they make.

``python tests/faults/kill_points.py [--subject NAME] [--error EIO|ENOSPC]`` goes through all
points; strace injects, so nothing of ours knows. After each point the files are read again: the
old value or the new one, never a torn one, and whatever was acknowledged is there. A second life
of the same writer then has to go on to the end.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from writers import ROUNDS, content

from supervisor.agent.journal import checked_lines
from supervisor.keeper.records import read_record
from supervisor.protocol.checkpoint import checkpoint_check
from supervisor.protocol.problem import Problem
from supervisor.store.opening import connect_to_read
from supervisor.store.reading import verify_chain

WRITERS = Path(__file__).with_name("writers.py")
RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
CALLS = {
    "store": ("pwrite64", "fdatasync", "openat", "ftruncate", "unlink"),
    "step": ("openat", "write", "fdatasync", "fsync", "rename", "ftruncate"),
    "record": ("openat", "write", "ftruncate", "rename"),
}
LIVES_ON = frozenset({"checkpoint", "step", "request", "store"})
"""Subjects whose second life goes on from what the first one left."""
USUAL_CALLS = ("openat", "write", "fsync", "rename", "renameat", "mkdir", "mkdirat", "close")
LIMIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Point:
    """One place where a writer meets a fault."""

    subject: str
    call: str
    when: int
    """The how-manieth of this call, over the whole life of the process."""
    fault: str
    """``signal=KILL`` or ``error=…``."""

    def __str__(self) -> str:
        """As on strace's command line."""
        return f"{self.subject} inject={self.call}:{self.fault}:when={self.when}"


@cache
def why_not() -> str | None:
    """Why no kill points can be made here; None when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write",
             "-e", "inject=write:signal=KILL:when=1", "sh", "-c", "echo no"]  # fmt: skip
    try:
        done = subprocess.run(probe, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"strace does not work here: {error}"
    if done.stdout:
        return f"strace cannot attach here: {done.stderr.decode(errors='replace')[:200]}"
    return None


def points(subject: str, fault: str) -> Iterator[Point]:
    """Every call of the part under test, from one life that is only traced."""
    calls = CALLS.get(subject, USUAL_CALLS)
    counts, before = _trace(subject, calls)
    for call in calls:
        for when in range(before.get(call, 0) + 1, counts.get(call, 0) + 1):
            yield Point(subject, call, when, fault)


def trace_lines(subject: str, calls: tuple[str, ...]) -> list[str]:
    """The named calls of the part under test, as strace writes them."""
    place = Path(tempfile.mkdtemp(prefix="lwk-", dir="/tmp"))
    try:
        log = place.with_name(place.name + ".trace")
        _life(subject, place, 1, ["strace", "-f", "-qq", "-y", "-o", str(log),
                                  "-e", f"trace={','.join(calls)},getpgid"])  # fmt: skip
        lines = [line.partition(" ")[2].strip() for line in log.read_text().splitlines()]
        log.unlink()
        return lines
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _trace(subject: str, calls: tuple[str, ...]) -> tuple[dict[str, int], dict[str, int]]:
    counts: dict[str, int] = {}
    before: dict[str, int] = {}
    for line in trace_lines(subject, calls):
        if line.startswith("getpgid("):
            before = dict(counts)
        elif found := re.match(r"(\w+)\(", line):
            counts[found[1]] = counts.get(found[1], 0) + 1
    return counts, before


def _life(
    subject: str, place: Path, life: int, prefix: list[str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*(prefix or []), sys.executable, str(WRITERS), subject, str(place)],
        env={**os.environ, "LIFE": str(life)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def try_point(point: Point) -> str | None:
    """What is wrong after this fault, or None."""
    place = Path(tempfile.mkdtemp(prefix="lwk-", dir="/tmp"))
    try:
        prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={point.call}",
                  "-e", f"inject={point.call}:{point.fault}:when={point.when}"]  # fmt: skip
        first = _life(point.subject, place, 1, prefix)
        told = _acks(first.stdout)
        if problem := _CHECKS[point.subject](place, told):
            return f"{point}: after ack {told}: {problem}"
        if point.subject not in LIVES_ON:
            return None
        second = _life(point.subject, place, 2)
        parked = 75 if point.subject == "request" else 0
        if second.returncode != parked:
            return f"{point}: the second life ended with {second.returncode}: {second.stderr}"
        if problem := _CHECKS[point.subject](place, max(told, _acks(second.stdout))):
            return f"{point}: after the second life: {problem}"
        return None
    except subprocess.TimeoutExpired:
        return f"{point}: not over within {LIMIT_S:g} s"
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _acks(output: str) -> int:
    return max([int(number) for number in re.findall(r"^ack (\d+)$", output, re.M)], default=0)


def _check_atomic(place: Path, told: int) -> str | None:
    path = place / "file"
    if not path.exists():
        return "the file is gone" if told else None
    data = path.read_bytes()
    if data not in [content(number) for number in range(max(1, told), ROUNDS + 1)]:
        return f"torn or old: {data[:8]!r}, {len(data)} bytes"
    return None


def _check_answer(place: Path, told: int) -> str | None:
    path = place / "answers" / "approve-1.json"
    if not path.exists():
        return "the answer is gone" if told else None
    return None if json.loads(path.read_bytes())["comment"] == "c" * 5000 else "altered"


def _check_kept(place: Path, told: int) -> str | None:
    for number in range(1, ROUNDS + 1):
        path = place / ".longwatch" / "records" / RUN / "checkpoints" / str(number)
        if number <= told and not path.exists():
            return f"generation {number} is gone"
        if path.exists() and path.read_bytes() != content(number):
            return f"generation {number} is torn"
    return None


def _check_record(place: Path, told: int) -> str | None:
    for number in range(1, ROUNDS + 1):
        found = read_record(str(place / f"exit-{number}.json"), "r", number)
        if found is None and number <= told:
            return f"record {number} is gone"
        if found is not None and found.get("code") != number:
            return f"record {number} is torn: {found}"
    return None


def _check_checkpoint(place: Path, told: int) -> str | None:
    path = place / "run" / "checkpoint.json"
    if not path.exists():
        return "the checkpoint is gone" if told else None
    data = path.read_bytes()
    checked = checkpoint_check(data, RUN, "checkpoint.json")
    if isinstance(checked, Problem):
        return str(checked)
    saved = json.loads(data)["state"]["user"]
    return None if saved >= told else f"{saved} was saved, {told} was promised"


def _check_step(place: Path, told: int) -> str | None:
    journal, ledger = place / "run" / "journal.jsonl", place / "ledger"
    bodies, _size = checked_lines(journal.read_bytes() if journal.exists() else b"")
    if len(bodies) < told:
        return f"{len(bodies)} steps are in the journal, {told} were promised"
    for body in bodies:
        name = json.loads(b"{" + body).get("result_file")
        if name and not (place / "run" / name).exists():
            return f"the result {name} is gone"
    ran = ledger.read_text().split() if ledger.exists() else []
    again = [number for number in set(ran) if ran.count(number) > 1]
    # Only the one in flight at the fault may have run twice.
    return f"{again} ran more than once" if len(again) > 1 else None


def _check_request(place: Path, told: int) -> str | None:
    found = list((place / "run").glob("requests/*.json"))
    if told and len(found) != 1:
        return f"{len(found)} requests"
    torn = [path.name for path in found if json.loads(path.read_bytes())["title"] != "Publish?"]
    return f"{torn} are torn" if torn else None


def _check_store(place: Path, told: int) -> str | None:
    path = place / "state.db"
    if not told and (not path.exists() or not path.stat().st_size):
        return None
    with connect_to_read(path) as connection:
        if not told and not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return None  # Killed before the schema was there.
        report = verify_chain(connection)
    if report.problem:
        return report.problem
    return None if report.last_seq >= told else f"{report.last_seq} stored, {told} acknowledged"


_CHECKS: dict[str, Callable[[Path, int], str | None]] = {
    "atomic": _check_atomic, "answer": _check_answer, "kept": _check_kept,
    "record": _check_record, "checkpoint": _check_checkpoint, "step": _check_step,
    "request": _check_request, "store": _check_store,
}  # fmt: skip


def unsynced(subject: str) -> list[str]:
    """What is not on the disk at the moment of an acknowledgement, by one traced life.

    A kill cannot show it, because the page cache outlives a process: every file that was written
    has to be synced before it is renamed or promised, every new name by a sync of its folder.
    """
    calls = ("write", "pwrite64", "fsync", "fdatasync", "rename", "renameat")
    bad, files, folders = [], set[str](), set[str]()
    for line in trace_lines(subject, calls):
        call = line.partition("(")[0]
        quoted = re.findall(r'"([^"]*)"', line)
        opened = re.search(r"\d+<([^>]*)>", line)
        path = opened[1] if opened else ""
        if call == "write" and quoted and quoted[0].startswith("ack "):
            bad += [f"{quoted[0][:5]} before {name} is synced" for name in (*files, *folders)]
        elif any(word in line for word in ("progress.json", "ledger", "/epoch", "-shm")):
            continue  # These promise nothing.
        elif call in ("write", "pwrite64") and "/lwk-" in path:
            files.add(path)
        elif call in ("fsync", "fdatasync"):
            files.discard(path)
            folders.discard(path)
        elif call in ("rename", "renameat") and len(quoted) == 2:
            old, new = (str(Path(path, name)) for name in quoted)
            bad += [f"{Path(old).name} is renamed before it is synced"] if old in files else []
            folders.add(str(Path(new).parent))
    return bad


def main() -> int:
    """All points, or those of one subject; exit status 1 with a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subject", choices=sorted(_CHECKS))
    parser.add_argument("--error", choices=("EIO", "ENOSPC"))
    arguments = parser.parse_args()
    if reason := why_not():
        print(f"skipped: {reason}")
        return 0
    faults = [f"error={arguments.error}"] if arguments.error else [
        "signal=KILL", "error=EIO", "error=ENOSPC"]  # fmt: skip
    began, tried, bad = time.monotonic(), 0, 0
    for subject in [arguments.subject] if arguments.subject else sorted(_CHECKS):
        for fault in faults:
            for point in points(subject, fault):
                if fault != "signal=KILL" and point.call == "close":
                    continue
                tried += 1
                if problem := try_point(point):
                    bad += 1
                    print(problem, flush=True)
        print(f"{subject}: {tried} points so far, {time.monotonic() - began:.0f} s", flush=True)
    print(f"{tried} points, {bad} violations")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

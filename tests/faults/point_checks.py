"""What has to hold in the files of a writer after a fault: the old value or the new one.

Each check gets the directory and the highest number that was acknowledged; it returns what is
wrong as a sentence, or None.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from writers import ROUNDS, RUN, content

from supervisor.agent.journal import checked_lines
from supervisor.config.paths import Project
from supervisor.engine.keepsakes import read_identity
from supervisor.keeper.records import read_record
from supervisor.process.exit_record import read_exit_record
from supervisor.protocol.checkpoint import checkpoint_check
from supervisor.protocol.problem import Problem
from supervisor.store.opening import connect_to_read
from supervisor.store.reading import verify_chain


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
        path = Project(place).checkpoints_dir(RUN) / str(number)
        if number <= told and not path.exists():
            return f"generation {number} is gone"
        if path.exists() and path.read_bytes() != content(number):
            return f"generation {number} is torn"
    return None


def _check_identity(place: Path, told: int) -> str | None:
    for number in range(1, ROUNDS + 1):
        run = f"{RUN[:-1]}{number}"
        path = Project(place).record_dir(run) / "run.json"
        if path.exists() and read_identity(Project(place), run) is None:
            return f"who run {number} is, is torn"
        if number <= told and not path.exists():
            return f"nobody knows who run {number} is"
    return None


def _check_resume(place: Path, _told: int) -> str | None:
    live = Project(place).run_dir(RUN) / "checkpoint.json"
    if live.exists() and live.read_bytes() != content(ROUNDS):
        data = live.read_bytes()
        if data and not b"torn again, 1".startswith(data[:11]):
            return f"neither the torn one nor the newest generation: {data[:20]!r}"
    return _check_kept(place, ROUNDS)


def _check_record(place: Path, told: int) -> str | None:
    for number in range(1, ROUNDS + 1):
        found = read_record(str(place / f"exit-{number}.json"), "r", number)
        if found is None and number <= told:
            return f"record {number} is gone"
        if found is not None and found.get("code") != number:
            return f"record {number} is torn: {found}"
    return None


def _check_keeper(place: Path, _told: int) -> str | None:
    """I3 by the ledger, the exits that were told by their records, I9 by the run's lock."""
    ledger = _words(place / "ledger")
    if any(line.startswith("second") for line in ledger):
        return f"I3: two living attempts: {ledger}"
    began = [int(line.split()[1]) for line in ledger if line.startswith("began")]
    if len(set(began)) != len(began) or began != sorted(began):
        return f"an epoch ran twice: {ledger}"
    told = [json.loads(line) for line in _words(place / "told")]
    if twice := [epoch for epoch, n in Counter(t["epoch"] for t in told).items() if n > 1]:
        return f"the exit of {twice} was told twice to engines that had taken it"
    for path in place.glob("exit-*.json"):
        if read_exit_record(path) is None:
            return f"{path.name} is torn: {path.read_bytes()[:80]!r}"
    for notice in told:
        found = read_exit_record(place / f"exit-{notice['epoch']}.json")
        is_ours = notice["epoch"] != 2 or notice["ended_by"] == "stop"
        if found is not None and (found.code, found.signal) != (notice["code"], notice["signal"]):
            return f"told {notice}, recorded {found}"
        if notice["known"] and not is_ours:
            return f"a stopped attempt is told as {notice}"
    return None


def ended_keeper(place: Path) -> str | None:
    """After the last life: all three attempts were led to their end, and nothing of them lives."""
    if not (place / "finished").exists():
        log = (place / "engine.log").read_text() if (place / "engine.log").exists() else ""
        return f"the attempts were not led to their end: {log}"
    lock = os.open(place / "run.lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return "I9: something of an attempt lives"
    finally:
        os.close(lock)
    return None


def _words(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


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
    journal = place / "run" / "journal.jsonl"
    bodies, _size = checked_lines(journal.read_bytes() if journal.exists() else b"")
    if len(bodies) < told:
        return f"{len(bodies)} steps are in the journal, {told} were promised"
    for body in bodies:
        name = json.loads(b"{" + body).get("result_file")
        if name and not (place / "run" / name).exists():
            return f"the result {name} is gone"
    return None


def ran_again(place: Path, faults: int) -> str | None:
    """A step may run once more for each fault that met it in flight, and a completed one never."""
    ran = Counter((place / "ledger").read_text().split() if (place / "ledger").exists() else [])
    extra = sum(ran.values()) - len(ran)
    return f"{extra} steps ran again after {faults} faults: {dict(ran)}" if extra > faults else None


def _check_sleeper(place: Path, told: int) -> str | None:
    given: dict[str, set[str]] = {}
    for line in _words(place / "ledger"):
        name, _, value = line.partition("=")
        given.setdefault(name, set()).add(value)
    if changed := {name: values for name, values in given.items() if len(values) > 1}:
        return f"values changed: {changed}"
    journal = place / "run" / "journal.jsonl"
    bodies, _size = checked_lines(journal.read_bytes() if journal.exists() else b"")
    kept = [str(json.loads(b"{" + body)["value"]) for body in bodies]
    if lost := [values for values in given.values() if not values <= set(kept)]:
        return f"{lost} were given out and are not in the journal"
    wake = place / "run" / "wake.json"
    if wake.exists() and str(json.loads(wake.read_bytes())["at"]) not in given.get("sleep", ()):
        return "wake.json names another moment"
    return None if len(bodies) >= told else f"{len(bodies)} values are kept, {told} promised"


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
    try:
        with connect_to_read(path) as connection:
            report = verify_chain(connection)
    except sqlite3.OperationalError as error:
        # While nothing was promised it may be half made; the next life has to finish it.
        return f"state.db cannot be read: {error}" if told else None
    if report.problem:
        return report.problem
    if report.last_seq < told:
        return f"{report.last_seq} stored, {told} acknowledged"
    return "state.db was set aside" if list(place.glob("state.db.corrupt*")) else None


CHECKS: dict[str, Callable[[Path, int], str | None]] = {
    "atomic": _check_atomic, "answer": _check_answer, "kept": _check_kept,
    "identity": _check_identity, "resume": _check_resume, "record": _check_record,
    "keeper": _check_keeper, "checkpoint": _check_checkpoint, "step": _check_step,
    "request": _check_request, "sleeper": _check_sleeper, "store": _check_store,
}  # fmt: skip

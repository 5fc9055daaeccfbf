"""The checker: reads ledgers, the journals of clients and state.db, and nothing else.

Each function returns the violations it found, as sentences that begin with the invariant's name.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.fold import apply
from supervisor.core.mirror import fold_loaded
from supervisor.core.record import recorded_to_plain
from supervisor.core.run import RunState, Then
from supervisor.store.opening import connect_to_read
from supervisor.store.reading import history, load, verify_chain

Line = dict[str, Any]
CLOCK_SLACK_S = 0.02
"""Between a moment that one process stored and the same moment read by another."""
_OUTCOMES = (e.AttemptStarting, e.RunSucceeded, e.RunFailed, e.RunTimedOut, e.RunHeld, e.RunParked,
             e.BackoffBegan, e.RunStopped)  # fmt: skip


def read_events(database: Path) -> list[Recorded]:
    """Every stored event."""
    found: list[Recorded] = []
    with connect_to_read(database) as connection:
        while page := history(connection, found[-1].seq if found else 0, 5000):
            found += page
    return found


def check_ledger(lines: Sequence[Line]) -> list[str]:
    """I1, I3 and I5 as an agent lived them."""
    bad: list[str] = []
    completed: dict[str, set[tuple[str, Any]]] = defaultdict(set)
    epochs: Counter[str] = Counter()
    saved: Counter[str] = Counter()
    for line in lines:
        run, what, item = line["run"], line["what"], line["item"]
        where = f"{item} of run {run[-6:]} in epoch {line['epoch']}"
        if what == "second process":
            bad.append(f"I3: two living processes of run {run[-6:]}, epoch {line['epoch']}")
        if what == "work" and ("stepped", item) in completed[run]:
            bad.append(f"I1: completed step {where} ran again")
        if what == "body" and ("passed", item) in completed[run]:
            bad.append(f"I1: completed item {where} was given out again")
        if what in ("stepped", "passed"):
            completed[run].add((what, item))
        if what == "resumed" and item < saved[run]:
            bad.append(f"I5: resumed from {where} after {saved[run]} was saved")
        if what == "saved":
            saved[run] = max(saved[run], item)
        if line["epoch"] < epochs[run]:
            bad.append(f"I5: {what} {where} after epoch {epochs[run]}")
        epochs[run] = max(epochs[run], line["epoch"])
    return bad


def check_log(database: Path, seen: Iterable[dict[str, Any]] = ()) -> list[str]:
    """I7: gapless, chained, whole, and what a client was shown is still there."""
    bad: list[str] = []
    with connect_to_read(database) as connection:
        report = verify_chain(connection)
        loaded = load(connection)
    if report.problem:
        bad.append(f"I7: {report.problem}")
    events = read_events(database)
    if [entry.seq for entry in events] != list(range(1, len(events) + 1)):
        bad.append("I7: the log has gaps")
    stored = {entry.seq: recorded_to_plain(entry) for entry in events}
    for event in seen:
        kept = stored.get(event["seq"])
        if json.dumps(kept, sort_keys=True) != json.dumps(event, sort_keys=True):
            bad.append(f"I7: a client saw {event['seq']} {event['type']}, the log has {kept}")
    # An engine may still be writing: what it stored after the load is not compared.
    folded = _fold([entry for entry in events if entry.seq <= loaded.last_seq])
    # A stored state may lag behind by events that only report progress: they follow it.
    for run_id, state in fold_loaded(loaded.runs, loaded.tail).items():
        if folded.get(run_id) != state:
            bad.append(f"I7: run {run_id[-6:]} as loaded is not the fold of its events")
    return bad


def _fold(events: Sequence[Recorded]) -> dict[str, RunState]:
    states: dict[str, RunState] = {}
    for entry in events:
        if entry.run_id:
            before = states.get(entry.run_id)
            states[entry.run_id] = apply(before, entry.run_id, entry.event, entry.at)
    return states


def check_order(events: Sequence[Recorded], ledgers: Sequence[Line]) -> list[str]:
    """I5 (numbers), I4 (one answer), I8 and I9 by the log and the ledgers."""
    bad: list[str] = []
    by_run: dict[str, list[Recorded]] = defaultdict(list)
    for entry in events:
        if entry.run_id:
            by_run[entry.run_id].append(entry)
    for run, own in by_run.items():
        lines = [line for line in ledgers if line["run"] == run]
        bad += [f"{text} (run {run[-6:]})" for text in _check_run(own, lines)]
    return bad


def _check_run(own: Sequence[Recorded], lines: Sequence[Line]) -> list[str]:
    bad: list[str] = []
    epoch = generation = 0
    not_before: float | None = None
    answered: Counter[str] = Counter()
    stopping = False
    for place, entry in enumerate(own):
        event = entry.event
        if isinstance(event, e.AttemptStarting):
            if event.epoch <= epoch:
                bad.append(f"I5: epoch {event.epoch} after {epoch}")
            epoch = event.epoch
            if not_before is not None:
                began = [line["t"] for line in lines if line["epoch"] == epoch]
                early = not_before - min([entry.at.wall, *began])
                if early > CLOCK_SLACK_S:
                    bad.append(f"I8: epoch {epoch} began {early:.3f} s before its next_start")
        if isinstance(event, e.CheckpointRecorded):
            if event.checkpoint.generation <= generation:
                bad.append(f"I5: generation {event.checkpoint.generation} after {generation}")
            generation = event.checkpoint.generation
        if isinstance(event, e.RequestAnswered):
            answered[event.request_id] += 1
            if answered[event.request_id] > 1:
                bad.append(f"I4: request {event.request_id} was answered twice")
        if isinstance(event, _OUTCOMES):
            is_waiting = isinstance(event, e.BackoffBegan)
            not_before = event.next_start.wall if is_waiting else None
            if stopping and not isinstance(event, e.RunStopped):
                bad.append(f"I2: a stored stop was followed by {type(event).__name__}")
            stopping = False
        if isinstance(event, e.BackoffMoved):
            not_before = event.next_start.wall
        if isinstance(event, e.RunRequeued):
            not_before = None  # The operator, or an answer, ended the wait.
        if isinstance(event, e.AttemptEnding):
            stopping = event.then is Then.STOP
        if isinstance(event, e.RunStopped):
            later = [entry.at.wall for entry in own[place + 1 :]
                     if isinstance(entry.event, e.RunReopened)]  # fmt: skip
            until = later[0] if later else float("inf")
            for line in lines:
                if own[place].at.wall + CLOCK_SLACK_S < line["t"] < until:
                    bad.append(f"I9: {line['what']} after the run was stopped")
    return bad


def check_acknowledged(
    events: Sequence[Recorded], ledgers: Sequence[Line], acknowledged: Iterable[dict[str, Any]]
) -> list[str]:
    """I2: every answer and stop that a client was told of is in the log, and had its effect."""
    bad: list[str] = []
    answers = {
        entry.event.request_id: entry.event.answer
        for entry in events
        if isinstance(entry.event, e.RequestAnswered)
    }
    told = {line["comment"]: line for line in ledgers if line["what"] == "answered"}
    for word in acknowledged:
        if word["call"] == "answer":
            stored = answers.get(word["id"])
            if stored is None or (stored.allow, stored.comment) != (word["allow"], word["comment"]):
                bad.append(f"I2: acknowledged answer {word} is stored as {stored}")
            line = told.get(word["comment"])
            if line is None or line["allow"] != word["allow"]:
                bad.append(f"I2: acknowledged answer {word} never reached the agent: {line}")
        else:
            found = [
                entry
                for entry in events
                if entry.run_id == word["run"]
                and word["from"] - 1 <= entry.at.wall <= word["to"] + 1
                and isinstance(entry.event, e.AttemptEnding | e.RunStopped)
            ]
            if not found:
                bad.append(f"I2: acknowledged stop {word} is not in the log")
    return bad


def check_everything(
    database: Path,
    ledgers: dict[str, list[Line]],
    acknowledged: Sequence[dict[str, Any]],
    seen: Sequence[dict[str, Any]],
) -> list[str]:
    """All violations."""
    bad = [text for lines in ledgers.values() for text in check_ledger(lines)]
    everything = [line for lines in ledgers.values() for line in lines]
    try:
        bad += check_log(database, seen)
        events = read_events(database)
    except sqlite3.Error as error:
        return [*bad, f"I7: state.db cannot be read: {error}"]
    bad += check_order(events, everything)
    bad += check_acknowledged(events, everything, acknowledged)
    return bad

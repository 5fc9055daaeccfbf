"""The picture as it was after some event: the stored log folded up to there.

The fold is the one of the engine and of every client. Functions of a connection; nothing here
writes, and a look is bounded: of each run all that happened, and the newest of its progress.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass

from supervisor.core import events as e
from supervisor.core.always import RULE_EVENTS, Standing, apply_rule_event
from supervisor.core.events import Recorded
from supervisor.core.fold import apply
from supervisor.core.ids import ulid
from supervisor.core.lifecycle import IllegalTransitionError
from supervisor.core.run import RunState
from supervisor.store.queries import queries
from supervisor.store.reading import chain_ends, of_no_run
from supervisor.store.rows import NO_EVENTS, Row, decode

RUNS_LOOKED_AT = 2_000
"""Newest runs of before the moment that are considered."""
RUNS_EACH = 20
"""Of those the newest of each agent."""
RUNS_IN_ALL = 400
PROGRESS_EACH = 1_000
"""Newest progress of a run that is folded; older progress is superseded, only a pace knows it."""


@dataclass(frozen=True, slots=True)
class Past:
    """Everything shown, as of one event."""

    at: Recorded | None
    """The newest event that it holds; None before the first one."""
    runs: tuple[RunState, ...]
    """Oldest first."""
    standing: Standing
    agents: tuple[str, ...]
    """Names of the configuration in force then; empty when that is no longer known."""
    unknown: int
    """Runs of then whose beginning is no longer in the log."""
    first: int
    last: int


def past_at(connection: sqlite3.Connection, seq: int) -> Past:
    """Fold the log up to ``seq``; beyond its end it is the newest."""
    base, _hash, last, _last_hash = chain_ends(connection)
    at = _newest_up_to(connection, min(seq, last))
    if at is None:
        return Past(None, (), Standing(), (), 0, base + 1, last)
    states, unknown = [], 0
    for run_id in _runs_of(connection, at.at.wall):
        state = _folded(connection, run_id, at.seq)
        if isinstance(state, RunState):
            states.append(state)
        unknown += state is False
    return Past(
        at,
        tuple(sorted(states, key=lambda state: state.id)),
        _standing(connection, at.seq),
        _configured(connection, at.seq),
        unknown,
        base + 1,
        last,
    )


def _newest_up_to(connection: sqlite3.Connection, seq: int) -> Recorded | None:
    sql = queries("event_log.sql")["newest_event"]
    found = connection.execute(sql, (seq,)).fetchone()
    return decode(Row(*found)) if found else None


def _runs_of(connection: sqlite3.Connection, wall: float) -> list[str]:
    """Ids of the runs that a dashboard of that time may have shown."""
    # Ids begin with the time they were made at, in milliseconds.
    before = ulid(max(0.0, wall) + 1.0, 0)
    each: Counter[str] = Counter()
    kept: list[str] = []
    sql = queries("event_log.sql")["runs_before"]
    for run_id, agent in connection.execute(sql, (before, RUNS_LOOKED_AT)):
        each[agent] += 1
        if each[agent] <= RUNS_EACH and len(kept) < RUNS_IN_ALL:
            kept.append(run_id)
    return kept


def _folded(connection: sqlite3.Connection, run_id: str, seq: int) -> RunState | bool | None:
    """The state then; None for a run that did not exist, False for one that cannot be folded."""
    sql = queries("event_log.sql")
    rows = [Row(*found) for found in connection.execute(sql["steps_of_run"], (run_id, seq))]
    if not rows:
        return None
    bound = (run_id, seq, PROGRESS_EACH)
    rows += [Row(*found) for found in connection.execute(sql["progress_of_run"], bound)]
    state: RunState | None = None
    try:
        for row in sorted(rows):
            if row.type not in NO_EVENTS:
                recorded = decode(row)
                state = apply(state, run_id, recorded.event, recorded.at)
    except IllegalTransitionError:
        return False  # What it began with was forgotten by age.
    return state


def _standing(connection: sqlite3.Connection, seq: int) -> Standing:
    standing = Standing()
    for recorded in of_no_run(connection, RULE_EVENTS):
        if recorded.seq <= seq:
            standing = apply_rule_event(standing, recorded)
    return standing


def _configured(connection: sqlite3.Connection, seq: int) -> tuple[str, ...]:
    sql = queries("event_log.sql")["newest_of_no_run"]
    found = connection.execute(sql, (seq, "ConfigApplied")).fetchone()
    event = decode(Row(*found)).event if found else None
    return event.agents if isinstance(event, e.ConfigApplied) else ()

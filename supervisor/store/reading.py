"""Questions to the stored log: functions of a connection, for the engine and for offline use.

``with opening.connect_to_read(path) as connection: history(connection, 0, 100)`` works without
an engine. Nothing here writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from supervisor.core.events import Recorded
from supervisor.core.ids import ALPHABET
from supervisor.core.record import RecordError
from supervisor.core.run import FINAL, RunState
from supervisor.store.ports import (
    KEPT_FINISHED,
    KEPT_FINISHED_EACH,
    MAX_MATCHES,
    ChainReport,
    LoadedLog,
)
from supervisor.store.queries import queries
from supervisor.store.rows import NO_EVENTS, THINNED, Row, decode, decode_state, follows

PAGE = 1_000
"""Rows a query of the chain check reads: a longer read would keep the -wal from being emptied."""

_Run = tuple[str, int, str | None]
_Chain = tuple[int, bytes, int, bytes]


def chain_ends(connection: sqlite3.Connection) -> _Chain:
    """base seq, base hash, last seq, last hash."""
    found: _Chain = connection.execute(queries("event_log.sql")["read_chain"]).fetchone()
    return found


def load(connection: sqlite3.Connection) -> LoadedLog:
    """Active runs, the newest finished ones, and what came after their states."""
    sql = queries("event_log.sql")
    connection.execute("BEGIN")  # One view of both tables, whatever is written meanwhile.
    try:
        active: list[_Run] = connection.execute(sql["active_runs"]).fetchall()
        bounds = {"each": KEPT_FINISHED_EACH, "all": KEPT_FINISHED}
        finished: list[_Run] = connection.execute(sql["finished_runs"], bounds).fetchall()
        return _loaded(connection, sorted(active + finished))
    finally:
        connection.execute("ROLLBACK")


def load_run(connection: sqlite3.Connection, run_id: str) -> LoadedLog:
    """One run of any age; empty when there is none."""
    found = connection.execute(queries("event_log.sql")["one_run"], (run_id,)).fetchall()
    return _loaded(connection, found)


def history(
    connection: sqlite3.Connection, since: int, limit: int, run_id: str | None = None
) -> list[Recorded]:
    """Events after ``since``, oldest first, at most ``limit``; of one run if named."""
    if run_id is not None:
        return list(_events_of(connection, run_id, since, limit))
    rows = connection.execute(queries("event_log.sql")["events_after"], (since, limit))
    return list(_decoded(rows))


def of_no_run(connection: sqlite3.Connection, types: Sequence[str]) -> list[Recorded]:
    """Events of no run whose stored name is one of ``types``, oldest first."""
    sql = queries("event_log.sql")["events_of_no_run"]
    return list(_decoded(connection.execute(sql, (f",{','.join(types)},",))))


def find_ids(connection: sqlite3.Connection, suffix: str) -> tuple[str, ...]:
    """Ids of runs that end with ``suffix`` (any case), newest first, at most MAX_MATCHES."""
    backwards = suffix.upper()[::-1]
    if not backwards or any(character not in ALPHABET for character in backwards):
        return ()
    # "~" sorts after every character of an id: a range instead of LIKE keeps to the index.
    rows = connection.execute(
        queries("event_log.sql")["run_ids_ending"], (backwards, backwards + "~", MAX_MATCHES)
    )
    return tuple(row[0] for row in rows)


def finished_before(
    connection: sqlite3.Connection, run_ids: Iterable[str], wall: float
) -> tuple[str, ...]:
    """Which of these runs are stored and were over before that time."""
    old = []
    for run_id in run_ids:
        found = connection.execute(queries("event_log.sql")["one_run"], (run_id,)).fetchone()
        state = _state(found[2]) if found is not None else None
        if state is not None and state.status in FINAL and (state.ended_at or 0.0) < wall:
            old.append(run_id)
    return tuple(old)


def verify_chain(connection: sqlite3.Connection) -> ChainReport:
    """Check the seq and hash of every event, oldest first."""
    while True:
        ends = chain_ends(connection)
        report = _verify_from(connection, ends)
        if report.problem is None or chain_ends(connection)[0] == ends[0]:
            return report
        # Old events were forgotten while we read: what is missing is no damage.


def _verify_from(connection: sqlite3.Connection, ends: _Chain) -> ChainReport:
    base, previous, last, last_hash = ends
    page_query = queries("event_log.sql")["chain_after"]
    checked, seq = 0, base
    while True:
        page = connection.execute(page_query, (seq if checked else -1, PAGE)).fetchall()
        for *columns, stored in page:
            row = Row(*columns)
            if row.seq != seq + 1 and row.type != THINNED:
                return ChainReport(checked, seq, f"event {seq + 1} is missing before {row.seq}")
            if not follows(row, seq, previous, stored):
                return ChainReport(checked, seq, f"event {row.seq} is not what was stored")
            if row.seq == last and stored != last_hash:
                return ChainReport(checked, seq, f"event {row.seq} is not the end of this log")
            previous, seq, checked = stored, row.seq, checked + 1
        if len(page) < PAGE:
            break
    if seq < last:
        return ChainReport(checked, seq, f"events {seq + 1} to {last} are missing at the end")
    return ChainReport(checked, seq, None)


def _loaded(connection: sqlite3.Connection, found: Iterable[_Run]) -> LoadedLog:
    runs: list[tuple[RunState, int]] = []
    tail: list[Recorded] = []
    for run_id, seq, record in found:
        state = _state(record)
        if state is not None:
            runs.append((state, seq))
        # Without a usable state the run is the fold of all its events.
        since = seq if state is not None or record is None else 0
        tail.extend(_events_of(connection, run_id, since, -1))
    tail.sort(key=lambda recorded: recorded.seq)
    return LoadedLog(chain_ends(connection)[2], tuple(runs), tuple(tail))


def _state(record: str | None) -> RunState | None:
    if record is None:
        return None
    try:
        return decode_state(record)
    except (RecordError, ValueError):
        return None


def _events_of(
    connection: sqlite3.Connection, run_id: str, since: int, limit: int
) -> Iterator[Recorded]:
    rows = connection.execute(queries("event_log.sql")["events_of_run"], (run_id, since, limit))
    return _decoded(rows)


def _decoded(rows: Iterable[tuple[int, float, float, str, str, str, str]]) -> Iterator[Recorded]:
    return (decode(row) for columns in rows if (row := Row(*columns)).type not in NO_EVENTS)

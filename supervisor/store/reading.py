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
from supervisor.store.audit import Audit, Stored, audit
from supervisor.store.ports import (
    KEPT_FINISHED,
    KEPT_FINISHED_EACH,
    MAX_MATCHES,
    ChainReport,
    LoadedLog,
)
from supervisor.store.queries import queries
from supervisor.store.rows import NO_EVENTS, Row, decode, decode_state

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


def of_types(connection: sqlite3.Connection, types: Sequence[str]) -> Iterator[Recorded]:
    """Events whose stored name is one of ``types``, oldest first; reads the whole log."""
    sql = queries("event_log.sql")["events_of_types"]
    return _decoded(connection.execute(sql, (f",{','.join(types)},",)))


def hashes_of(connection: sqlite3.Connection, seqs: Iterable[int]) -> dict[int, str]:
    """Hex hashes of those of these events that are still there."""
    sql, found = queries("event_log.sql")["hash_of"], {}
    for seq in seqs:
        row = connection.execute(sql, (seq,)).fetchone()
        if row is not None:
            found[seq] = row[0].hex()
    return found


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
    report = audited(connection)
    if not report.findings:
        return ChainReport(report.checked, report.end[0], None)
    first = report.findings[0]
    return ChainReport(report.checked, first.first - 1, first.what)


def audited(connection: sqlite3.Connection) -> Audit:
    """Everything in the stored log that is not as it was written."""
    ends = chain_ends(connection)
    report = _audit_between(connection, ends)
    if not report.findings or chain_ends(connection) == ends:
        return report
    # The log moved while we read: now in one view of it, which keeps the -wal from being emptied.
    connection.execute("BEGIN")
    try:
        return _audit_between(connection, chain_ends(connection))
    finally:
        connection.execute("ROLLBACK")


def _audit_between(connection: sqlite3.Connection, ends: _Chain) -> Audit:
    base, base_hash, last, last_hash = ends
    return audit(stored_rows(connection), (base, base_hash), (last, last_hash))


def stored_rows(connection: sqlite3.Connection) -> Iterator[Stored]:
    """All rows with their hashes in order, read in pages."""
    page_query, seq = queries("event_log.sql")["chain_after"], -1
    while True:
        page = connection.execute(page_query, (seq, PAGE)).fetchall()
        for *columns, own in page:
            row = Row(*columns)
            yield row, own
        if len(page) < PAGE:
            return
        seq = page[-1][0]


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

"""The event log in SQLite: queued in order, stored in groups, each event chained to the last.

Owns the seqs' order and what is not on disk yet. An append is a few list operations and JSON; all
I/O is in the database's threads. What a transaction continues from is read inside it, so trying
again after a failed commit stores nothing twice.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from supervisor.core.events import Recorded
from supervisor.core.run import FINAL, RunState
from supervisor.store import reading, searching
from supervisor.store.backlog import Backlog, Given
from supervisor.store.database import Database
from supervisor.store.opening import OpenReport, StorageFaultError
from supervisor.store.past import Past, past_at
from supervisor.store.ports import ZERO_HASH, ChainReport, LoadedLog, OnDurable, OnProblem
from supervisor.store.queries import queries
from supervisor.store.rows import Row, chained, encode, encode_state, superseded, thinned_row
from supervisor.store.searching import Page, Search
from supervisor.store.writer import Job

FORGET_AT_ONCE = 5_000
"""Events removed in one transaction, so that an append never waits long behind it."""
BEGINNINGS = frozenset({"RunCreated", "RunRebuilt"})
"""Stored names of the events that a run begins with."""

_End = tuple[int, bytes]
"""Seq and hash of the last event."""


class _Stored(NamedTuple):
    """What one transaction put on disk."""

    seq: int
    hash: bytes
    ticket: int
    states: list[tuple[RunState, int]]
    given: Given | None


class SqliteEventLog:
    """``ports.EventLog`` on a ``Database``, from ``open`` to ``close``."""

    def __init__(self, database: Database, last_seq: int, last_hash: bytes) -> None:
        self._database = database
        self._backlog = Backlog(last_seq)
        self._durable: _End = (last_seq, last_hash)
        self._written: _End = (last_seq, last_hash)
        """What the file ended with before the newest transaction; the writer thread's."""
        self._tried: _End = (last_seq, last_hash)
        """What it ends with if that one was committed; the writer thread's."""
        self._is_flush_queued = False
        self._given: deque[Given] = deque()
        """Of the transactions whose appends were not all told of yet."""
        self._callbacks: deque[tuple[int, int, OnDurable]] = deque()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @classmethod
    async def open(
        cls, path: Path, *, on_problem: OnProblem | None = None, discard: str | None = None
    ) -> SqliteEventLog:
        """Open or make ``state.db``; see ``Database.open`` for what is reported and raised."""
        database = await Database.open(path, on_problem=on_problem, discard=discard)
        try:
            _base, _hash, last_seq, last_hash = await database.read(reading.chain_ends)
        except BaseException:
            await database.close()
            raise
        return cls(database, last_seq, last_hash)

    @property
    def report(self) -> OpenReport:
        """What opening found."""
        return self._database.report

    @property
    def database(self) -> Database:
        """The file, for what else is kept in it; closed with the log."""
        return self._database

    @property
    def last_seq(self) -> int:
        """See ``ports.EventLog``."""
        return self._backlog.last_seq

    @property
    def durable_seq(self) -> int:
        """See ``ports.EventLog``."""
        return self._durable[0]

    @property
    def last_hash(self) -> str:
        """See ``ports.EventLog``."""
        return self._durable[1].hex()

    async def ends(self) -> tuple[int, bytes, int, bytes]:
        """Seq and hash that the oldest stored event is chained to, and those of the newest."""
        return await self._database.read(reading.chain_ends)

    @property
    def storage_problem(self) -> str | None:
        """See ``ports.EventLog``."""
        return self._database.storage_problem

    def append(
        self,
        batch: Sequence[Recorded],
        snapshots: Sequence[RunState] = (),
        on_durable: OnDurable | None = None,
    ) -> None:
        """See ``ports.EventLog``."""
        self._database.check_open()
        rows = encode_gapless(batch, self._backlog.last_seq)
        ticket = self._backlog.add(rows, tuple(snapshots), self.storage_problem)
        if on_durable is not None:
            self._callbacks.append((ticket, self._backlog.last_seq, on_durable))
        self._queue_flush()

    def as_stored(self, batch: Sequence[Recorded]) -> Sequence[Recorded]:
        """See ``ports.EventLog``."""
        if not self._given or not batch:
            return batch
        while self._given and self._given[0].named.seq < batch[0].seq:
            self._given.popleft()
        named = {given.named.seq: given.named for given in self._given}
        lost = {recorded.seq for recorded in batch for given in self._given
                if recorded.seq in given.holes}  # fmt: skip
        found = (named.get(r.seq) if r.seq in lost else r for r in batch)
        return [recorded for recorded in found if recorded is not None]

    async def durable(self, seq: int) -> None:
        """See ``ports.EventLog``."""
        if seq <= self.durable_seq:
            return
        if seq > self.last_seq:
            raise ValueError(f"event {seq} was never appended; the newest is {self.last_seq}")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((seq, done))
        await done

    async def load(self) -> LoadedLog:
        """See ``ports.EventLog``."""
        return await self._database.read(reading.load)

    async def load_run(self, run_id: str) -> LoadedLog:
        """See ``ports.EventLog``."""
        return await self._database.read(lambda c: reading.load_run(c, run_id))

    async def history(self, since: int, limit: int, run_id: str | None = None) -> list[Recorded]:
        """See ``ports.EventLog``."""
        return await self._database.read(lambda c: reading.history(c, since, limit, run_id))

    async def of_no_run(self, types: Sequence[str]) -> list[Recorded]:
        """See ``ports.EventLog``."""
        return await self._database.read(lambda c: reading.of_no_run(c, types))

    async def find_run(self, suffix: str) -> tuple[str, ...]:
        """See ``ports.EventLog``."""
        return await self._database.read(lambda c: reading.find_ids(c, suffix))

    async def search(
        self, search: Search, *, before: int | None = None, after: int | None = None, limit: int
    ) -> Page:
        """A page of events that fit, the newest before ``before`` or the oldest after ``after``."""
        if after is not None:
            return await self._database.read_aside(
                lambda c: searching.search_after(c, search, after, limit)
            )
        return await self._database.read_aside(
            lambda c: searching.search_before(c, search, before, limit)
        )

    async def seq_at(self, wall: float) -> int:
        """Seq of the newest event of that Unix time or before; 0 when all are younger."""
        return await self._database.read_aside(lambda c: searching.seq_at(c, wall))

    async def past(self, *, seq: int | None, wall: float | None) -> Past:
        """Everything as it was after the event ``seq``, else at that Unix time."""

        def look(connection: sqlite3.Connection) -> Past:
            found = searching.seq_at(connection, wall or 0.0) if seq is None else seq
            return past_at(connection, found)

        return await self._database.read_aside(look)

    async def verify_chain(self) -> ChainReport:
        """See ``ports.EventLog``."""
        return await self._database.read(reading.verify_chain)

    async def forget(self, up_to: int) -> int:
        """See ``ports.EventLog``; in small transactions, so appends go on meanwhile."""
        removed = 0
        while True:
            count = await self._database.write(lambda c: _forget(c, up_to))
            removed += count
            if count == 0:
                return removed

    async def thin(self, after: int, up_to: int) -> int:
        """See ``ports.EventLog``; one small transaction."""
        return await self._database.write(lambda c: _thin(c, after, up_to))

    async def finished_before(self, run_ids: Sequence[str], wall: float) -> tuple[str, ...]:
        """See ``ports.EventLog``."""
        return await self._database.read(lambda c: reading.finished_before(c, run_ids, wall))

    async def forget_runs(self, run_ids: Sequence[str]) -> int:
        """See ``ports.EventLog``."""
        return await self._database.write(lambda c: _forget_runs(c, run_ids))

    def check(self) -> str | None:
        """Whether ``state.db`` was deleted or replaced under us; what happened if so.

        A few microseconds. After a problem call ``begin_anew`` with every state.
        """
        return self._database.check()

    async def begin_anew(self, states: Sequence[RunState]) -> None:
        """Go on in a new file, with seq and hash continued; what is at the path is set aside.

        For after ``check`` found the old one gone. ``states`` are those of all known runs. The
        events before are gone with the old file. Waits as long as nothing can be stored.
        """
        self._database.reopen(self.check() or "begun anew")
        self.append((), states)
        ticket = self._backlog.ticket
        done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._callbacks.append((ticket, self.last_seq, done.set_result))
        await done
        await self._database.reopened()

    async def close(self) -> int:
        """See ``ports.EventLog``; may be called twice."""
        if not self._database.is_closed:
            self._backlog.hurry()
            self._queue_flush()
        await self._database.close()
        self._give_up(StorageFaultError("the event log was closed before this was stored"))
        return len(self._backlog)

    def _store(self, connection: sqlite3.Connection) -> _Stored:
        """In the writer thread: everything queued after what the file ends with."""
        self._is_flush_queued = False  # Before taking: what is appended from here on needs a job.
        sql = queries("event_log.sql")
        last_seq, last_hash = self._continue_from(connection)
        taken = self._backlog.take(last_seq)
        if taken.rows and taken.rows[0].seq != last_seq + 1:
            raise StorageFaultError(f"event {last_seq + 1} is not queued")
        with_state = {state.id for state, _seq in taken.states}
        for row in taken.rows:
            last_hash = chained(last_hash, row)
            connection.execute(sql["add_event"], (*row, last_hash))
            if row.type in BEGINNINGS and row.run_id not in with_state:
                name = (row.run_id, row.run_id[::-1], "", row.seq - 1)
                connection.execute(sql["add_run"], name)
        for state, seq in taken.states:
            connection.execute(sql["put_run"], _run_columns(state, seq))
        if taken.rows:
            last_seq = taken.rows[-1].seq
            connection.execute(sql["write_chain_end"], (last_seq, last_hash))
        self._tried = (last_seq, last_hash)
        return _Stored(last_seq, last_hash, taken.ticket, taken.states, taken.given)

    def _continue_from(self, connection: sqlite3.Connection) -> _End:
        """The end of the file, which has to be one that we wrote."""
        found = reading.chain_ends(connection)[2:]
        durable = self._durable
        if found == (0, ZERO_HASH) and durable != found:
            # A fresh file in the place of one that was deleted: the chain goes on in it.
            self._written = durable
            connection.execute(queries("event_log.sql")["write_chain"], durable * 2)
        elif found in (self._written, self._tried):
            self._written = found
        else:
            raise StorageFaultError(
                f"the log ends with event {found[0]}, which this engine did not write",
                fix="Restart the engine.",
            )
        return self._written

    def _queue_flush(self) -> None:
        if not self._is_flush_queued:
            self._is_flush_queued = True  # Before submitting: the writer may run it at once.
            self._database.submit(Job(self._store, self._delivered, self._failed))

    def _delivered(self, stored: _Stored) -> None:
        """In the loop: tell whoever waits, in the order of the appends."""
        self._durable = (stored.seq, stored.hash)
        self._backlog.remove(stored.seq, stored.states)
        if stored.given is not None:
            self._given.append(stored.given)
        while self._callbacks and self._callbacks[0][0] <= stored.ticket:
            _ticket, seq, on_durable = self._callbacks.popleft()
            try:
                on_durable(seq)
            except Exception as error:  # noqa: BLE001 - one listener must not silence the others
                asyncio.get_running_loop().call_exception_handler(
                    {"message": "a listener of the event log failed", "exception": error}
                )
        if self._waiting:
            reached = [done for seq, done in self._waiting if seq <= stored.seq]
            self._waiting = [entry for entry in self._waiting if entry[0] > stored.seq]
            for done in reached:
                if not done.done():
                    done.set_result(None)
        if not self._backlog.is_empty() and not self._database.is_closed:
            self._queue_flush()

    def _failed(self, error: Exception) -> None:
        """In the loop: closing, and the disk still refuses."""
        self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for _seq, done in waiting:
            if not done.done():
                done.set_exception(error)


def encode_gapless(batch: Sequence[Recorded], last_seq: int) -> list[Row]:
    """The batch as rows; ValueError unless its seqs go on right after ``last_seq``."""
    for expected, recorded in enumerate(batch, start=last_seq + 1):
        if recorded.seq != expected:
            raise ValueError(f"event {recorded.seq} appended where {expected} has to follow")
    return [encode(recorded) for recorded in batch]


def _run_columns(state: RunState, seq: int) -> tuple[str, str, str, str, bool, int, str]:
    is_active = state.status not in FINAL
    record = encode_state(state)
    return state.id, state.id[::-1], state.agent, state.status.value, is_active, seq, record


def _forget(connection: sqlite3.Connection, up_to: int) -> int:
    """Remove at most FORGET_AT_ONCE of the oldest events; how many went."""
    sql = queries("event_log.sql")
    limit = _not_needed(connection, up_to)
    found = connection.execute(sql["row_after_oldest"], (limit, FORGET_AT_ONCE - 1)).fetchone()
    found = found or connection.execute(sql["row_up_to"], (limit,)).fetchone()
    if found is None:
        return 0
    connection.execute(sql["move_chain_base"], found)
    return connection.execute(sql["forget_events"], (found[0],)).rowcount


def _not_needed(connection: sqlite3.Connection, up_to: int) -> int:
    """The newest event up to there of which, and of those before, every state holds all."""
    last_seq = reading.chain_ends(connection)[2]
    needed = connection.execute(queries("event_log.sql")["oldest_needed"]).fetchone()[0]
    return min(up_to, last_seq if needed is None else needed - 1)


def _thin(connection: sqlite3.Connection, after: int, up_to: int) -> int:
    sql = queries("event_log.sql")
    limit = _not_needed(connection, up_to)
    page = connection.execute(sql["page_to_thin"], (after, FORGET_AT_ONCE)).fetchall()
    for first, last in superseded([row[:3] for row in page], limit):
        before, end = page[first - 1], page[last][0]
        row = thinned_row(end, (before[0], before[3]))
        connection.execute(sql["thin_row"], (*row[1:], end))
        connection.execute(sql["remove_between"], (before[0], end))
    seen = [row[0] for row in page if row[0] <= limit]
    return seen[-1] if seen else after


def _forget_runs(connection: sqlite3.Connection, run_ids: Sequence[str]) -> int:
    sql = queries("event_log.sql")["forget_run"]
    return sum(connection.execute(sql, (run_id,)).rowcount for run_id in run_ids)

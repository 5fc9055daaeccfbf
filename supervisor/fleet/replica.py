"""This machine's copy of what the shared log comes to, in a SQLite file of its own.

Owns how far the copy is and who waits for what. The file can be lost at any moment: it is made
again from the newest snapshot and the log after it, so its commits need no care of their own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from supervisor.errors import EnvironmentFaultError, RefusedError
from supervisor.fleet.command import Entry, TooNewError, apply, scene_at
from supervisor.store.database import Database
from supervisor.store.task_rows import Scene

T = TypeVar("T")

_SCHEMA = """CREATE TABLE IF NOT EXISTS replica (
    id INTEGER PRIMARY KEY CHECK (id = 1), log TEXT NOT NULL, seq INTEGER NOT NULL,
    time REAL NOT NULL) STRICT"""


class Position(NamedTuple):
    """How far a replica is."""

    log: str
    """Which log: one that was deleted and made anew is another."""
    seq: int
    """Of the newest command in it."""
    time: float
    """The server's, of that command."""


class _Outcome(NamedTuple):
    call: str
    value: Any
    error: Exception | None


class Replica:
    """An open copy; belongs to the event loop that opened it."""

    def __init__(self, database: Database, position: Position) -> None:
        self._database = database
        self.position = position
        self._arrived = time.monotonic()
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self.changed = asyncio.Event()
        """Set with every command that was applied; whoever waits takes it before he looks."""
        self.problem: str | None = None
        """Why it can go no further."""

    @classmethod
    async def open(cls, path: Path, log: str) -> Replica:
        """The copy of that log at ``path``; what is there of another log is set aside."""
        database = await Database.open(path)
        position = await database.write(_read_position)
        if position is not None and position.log != log:
            await database.close()
            database = await Database.open(path, discard="it is the copy of another log")
            position = await database.write(_read_position)
        return cls(database, position or Position(log, 0, 0.0))

    def expect(self, call: str) -> asyncio.Future[Any]:
        """The outcome of a command that is about to be sent."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[call] = done
        return done

    def forget(self, call: str) -> None:
        """Nobody waits for it any more."""
        self._waiting.pop(call, None)

    async def take(self, entries: Sequence[Entry]) -> None:
        """Apply what follows the position, in order; a command that is behind it changes nothing.

        Raises TooNewError when this version must not go on.
        """
        at = self.position
        fresh = [entry for entry in entries if entry.seq > at.seq]
        if not fresh:
            return
        if fresh[0].seq != at.seq + 1:
            raise ValueError(f"entry {fresh[0].seq} does not follow {at.seq}")
        try:
            reached, outcomes = await self._database.write(lambda c: _apply_all(c, at, fresh))
        except TooNewError as error:
            self.problem = f"{error}: another machine runs a newer version"
            raise
        self.position, self._arrived = reached, time.monotonic()
        for outcome in outcomes:
            self._hand_over(outcome)
        self.changed.set()
        self.changed = asyncio.Event()

    def now(self) -> float:
        """The server's time as well as it can be told here, for looking only."""
        return self.position.time + (time.monotonic() - self._arrived)

    async def look(self, work: Callable[[Scene], T]) -> T:
        """Ask the copy."""
        now = self.now()
        return await self._database.read(lambda connection: work(scene_at(connection, now)))

    async def write_to(self, path: Path) -> Position:
        """A copy of the copy, whole, at ``path`` (which must not exist); where it stands."""

        def work(connection: sqlite3.Connection) -> Position | None:
            connection.execute("VACUUM INTO ?", (str(path),))
            with sqlite3.connect(path) as copy:
                return _read_position(copy)

        return await self._database.read(work) or self.position

    async def close(self) -> None:
        """Nobody's outcome comes any more; may be called twice."""
        for done in self._waiting.values():
            if not done.done():
                done.set_exception(outcome_unknown("the copy of the shared log was closed"))
        self._waiting.clear()
        self.changed.set()
        await self._database.close()

    def _hand_over(self, outcome: _Outcome) -> None:
        done = self._waiting.pop(outcome.call, None)
        if done is None or done.done():
            return
        if outcome.error is not None:
            done.set_exception(outcome.error)
        else:
            done.set_result(outcome.value)


def outcome_unknown(what: str) -> EnvironmentFaultError:
    """A command may have been carried out or not."""
    return EnvironmentFaultError(
        what, fix="Check the NATS servers; the same call may be made again."
    )


def _read_position(connection: sqlite3.Connection) -> Position | None:
    connection.execute(_SCHEMA)
    row = connection.execute("SELECT log, seq, time FROM replica").fetchone()
    return None if row is None else Position(*row)


def _apply_all(
    connection: sqlite3.Connection, at: Position, entries: Sequence[Entry]
) -> tuple[Position, list[_Outcome]]:
    """In one transaction: the commands, each whole or not at all, and how far that is."""
    outcomes, now = [], at.time
    for entry in entries:
        now = max(now, entry.time)
        here = Entry(entry.seq, now, entry.call, entry.data)
        connection.execute("SAVEPOINT command")
        try:
            outcomes.append(_Outcome(entry.call, apply(connection, here), None))
        except RefusedError as error:
            connection.execute("ROLLBACK TO command")
            outcomes.append(_Outcome(entry.call, None, error))
        except TooNewError:
            connection.execute("ROLLBACK TO command")
            raise
        finally:
            with suppress(sqlite3.Error):
                connection.execute("RELEASE command")
    reached = Position(at.log, entries[-1].seq, now)
    connection.execute("INSERT OR REPLACE INTO replica VALUES (1, ?, ?, ?)", reached)
    return reached, outcomes

"""Breakers and rate limits in one small SQLite file that every agent process opens.

What it holds is soft: a lost or damaged file costs nothing but what was learned in the last
minute, so a broken one is thrown away and calls go on. Nothing here decides; ``core.breaker`` and
``core.rate`` do, inside one short transaction.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from supervisor.config.paths import ensure_private
from supervisor.core.breaker import (
    Admission,
    Breaker,
    BreakerPolicy,
    BreakerState,
    admit,
    block,
    give_back,
    record,
    reset,
)
from supervisor.core.moment import Moment
from supervisor.core.rate import correct, reserve
from supervisor.errors import EnvironmentFaultError
from supervisor.process.identity import moment_now
from supervisor.services.terms import SCHEMA as TERMS_SCHEMA
from supervisor.services.terms import Limits, ServiceView, Terms, read_terms, view, write_terms

T = TypeVar("T")

FILE_NAME = "services.db"
DIRECTORY_VARIABLE = "LONGWATCH_SHARED_DIR"
BUSY_TIMEOUT_S = 2.0
"""A transaction takes well under a millisecond; fifty of them in a row still fit."""
_SCHEMA = """CREATE TABLE IF NOT EXISTS service (
    name TEXT PRIMARY KEY, boot TEXT NOT NULL, breaker TEXT NOT NULL,
    requests_due REAL NOT NULL, tokens_due REAL NOT NULL) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a service stands, for people and for whoever waits for it."""

    state: BreakerState
    wait_s: float
    """Until asking again makes sense; 0 is now."""
    why: str
    blocked_s: float
    """The service asked for that much patience."""
    generation: int = 0


@dataclass(slots=True)
class _Row:
    breaker: Breaker
    requests_due: float = 0.0
    tokens_due: float = 0.0


def default_directory(environ: dict[str, str] | None = None) -> Path:
    """Where the file is: one place for all projects of a user, because they share the keys."""
    env = os.environ if environ is None else environ
    if given := env.get(DIRECTORY_VARIABLE):
        return Path(given)
    base = env.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".local" / "state"
    return root / "longwatch"


class SharedServices:
    """The shared file, opened on first use. May be used from several threads."""

    def __init__(
        self, directory: Path | None = None, clock: Callable[[], Moment] = moment_now
    ) -> None:
        self._directory = directory or default_directory()
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._terms: dict[str, Terms] = {}
        """With what each service was last called by this process."""
        self.problem: str | None = None
        """Why nothing is shared: calls go out as if this process were alone."""

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._directory / FILE_NAME

    def admit(self, name: str, policy: BreakerPolicy, caller: str) -> Admission:
        """Whether a call to service ``name`` may go out now."""
        now = self._clock()
        # The usual case takes no lock: nothing changes when a closed breaker lets a call through.
        row = self._reading(lambda connection: _read(connection, name, now.boot))
        if row is None:
            return Admission(True, 0)
        seen = admit(row.breaker, policy, now.mono, caller)
        if not seen[1].is_probe:
            return seen[1]
        return self._change(name, now, lambda row: _admit(row, policy, now.mono, caller)) or seen[1]

    def record(
        self, name: str, policy: BreakerPolicy, admission: Admission, failure: str | None
    ) -> Standing:
        """An admitted call ended; ``failure`` says what failed, None that the service works."""
        now = self._clock()

        def change(row: _Row) -> Standing:
            row.breaker = record(row.breaker, policy, now.mono, admission, failure)
            return _standing(row.breaker, now.mono)

        standing = self._change(name, now, change) or _UNKNOWN
        self._tell_terms(name, policy)
        return standing

    def give_back(self, name: str, admission: Admission) -> None:
        """An admitted call ended without telling anything about the service."""
        if not admission.is_probe:
            return
        now = self._clock()

        def change(row: _Row) -> bool:
            row.breaker = give_back(row.breaker, now.mono, admission)
            return True

        self._change(name, now, change)

    def block(self, name: str, wait_s: float, why: str) -> None:
        """Hold every caller off for ``wait_s``: the service asked for it."""
        now = self._clock()

        def change(row: _Row) -> bool:
            row.breaker = block(row.breaker, now.mono + wait_s, why)
            return True

        self._change(name, now, change)

    def reset(self, name: str) -> Standing | None:
        """Close the breaker of ``name`` and forget what it was asked to wait for.

        How it stood before; None for a service that nobody ever called.
        """
        now = self._clock()
        if name not in self.standings():
            return None

        def change(row: _Row) -> Standing:
            before = _standing(row.breaker, now.mono)
            row.breaker = reset(row.breaker)
            return before

        return self._change(name, now, change)

    def reserve(self, name: str, limits: Limits, tokens: float) -> float:
        """Take one request and ``tokens`` from the shared limits; seconds to wait first."""
        known = self._terms.get(name, Terms())
        if known.limits != limits:
            self._terms[name] = Terms(known.policy, limits)  # Told with the outcome.
        if limits.requests_per_minute is None and limits.tokens_per_minute is None:
            return 0.0
        now = self._clock()

        def change(row: _Row) -> float:
            waits = [0.0]
            if rate := limits.requests_per_minute:
                row.requests_due, wait = reserve(
                    row.requests_due, now.mono, 1.0, rate, limits.burst_s
                )
                waits.append(wait)
            if (rate := limits.tokens_per_minute) and tokens:
                row.tokens_due, wait = reserve(
                    row.tokens_due, now.mono, tokens, rate, limits.burst_s
                )
                waits.append(wait)
            return max(waits)

        return self._change(name, now, change) or 0.0

    def correct(self, name: str, limits: Limits, difference: float) -> None:
        """The reserved tokens were ``difference`` too few (or, negative, too many)."""
        rate = limits.tokens_per_minute
        if rate is None or not difference:
            return

        def change(row: _Row) -> bool:
            row.tokens_due = correct(row.tokens_due, difference, rate)
            return True

        self._change(name, self._clock(), change)

    def standing(self, name: str) -> Standing:
        """How a service stands; one nobody called is closed."""
        now = self._clock()
        row = self._reading(lambda connection: _read(connection, name, now.boot))
        return _standing(row.breaker, now.mono) if row else _UNKNOWN

    def standings(self) -> dict[str, Standing]:
        """All services that were ever called, by name."""
        now = self._clock()

        def read(connection: sqlite3.Connection) -> dict[str, Standing]:
            names = [row[0] for row in connection.execute("SELECT name FROM service ORDER BY name")]
            rows = {name: _read(connection, name, now.boot) for name in names}
            return {name: _standing(row.breaker, now.mono) for name, row in rows.items()}

        return self._reading(read) or {}

    def overview(self) -> list[ServiceView]:
        """Everything known of each service that was ever called, by name; for people."""
        now = self._clock()

        def read(connection: sqlite3.Connection) -> list[ServiceView]:
            terms = read_terms(connection)
            names = [row[0] for row in connection.execute("SELECT name FROM service ORDER BY name")]
            rows = {name: _read(connection, name, now.boot) for name in names}
            return [
                view(name, row.breaker, (row.requests_due, row.tokens_due), terms.get(name), now)
                for name, row in rows.items()
            ]

        return self._reading(read) or []

    def _tell_terms(self, name: str, policy: BreakerPolicy) -> None:
        """Store with what a service is called, when that is news: only people read it."""
        told = self._terms.get(name, Terms())
        if told.policy != policy or not told.is_told:
            terms = Terms(policy, told.limits, is_told=True)
            self._guarded(lambda connection: write_terms(connection, name, terms))
            self._terms[name] = terms

    def close(self) -> None:
        """Nothing is open after this; the next use opens it again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # -- the file -------------------------------------------------------------------------------

    def _reading(self, read: Callable[[sqlite3.Connection], T]) -> T | None:
        return self._guarded(read)

    def _change(self, name: str, now: Moment, change: Callable[[_Row], T]) -> T | None:
        def transaction(connection: sqlite3.Connection) -> T:
            connection.execute("BEGIN IMMEDIATE")
            try:
                row = _read(connection, name, now.boot)
                result = change(row)
                _write(connection, name, now.boot, row)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return result

        return self._guarded(transaction)

    def _guarded(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """The result of ``work``; None when the file cannot be used, which stops no call."""
        with self._lock:
            for is_last in (False, True):
                try:
                    if self._connection is None or self._pid != os.getpid():
                        # A forked child must not use its parent's connection, not even to close it.
                        self._connection = _open(self._directory)
                        self._pid = os.getpid()
                    result = work(self._connection)
                except sqlite3.DatabaseError as error:
                    self._drop(throw_away=not isinstance(error, sqlite3.OperationalError))
                    if is_last:
                        self.problem = f"{self.path}: {error}"
                except (OSError, EnvironmentFaultError) as error:
                    self.problem = f"{self.path}: {error}"
                    return None
                else:
                    self.problem = None
                    return result
        return None

    def _drop(self, *, throw_away: bool) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if throw_away:
            for side in ("-wal", "-shm", ""):
                Path(f"{self.path}{side}").unlink(missing_ok=True)


_UNKNOWN = Standing(BreakerState.CLOSED, 0.0, "", 0.0)


def _admit(row: _Row, policy: BreakerPolicy, now: float, caller: str) -> Admission:
    row.breaker, admission = admit(row.breaker, policy, now, caller)
    return admission


def _standing(breaker: Breaker, now: float) -> Standing:
    blocked_s = max(0.0, breaker.blocked_until - now)
    wait_s = max(0.0, breaker.until - now)
    if breaker.state is BreakerState.CLOSED:
        wait_s = blocked_s
    return Standing(breaker.state, wait_s, breaker.why, blocked_s, breaker.generation)


def _open(directory: Path) -> sqlite3.Connection:
    directory.parent.mkdir(parents=True, exist_ok=True)
    ensure_private(directory)
    path = directory / FILE_NAME
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")  # soft state: a power cut may take it
        connection.execute(_SCHEMA)
        connection.execute(TERMS_SCHEMA)
    except BaseException:
        connection.close()
        raise
    return connection


def _read(connection: sqlite3.Connection, name: str, boot: str) -> _Row:
    found = connection.execute(
        "SELECT boot, breaker, requests_due, tokens_due FROM service WHERE name = ?", (name,)
    ).fetchone()
    if found is None or found[0] != boot:
        return _Row(Breaker())  # the clock of another boot says nothing now
    return _Row(_decode(found[1]), found[2], found[3])


def _write(connection: sqlite3.Connection, name: str, boot: str, row: _Row) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO service VALUES (?, ?, ?, ?, ?)",
        (name, boot, json.dumps(asdict(row.breaker)), row.requests_due, row.tokens_due),
    )


def _decode(text: str) -> Breaker:
    """The stored breaker; a fresh one for what another version wrote and this one cannot read."""
    try:
        fields: dict[str, Any] = json.loads(text)
        fields["state"] = BreakerState(fields["state"])
        fields["buckets"] = tuple(tuple(bucket) for bucket in fields["buckets"])
        return Breaker(**fields)
    except (ValueError, TypeError, KeyError):
        return Breaker()

"""Opening ``state.db``: whole and ours, made new, or set aside. It never deletes what it found.

A file from a newer version is refused before anything could write to it. A damaged one is renamed
to ``state.db.corrupt-<n>`` with its -wal and -shm, and a fresh one takes its place.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from supervisor.errors import EnvironmentFaultError, UserError
from supervisor.store.queries import migrations

APPLICATION_ID = 0x4C574348
"""``LWCH`` in the header: how our file is told from any other SQLite file."""
BUSY_TIMEOUT_S = 5.0
"""Wait for another process that reads or copies the file before a statement fails."""
FULL_CHECK_BYTES = 32 * 2**20
"""Up to this size every page is checked at opening (about 0.1 s); beyond, size and ends only."""
WAL_LIMIT_BYTES = 16 * 2**20
"""The -wal file is cut back to this after a checkpoint, so that a burst does not stay on disk."""
_SIDES = ("-wal", "-shm", "-journal", "")
"""The files of one database. The first is set aside first: after a kill in between, what is left
is set aside at the next start."""
_MAGIC = b"SQLite format 3\0"


class NewerStoreError(UserError):
    """``state.db`` was written by a newer version; it was not touched."""


class StorageFaultError(EnvironmentFaultError):
    """``state.db`` cannot be opened, read or written."""


class _DamagedError(Exception):
    """What is wrong with the file, one phrase."""


@dataclass(frozen=True, slots=True)
class OpenReport:
    """What opening found."""

    path: Path
    is_new: bool
    """No history: the file was not there, or was set aside."""
    set_aside: Path | None = None
    """Where the damaged file is now."""
    problem: str | None = None
    """Why it was set aside, one phrase for people."""


def open_file(path: Path, *, discard: str | None = None) -> tuple[sqlite3.Connection, OpenReport]:
    """A connection that may write, and what was found; blocks for the checks.

    ``discard`` sets the file aside for that reason without looking at it. The caller holds the
    engine's lock. Raises NewerStoreError, StorageFaultError.
    """
    problem, aside = discard, None
    try:
        is_new = not _exists(path)
        if not is_new:
            problem = problem or _damage(path)
            if problem is not None:
                aside = _set_aside(path)
                is_new = True
        return connect(path), OpenReport(path, is_new, aside, problem)
    except (OSError, sqlite3.Error) as error:
        raise StorageFaultError(
            f"cannot open {path}: {error}",
            why="every event is stored there before it counts",
            fix="Check the free space and the permissions of its directory.",
        ) from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection for the one writer, with the newest schema; makes the file if it is missing."""
    # Made by hand: SQLite would give it the umask's mode, and the -wal takes its mode from here.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_BYTES}")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def connect_to_read(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, for one thread, closed at the end."""
    with closing(_read_only(path)) as connection:
        yield connection


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
    )


def _migrate(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    for number, script in enumerate(migrations()[version:], start=version + 1):
        # One transaction with its version: a kill in between leaves the old schema, never half.
        try:
            connection.executescript(
                f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION_ID};\n"
                f"PRAGMA user_version = {number};\nCOMMIT;"
            )
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _exists(path: Path) -> bool:
    """Whether there is a file with a history; an empty one without a -wal is as good as none."""
    has_wal = file_size(Path(f"{path}-wal")) > 0
    try:
        found = path.lstat()
    except FileNotFoundError:
        return has_wal  # SQLite would replay it into the new file.
    if not stat.S_ISREG(found.st_mode):
        raise StorageFaultError(
            f"{path} is not a regular file",
            why="the state of the runs is only kept in a real file of ours",
            fix="Move it away and start again.",
        )
    return found.st_size > 0 or has_wal


def file_size(path: Path) -> int:
    """Bytes of ``path``; 0 when it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _damage(path: Path) -> str | None:
    """What is wrong with an existing file; None when it is whole and ours."""
    try:
        _check_header(path)
        _finish_making(path)
        with connect_to_read(path) as connection:
            _refuse_newer(path, _version(connection))
            _check_content(connection, file_size(path))
        _check_size(path)
    except _DamagedError as damage:
        return str(damage)
    except sqlite3.OperationalError as error:
        # Locked, unreadable directory, no memory: trouble around the file, not in it.
        if _is_damage(error):
            return str(error)
        raise
    except sqlite3.DatabaseError as error:
        return str(error)
    return None


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR)


def refuse_newer_file(path: Path) -> None:
    """NewerStoreError when this version could not use ``path``; reads 100 bytes, opens nothing."""
    try:
        _check_header(path)
    except (_DamagedError, OSError):
        pass  # Missing or damaged: a start sees to that.


def _check_header(path: Path) -> None:
    """The version before SQLite opens the file, so that a newer one is not even recovered."""
    try:
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        raise _DamagedError("it is gone and only its -wal is left") from None
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise _DamagedError("it is not a database, or was cut short")
    _refuse_newer(path, int.from_bytes(header[60:64], "big"))


def _refuse_newer(path: Path, version: int) -> None:
    ours = len(migrations())
    if version > ours:
        raise NewerStoreError(
            f"{path} was written by a newer version of longwatch",
            why=f"it has schema {version}, this version knows up to {ours}; it was left untouched",
            fix="Install the newer version, or move the file away to begin without its history.",
        )


def _finish_making(path: Path) -> None:
    """Roll back what a kill in the first milliseconds of the file left: it was no WAL file yet."""
    if Path(f"{path}-journal").exists():
        with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S)) as connection:
            _version(connection)


def _check_content(connection: sqlite3.Connection, size_bytes: int) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            return  # Killed before the first migration: nothing was in it yet.
        raise _DamagedError("it is a database of another program")
    if size_bytes <= FULL_CHECK_BYTES:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise _DamagedError(str(verdict).splitlines()[-1])
    chain = connection.execute("SELECT last_seq FROM chain").fetchone()
    last = connection.execute("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1").fetchone()
    if chain is None or (last is not None and last[0] != chain[0]):
        raise _DamagedError("the newest events are missing")
    for _ in connection.execute("SELECT record FROM runs WHERE active = 1"):
        pass  # Reads what a start needs; a bad page raises here, not in the middle of recovery.


def _check_size(path: Path) -> None:
    """A file shorter than it says, once everything is out of the -wal, lost its end."""
    with closing(sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as connection:
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        if not busy and file_size(path) < pages * page_bytes:
            raise _DamagedError("it was cut short")


def _set_aside(path: Path) -> Path:
    number = 1
    while any(os.path.lexists(f"{path}.corrupt-{number}{side}") for side in _SIDES):
        number += 1
    target = Path(f"{path}.corrupt-{number}")
    for side in _SIDES:
        try:
            Path(f"{path}{side}").rename(f"{target}{side}")
        except FileNotFoundError:
            pass
    return target

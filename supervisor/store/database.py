"""``state.db`` from open to close: one thread that writes, one that reads, answers in the loop.

Owns the two threads and the identity of the file. It knows nothing of what is stored.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from supervisor.store.opening import (
    OpenReport,
    StorageFaultError,
    connect_to_read,
    file_size,
    open_file,
)
from supervisor.store.ports import OnProblem
from supervisor.store.writer import Job, Writer

CLOSE_TIMEOUT_S = 10.0
"""Longest wait for the last commit; a disk that hangs longer does not hang us."""

T = TypeVar("T")
_Identity = tuple[int, int]
"""Device and inode."""


class Database:
    """An open ``state.db``; belongs to the event loop that opened it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        report: OpenReport,
        on_problem: OnProblem | None,
    ) -> None:
        self.report = report
        self.storage_problem: str | None = None
        self._path = report.path
        self._wal = Path(f"{report.path}-wal")
        self._on_problem = on_problem
        self._loop = asyncio.get_running_loop()
        self._identity: dict[Path, _Identity] = {}
        self._size_bytes = 0
        self.take_identity()
        self._writer = Writer(connection, report.path, self._post, self._problem_changed)
        self._reader = ThreadPoolExecutor(1, "store-reader")
        self.is_closed = False
        self._writer.start()

    @classmethod
    async def open(
        cls, path: Path, *, on_problem: OnProblem | None = None, discard: str | None = None
    ) -> Database:
        """Open or make ``path``; ``report`` says what was found.

        A damaged file is set aside, and so is any file when ``discard`` gives a reason. Raises
        NewerStoreError and StorageFaultError. The caller holds the engine's lock.
        """
        connection, report = await asyncio.to_thread(open_file, path, discard=discard)
        return cls(connection, report, on_problem)

    def submit(self, job: Job) -> None:
        """Queue ``job`` for the next transaction; ``deliver`` and ``fail`` run in the loop."""
        self.check_open()
        self._writer.submit(job)

    def check_open(self) -> None:
        """Raise StorageFaultError once ``close`` was called."""
        if self.is_closed:
            raise StorageFaultError(f"{self._path} is closed")

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` in the next transaction; its result once that is on disk.

        ``work`` may run again after a failed commit. Its own exception is raised here, and undoes
        nothing but its own part. Waits as long as nothing can be stored.
        """
        done: asyncio.Future[Any] = self._loop.create_future()
        self.submit(Job(work, lambda r: _settle(done, r), lambda e: _settle_error(done, e)))
        result: T = await done
        return result

    async def read_aside(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """As ``read``, in a thread of its own: for what takes longer than others can wait."""

        def work() -> T:
            with connect_to_read(self._path) as connection:
                return query(connection)

        try:
            return await asyncio.to_thread(work)
        except sqlite3.Error as error:
            raise StorageFaultError(
                f"cannot read {self._path}: {error}", fix="Restart the engine."
            ) from error

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``query`` in the reading thread on a connection that cannot write."""

        def work() -> T:
            with connect_to_read(self._path) as connection:
                return query(connection)

        try:
            return await self._loop.run_in_executor(self._reader, work)
        except sqlite3.Error as error:
            raise StorageFaultError(
                f"cannot read {self._path}: {error}",
                fix="Restart the engine: a damaged file is set aside and a new one begun.",
            ) from error

    def check(self) -> str | None:
        """Whether the path still names the open files; what happened to them if not.

        SQLite goes on writing into a deleted file without an error. After a problem call
        ``reopen`` and store every state again.
        """
        for file in (self._path, self._wal):
            known, now = self._identity.get(file), _identity(file)
            if known is None and now is not None:
                self._identity[file] = now  # The -wal appears with the first transaction.
            elif now != known:
                return f"{file} was deleted or replaced while we used it"
        size_bytes = file_size(self._path)
        if size_bytes < self._size_bytes:  # It is never vacuumed, so it only grows.
            return f"{self._path} was cut short while we used it"
        self._size_bytes = size_bytes
        return None

    def reopen(self, why: str) -> None:
        """From the next transaction on, use a new file; what is at the path is set aside."""
        self._writer.reopen(why)

    async def reopened(self) -> None:
        """Wait until ``reopen`` took effect, then know the new files.

        A transaction that was under way when ``reopen`` was called still went into the old one,
        and its delivery proves nothing.
        """
        await self.write(lambda _connection: None)
        self.take_identity()

    def take_identity(self) -> None:
        """Remember which files the path names now."""
        self._identity.clear()
        self._size_bytes = 0
        self.check()

    async def close(self) -> None:
        """Finish what is queued and end both threads; may be called twice."""
        if self.is_closed:
            return
        self.is_closed = True
        self._writer.stop()
        await asyncio.to_thread(self._writer.join, CLOSE_TIMEOUT_S)
        self._reader.shutdown(wait=True)
        await asyncio.sleep(0)  # What the last commit delivers is already in the loop's queue.

    def _post(self, call: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            pass  # The loop is closed: there is nobody left to tell.

    def _problem_changed(self, problem: str | None) -> None:
        self.storage_problem = problem
        if self._on_problem is not None:
            self._on_problem(problem)


def _identity(path: Path) -> _Identity | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _settle(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():  # The caller may have been cancelled meanwhile.
        done.set_result(result)


def _settle_error(done: asyncio.Future[Any], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)

"""The one thread that writes: whatever is queued becomes one transaction (group commit).

It owns the writing connection; nobody else may touch it. A job is delivered only after COMMIT
returned at synchronous=FULL. The surprising thing: a job may run more than once, because a failed
commit rolls everything back and the same jobs are tried again a second later.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from supervisor.store.opening import StorageFaultError, open_file

RETRY_S = 1.0
"""Wait between two tries while nothing can be stored."""
MAX_JOBS = 500
"""Jobs in one transaction: bounds how long the first of them waits for its delivery."""
_STORAGE_CODES = frozenset(
    {
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PROTOCOL,
    }
)  # fmt: skip
"""Failures of the disk or the file, not of one job: https://sqlite.org/rescode.html"""


class Job(NamedTuple):
    """A piece of one transaction."""

    run: Callable[[sqlite3.Connection], Any]
    """In the writer thread, inside the transaction; again after a rollback."""
    deliver: Callable[[Any], None]
    """With what ``run`` returned, in the caller's thread, after the commit."""
    fail: Callable[[Exception], None]
    """In the caller's thread, when it will never be committed."""


class _Stop:
    """Queued behind the last job."""


Post = Callable[[Callable[[], None]], None]
"""Runs a function in the caller's thread soon."""


class Writer:
    """A thread from ``start`` to ``join``."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        path: Path,
        post: Post,
        on_problem: Callable[[str | None], None],
    ) -> None:
        self._connection = connection
        self._path = path
        self._post = post
        self._on_problem = on_problem
        self._queue: SimpleQueue[Job | _Stop] = SimpleQueue()
        self._leaving = threading.Event()
        self._reopen = threading.Event()
        self._discard = ""
        """Why what stands at the path is set aside then."""
        self._problem: str | None = None
        # A daemon: a program that ends without close() must not hang on a full disk.
        self._thread = threading.Thread(target=self._live, name="store-writer", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue ``job``; from any thread, never blocks."""
        self._queue.put(job)

    def reopen(self, why: str) -> None:
        """Begin a new file before the next transaction: the open one was deleted or replaced.

        What is at the path now is set aside for that reason: going on in somebody else's copy
        would bring back numbers that were used since.
        """
        self._discard = why
        self._reopen.set()

    def stop(self) -> None:
        """Finish what is queued, then end; what cannot be stored now fails."""
        self._leaving.set()
        self._queue.put(_Stop())

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(timeout_s)

    def _live(self) -> None:
        try:
            while True:
                jobs, is_last = self._take()
                if jobs:
                    self._store(jobs)
                if is_last:
                    return
        finally:
            self._connection.close()

    def _take(self) -> tuple[list[Job], bool]:
        """Wait for one job, then everything else that is there."""
        jobs: list[Job] = []
        item: Job | _Stop = self._queue.get()
        while True:
            if isinstance(item, _Stop):
                return jobs, True
            jobs.append(item)
            if len(jobs) >= MAX_JOBS:
                return jobs, False
            try:
                item = self._queue.get_nowait()
            except Empty:
                return jobs, False

    def _store(self, jobs: list[Job]) -> None:
        """Commit ``jobs`` together, however long it takes; on leaving only one more try."""
        while jobs:
            is_leaving = self._leaving.is_set()
            try:
                results = self._transaction(jobs)
            except _JobError as failed:
                jobs.remove(failed.job)
                self._post_failure([failed.job], failed.cause)
                continue
            except (sqlite3.Error, OSError, StorageFaultError) as error:
                self._say(_describe(error, self._path))
                if is_leaving:
                    self._post_failure(jobs, StorageFaultError(f"not stored: {error}"))
                    return
                self._leaving.wait(RETRY_S)
                continue
            self._say(None)
            self._post_results(jobs, results)
            return

    def _transaction(self, jobs: list[Job]) -> list[Any]:
        if self._reopen.is_set():
            self._connection.close()
            self._connection, _report = open_file(self._path, discard=self._discard)
            self._reopen.clear()
        connection = self._connection
        if connection.in_transaction:  # The rollback of the try before failed as well.
            connection.execute("ROLLBACK")
        connection.execute("BEGIN IMMEDIATE")
        results = []
        try:
            for job in jobs:
                try:
                    results.append(job.run(connection))
                except Exception as error:
                    if _is_storage(error):
                        raise
                    raise _JobError(job, error) from error
            connection.execute("COMMIT")
        except BaseException:
            try:
                connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # SQLite has already rolled back, or will be asked again before the next try.
            raise
        return results

    def _post_failure(self, jobs: list[Job], error: Exception) -> None:
        def fail() -> None:
            for job in jobs:
                job.fail(error)

        self._post(fail)

    def _post_results(self, jobs: list[Job], results: list[Any]) -> None:
        def deliver() -> None:
            for job, result in zip(jobs, results, strict=True):
                job.deliver(result)

        self._post(deliver)

    def _say(self, problem: str | None) -> None:
        if problem != self._problem:
            self._problem = problem
            self._post(lambda: self._on_problem(problem))


class _JobError(Exception):
    """One job is wrong in itself; the others are not."""

    def __init__(self, job: Job, cause: Exception) -> None:
        super().__init__(str(cause))
        self.job = job
        self.cause = cause


def _is_storage(error: Exception) -> bool:
    if isinstance(error, OSError | MemoryError | StorageFaultError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _STORAGE_CODES


def _describe(error: Exception, path: Path) -> str:
    """What is wrong and what mends it, one phrase."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return f"the disk of {path} is full; free some space, nothing is lost until then"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{path} is damaged ({error}); restart the engine to begin a new one"
    return f"cannot write {path}: {error}"

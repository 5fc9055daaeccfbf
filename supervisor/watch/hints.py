"""Fast hints that something under ``runs/`` changed: never the truth, which is ``watch.scan``.

An inotify queue overflows without a word (14,538 of 20,001 paths lost, measured), a directory that
is replaced goes silent, a file system over the network says nothing. So a hint may be missing or
stand for nothing; whoever uses it scans from time to time as well.

One thread holds one recursive watch. ``watchfiles.awatch`` has one step for good and times quiet
hours as closely as busy seconds (1.6 % of a core at 5 ms, measured); its backend takes the step
with every call, so it is used directly: 4 ms while things move, 25 ms after 5 quiet seconds.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable
from errno import EMFILE, ENOSPC
from pathlib import Path
from typing import NamedTuple, Self

from watchfiles._rust_notify import RustNotify  # documented: watchfiles, "Rust backend"

from supervisor.core.ids import is_run_id
from supervisor.watch.mounts import why_no_events

BUSY_STEP_MS = 4
"""A change is told after one to two steps: p50 about 7 ms."""
QUIET_STEP_MS = 25
"""One wake-up costs about 50 µs here; 40 a second are 0.3 % of a core."""
QUIET_AFTER_S = 5.0
DEBOUNCE_MS = 6
"""Under steady writing a batch is told after this at the latest."""
CHECK_MS = 1000
"""How often a silent watch is checked for the directory under it having been replaced."""
MISSING_POLL_S = 0.1
"""How often a missing directory is looked for."""
POLL_MS = 500
"""Between two walks of the whole tree where there are no events."""
RETRY_EVENTS_S = 60.0
"""After a limit was hit, how long to poll before trying events again."""
PROBE_S = 30.0
"""How often to ask for one watch more: at the limit, new directories stay unwatched in silence."""
MAX_PENDING = 10_000
"""Hints not yet taken; over it they become one a run."""

IGNORED_FOLDER = "answers/"
IGNORED_FILE = "journal.jsonl"


class Hint(NamedTuple):
    """Something at that place may have changed."""

    run_id: str
    name: str
    """Relative to the run directory; empty means the whole run."""


class Hints:
    """The life of the watch: ``async with Hints(runs) as hints: async for batch in hints``.

    Never ends by itself and never raises for what happens to the directory: it may be missing,
    appear, vanish and be replaced. Batches not taken in time are merged. One reader at a time.
    """

    def __init__(self, root: Path, *, is_wanted: Callable[[Hint], bool] | None = None) -> None:
        """``root`` is ``runs/``; ``is_wanted`` (called in the thread) leaves other hints out."""
        self._root = str(root.absolute())
        self._is_wanted = is_wanted
        self._mode = "polling: the watch has not begun"
        self._pending: set[Hint] = set()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="longwatch-hints", daemon=True)
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poll_why: str | None = None
        self._poll_until = 0.0
        self._is_forgiving = False

    @property
    def mode(self) -> str:
        """``events``, or ``polling: <why>`` while only the scan sees changes in time."""
        return self._mode

    async def __aenter__(self) -> Self:
        """Begin; the first hints may come before the watch is complete."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the thread; waits for one step, at most 2 s."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 2.0)

    def __aiter__(self) -> AsyncIterator[frozenset[Hint]]:
        """Batches, none of them empty."""
        return self

    async def __anext__(self) -> frozenset[Hint]:
        """The hints since the last batch; waits until there is one. Safe to cancel."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            with self._lock:
                batch, self._pending = frozenset(self._pending), set()
            if batch:
                return batch

    def _run(self) -> None:
        """The thread: watch, and watch again whenever that ends."""
        while not self._stop.is_set():
            try:
                held = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            except OSError as error:
                self._mode = f"polling: {self._root}: {os.strerror(error.errno or 0)}"
                self._stop.wait(MISSING_POLL_S)
                continue
            try:
                self._watch(held)
            except (OSError, RuntimeError) as error:  # The backend's own error is a RuntimeError.
                self._recover(error)
            finally:
                os.close(held)

    def _watch(self, held: int) -> None:
        """Until stopped, the directory is replaced, or it is time to try events again.

        ``held`` keeps the inode of the watched directory from being given to its successor.
        """
        why = why_no_events(self._root) or self._poll_why
        is_polling = why is not None
        with RustNotify(
            [self._root], False, is_polling, POLL_MS, True, self._is_forgiving
        ) as notify:
            self._mode = f"polling: {why}" if why else "events"
            changed_at = probed_at = time.monotonic()
            while not self._stop.is_set() and _is_same(held, self._root):
                is_quiet = time.monotonic() - changed_at > QUIET_AFTER_S
                step_ms = QUIET_STEP_MS if is_quiet else BUSY_STEP_MS
                found = notify.watch(DEBOUNCE_MS, step_ms, CHECK_MS, self._stop)
                now = time.monotonic()
                if isinstance(found, set):
                    changed_at = now
                    self._publish(path for _, path in found)
                if self._poll_why is not None and now > self._poll_until:
                    self._poll_why = None
                    return
                if not is_polling and now - probed_at > PROBE_S:
                    probed_at = now
                    RustNotify([self._root], False, False, POLL_MS, False, False).close()

    def _recover(self, error: Exception) -> None:
        """After a failed watch: at a limit, poll for a while; else forgive single directories.

        A directory may be unreadable, or have vanished while the tree was listed. Forgiving from
        the start would hide the limits too (watchfiles 1.3 then ignores every error).
        """
        why = _limit_reached(error)
        if why is None and not self._is_forgiving:
            self._is_forgiving = True
            return
        if self._poll_why is not None:
            self._stop.wait(MISSING_POLL_S)  # Polling failed too: do not spin.
            return
        self._poll_why = why or f"events failed: {str(error)[:200]!a}"
        self._poll_until = time.monotonic() + RETRY_EVENTS_S
        self._is_forgiving = False

    def _publish(self, paths: Iterable[str]) -> None:
        hints = {hint for path in paths if (hint := hint_of(path, self._root)) is not None}
        if self._is_wanted is not None:
            hints = {hint for hint in hints if self._is_wanted(hint)}
        if not hints:
            return
        with self._lock:
            self._pending |= hints
            if len(self._pending) > MAX_PENDING:
                self._pending = {Hint(hint.run_id, "") for hint in self._pending}
        try:
            assert self._loop is not None, "started without a loop"
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            self._stop.set()  # The loop is closed: nobody is left to tell.


def hint_of(path: str, root: str) -> Hint | None:
    """The hint that a changed ``path`` under ``root`` gives; None for what no reader looks at."""
    if not path.startswith(root + "/"):
        return None
    run_id, _, name = path[len(root) + 1 :].partition("/")
    last = name.rpartition("/")[2]
    if not is_run_id(run_id) or last.startswith(".") or ".tmp-" in last:
        return None
    if name == IGNORED_FILE or name.startswith(IGNORED_FOLDER):
        return None
    return Hint(run_id, name)


def _is_same(held: int, root: str) -> bool:
    try:
        there = Path(root).stat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(held), there)


def _limit_reached(error: Exception) -> str | None:
    number = error.errno if isinstance(error, OSError) else None
    text = str(error).lower()
    if number == EMFILE or "too many open files" in text:
        return "the limit of inotify instances is reached (sysctl fs.inotify.max_user_instances)"
    if number == ENOSPC or "limit reached" in text:
        return "the limit of inotify watches is reached (sysctl fs.inotify.max_user_watches)"
    return None

"""Where children are born, so that "is there an orphan?" is one system call.

The surprising thing: children are spawned from a second thread, which otherwise sleeps. Linux
keeps a list of children *for each thread*, and hands orphans of a subreaper's descendants to its
first thread. So the first thread's own list (``__WNOTHREAD``) holds orphans only, and waiting on
it says ECHILD exactly when nothing that an attempt left behind is alive: about 2 µs, whatever the
number of agents, where a walk over /proc costs about 12 µs a process. The two threads never run
at the same time: the loop waits while the nursery works.

Without a subreaper nobody can know, and the answer is "perhaps": the walk over all processes has
to decide.
"""

from __future__ import annotations

import os
import signal
from queue import SimpleQueue
from threading import Thread

from supervisor.keeper.system import IS_LINUX, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

WNOTHREAD = 0x20000000
"""<linux/wait.h>: only children of the calling thread."""


class Nursery:
    """Spawns children and knows whether orphans live. Use it from the first thread only."""

    def __init__(self, is_subreaper: bool) -> None:
        self.can_tell_orphans = is_subreaper and IS_LINUX
        self.dead_orphans = 0
        """Reaped so far."""
        self.strangers: set[int] = set()
        """Children that a former life of this process spawned: an exec ends the second thread and
        gives its children to the first, where they look like orphans. While one of them lives
        nobody can tell, and none of them may be reaped here."""
        self._work: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._done: SimpleQueue[tuple[object, BaseException | None]] = SimpleQueue()
        if self.can_tell_orphans:
            Thread(target=self._live, name="nursery", daemon=True).start()

    def give_birth(self, spawn: Callable[[], T]) -> T:
        """Call ``spawn`` where its child is no orphan; returns and raises what it does."""
        if not self.can_tell_orphans:
            return spawn()
        self._work.put(spawn)
        result, error = self._done.get()
        if error is not None:
            raise error
        return result  # type: ignore[return-value]

    def may_have_orphans(self) -> bool:
        """Whether anything but the children we spawned lives below us; reaps dead orphans.

        False is certain: an attempt whose leader is dead has left nothing behind.
        """
        if not self.can_tell_orphans or self.strangers:
            return True
        while True:
            try:
                dead = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | WNOTHREAD)
            except ChildProcessError:
                return False
            except OSError as error:
                say(f"cannot tell whether orphans live: {error}")
                self.can_tell_orphans = False
                return True
            if dead is None:
                return True
            self.dead_orphans += 1

    def _live(self) -> None:
        # Signals are the loop's: one delivered here would wake two threads instead of one.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            spawn = self._work.get()
            try:
                self._done.put((spawn(), None))
            except BaseException as error:  # noqa: BLE001 - raised again in the loop's thread
                self._done.put((None, error))

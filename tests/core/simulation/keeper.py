"""The simulated keeper: spawns, reaps, records exits, enforces deadlines; survives the engine.

It keeps the rules of docs/architecture.md: an epoch is spawned once, no second process beside a
living one, the exit record is in place before the notice is sent.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from supervisor.core import facts as f
from supervisor.core.moment import Moment
from tests.core.simulation.agents import Nature, Process
from tests.core.simulation.rules import ViolationError

GRACE_S = 10.0


class BusyError(Exception):
    """Something of an earlier attempt lives."""


class GoneError(Exception):
    """That epoch has lived already; its exit notice is sent again."""


class Keeper:
    """At most one living process, and the exit records on disk."""

    def __init__(self, nature: Nature, stream: Callable[[str], random.Random]) -> None:
        self.nature = nature
        self.stream = stream
        self.process: Process | None = None
        self.records: dict[int, f.Exited] = {}
        self.notices: list[f.Exited] = []
        self.deadline: tuple[float, str] | None = None
        self.kill_at: float | None = None
        self.ended_by: str | None = None
        self.spawned: list[int] = []
        self.forgotten = 0
        """The epoch that a reboot ended: nobody knows whether it had begun, so it may begin."""
        self._pids = 100

    def spawn(self, epoch: int, done: int) -> Process:
        """Start an attempt, or return it when it lives; BusyError, GoneError."""
        if self.process is not None and self.process.epoch == epoch:
            return self.process
        if epoch in self.records:
            self.notices.append(self.records[epoch])
            raise GoneError
        if self.process is not None:
            raise BusyError
        if self.spawned and epoch <= self.spawned[-1] and epoch != self.forgotten:
            raise ViolationError(f"I5: epoch {epoch} was spawned after {self.spawned[-1]}")
        self._pids += 1
        self.spawned.append(epoch)
        stream = self.stream(f"process-{epoch}")
        self.process = Process(epoch, self._pids, done, self.nature, stream)
        self.deadline = self.kill_at = self.ended_by = None
        return self.process

    def end(self, epoch: int, by: str, now: Moment) -> None:
        """Signal, grace, kill; a repetition never makes the grace longer."""
        if self.process is None or self.process.epoch != epoch:
            return
        if self.kill_at is None:
            self.kill_at, self.ended_by = now.mono + GRACE_S, by
        self.process.take_signal(15)

    def hold(self, epoch: int, *, still: bool) -> None:
        """SIGSTOP or SIGCONT."""
        if self.process is not None and self.process.epoch == epoch:
            self.process.is_still = still

    def set_deadline(self, epoch: int, due: tuple[float, str] | None) -> None:
        """Moves or lifts the deadline of the living attempt."""
        if self.process is not None and self.process.epoch == epoch:
            self.deadline = due

    def tend(self, now: Moment) -> None:
        """What is due by time, and the reaping of the dead."""
        process = self.process
        if process is None:
            return
        if self.deadline is not None and now.mono >= self.deadline[0] and self.kill_at is None:
            self.end(process.epoch, f"deadline:{self.deadline[1]}", now)
        if self.kill_at is not None and now.mono >= self.kill_at:
            process.take_signal(9)
        if not process.is_alive:
            self._reap(process, now)

    def next_due(self) -> float | None:
        """Monotonic seconds of what is due next."""
        if self.process is None:
            return None
        if self.kill_at is not None:
            return self.kill_at
        return self.deadline[0] if self.deadline is not None else None

    def reboot(self) -> None:
        """Everything is gone, and nobody wrote down how."""
        if self.process is not None:
            self.forgotten = self.process.epoch
        self.process = None
        self.notices.clear()

    def _reap(self, process: Process, now: Moment) -> None:
        exited = f.Exited(
            process.epoch,
            now.wall,
            None if process.is_orphan else process.exit_code,
            None if process.is_orphan else process.killed_by,
            is_known=not process.is_orphan,
            ended_by=self.ended_by,
        )
        self.process = None
        self.records[process.epoch] = exited
        self.notices.append(exited)

"""One attempt as the keeper has it: a living process group and what was asked about it.

Only data. Who decides: ``ending`` (how it ends), ``reaper`` (that it has), ``calls`` (what the
engine wants).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Key = tuple[str, int]
    """(run, epoch)."""


class Attempt:
    """From spawn (or adoption) until nothing of it lives any more."""

    __slots__ = (
        "check_at", "checks", "code", "deadline", "deadline_kind", "empty_looks", "ended_by",
        "epoch", "err_offset", "grace", "is_held", "is_killing", "is_leader_dead", "is_own",
        "kill_at", "killed", "leftovers", "lock", "on_gone", "out_offset", "pid", "pidfd",
        "reason", "record", "run", "sent_signal", "signal", "started", "stop_signal", "timer_at",
    )  # fmt: skip

    def __init__(self, run: str, epoch: int, pid: int, started: int) -> None:
        self.run = run
        self.epoch = epoch
        self.pid = pid
        """Of the leader: also its group and its session. While ``is_own`` the kernel keeps the
        number for us until we reap it, which happens last of all."""
        self.started = started
        self.is_own = True
        """Our child; False for one adopted from a former keeper."""
        self.pidfd = -1
        """Of an adopted leader; -1 when there is none."""
        self.record = ""
        self.lock = ""
        self.out_offset = 0
        self.err_offset = 0
        self.deadline: float | None = None
        """Monotonic seconds."""
        self.deadline_kind = "task"
        self.stop_signal = 15
        self.grace = 0.0
        """Seconds from the stop signal of a deadline to SIGKILL."""

        self.is_leader_dead = False
        self.code: int | None = None
        self.signal: int | None = None
        self.ended_by: str | None = None
        self.reason = ""
        self.sent_signal: int | None = None
        """The stop signal it got already: a repeated stop does not send it twice."""
        self.is_held = False
        """SIGSTOP was sent last."""
        self.kill_at: float | None = None
        """Monotonic end of the grace; None when nobody wants it ended."""
        self.is_killing = False
        self.killed: set[tuple[int, int]] = set()
        """(pid, start time) of what got SIGKILL one by one."""
        self.leftovers = 0
        self.check_at = 0.0
        self.checks = 0
        self.empty_looks = 0
        """Walks in a row that found nothing while an orphan nobody can place is alive."""
        self.timer_at = float("inf")
        """The earliest timer set for it."""
        self.on_gone: Callable[[], None] | None = None
        """Only for the remains of an attempt that could not be adopted: who waits for their end."""

    @property
    def key(self) -> Key:
        """(run, epoch)."""
        return self.run, self.epoch

    def describe(self) -> dict[str, Any]:
        """As the engine gets it."""
        return {
            "run": self.run,
            "epoch": self.epoch,
            "pid": self.pid,
            "started": self.started,
            "out_offset": self.out_offset,
            "err_offset": self.err_offset,
            "known": self.is_own,
        }

    def begin_killing(self, now: float) -> None:
        """From now on everything of it gets SIGKILL until nothing lives."""
        if not self.is_killing:
            self.is_killing = True
            self.checks = 0
        self.check_at = now

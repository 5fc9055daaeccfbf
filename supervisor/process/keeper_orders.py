"""What is said to and by the keeper, as typed values (architecture.md, "Keeper ↔ engine")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervisor.errors import EnvironmentFaultError


class KeeperError(EnvironmentFaultError):
    """The keeper did not do it.

    ``code``: ``busy`` (something of an earlier attempt lives), ``gone`` (that attempt does not
    live), ``spawn`` (the command cannot be executed), ``unavailable`` (the machine could not,
    now), ``leaving``, ``refused``, ``bad`` and ``frame`` (our fault), ``internal`` (the keeper's),
    ``lost`` (the connection ended), ``timeout`` (no reply in time).
    """

    def __init__(self, code: str, message: str, errno: int | None = None) -> None:
        super().__init__(message, where="keeper")
        self.code = code
        self.message = message
        self.errno = errno
        """Of a failed ``spawn`` or an ``unavailable``; None where there is none."""


@dataclass(frozen=True, slots=True)
class SpawnOrder:
    """One attempt to start. Paths are absolute."""

    run: str
    epoch: int
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(repr=False)
    """All of it; not shown, it may hold secrets."""
    cwd: str
    out: str
    err: str
    lock: str
    record: str
    deadline: float | None
    """Monotonic seconds; None for no limit."""
    deadline_kind: str
    """``task`` or ``attempt``."""
    stop_signal: int
    grace: float
    """Seconds between the stop signal and SIGKILL at the deadline."""

    def message(self) -> dict[str, Any]:
        """As the call's fields."""
        return {
            "call": "spawn",
            "argv": list(self.argv),
            "env": dict(self.env),
            "cwd": self.cwd,
            "out": self.out,
            "err": self.err,
            **_limits(self),
        }


@dataclass(frozen=True, slots=True)
class AdoptOrder:
    """A process that a former keeper started, to be watched on."""

    run: str
    epoch: int
    pid: int
    started: int
    boot: str
    """Of the boot in which it was started."""
    lock: str
    record: str
    deadline: float | None
    deadline_kind: str
    stop_signal: int
    grace: float

    def message(self) -> dict[str, Any]:
        """As the call's fields."""
        return {
            "call": "adopt",
            "pid": self.pid,
            "started": self.started,
            "boot": self.boot,
            **_limits(self),
        }


@dataclass(frozen=True, slots=True)
class LivingAttempt:
    """An attempt that the keeper has."""

    run: str
    epoch: int
    pid: int
    started: int
    out_offset: int
    """Bytes of the log files before this attempt; 0 for an adopted one."""
    err_offset: int
    known: bool
    """False for an adopted one: nobody will know its exit status."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The keeper and what it keeps."""

    pid: int
    version: str
    boot: str
    attempts: tuple[LivingAttempt, ...]


def parse_attempt(message: Mapping[str, Any]) -> LivingAttempt:
    """Raises KeyError for a missing field."""
    return LivingAttempt(
        message["run"],
        message["epoch"],
        message["pid"],
        message["started"],
        message["out_offset"],
        message["err_offset"],
        message["known"],
    )


def _limits(order: SpawnOrder | AdoptOrder) -> dict[str, Any]:
    return {
        "run": order.run,
        "epoch": order.epoch,
        "lock": order.lock,
        "record": order.record,
        "deadline": order.deadline,
        "deadline_kind": order.deadline_kind,
        "stop_signal": order.stop_signal,
        "grace": order.grace,
    }

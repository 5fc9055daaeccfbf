"""Exit notices: what the keeper tells of an attempt of which nothing lives, by wire and by file."""

from __future__ import annotations

import json
import math
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
MAX_RECORD_BYTES = 65536
"""A record is one short line; more was not written by the keeper."""


@dataclass(frozen=True, slots=True)
class ExitNotice:
    """The end of one attempt."""

    run: str
    epoch: int
    pid: int
    code: int | None
    """Exit status; None when it died of a signal or nobody could read it."""
    signal: int | None
    ended_by: str | None
    """None, ``stop``, ``deadline:task`` or ``deadline:attempt``."""
    reason: str
    at: float
    """Unix seconds."""
    at_mono: float
    """Monotonic seconds of ``boot``."""
    boot: str
    known: bool
    """False when nobody was there to read the status (adopted from another keeper)."""
    leftovers: int
    """Processes that outlived the leader and were ended."""


def parse_notice(message: dict[str, Any]) -> ExitNotice:
    """The notice in a message of the keeper. Raises ValueError naming the wrong field."""
    return ExitNotice(
        run=_field(message, "run", str),
        epoch=_field(message, "epoch", int),
        pid=_field(message, "pid", int),
        code=_optional(message, "code", int),
        signal=_optional(message, "signal", int),
        ended_by=_optional(message, "ended_by", str),
        reason=_field(message, "reason", str),
        at=_number(message, "at"),
        at_mono=_number(message, "at_mono"),
        boot=_field(message, "boot", str),
        known=_field(message, "known", bool),
        leftovers=_field(message, "leftovers", int),
    )


def read_exit_record(path: Path) -> ExitNotice | None:
    """The notice in a record; None when there is none that can be trusted.

    Records are not fsynced: after a power failure one may be torn, and then it is worth as much
    as none. Nothing but a small regular file of our own is opened.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
                return None
            data = file.read(MAX_RECORD_BYTES + 1)
        if len(data) > MAX_RECORD_BYTES:
            return None
        message = json.loads(data.decode())
        return parse_notice(message) if isinstance(message, dict) else None
    except (OSError, ValueError, RecursionError):
        return None


def _field(message: dict[str, Any], name: str, kind: type[T]) -> T:
    value = message.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{name}: {kind.__name__} was expected, not {value!r:.100}")
    return value


def _optional(message: dict[str, Any], name: str, kind: type[T]) -> T | None:
    return None if message.get(name) is None else _field(message, name, kind)


def _number(message: dict[str, Any], name: str) -> float:
    value = message.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(float(value or 0)):
        raise ValueError(f"{name}: a number was expected, not {value!r:.100}")
    return float(value or 0)

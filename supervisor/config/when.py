"""A moment in the past as people write it: ``03:12``, ``yesterday 14:00``, ``2h``, ``#1234``.

Pure but for the zone of the local clock. Must never guess: what can be read in two ways is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from supervisor.config.durations import DurationError, parse_duration

FORMS = '"03:12", "yesterday 14:00", "2026-11-23 03:12", "2h" (ago), or "#1234" (an event)'
"""What is understood, for errors and hints."""
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")
_DAY = re.compile(r"(today|yesterday)\s+(.+)")
_SEQ = re.compile(r"#(\d{1,15})")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


class WhenError(ValueError):
    """Not a moment; the message says what is understood."""


@dataclass(frozen=True, slots=True)
class When:
    """A place in the log: by time or by number, never both."""

    wall: float | None = None
    """Unix seconds."""
    seq: int | None = None

    def params(self) -> dict[str, float | int]:
        """As the control socket takes it."""
        return {"seq": self.seq} if self.seq is not None else {"at": self.wall or 0.0}


def parse_when(text: str, now: float) -> When:
    """The moment that ``text`` means at Unix time ``now``; WhenError for anything else.

    A time of day is the newest one that has passed, by the local clock.
    """
    words = text.strip().removesuffix("ago").strip()
    if found := _SEQ.fullmatch(words):
        return When(seq=int(found[1]))
    try:
        if found := _CLOCK.fullmatch(words):
            return When(_newest(now, *(int(part or 0) for part in found.groups())))
        if found := _DAY.fullmatch(words.lower()):
            day = datetime.fromtimestamp(now).astimezone().date()
            day -= timedelta(days=found[1] == "yesterday")
            clock = found[2] if found[2][1:2] != ":" else f"0{found[2]}"
            return When(datetime.fromisoformat(f"{day} {clock}").astimezone().timestamp())
        if _DATE.match(words):
            return When(datetime.fromisoformat(words).astimezone().timestamp())
        span = parse_duration(words.removeprefix("-"))
    except (ValueError, OverflowError, OSError, DurationError) as error:
        raise WhenError(f"found {text[:40]!r}, expected {FORMS}") from error
    if span is None:
        raise WhenError(f"found {text[:40]!r}, expected {FORMS}")
    return When(now - span)


def _newest(now: float, hour: int, minute: int, second: int) -> float:
    here = datetime.fromtimestamp(now).astimezone()
    then = here.replace(hour=hour, minute=minute, second=second, microsecond=0, tzinfo=None)
    if then.astimezone().timestamp() > now:
        then -= timedelta(days=1)
    return then.astimezone().timestamp()

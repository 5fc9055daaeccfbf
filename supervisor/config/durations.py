"""Durations as people write them: ``"90s"``, ``"1h30m"``, ``"2h"``, or a number of seconds."""

from __future__ import annotations

import math
import re

from supervisor.config.defaults import MAX_DURATION_S

UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
EXPECTED = 'a duration above 0, such as "90s", "1h30m", "2h" or a number of seconds'
NO_LIMIT = "none"

# A bounded count of digits: a text of 5,000 digits would overflow a float into infinity.
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d|w)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)


class DurationError(ValueError):
    """Not a duration we accept; the text says what is wrong with it."""


def parse_duration(value: object, *, zero: bool = False) -> float | None:
    """Seconds, or None for ``None`` and ``"none"`` (no limit).

    0 is refused unless ``zero``; negative, not a number, a bool and more than ten years always
    are. Units run from large to small, each once. Raises DurationError.
    """
    if value is None:
        return None
    if isinstance(value, bool):
        raise DurationError("true and false are no durations")
    if isinstance(value, int | float):
        return _checked(math.inf if abs(value) > 1e18 else float(value), zero=zero)
    if not isinstance(value, str):
        raise DurationError(f"{type(value).__name__} is no duration")
    text = value.strip().lower()
    if text == NO_LIMIT:
        return None
    if _NUMBER.fullmatch(text):
        return _checked(float(text), zero=zero)
    return _checked(_sum_of_parts(text), zero=zero)


def _sum_of_parts(text: str) -> float:
    if text.startswith("-"):
        raise DurationError("a duration cannot be negative")
    total = 0.0
    position = 0
    smallest = math.inf
    while position < len(text):
        part = _PART.match(text, position)
        if part is None:
            raise DurationError(
                "it is empty" if not text else "the units are ms, s, m, h, d and w, after a number"
            )
        unit = UNIT_SECONDS[part[2]]
        if unit >= smallest:
            raise DurationError("units go from large to small, each once")
        smallest = unit
        total += float(part[1]) * unit
        position = part.end()
        while position < len(text) and text[position] == " ":
            position += 1
    if not text:
        raise DurationError("it is empty")
    return total


def _checked(seconds: float, *, zero: bool) -> float:
    if math.isnan(seconds):
        raise DurationError("it is not a number")
    if seconds < 0:
        raise DurationError("a duration cannot be negative")
    if seconds == 0 and not zero:
        raise DurationError('0 is no duration; for no limit write "none"')
    if seconds > MAX_DURATION_S:
        raise DurationError("more than ten years is taken for a mistake")
    return seconds


def format_duration(seconds: float | None) -> str:
    """The shortest text that ``parse_duration`` reads back to the same number of milliseconds."""
    if seconds is None:
        return NO_LIMIT
    left_ms = round(seconds * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        unit_ms = round(UNIT_SECONDS[unit] * 1000)
        count, left_ms = divmod(left_ms, unit_ms)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"

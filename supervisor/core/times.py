"""Moments of the wall clock in words: in UTC for what is stored, by the reader's clock for him."""

from __future__ import annotations

from datetime import UTC, datetime

LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999: no calendar shows more."""


def utc_text(at: float) -> str:
    """``2026-11-23 14:03:00 UTC``; the nearest time that a calendar has for any number."""
    return datetime.fromtimestamp(_bounded(at), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def clock_text(at: float, now: float) -> str:
    """``14:03`` by the local clock, with the date when that is not today; seconds when near.

    ``at`` and ``now`` are Unix seconds.
    """
    there, here = (datetime.fromtimestamp(_bounded(moment)).astimezone() for moment in (at, now))
    clock = there.strftime("%H:%M:%S" if abs(at - now) < 120.0 else "%H:%M")
    return clock if there.date() == here.date() else f"{there:%Y-%m-%d} {clock}"


def _bounded(at: float) -> float:
    # A day of room: a local time beyond either end cannot be shown.
    return min(max(at, 86400.0), LAST_SECOND - 86400.0)

"""Figures grouped for a reader: by agent, by day, by hour, and all of them together.

Pure. A day is the reader's own when the figures are still kept by the hour, else one in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor.core.figures import HOUR_S, Figures, merged, summary
from supervisor.core.text import safe_text

GROUPINGS = ("agent", "day", "hour")
DAY_S = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class Piece:
    """The figures of one agent over some hours."""

    agent: str
    start: int
    """Number of its first hour since 1970 (UTC)."""
    hours: int
    figures: Figures


def grouped(
    pieces: Iterable[Piece], by: Sequence[str], utc_offset_s: float = 0.0
) -> list[dict[str, Any]]:
    """One row a group, the oldest first, then by agent; ``by`` out of ``GROUPINGS``.

    ``start`` is Unix seconds, ``hours`` how many a row covers; both null where no period is asked.
    """
    groups: dict[tuple[float, str, int], Figures] = {}
    for piece in pieces:
        start, hours = _period(piece, by, utc_offset_s)
        key = (start, piece.agent if "agent" in by else "", hours)
        groups.setdefault(key, Figures()).add(piece.figures)
    return [
        {
            "agent": safe_text(agent, limit=80) if "agent" in by else None,
            "start": start if hours else None,
            "hours": hours or None,
            **summary(figures),
        }
        for (start, agent, hours), figures in sorted(groups.items(), key=lambda item: item[0])
    ]


def _period(piece: Piece, by: Sequence[str], utc_offset_s: float) -> tuple[float, int]:
    start = piece.start * HOUR_S
    if "hour" in by:
        return float(start), piece.hours
    if "day" not in by:
        return 0.0, 0
    if piece.hours > 1:
        return float(start), 24
    return (start + utc_offset_s) // DAY_S * DAY_S - utc_offset_s, 24


def total(pieces: Iterable[Piece]) -> dict[str, Any]:
    """All of them as one row."""
    return summary(merged(piece.figures for piece in pieces))

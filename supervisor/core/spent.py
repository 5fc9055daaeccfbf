"""What a run spent, by day: kept so that a day's sum needs no second book."""

from __future__ import annotations

from supervisor.core.moment import Moment

DAY_S = 86400
KEPT_DAYS = 8
"""A week and today."""

Spent = tuple[tuple[int, float], ...]
"""(number of the day in UTC since 1970, US dollars), oldest first."""


def day_of(wall: float) -> int:
    """Number of the day (UTC) since 1970."""
    return int(wall // DAY_S)


def spent_after(spent: Spent, more_usd: float, at: Moment) -> Spent:
    """``spent`` with ``more_usd`` on the day of ``at``; a sum that shrinks changes nothing."""
    if more_usd <= 0.0:
        return spent
    days = dict(spent)
    days[day_of(at.wall)] = days.get(day_of(at.wall), 0.0) + more_usd
    return tuple(sorted(days.items()))[-KEPT_DAYS:]

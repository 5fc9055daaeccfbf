"""A shared rate limit by the generic cell rate algorithm: one number per limit, no queue.

The number is the theoretical arrival time of ITU-T I.371: when the next unit would be due if
everybody kept exactly to the rate. Times are seconds of one clock.
"""

from __future__ import annotations

MINUTE_S = 60.0


def reserve(
    due: float, now: float, cost: float, per_minute: float, burst_s: float
) -> tuple[float, float]:
    """Take ``cost`` units at once: the new number, and seconds to wait before using them.

    After a quiet time up to ``burst_s`` seconds' worth go out without waiting; a single cost
    above that still passes after a quiet time, and holds up those behind it.
    """
    takes_s = cost * MINUTE_S / per_minute
    new_due = max(due, now) + takes_s
    return new_due, max(0.0, new_due - max(burst_s, takes_s) - now)


def correct(due: float, difference: float, per_minute: float) -> float:
    """The number after it turned out that ``difference`` more units (or fewer) were used."""
    return due + difference * MINUTE_S / per_minute

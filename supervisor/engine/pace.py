"""When the next process may be started: a few at once, then spaced, each by another jitter.

A thousand interpreters that start in one instant starve each other and everything else on the
machine, and ask the same service in the same moment. A single start never waits.
"""

from __future__ import annotations

from collections.abc import Callable

from supervisor.config.defaults import START_BURST, START_STAGGER_S


class Pace:
    """Hands out start times, in the order they are asked for."""

    def __init__(self, clock: Callable[[], float], random_unit: Callable[[], float]) -> None:
        """``clock`` gives monotonic seconds, ``random_unit`` is uniform in [0, 1)."""
        self._clock = clock
        self._random_unit = random_unit
        self._booked_until = 0.0

    def book(self) -> float:
        """Seconds to wait before this start; 0 unless more than a burst came at once."""
        now = self._clock()
        self._booked_until = max(self._booked_until, now)
        wait_s = self._booked_until - now - START_BURST * START_STAGGER_S
        # Half to one and a half: the mean stays what the defaults say.
        self._booked_until += START_STAGGER_S * (0.5 + self._random_unit())
        return max(0.0, wait_s)

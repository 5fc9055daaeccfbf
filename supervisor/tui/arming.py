"""Dead keys: nothing is decided by a key that was meant for what stood there before.

A key counts only when the question was on screen, with the focus where it is, for 0.3 s
(RELIABILITY, bad inputs: a new request arriving at the key press).
"""

from __future__ import annotations

from collections.abc import Callable

DEAD_S = 0.3
"""Seconds without effect: a person takes about 0.25 s to react to what appears."""


class Arming:
    """Whether keys count yet; starts dead."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._armed_at = float("inf")

    def disarm(self) -> None:
        """Something appeared or the focus moved: dead from now for ``DEAD_S``."""
        self._armed_at = self._clock() + DEAD_S

    def is_armed(self) -> bool:
        """Whether a key pressed now counts."""
        return self._clock() >= self._armed_at

"""What is to happen when: a heap of moments. A timer is never taken back, its action looks anew."""

from __future__ import annotations

import heapq
import itertools
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_WAIT_S = 3600.0
"""A selector takes no endless numbers; waking once an hour costs nothing."""


class Timers:
    """Monotonic moments with what is to be done then."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Call ``action`` once, at ``moment`` or soon after."""
        heapq.heappush(self._heap, (moment, next(self._order), action))

    def wait_s(self) -> float | None:
        """Seconds until the next one; None when there is none."""
        if not self._heap:
            return None
        return min(LONGEST_WAIT_S, max(0.0, self._heap[0][0] - time.monotonic()))

    def take_due(self) -> list[Callable[[], None]]:
        """What is to be called now; what those calls add waits for the next round of the loop."""
        now = time.monotonic()
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        return due

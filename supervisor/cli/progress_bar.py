"""One line that grows on a terminal; nothing where no terminal reads."""

from __future__ import annotations

import shutil
import time

from supervisor.cli import output
from supervisor.core.describe import duration

EVERY_S = 0.1
"""Between two pictures: more would only flicker."""
MIN_TOTAL = 50
"""Fewer are over before a bar is read."""
BAR_CELLS = 24


class ProgressBar:
    """Of a known number of things."""

    def __init__(self, title: str, total: int, *, hidden: bool = False) -> None:
        self._title = title
        self._total = max(1, total)
        self._is_hidden = hidden or not output.is_terminal() or total < MIN_TOTAL
        self._began = time.monotonic()
        self._shown_at = 0.0

    def show(self, done: int) -> None:
        """So many are done; drawn at most ten times a second."""
        now = time.monotonic()
        if not self._is_hidden and now - self._shown_at >= EVERY_S:
            self._shown_at = now
            self._draw(done, now - self._began)

    def finish(self) -> None:
        """Take the line away."""
        if not self._is_hidden and self._shown_at:
            output.redraw("")

    def _draw(self, done: int, passed_s: float) -> None:
        fraction = min(1.0, done / self._total)
        filled = round(fraction * BAR_CELLS)
        rate = done / passed_s if passed_s > 0 else 0.0
        left = f", {duration((self._total - done) / rate)} left" if rate > 0 else ""
        bar = "#" * filled + "-" * (BAR_CELLS - filled)
        line = f"{self._title} [{bar}] {done:,} of {self._total:,}, {rate:,.0f} a second{left}"
        output.redraw(line[: shutil.get_terminal_size().columns - 1])

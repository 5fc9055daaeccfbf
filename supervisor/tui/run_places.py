"""Which panes of the page of a run stand where, for the room there is.

Pure. A narrow screen shows one pane at a time; a medium one the stages, the attempts and a third;
a large one all of them. Whatever the size, each pane has a digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

STAGES, ATTEMPTS, TIMELINE = "stages", "attempts", "timeline"
CHECKPOINTS, FLAGS, USAGE = "checkpoints", "anomalies", "usage"
JOURNAL, LOG = "journal", "log"
PANES = (STAGES, ATTEMPTS, TIMELINE, CHECKPOINTS, FLAGS, USAGE, JOURNAL, LOG)
"""In the order of their digits, of the Tab key, and of the rows of a large screen."""
ALWAYS_THERE = (STAGES, ATTEMPTS)
"""What a medium screen shows beside the third."""
FULL = 20
"""Columns of the grid."""
MEDIUM = (110, 22)
LARGE = (170, 34)
"""Cells and lines below the head from which on there is room."""
LEAST_LINES = 5
"""Of a row, its border included."""
_LARGE_ROWS = (
    ((STAGES, 5), (ATTEMPTS, 8), (TIMELINE, 7)),
    ((CHECKPOINTS, 7), (FLAGS, 7), (USAGE, 6)),
    ((JOURNAL, 8), (LOG, 12)),
)


@dataclass(frozen=True, slots=True)
class Places:
    """What is shown: rows of panes with their columns, and the height of each row."""

    rows: tuple[tuple[tuple[str, int], ...], ...]
    heights: tuple[int, ...]
    """Lines of every row but the last, which takes the rest."""

    @property
    def shown(self) -> tuple[str, ...]:
        """The panes in view."""
        return tuple(name for row in self.rows for name, _ in row)

    @property
    def has_all(self) -> bool:
        """Whether nothing has to be switched to."""
        return len(self.shown) == len(PANES)


def places(
    width: int, height: int, active: str, third: str, needed: Mapping[str, int], *, is_zoomed: bool
) -> Places:
    """The panes for that room; ``needed`` says how many lines each would like to have."""
    if is_zoomed or width < MEDIUM[0] or height < MEDIUM[1]:
        return Places((((active, FULL),),), ())
    if width < LARGE[0] or height < LARGE[1]:
        top = (STAGES, 8), (ATTEMPTS, 12)
        rows: tuple[tuple[tuple[str, int], ...], ...] = (top, ((third, FULL),))
    else:
        rows = _LARGE_ROWS
    return Places(rows, _heights(rows, height, needed))


def _heights(
    rows: tuple[tuple[tuple[str, int], ...], ...], height: int, needed: Mapping[str, int]
) -> tuple[int, ...]:
    """What the rows above the last need, up to a fair share; the last has at least as much."""
    share = max(LEAST_LINES, height // len(rows))
    return tuple(
        max(LEAST_LINES, min(share, max(needed.get(name, 0) + 2 for name, _ in row)))
        for row in rows[:-1]
    )


def columns(width: int) -> list[int]:
    """Cells of each column of the grid; together exactly ``width``."""
    edges = [width * place // FULL for place in range(FULL + 1)]
    return [after - before for before, after in pairwise(edges)]

"""The life of a run on two lines: its attempts as a bar over time, and what happened when above it.

Pure. Owns which sign wins a cell when several things fall into it: what asks somebody before what
went wrong, and that before a checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.mute import is_muted
from supervisor.core.run import ALIVE, ExitKind, RunState
from supervisor.tui import render, theme
from supervisor.tui.render import Part, line
from supervisor.tui.theme import ASK, DONE, FAINT, MUTED, RETRY, RUN, TRACK, look_of_run

LEAST_CELLS = 24
"""A shorter bar says less than the list below it."""
LEAST_S = 1.0
CALM = {ExitKind.DONE: "✓", ExitKind.PARKED: "○", ExitKind.STOPPED: "■"}


def life_lines(state: RunState, now: Moment, width: int) -> list[Content]:
    """Marks, bar, and the ends of the bar in words; nothing where there is no room or no life."""
    if not state.attempts or width < LEAST_CELLS:
        return []
    begin = state.attempts[0].started_at
    end = max(now.wall if state.ended_at is None else state.ended_at, begin + LEAST_S)
    scale = _Scale(begin, end, width)
    return [
        line(*_merged(_marks(state, scale))),
        line(*_merged(_bar(state, scale))),
        _ends(state, begin, end, now, width),
    ]


class _Scale:
    """Cells of a span of time."""

    def __init__(self, begin: float, end: float, cells: int) -> None:
        self._begin, self._span = begin, end - begin
        self.cells = cells

    def holds(self, at: float) -> bool:
        """Whether that instant is within: an agent may claim any time."""
        return 0 <= at - self._begin <= self._span

    def cell(self, at: float) -> int:
        """The cell of an instant; one outside is at the nearer edge."""
        share = (at - self._begin) / self._span
        return max(0, min(self.cells - 1, int(share * self.cells)))


def _bar(state: RunState, scale: _Scale) -> list[Part]:
    """Attempts, each with how it ended in its last cell; between them nothing ran."""
    bar: list[Part] = [("┄", FAINT)] * scale.cells
    signs: dict[int, Part] = {}
    for attempt in state.attempts:
        newest = attempt is state.attempts[-1]
        first = scale.cell(attempt.started_at)
        if attempt.exit is not None:
            last = scale.cell(attempt.exit.at)
            is_calm = attempt.exit.kind in CALM
            sign: Part = (CALM.get(attempt.exit.kind, "✗"), MUTED if is_calm else RETRY)
        elif newest and state.status in ALIVE:
            look = look_of_run(state)
            last, sign = scale.cells - 1, (look.glyph, look.style)
        else:
            last, sign = first, ("?", MUTED)
        style = RUN if newest else TRACK if attempt.exit is None else MUTED
        bar[first:last] = [("━", style)] * (last - first)
        signs[last] = sign
    # Last: the next attempt begins in the very cell in which the one before ended.
    return [signs.get(cell, part) for cell, part in enumerate(bar)]


def _marks(state: RunState, scale: _Scale) -> list[Part]:
    marks: list[Part] = [(" ", "")] * scale.cells
    for at, sign, style in _told(state):
        if scale.holds(at):
            marks[scale.cell(at)] = (sign, style)
    return marks


def _told(state: RunState) -> Iterator[tuple[float, str, str]]:
    """What happened; what comes later wins a cell."""
    for checkpoint in state.checkpoints:
        yield checkpoint.at, "▪", DONE
    for anomaly in state.anomalies:
        if anomaly.severity != "info" and not is_muted(state.muted, anomaly.kind):
            yield anomaly.at, "⚑", theme.SEVERITY.get(anomaly.severity, ASK)
    for request in state.requests:
        yield request.created_at, "◆", ASK


def _ends(state: RunState, begin: float, end: float, now: Moment, width: int) -> Content:
    left = f"{render.duration(now.wall - begin)} ago"
    ago = f"{render.duration(now.wall - end)} ago"
    right = "now" if state.ended_at is None else ago
    gap = " " * max(1, width - render.cells(left) - render.cells(right))
    return line((left, FAINT), (gap, ""), (right, FAINT))


def _merged(parts: list[Part]) -> Iterator[Part]:
    """Neighbours of one style as one piece."""
    for style, same in groupby(parts, key=lambda part: part[1]):
        yield "".join(text for text, _ in same), style

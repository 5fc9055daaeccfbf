"""Plots in cells: bars over time, two parts a bar, with a scale and the time below.

Pure. The lower part is drawn in eighths of a cell, the upper one in shaded whole cells: what they
are shows without any colour too. Must never invent: a bucket of which nothing is known is a gap
on the axis line, one in which nothing happened has no bar, and the scale always begins at zero.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textual.content import Content

from supervisor.tui import render
from supervisor.tui.render import Part, fit, line
from supervisor.tui.theme import FAINT, MUTED, STRONG, TEXT

LEVELS = " ▁▂▃▄▅▆▇█"
SOLID, SHADE = "█", "▒"
SCALE_CELLS = 6
"""Of the numbers at the left edge, with the blank behind them."""
HOUR_S = 3600
DAY_S = 86400
SPANS_S = (
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, HOUR_S, 2 * HOUR_S, 3 * HOUR_S,
    6 * HOUR_S, 12 * HOUR_S, DAY_S, 2 * DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S,
)  # fmt: skip
"""Where a scale of durations may end."""


@dataclass(frozen=True, slots=True)
class Series:
    """One part of the bars."""

    name: str
    values: Sequence[float]
    style: str
    shown: str
    """Its figure over the whole period, as the title says it."""


@dataclass(frozen=True, slots=True)
class Plot:
    """What one plot shows."""

    title: str
    lower: Series
    upper: Series | None
    """Stands on the lower part."""
    label: Callable[[float], str]
    """A number of the scale in at most five cells."""
    top: Callable[[float], float]
    """Where the scale ends, at least that number."""


def nice_count(most: float) -> float:
    """1, 2 or 5 times a power of ten, at least ``most`` and 1."""
    if most <= 1:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 2, 5, 10) if power * step >= most * 0.999999)


def nice_cost(most: float) -> float:
    """The same down to a cent."""
    return nice_count(most * 100) / 100


def nice_span(most: float) -> float:
    """A round duration, at least ``most``."""
    return float(next((span for span in SPANS_S if span >= most), math.ceil(most / DAY_S) * DAY_S))


def draw(plot: Plot, starts: Sequence[float], size: tuple[int, int]) -> list[Content]:
    """Title, bars and time line in ``size`` (cells, rows); the newest buckets that fit.

    ``starts``: Unix seconds of each bucket, oldest first, evenly spaced.
    """
    width, height = size
    rows, room = height - 2, width - SCALE_CELLS - 1
    if rows < 1 or room < 8 or not starts:
        return [_title(plot, width)]
    kept = len(starts) if len(starts) <= room else room
    each = max(1, room // kept)
    gap = 1 if each >= 3 else 0
    room = each * kept
    lower = list(plot.lower.values)[-kept:]
    upper = list(plot.upper.values)[-kept:] if plot.upper else [0.0] * kept
    most = max(map(sum, zip(lower, upper, strict=True)), default=0.0)
    top = plot.top(most) if most > 0 else 0.0
    columns = [_column(low, high, top, rows) for low, high in zip(lower, upper, strict=True)]
    lines = [_title(plot, width)]
    for row in range(rows):
        parts: list[Part] = [(_scale(plot, top, row, rows), FAINT), ("│", FAINT)]
        for solid, shade in ((column[0][row], column[1][row]) for column in columns):
            mark, style = (solid, plot.lower.style) if solid != " " else (shade, _style(plot))
            parts.append((mark * (each - gap) + " " * gap, style))
        lines.append(_joined(parts))
    lines.append(_time_line(starts[-kept:], each, room))
    return lines


def _style(plot: Plot) -> str:
    return plot.upper.style if plot.upper else ""


def _title(plot: Plot, width: int) -> Content:
    parts: list[Part] = [(plot.title, STRONG)]
    for series, mark in ((plot.lower, SOLID), (plot.upper, SHADE)):
        if series is not None:
            name = f"{series.name} " if series.name else ""
            parts += [(f"  {mark} ", series.style), (name, MUTED)]
            parts.append((series.shown, TEXT))
    return line(*parts).truncate(max(1, width), ellipsis=True)


def _column(low: float, high: float, top: float, rows: int) -> tuple[list[str], list[str]]:
    """The cells of one bar from the top row down: the solid part, the shaded part."""
    if top <= 0:
        return [" "] * rows, [" "] * rows
    eighths = round(low / top * rows * 8)
    if low > 0:
        eighths = max(1, eighths)  # A little is not nothing.
    full, rest = divmod(min(eighths, rows * 8), 8)
    solid = [SOLID] * full + ([LEVELS[rest]] if rest else [])
    filled = len(solid)
    until = round((low + high) / top * rows) if high > 0 else filled
    until = min(rows, max(until, filled + 1)) if high > 0 else filled
    shade = [" "] * filled + [SHADE] * max(0, until - filled)
    return _from_top(solid, rows), _from_top(shade, rows)


def _from_top(cells: list[str], rows: int) -> list[str]:
    return list(reversed((cells + [" "] * rows)[:rows]))


def _scale(plot: Plot, top: float, row: int, rows: int) -> str:
    """The number beside a row: the end of the scale, and its middle where there is room."""
    if top > 0 and row == 0:
        return fit(plot.label(top), SCALE_CELLS - 1, right=True) + " "
    if top > 0 and rows >= 6 and rows % 2 == 0 and row == rows // 2:
        return fit(plot.label(top / 2), SCALE_CELLS - 1, right=True) + " "
    return " " * SCALE_CELLS


def _time_line(starts: Sequence[float], each: int, room: int) -> Content:
    """The axis, with as many times in it as have room."""
    step_s = starts[1] - starts[0] if len(starts) > 1 else HOUR_S
    form = "%H:%M" if step_s < DAY_S else "%b %d"
    axis = ["─"] * room
    free_from = 0
    for index, start in enumerate(starts):
        here = time.localtime(start)
        at = index * each
        is_round = here.tm_hour % 6 == 0 if step_s < DAY_S else True
        text = time.strftime(form, here)
        if is_round and at >= free_from and at + len(text) <= room:
            axis[at : at + len(text)] = text
            free_from = at + len(text) + 3
    return _joined(
        [(" 0".rjust(SCALE_CELLS - 1) + " ", FAINT), ("└", FAINT), ("".join(axis), FAINT)]
    )


def _joined(parts: list[Part]) -> Content:
    """A line whose neighbours of one style are one piece: a row of 200 bars is a few pieces."""
    merged: list[Part] = []
    for text, style in parts:
        if merged and (merged[-1][1] == style or not text.strip()):
            merged[-1] = (merged[-1][0] + text, merged[-1][1])
        else:
            merged.append((text, style))
    return line(*merged)


def scale_count(number: float) -> str:
    """A count beside the scale."""
    return render.count(number)


def scale_cost(dollars: float) -> str:
    """Dollars beside the scale."""
    return f"${dollars:.2f}" if dollars < 10 and dollars != int(dollars) else f"${dollars:.0f}"

"""The columns of the table of runs: what each draws, and which fit a width.

Pure: a row and cells in, styled pieces out. Owns which column gives way first when it is narrow,
and which shows a curve when there is plenty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from supervisor.tui import render
from supervisor.tui.render import Part, fit, middle
from supervisor.tui.rows import Row
from supervisor.tui.theme import ASK, BAD, MUTED, RETRY, STRONG, TEXT
from supervisor.tui.trend import spark

GAP = 2
MARK_CELLS = 2
NOTE_MIN = 22
"""Cells the sentence about now keeps before a needed column gives way."""
NOTE_WISHED = 36
"""Cells it keeps before one that is merely good to have gives way."""
HOST = "host"
"""The column that is there only when several machines are shown."""
NEEDED = 3
"""Priorities up to this one are needed."""
CPU_TOP = 100.0
"""A full block: a whole core, or the most of the last minute where that is more."""
MEMORY_HEADROOM = 1.7
"""A full block of memory, in the most of the last minute."""
SPELT_OUT = frozenset({"stage", "step"})
"""With these two columns the sentence need not repeat them."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; the higher its priority number, the sooner it gives way."""

    name: str
    """As ``arrange.ORDERS`` calls what it is sorted by."""
    title: str
    cells: int
    wide_cells: int
    """Its width where there is plenty."""
    priority: int
    draw: Callable[[Row, int], list[Part]]
    right: bool = False

    @property
    def growth(self) -> int:
        """Its place in line for plenty."""
        return GROWS.index(self.name) if self.name in GROWS else len(GROWS)


def _plain(name: str, style: str, *, right: bool = False) -> Callable[[Row, int], list[Part]]:
    def draw(row: Row, cells: int) -> list[Part]:
        return [(fit(getattr(row, name), cells, right=right), style)]

    return draw


def _host(row: Row, cells: int) -> list[Part]:
    """Names of machines often differ in their ends alone: what is cut out is the middle."""
    return [(fit(middle(row.host, cells), cells), MUTED)]


def _status(row: Row, cells: int) -> list[Part]:
    style = f"bold {row.look.style}" if row.needs_me else row.look.style
    return [(fit(f"{row.look.glyph} {row.look.word}", cells), style)]


def _progress(row: Row, cells: int) -> list[Part]:
    parts = render.bar(row.share, cells - 5, row.look.bar)
    percent = "" if row.share is None else f"{int(row.share * 100)}%"
    return [*parts, (fit(percent, 5, right=True), MUTED)]


def _time(row: Row, cells: int) -> list[Part]:
    return [(fit(row.time, cells, right=True), f"bold {BAD}" if row.is_late else MUTED)]


def _figure(
    name: str, figure_cells: int, curve: Callable[[Row, int], str]
) -> Callable[[Row, int], list[Part]]:
    """A figure, with the curve of its last minute before it where there is room for one."""

    def draw(row: Row, cells: int) -> list[Part]:
        room = cells - figure_cells - 1
        figure = (fit(getattr(row, name), min(cells, figure_cells), right=True), MUTED)
        if room < SPARK_MIN:
            return [(" " * (cells - min(cells, figure_cells)), ""), figure]
        return [(curve(row, room), MUTED), (" ", ""), figure]

    return draw


SPARK_MIN = 4
"""Fewest cells a curve says anything in."""


def _cpu_curve(row: Row, cells: int) -> str:
    return spark(row.trend.cpu_percent, cells, CPU_TOP)


def _memory_curve(row: Row, cells: int) -> str:
    # What stays the same lies in the middle: it neither shouts nor looks like nothing.
    used = row.trend.rss_bytes
    return spark(used, cells, MEMORY_HEADROOM * max(used, default=0.0))


def _tokens_curve(row: Row, cells: int) -> str:
    return spark(row.trend.tokens_each, cells, 0.0)


COLUMNS: tuple[Column, ...] = (
    Column("status", "STATUS", 11, 11, 0, _status),
    Column(HOST, "HOST", 8, 14, 0, _host),
    Column("agent", "AGENT", 15, 24, 0, _plain("agent", STRONG)),
    Column("progress", "PROGRESS", 13, 17, 1, _progress),
    Column("stage", "STAGE", 12, 16, 8, _plain("stage", TEXT)),
    Column("step", "STEP", 9, 11, 9, _plain("done", TEXT, right=True), right=True),
    Column("eta", "ETA", 5, 6, 4, _plain("eta", TEXT, right=True), right=True),
    Column("time", "TIME", 9, 10, 5, _time, right=True),
    Column("retries", "TRY", 3, 3, 2, _plain("retries", RETRY, right=True), right=True),
    Column("flags", "FLAG", 4, 4, 3, _plain("flags", ASK, right=True), right=True),
    Column("cpu", "CPU", 5, 12, 6, _figure("cpu", 5, _cpu_curve), right=True),
    Column("memory", "MEM", 5, 12, 7, _figure("memory", 5, _memory_curve), right=True),
    Column("tokens", "TOKENS", 6, 12, 10, _figure("tokens", 6, _tokens_curve), right=True),
    Column("cost", "COST", 7, 8, 11, _plain("cost", MUTED, right=True), right=True),
)
CURVES = ("cpu", "memory", "tokens")
GROWS = (*CURVES, HOST, "agent", "progress", "stage", "step", "eta", "time", "cost")
"""Which columns take plenty, in that order: a curve says more than a longer bar."""
NOTE_GROWS = 10
"""Cells the note gets before any bar or name grows."""


def chosen_columns(width: int, *, with_hosts: bool = False) -> list[tuple[Column, int]]:
    """The columns that fit ``width`` cells with their cells; the note takes what is left."""
    room = width - MARK_CELLS - NOTE_MIN
    kept: list[Column] = []
    every = [column for column in COLUMNS if with_hosts or column.name != HOST]
    for column in sorted(every, key=lambda column: column.priority):
        # Where all the rest fits, what the sentence would say stands in columns of its own.
        wished = NOTE_WISHED - NOTE_MIN if NEEDED < column.priority < LAST_PRIORITY else 0
        if column.cells + GAP + wished > room:
            break
        kept.append(column)
        room -= column.cells + GAP
    chosen = {column.name: column.cells for column in kept}
    if len(kept) < len(every):
        room -= NOTE_WISHED - NOTE_MIN
    for column in sorted(kept, key=lambda column: column.growth):
        name = column.name
        wished = column.wide_cells - column.cells
        if name in CURVES:
            grow = wished if wished <= room else 0  # Half a curve says nothing.
        else:
            grow = min(wished, max(0, room - NOTE_GROWS) // 3)
        chosen[name] += grow
        room -= grow
    return [(column, chosen[column.name]) for column in COLUMNS if column.name in chosen]


LAST_PRIORITY = max(column.priority for column in COLUMNS)


SUMMED = frozenset({"retries", "flags", "cpu", "memory", "tokens", "cost"})
"""Columns that say something of a group too."""


def heading_parts(row: Row, room: int) -> list[Part]:
    """Name, number and states of a group in so many cells."""
    name = fit(f"{row.look.glyph} {row.agent}   ", min(room, len(row.agent) + 5))
    return [(name, STRONG), (fit(row.note, max(0, room - len(name) - 2)), MUTED), ("  ", "")]

"""The only door through which text of an agent enters the interface.

Owns: cleaning (``clean``, ``agent_text``), the forms of durations, sizes and counts, progress
bars and line wrapping. Must never parse markup. The one surprising thing: every function here
returns ``Content`` or text that already went through ``core.text.safe_text``; a bare string
from anywhere else must not reach a widget, and a test reads the source to hold that.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment, Segments
from textual.content import Content

from supervisor.core.text import CUT_MARK, safe_text

EIGHTHS = " ▏▎▍▌▋▊▉"
MAX_FIELD = 400
"""Characters of one agent-written field that a single line may take."""
MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86400
Part = tuple[str, str]
"""Text (already ours or cleaned) and its style."""


def clean(text: object, limit: int = MAX_FIELD) -> str:
    """``text`` on one line, every control visible, at most ``limit`` characters."""
    return safe_text(str(text), limit=limit)


def agent_text(text: object, style: str = "", limit: int = MAX_FIELD) -> Content:
    """Text of an agent as something a widget may show: no markup, no controls, one line."""
    return Content.styled(clean(text, limit), style)


def line(*parts: Part) -> Content:
    """One line of styled pieces; each piece is cleaned again, which changes nothing clean."""
    return Content.assemble(*((safe_text(text), style) for text, style in parts if text))


BLANK = line()


def cells(text: str) -> int:
    """Cells of the terminal that ``text`` takes: two for CJK and emoji, none for a mark."""
    return cell_len(text)


def fit(text: str, width: int, *, right: bool = False) -> str:
    """``text`` in exactly ``width`` cells: cut with a mark, or padded."""
    if width <= 0:
        return ""
    cells = cell_len(text)
    if cells > width:
        return set_cell_size(set_cell_size(text, width - 1) + CUT_MARK, width)
    return " " * (width - cells) + text if right else text + " " * (width - cells)


def middle(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, the middle left out: paths keep both ends."""
    if cell_len(text) <= width:
        return text
    head = max(1, width // 3)
    room, at = width - head - 1, len(text)
    while at and cell_len(text[at - 1 :]) <= room:
        at -= 1
    while at < len(text) and not cell_len(text[at]):
        at += 1  # A mark without its letter would be drawn over our own.
    return set_cell_size(text, head) + CUT_MARK + text[at:]


def wrap(content: Content, width: int) -> list[Content]:
    """``content`` broken into lines of at most ``width`` cells, at blanks where there are any."""
    return list(content.wrap(max(1, width))) if content.plain else [content]


def chop(text: str, width: int) -> list[str]:
    """``text`` cut hard every ``width`` cells; keeps every character, unlike word wrapping."""
    width = max(2, width)
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)] or [""]
    pieces: list[str] = []
    current: list[str] = []
    used = 0
    for character in text:
        cells = cell_len(character)
        if used + cells > width:
            pieces.append("".join(current))
            current, used = [], 0
        current.append(character)
        used += cells
    return [*pieces, "".join(current)]


def bar(share: float | None, width: int, style: str) -> list[Part]:
    """A bar of ``width`` cells filled to ``share`` (0 to 1) in eighths; None is an empty one."""
    if share is None:
        return [("╌" * width, "$lw-track")]
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    full, rest = divmod(eighths, 8)
    filled = "█" * full + (EIGHTHS[rest] if rest and full < width else "")
    return [(filled + " " * (width - len(filled)), style)]


def duration(seconds: float) -> str:
    """A time span in words: ``12 s``, ``3 min``, ``2 h``, ``2 h 04 min``, ``2 d 3 h``."""
    whole = int(max(0.0, seconds))
    if whole < MINUTE_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S} min"
    if whole < DAY_S:
        minutes = whole % HOUR_S // MINUTE_S
        return f"{whole // HOUR_S} h" + (f" {minutes:02} min" if minutes else "")
    hours = whole % DAY_S // HOUR_S
    return f"{whole // DAY_S} d" + (f" {hours} h" if hours else "")


def short_duration(seconds: float) -> str:
    """A time span for a narrow column: ``12s``, ``3m``, ``2h``, ``2h04``, ``2d03h``."""
    whole = int(max(0.0, seconds))
    if whole < MINUTE_S:
        return f"{whole}s"
    if whole < HOUR_S:
        return f"{whole // MINUTE_S}m"
    if whole < DAY_S:
        minutes = whole % HOUR_S // MINUTE_S
        return f"{whole // HOUR_S}h" + (f"{minutes:02}" if minutes else "")
    hours = whole % DAY_S // HOUR_S
    return f"{whole // DAY_S}d" + (f"{hours:02}h" if hours else "")


def clock(wall: float) -> str:
    """Local time of day of a Unix time."""
    return time.strftime("%H:%M:%S", time.localtime(wall))


def count(number: float) -> str:
    """A count in at most five characters: ``950``, ``12.4k``, ``3.1M``."""
    for limit, divisor, letter in ((1e3, 1, ""), (1e6, 1e3, "k"), (1e9, 1e6, "M")):
        if number < limit:
            shown = number / divisor
            return f"{shown:.0f}{letter}" if not letter or shown >= 100 else f"{shown:.1f}{letter}"
    return f"{number / 1e9:.1f}G"


def amount(number: float) -> str:
    """A number an agent counts by: whole when it is whole, with thousands kept apart."""
    return f"{int(number):,}" if number == int(number) else f"{number:,.1f}"


def size(number: float) -> str:
    """Bytes in at most five characters: ``312M``, ``1.2G`` (powers of 1024)."""
    for letter in ("B", "K", "M", "G"):
        if number < 1024:
            whole = letter == "B" or number >= 100
            return f"{number:.0f}{letter}" if whole else f"{number:.1f}{letter}"
        number /= 1024
    return f"{number:.1f}T"


def cost(dollars: float) -> str:
    """US dollars with cents."""
    return f"${dollars:,.2f}"


def plural(number: int, word: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def joined(contents: Iterable[Content]) -> Content:
    """Several lines as one block."""
    return Content("\n").join(contents)


def plain_segments(text: str) -> Segments:
    """Clean text for the terminal after the interface has left it."""
    return Segments([Segment(safe_text(text, keep_newlines=True))])

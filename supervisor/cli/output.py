"""The only place that writes to standard output: lines, tables that fit, and JSON.

Everything goes through ``safe_text``: nothing an agent wrote reaches the terminal as a control.
A reader that left shows as BrokenPipeError, which ``exit_codes.guard`` turns into a quiet end.
"""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from supervisor.core import ringing
from supervisor.core.text import CUT_MARK, draws_over, safe_text
from supervisor.errors import EnvironmentFaultError

GAP = "  "
EMOJI_SELECTOR = "\ufe0f"
MIN_COLUMN = 4
"""Cells a column keeps when the table has to shrink."""


def prepare() -> None:
    """Once, before anything is printed: a character that the terminal lacks becomes an escape.

    Without it an ASCII terminal would end us with UnicodeEncodeError.
    """
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def line(text: str = "") -> None:
    """One line; a newline in ``text`` becomes visible."""
    _write(safe_text(text) + "\n")


def block(text: str) -> None:
    """Several lines."""
    _write(safe_text(text, keep_newlines=True) + "\n")


def redraw(text: str) -> None:
    """The line a terminal is on, drawn anew; an empty ``text`` takes it away."""
    _write(f"\r\x1b[2K{safe_text(text)}")


def ring(made: str) -> None:
    """A call of ``core.ringing``, which has cleaned what is in it; nothing else passes."""
    if made and ringing.is_ours(made):
        _write(made)


def json(value: Any) -> None:
    """One indented JSON document, ASCII only: JSON leaves C1 and bidi controls as they are."""
    _write(_ascii_json(value, indent=2) + "\n")


def json_line(value: Any) -> None:
    """One JSON value on one line, for streams."""
    _write(_ascii_json(value) + "\n")


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table, its columns cut to the terminal's width; uncut where no terminal reads."""
    width = shutil.get_terminal_size().columns if is_terminal() else None
    _write("".join(f"{row}\n" for row in lay_out(headers, rows, width)))


def is_terminal() -> bool:
    """Whether a person probably reads along."""
    return sys.stdout is not None and sys.stdout.isatty()


def is_dialogue() -> bool:
    """Whether a person can be asked: both directions are a terminal, and neither is closed."""
    return is_terminal() and sys.stdin is not None and sys.stdin.isatty()


def _write(text: str) -> None:
    """Flushed at once: a command that follows is read while it runs, through a pipe too."""
    if sys.stdout is None:
        return  # Started with standard output closed: there is nobody to tell.
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot write the output: {error.strerror}", fix="Check where it goes."
        ) from error


def _ascii_json(value: Any, indent: int | None = None) -> str:
    import json as format_json

    text = format_json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent)
    return text.replace("\x7f", "\\u007f")


def lay_out(headers: Sequence[str], rows: Iterable[Sequence[str]], width: int | None) -> list[str]:
    """The table's lines, cleaned; with ``width`` the widest columns give way first."""
    cells = [[safe_text(cell) for cell in row] for row in (headers, *rows)]
    widths = [max(map(cell_width, column)) for column in zip(*cells, strict=True)]
    if width is not None:
        _shrink(widths, width - len(GAP) * (len(widths) - 1))
    lines = []
    for row in cells:
        padded = (_fit(cell, size) for cell, size in zip(row, widths, strict=True))
        lines.append(GAP.join(padded).rstrip())
    return lines


def _shrink(widths: list[int], room: int) -> None:
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= MIN_COLUMN:
            return  # A terminal this narrow wraps; better than showing nothing.
        widths[widest] -= 1


def cell_width(text: str) -> int:
    """Terminal cells of cleaned text, at most: 0 for a mark, 2 for a wide character or an emoji."""
    if text.isascii():
        return len(text)
    return sum(map(_cells, text))


def _cells(character: str) -> int:
    if character == EMOJI_SELECTOR:
        return 1  # It makes the narrow symbol before it a wide emoji.
    if draws_over(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _fit(text: str, width: int) -> str:
    """``text`` padded, or cut with a mark, to exactly ``width`` cells."""
    size = cell_width(text)
    if size > width:
        while text and cell_width(text) > width - 1:
            text = text[:-1]
        text += CUT_MARK
        size = cell_width(text)
    return text + " " * (width - size)

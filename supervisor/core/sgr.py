"""Colours in an agent's output, read into styles; what remains is text without any escape.

Pure. Owns the one reading of ``ESC [ … m`` (ECMA-48 SGR; 16, 256 and true colours). Every other
escape sequence is left out whole when it is well formed; a stray or unfinished one stays, for
``safe_text`` to make visible. Must never hand on a control. The one surprising thing: each line
begins plain, so that a line looks the same from whichever window of the file it was read, and
concealed text (SGR 8) is shown: an agent hides nothing from the operator.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

Rgb = tuple[int, int, int]
Colour = int | Rgb
"""0 to 15: the terminal's own; otherwise red, green, blue of 0 to 255."""

MAX_SPANS = 400
"""Changes of style in one line; what follows is shown plain. A screen has fewer cells."""
MAX_PARAMETERS = 32
"""Numbers in one sequence that are read: xterm reads 30."""

_SEQUENCE = re.compile(
    "\x1b\\[(?P<sgr>[0-9;:]*)m"
    "|(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    "|(?:\x1b[\\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c)"  # OSC, DCS …
    "|\x1b[ -/]+[0-~]"  # charsets and the like
    "|\x1b[0-OQ-WYZ\\\\`-~]"  # two characters
)
_ESCAPES = frozenset("\x1b\x9b\x9d\x90\x98\x9e\x9f")
_STEPS = (0, 95, 135, 175, 215, 255)
"""Levels of the 6 × 6 × 6 cube of the 256 colours, as xterm has them."""


@dataclass(frozen=True, slots=True)
class Ink:
    """How a piece of text is written; None is the usual colour."""

    fore: Colour | None = None
    back: Colour | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False
    strike: bool = False


PLAIN = Ink()


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` of the text are written in that ink."""

    start: int
    end: int
    ink: Ink


_FLAGS: dict[int, tuple[str, bool]] = {
    1: ("bold", True), 2: ("dim", True), 3: ("italic", True), 4: ("underline", True),
    7: ("reverse", True), 9: ("strike", True), 21: ("underline", True), 23: ("italic", False),
    24: ("underline", False), 27: ("reverse", False), 29: ("strike", False),
}  # fmt: skip


def read_line(text: str) -> tuple[str, tuple[Span, ...]]:
    """One line without its escape sequences, and where which ink begins and ends.

    Spans are in order, never overlap, are never empty and never plain. Other controls stay.
    """
    if _ESCAPES.isdisjoint(text):
        return text, ()
    parts: list[str] = []
    spans: list[Span] = []
    length, done, ink = 0, 0, PLAIN
    for found in _SEQUENCE.finditer(text):
        piece = text[done : found.start()]
        done = found.end()
        if piece:
            parts.append(piece)
            _add(spans, Span(length, length + len(piece), ink))
            length += len(piece)
        sgr = found["sgr"]
        if sgr is not None:
            ink = after(ink, sgr)
    rest = text[done:]
    if rest:
        parts.append(rest)
        _add(spans, Span(length, length + len(rest), ink))
    return "".join(parts), tuple(spans)


def _add(spans: list[Span], span: Span) -> None:
    if span.ink == PLAIN or len(spans) >= MAX_SPANS:
        return
    if spans and spans[-1].end == span.start and spans[-1].ink == span.ink:
        spans[-1] = replace(spans[-1], end=span.end)
    else:
        spans.append(span)


@lru_cache(maxsize=512)
def after(ink: Ink, parameters: str) -> Ink:
    """The ink after ``ESC [ parameters m``; what is unknown changes nothing."""
    groups = [part.split(":") for part in parameters.split(";")[:MAX_PARAMETERS]]
    at = 0
    while at < len(groups):
        group = groups[at]
        code = _number(group[0])
        if code in (38, 48):
            colour, used = _colour(group, groups[at + 1 :])
            at += used
            if colour is not None:
                ink = replace(ink, fore=colour) if code == 38 else replace(ink, back=colour)
        else:
            ink = _simple(ink, code, group)
        at += 1
    return ink


def _simple(ink: Ink, code: int, group: list[str]) -> Ink:
    if code == 0:
        return PLAIN
    if code == 4 and len(group) > 1:
        return replace(ink, underline=_number(group[1]) > 0)
    if code == 22:
        return replace(ink, bold=False, dim=False)
    if code in _FLAGS:
        name, on = _FLAGS[code]
        return replace(ink, **{name: on})
    for first, bright, what in ((30, 90, "fore"), (40, 100, "back")):
        if first <= code <= first + 7:
            return replace(ink, **{what: code - first})  # type: ignore[arg-type]
        if bright <= code <= bright + 7:
            return replace(ink, **{what: code - bright + 8})  # type: ignore[arg-type]
        if code == first + 9:
            return replace(ink, **{what: None})  # type: ignore[arg-type]
    return ink


def _colour(group: list[str], following: list[list[str]]) -> tuple[Colour | None, int]:
    """The colour of a 38 or 48, and how many of the following parameters belong to it."""
    if len(group) > 1:
        # 38:5:n and 38:2:r:g:b, with the colour space that some write between.
        numbers = [_number(part) for part in group[1:]]
        if numbers[0] == 5 and len(numbers) > 1:
            return of_256(numbers[1]), 0
        if numbers[0] == 2 and len(numbers) >= 4:
            return _rgb(numbers[2:5] if len(numbers) >= 5 else numbers[1:4]), 0
        return None, 0
    numbers = [_number(parts[0]) for parts in following[:4]]
    if numbers[:1] == [5]:
        return (of_256(numbers[1]) if len(numbers) > 1 else None), min(2, len(numbers))
    if numbers[:1] == [2]:
        return _rgb(numbers[1:4]), min(4, len(numbers))
    return None, 0


def of_256(number: int) -> Colour | None:
    """A number of the 256 colours; None when it is none."""
    if not 0 <= number <= 255:
        return None
    if number < 16:
        return number
    if number >= 232:
        level = 8 + 10 * (number - 232)
        return (level, level, level)
    cube = number - 16
    return (_STEPS[cube // 36], _STEPS[cube // 6 % 6], _STEPS[cube % 6])


def _rgb(numbers: list[int]) -> Rgb | None:
    if len(numbers) != 3 or any(not 0 <= number <= 255 for number in numbers):
        return None
    return (numbers[0], numbers[1], numbers[2])


def _number(text: str) -> int:
    """A parameter; an empty one is 0, an endless one -1 (which is nothing)."""
    return int(text or "0") if len(text) <= 6 else -1

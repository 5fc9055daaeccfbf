"""Untrusted text made harmless: nothing an agent wrote reaches a terminal as a control.

``safe_text`` is applied where agent bytes enter and again where they are shown; it is idempotent.
Source of the rules: RELIABILITY, trap 1 and invariant I10. What survives is printable and takes
part in the picture; every control, format, blank, private, unassigned or invisible character
becomes an escape that can be read. A piece never begins with a mark, so that pieces which a
surface joins cannot draw over each other.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

CUT_MARK = "…"
BLANK = "(blank)"
MAX_COMBINING = 3
"""Marks drawn over one base character; a real script needs at most a few."""
MAX_MARKS = 6
"""With the spacing ones: Burmese writes four after a letter."""

_NOTHING_SEEN = frozenset(
    # Printable by category, yet nothing is seen: fillers, joiners, empty notes and patterns,
    # and the variation selectors that no emoji uses.
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc"
    "\U00013441\U00013442\U00016fe4\U0001d159"
) | frozenset(map(chr, (*range(0xFE00, 0xFE0E), *range(0xE0100, 0xE01F0))))
_BASE_FOR_MARK = "\u25cc"
"""The dotted circle, on which Unicode's own charts draw a mark that stands alone."""
_PRESENTATION = "\ufe0e\ufe0f"
"""The two selectors between a symbol as text and as emoji."""
_KEYCAP = "\u20e3"
_KEYS = frozenset("0123456789#*")
_SYMBOLS = frozenset("‼⁉ℹ〰〽")
"""Emoji whose category is not that of a symbol."""
_FIRST_MARK = "\u0300"
_ESCAPE = r"\^[?-_]|<U\+[0-9A-F]{4,6}>|<[0-9]{1,7} marks>"
"""Compiled at the first cut: importing this module costs every command."""
_LONGEST_ESCAPE = 16
_CARET_LIMIT = 0x20
_HEAD_FACTOR, _HEAD_EXTRA = 4, 256


def safe_text(text: str, *, limit: int | None = None, keep_newlines: bool = False) -> str:
    """``text`` with every control made visible: caret form (``^[``) or ``<U+202E>``.

    ``limit`` caps the length of the result in characters, the cut marked and never inside an
    escape or between a letter and its marks; 0 gives the empty text. ``keep_newlines`` leaves
    ``\\n`` and turns a tab into four blanks; otherwise both become visible too.
    """
    if text.isascii() and text.isprintable():
        return text if limit is None or len(text) <= limit else _cut(text, limit)
    if limit is not None and len(text) > limit * _HEAD_FACTOR + _HEAD_EXTRA:
        # The head alone decides, unless so much of it was dropped that more has to be read.
        head = _clean(text[: limit * _HEAD_FACTOR + _HEAD_EXTRA], keep_newlines)
        if len(head) > limit + 2 * _LONGEST_ESCAPE:
            return _cut(head, limit)
    cleaned = _clean(text, keep_newlines)
    return cleaned if limit is None or len(cleaned) <= limit else _cut(cleaned, limit)


def visible_text(text: str, *, limit: int | None = None) -> str:
    """``safe_text`` in one line, with ``(blank)`` for blanks alone; the empty text stays empty.

    For names, titles and options, where blanks would look like nothing at all.
    """
    shown = safe_text(text, limit=limit)
    return BLANK if shown and not shown.strip() else shown


def draws_over(character: str) -> bool:
    """Whether a terminal draws it over the character before: a mark, a joining Hangul letter."""
    return character >= _FIRST_MARK and (
        unicodedata.category(character) in ("Mn", "Me")  # 830 of them have combining class 0.
        or unicodedata.combining(character) != 0
        or _joins(character)
    )


def _clean(text: str, keep_newlines: bool) -> str:
    if keep_newlines:
        text = text.replace("\r\n", "\n").replace("\t", "    ")
    found = set(text)
    if keep_newlines:
        found.discard("\n")
    strange = {c for c in found if not c.isprintable() or c in _NOTHING_SEEN}
    marks = {c for c in found - strange if c >= _FIRST_MARK and _is_mark(c)}
    if strange:
        text = text.translate({ord(c): _shown(c) for c in strange})
    return _with_few_marks(text, marks) if marks else text


def _shown(character: str) -> str:
    code = ord(character)
    if code < _CARET_LIMIT:
        return "^" + chr(code + 0x40)
    if code == 0x7F:
        return "^?"
    if code == 0xA0:
        return " "  # Usual in numbers and in French; as wide as a blank and as visible.
    return f"<U+{code:04X}>"


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M" or _joins(character)


def _joins(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7fb"


def _with_few_marks(text: str, marks: set[str]) -> str:
    """Every mark on a base, at most so many of them, the rest counted in its place."""
    over = {mark for mark in marks if draws_over(mark)}
    kept: list[str] = []
    at = 0
    for start, end in _runs(text, marks):
        base = text[start - 1 : start].strip("\n")  # Empty at the start of a line.
        kept.append(text[at:start])
        kept.append(_on_base(base, text[start:end], over))
        at = end
    kept.append(text[at:])
    return "".join(kept)


def _runs(text: str, marks: set[str]) -> Iterator[tuple[int, int]]:
    """Start and end of each unbroken row of ``marks``."""
    start = end = -1
    for place in [place for place, character in enumerate(text) if character in marks]:
        if place != end:
            if start >= 0:
                yield start, end
            start = place
        end = place + 1
    if start >= 0:
        yield start, end


def _on_base(base: str, run: str, over: set[str]) -> str:
    """A row of marks as it may follow ``base``."""
    if base and len(run) <= MAX_COMBINING and not any(c in run for c in _PRESENTATION):
        return run
    kept: list[str] = []
    on_base = over_base = dropped = 0
    for place, mark in enumerate(run):
        if mark in _PRESENTATION and not (
            on_base == 0 and _has_presentation(base, run[place + 1 : place + 2])
        ):
            kept.append(f"<{dropped} marks>{_shown(mark)}" if dropped else _shown(mark))
            base, on_base, over_base, dropped = ">", 0, 0, 0
            continue
        if not base:
            base = _BASE_FOR_MARK
            kept.append(base)
        on_base += 1
        over_base += mark in over
        if dropped or on_base > MAX_MARKS or over_base > MAX_COMBINING:
            dropped += 1
        else:
            kept.append(mark)
    return "".join(kept) + (f"<{dropped} marks>" if dropped else "")


def _has_presentation(base: str, following: str) -> bool:
    """Whether a selector between text and emoji has a meaning after ``base``."""
    if base in _KEYS:
        return following == _KEYCAP
    return base in _SYMBOLS or (base > "\x7f" and unicodedata.category(base) in ("So", "Sm"))


def _cut(cleaned: str, limit: int) -> str:
    """The first ``limit`` characters of what is longer, the last of them the mark of the cut."""
    if limit <= 0:
        return ""
    end = limit - 1
    begin = max(0, end - _LONGEST_ESCAPE)
    for escape in re.finditer(_ESCAPE, cleaned[begin : end + _LONGEST_ESCAPE]):
        if escape.start() < end - begin < escape.end():
            end = begin + escape.start()
            break
    while end > 0 and _is_mark(cleaned[end]):
        end -= 1
    return cleaned[:end] + CUT_MARK

"""Untrusted text made harmless: nothing an agent wrote reaches a terminal as a control.

``safe_text`` is applied where agent bytes enter and again where they are shown; it is idempotent.
Source of the list: RELIABILITY, trap 1 and invariant I10 (C0, DEL, C1, bidirectional controls,
zero-width and tag characters, surrogates, private use), and whatever else is not printable.
"""

from __future__ import annotations

import re
import unicodedata

CUT_MARK = "…"
MAX_COMBINING = 3
"""Combining marks kept on one base character; a real script needs at most a few."""

_MARKS = frozenset({"Mn", "Me"})
_JOINING = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]")
_UNSAFE = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"  # invisible letters and marks
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, bidi, separators
    "\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff"  # surrogates
    "\U000e0000-\U000e0fff"  # tags
    "]"
)
_MARKED_RUN = re.compile(r"[^\x00-\u02ff]{4,}")
_CARET_LIMIT = 0x20


def safe_text(text: str, *, limit: int | None = None, keep_newlines: bool = False) -> str:
    """``text`` with every control made visible: caret form (``^[``) or ``<U+202E>``.

    ``limit`` caps the length of the result in characters, the cut marked. ``keep_newlines``
    leaves ``\\n`` and turns a tab into four blanks; otherwise both become visible too. Every
    other blank becomes a plain one.
    """
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)] + CUT_MARK
    if text.isascii() and text.isprintable():
        return text
    if keep_newlines:
        lines = text.replace("\r\n", "\n").replace("\t", "    ").split("\n")
        cleaned = "\n".join(_clean(line) for line in lines)
    else:
        cleaned = _clean(text)
    if limit is not None and len(cleaned) > limit:  # A visible form is longer than its control.
        cleaned = cleaned[: max(0, limit - 1)] + CUT_MARK
    return cleaned


def _clean(line: str) -> str:
    cleaned = _UNSAFE.sub(_visible, line)
    if not cleaned.isprintable():
        # What the list above does not name: other format characters, private use, unassigned.
        cleaned = "".join(c if c.isprintable() else _shown(c) for c in cleaned)
    return _MARKED_RUN.sub(_cap_marks, cleaned)


def _visible(match: re.Match[str]) -> str:
    return _shown(match.group())


def _shown(character: str) -> str:
    code = ord(character)
    if code < _CARET_LIMIT:
        return "^" + chr(code + 0x40)
    if code == 0x7F:
        return "^?"
    if unicodedata.category(character) == "Zs":
        return " "
    return f"<U+{code:04X}>"


def _cap_marks(match: re.Match[str]) -> str:
    kept: list[str] = []
    run = dropped = 0
    for character in match.group():
        if _stacks(character):
            run += 1
            if run > MAX_COMBINING:
                dropped += 1
                continue
        else:
            run = 0
        kept.append(character)
    return "".join(kept) + (f"<{dropped} marks>" if dropped else "")


def _stacks(character: str) -> bool:
    """Whether a terminal draws it over the character before: a mark, a joining Hangul letter."""
    return (
        unicodedata.combining(character) != 0
        or unicodedata.category(character) in _MARKS
        or _JOINING.match(character) is not None
    )

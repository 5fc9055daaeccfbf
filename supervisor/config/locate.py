"""On which line of a TOML text a key stands, for messages only.

tomllib gives no positions. This scan follows headers, keys and string quotes; where it is not
sure (inside an inline table) the answer is the line of what is around it. It never raises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str, ...]

_PIECE = r"""(?:[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')"""
_DOTTED = rf"{_PIECE}(?:[ \t]*\.[ \t]*{_PIECE})*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]\]?")
_KEY = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_PIECES = re.compile(_PIECE)
_TRIPLES = ('"""', "'''")


@dataclass(slots=True)
class _Scan:
    """Where the scan stands inside a value that goes on over several lines."""

    quote: str = ""
    """The quote that closes the multi-line string we are in."""
    depth: int = 0
    """Open brackets and braces."""

    def is_inside(self) -> bool:
        return bool(self.quote) or self.depth > 0


class KeyLines:
    """The line of each key of one TOML text."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        self._scan_text(text)

    def line_of(self, path: Sequence[str | int]) -> int | None:
        """Line (from 1) of ``path`` or of the nearest thing around it; None when unknown."""
        names = tuple(str(part) for part in path)
        while names:
            if names in self._lines:
                return self._lines[names]
            names = names[:-1]
        return None

    def _scan_text(self, text: str) -> None:
        table: Path = ()
        scan = _Scan()
        for number, line in enumerate(text.split("\n"), start=1):
            if scan.is_inside():
                _follow_value(line, scan)
                continue
            if header := _HEADER.match(line):
                table = _names(header[1])
                self._note(table, number)
            elif key := _KEY.match(line):
                self._note(table + _names(key[1]), number)
                _follow_value(line[key.end() :], scan)

    def _note(self, path: Path, number: int) -> None:
        for length in range(1, len(path) + 1):
            self._lines.setdefault(path[:length], number)


def _names(dotted: str) -> Path:
    return tuple(_unquote(piece) for piece in _PIECES.findall(dotted))


def _unquote(piece: str) -> str:
    if piece[0] == '"':
        import tomllib

        try:
            return str(tomllib.loads(f"k = {piece}")["k"])
        except tomllib.TOMLDecodeError:
            return piece[1:-1]
    return piece[1:-1] if piece[0] == "'" else piece


def _follow_value(text: str, scan: _Scan) -> None:
    """Move over one line of a value, keeping quotes and brackets."""
    position = 0
    while position < len(text):
        if scan.quote:
            position = _leave_string(text, position, scan)
            continue
        character = text[position]
        if character == "#":
            return
        if text[position : position + 3] in _TRIPLES:
            scan.quote = text[position : position + 3]
            position += 3
        elif character in "\"'":
            position = _skip_string(text, position)
        else:
            scan.depth = max(0, scan.depth + (character in "[{") - (character in "]}"))
            position += 1


def _leave_string(text: str, position: int, scan: _Scan) -> int:
    if scan.quote == '"""' and text[position] == "\\":
        return position + 2
    if text.startswith(scan.quote, position):
        scan.quote = ""
        return position + 3
    return position + 1


def _skip_string(text: str, position: int) -> int:
    quote = text[position]
    position += 1
    while position < len(text) and text[position] != quote:
        position += 2 if quote == '"' and text[position] == "\\" else 1
    return position + 1

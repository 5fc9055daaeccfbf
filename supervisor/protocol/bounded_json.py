"""JSON from an agent: bounded before a single object is built, strict about what it means.

The standard parser takes NaN, 1e999, duplicate keys, a BOM, UTF-16 and lone surrogates, fails
with RecursionError on deep brackets, and spends 255 MB on 9 MB of ``{}``. So depth and number of
values are counted on the bytes first, all in C, linear in the size of the input.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from supervisor.protocol.problem import Problem, dotted, shown

MAX_INT = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much JSON is read."""

    max_depth: int
    """Brackets within brackets."""
    max_nodes: int
    """Values, keys left out."""
    is_strict: bool = True
    """Refuse what other languages cannot carry: NaN, infinities, integers over 2^63, and names
    given twice. False only for state that nobody but the agent itself interprets."""


AGENT_FILE = Bounds(max_depth=32, max_nodes=10_000)
"""progress.json, requests and other files that we interpret."""
AGENT_STATE = Bounds(max_depth=100, max_nodes=500_000, is_strict=False)
"""Checkpoints: 500,000 values cost at most about 100 MB while they are checked."""

_NOT_STRUCTURE = bytes(set(range(256)) - set(b"[]{},"))
_SQUARE = bytes.maketrans(b"{}", b"[]")
_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")
_BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "a byte order mark (BOM)"),
    (b"\xff\xfe", "UTF-16 (little endian)"),
    (b"\xfe\xff", "UTF-16 (big endian)"),
)


def parse_json(data: bytes, bounds: Bounds = AGENT_FILE) -> Any | Problem:
    """The value in ``data``, or the Problem with it. Never raises; blocks for the parsing alone."""
    if problem := _encoding_problem(data) or _size_problem(data, bounds):
        return problem
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        return Problem("encoding", "", found, "valid UTF-8")
    strict = _Strict()
    try:
        value = strict.loads(text) if bounds.is_strict else json.loads(text)
    except json.JSONDecodeError as error:
        return _syntax_problem(error, len(text))
    except (ValueError, RecursionError) as error:  # over 4,300 digits; or our own deep stack
        return Problem("syntax", "", shown(str(error)), "JSON within bounds")
    if strict.has_refused or _SURROGATE_ESCAPE.search(data):
        return _first_refused(value) or value
    return value


def _encoding_problem(data: bytes) -> Problem | None:
    if not data.strip(b" \t\r\n"):
        return Problem("empty", "", "an empty file", "a JSON object")
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return Problem("encoding", "", name, "UTF-8 without a byte order mark")
    head = data[:4]
    if b"\0" in head:
        what = "NUL bytes" if not head.strip(b"\0") else "NUL bytes (UTF-16 or UTF-32?)"
        return Problem("encoding", "", what, "UTF-8")
    return None


def _size_problem(data: bytes, bounds: Bounds) -> Problem | None:
    """Count values and depth outside strings, without building anything large.

    A backslash outside a string is a syntax error in itself, so dropping escapes everywhere
    cannot hide a bracket that the parser would reach.
    """
    brackets = data.count(b"[") + data.count(b"{")
    if len(data) < bounds.max_nodes and brackets <= bounds.max_depth:
        return None  # The usual file: it has too few bytes and brackets to break a bound.
    expected = f"at most {bounds.max_nodes} values"
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # A key and a text value are 2 quotes each: more cannot belong to so few values.
    strings = data.count(b'"') // 2
    if strings > 2 * bounds.max_nodes:
        return Problem("nodes", "", f"{strings} strings", expected)
    outside = b" ".join(data.split(b'"')[::2]).translate(None, _NOT_STRUCTURE)
    nodes = 1 + outside.count(b",") + outside.count(b"[") + outside.count(b"{")
    if nodes > bounds.max_nodes:
        return Problem("nodes", "", f"{nodes} values", expected)
    nesting = outside.translate(_SQUARE, b",")
    if _is_deeper(nesting, bounds.max_depth):
        return Problem("depth", "", "deeper nesting", f"at most {bounds.max_depth} levels")
    return None


def _is_deeper(brackets: bytes, limit: int) -> bool:
    """Whether ``[`` and ``]`` nest deeper than ``limit``: each pass takes the innermost pairs."""
    for _ in range(limit):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            break
        brackets = shorter
    return b"[]" in brackets or brackets.count(b"[") > limit


def _syntax_problem(error: json.JSONDecodeError, length: int) -> Problem:
    where = f"line {error.lineno} column {error.colno}"
    if error.msg == "Extra data":
        return Problem("syntax", "", f"more text after the end, at {where}", "one JSON value")
    if error.pos >= length or error.msg.startswith("Unterminated"):
        return Problem("syntax", "", f"an end in the middle ({where})", "a whole JSON value")
    return Problem("syntax", "", f"no JSON: {error.msg.lower()} at {where}", "JSON")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Stands in the parsed value where something was refused, so that its path can be named."""

    code: str
    found: str
    expected: str


class _Strict:
    """One strict parse, and whether it refused anything."""

    __slots__ = ("has_refused",)

    def __init__(self) -> None:
        self.has_refused = False

    def loads(self, text: str) -> Any:
        """The value with a ``_Refused`` in place of whatever is not allowed."""
        return json.loads(
            text,
            parse_constant=self._constant,
            parse_int=self._int,
            parse_float=self._float,
            object_pairs_hook=self._object,
        )

    def _refuse(self, code: str, found: str, expected: str) -> _Refused:
        self.has_refused = True
        return _Refused(code, found, expected)

    def _constant(self, name: str) -> _Refused:
        return self._refuse("number", name, "a finite number")

    def _int(self, digits: str) -> int | _Refused:
        if len(digits) <= 20:
            value = int(digits)
            if -MAX_INT - 1 <= value <= MAX_INT:
                return value
        return self._refuse("number", _brief(digits), "an integer of at most 64 bits")

    def _float(self, digits: str) -> float | _Refused:
        value = float(digits)
        if math.isfinite(value):
            return value
        return self._refuse("number", _brief(digits), "a finite number")

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        return self._refuse("duplicate", f"the key {shown(twice)} twice", "every key once")


def _brief(digits: str) -> str:
    return digits if len(digits) <= 24 else f"a number of {len(digits)} characters"


def _first_refused(value: Any) -> Problem | None:
    for path, item in _walk(value, ()):
        if isinstance(item, _Refused):
            return Problem(item.code, dotted(path), item.found, item.expected)
        if isinstance(item, str) and not item.isascii():
            try:
                item.encode()
            except UnicodeEncodeError:
                expected = "whole characters"
                return Problem("surrogate", dotted(path), "a lone surrogate", expected)
    return None


def _walk(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value with its path, keys included; depth is bounded by ``Bounds``."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key
            yield from _walk(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, (*path, index))

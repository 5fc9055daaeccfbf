"""Values that attack whatever shows them, and instances of types made of them."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from typing import Any

HOSTILE = {
    "clipboard": "\x1b]52;c;aGk=\x07 \x9b31m",
    "bidi": "abc\u202egnp.exe\u2066\u200b\U000e0041",
    "marks": "Z" + "\u0301" * 250 + "\u20dd" * 250,
    "leading mark": "\u20dd\u0301x",
    "markup": "[@click=app.quit]Approve[/] [/",
    "lines": "first\nsecond\r\nthird\u2028fourth\x85\x0b",
    "shell": "$(touch /tmp/x) `id` '; rm -rf ~ #",
    "nothing seen": " \u3000\u2800\u00a0",
    "broken": "\ud800\ue000\uffff",
    "long": "x" * 100_000,
}


def filled(kind: Any, text: str) -> Any:
    """A value of the annotated type ``kind`` with ``text`` wherever text may stand."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return filled(next(item for item in arguments if item is not types.NoneType), text)
    if origin is tuple:
        return (filled(arguments[0], text),) * 2
    if origin is dict:
        return {text: filled(arguments[1], text)}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = (field.name for field in dataclasses.fields(kind) if field.init)
        return typing.cast("Any", kind)(**{name: filled(hints[name], text) for name in names})
    if kind is Any:
        return {text: [text, 1, None, {text: text}]}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return next(iter(kind))
    return {str: text, int: 1, float: 1.5, bool: True}[kind]


def is_harmless(line: str) -> bool:
    """Whether a terminal shows it as one line, with every mark where it belongs."""
    from supervisor.core.text import safe_text

    return line.isprintable() and safe_text(line) == line

"""The keys in force: the operator's own (``[tui.keys]``) over those of the table.

Owns: which keys an action has in this session, and how keys are written for people. Must never
know the table itself. The one surprising thing: what is in force is a context variable, like a
language: it is set once, before the application's tasks begin, and every widget, hint and footer
reads it without being handed it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

NONE: Mapping[str, str] = MappingProxyType({})
_IN_FORCE: ContextVar[Mapping[str, str]] = ContextVar("longwatch_keymap", default=NONE)

_WRITTEN = {
    "esc": "escape", "return": "enter", "del": "delete", "ins": "insert", "pgup": "pageup",
    "pgdn": "pagedown", "pgdown": "pagedown", "page_up": "pageup", "page_down": "pagedown",
    "spacebar": "space", "bs": "backspace",
}  # fmt: skip
"""Other names of keys that people write."""
_SHOWN = {
    "up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "PgUp", "pagedown": "PgDn",
    "escape": "Esc", "enter": "Enter", "space": "Space", "tab": "Tab", "home": "Home",
    "end": "End", "backspace": "Backspace", "delete": "Delete", "insert": "Insert",
}  # fmt: skip
_SIGNS = {
    "slash": "/", "question_mark": "?", "colon": ":", "semicolon": ";", "comma": ",",
    "full_stop": ".", "minus": "-", "plus": "+", "equals_sign": "=", "exclamation_mark": "!",
    "at": "@", "number_sign": "#", "dollar_sign": "$", "percent_sign": "%", "ampersand": "&",
    "asterisk": "*", "left_parenthesis": "(", "right_parenthesis": ")", "underscore": "_",
    "left_square_bracket": "[", "right_square_bracket": "]", "left_curly_bracket": "{",
    "right_curly_bracket": "}", "less_than_sign": "<", "greater_than_sign": ">",
    "vertical_line": "|", "backslash": "\\", "tilde": "~", "grave_accent": "`",
    "quotation_mark": '"', "apostrophe": "'", "circumflex_accent": "^",
}  # fmt: skip
"""Names that Textual gives to signs (``textual.keys._character_to_key``)."""
_BY_SIGN = {sign: name for name, sign in _SIGNS.items()}
_MODIFIERS = ("ctrl", "alt", "shift")
FUNCTION_KEYS = tuple(f"f{number}" for number in range(1, 25))


def use(keymap: Mapping[str, str]) -> None:
    """Put these keys in force, for everything started from here on."""
    _IN_FORCE.set(keymap)


def keys_of(action: str, usual: str) -> str:
    """The keys of an action now, joined by commas; ``usual`` where the operator said nothing."""
    return _IN_FORCE.get().get(action, usual)


def is_own(action: str) -> bool:
    """Whether the operator gave that action keys of their own."""
    return action in _IN_FORCE.get()


def read_key(written: str) -> str | None:
    """The name Textual has for a key as people write it; None when it is no key."""
    *modifiers, last = _parts(written)
    names = [modifier.lower().strip() for modifier in modifiers]
    names = ["ctrl" if name in ("control", "c", "^") else name for name in names]
    if any(name not in _MODIFIERS for name in names):
        return None
    base = _base(last)
    if base is None:
        return None
    if "ctrl" in names and len(base) == 1:
        base = base.lower()
    return "+".join([*(name for name in _MODIFIERS if name in names), base])


def _parts(written: str) -> list[str]:
    if len(written) == 1 or "+" not in written:
        return [written]
    head, _, last = written.rpartition("+")
    return [*head.rstrip("+").split("+"), last or "+"]


def _base(last: str) -> str | None:
    if len(last) == 1:
        return last if last.isalnum() else _BY_SIGN.get(last)
    name = _WRITTEN.get(last.lower(), last.lower())
    is_known = name in _SHOWN or name in _SIGNS or name in FUNCTION_KEYS
    return name if is_known else None


def write_key(name: str) -> str:
    """A key of Textual as people read it: ``Ctrl+P``, ``↑``, ``/``."""
    *modifiers, base = name.split("+")
    shown = _SHOWN.get(base) or _SIGNS.get(base)
    if shown is None:
        shown = base.upper() if base in FUNCTION_KEYS or modifiers else base
    return "+".join([*(modifier.capitalize() for modifier in modifiers), shown])


def write_keys(names: str) -> str:
    """Several, with a blank between."""
    return " ".join(write_key(name) for name in names.split(","))

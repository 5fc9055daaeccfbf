"""What an agent may be called. A name is a label: it never becomes a path or a shell word, and
these rules keep it harmless even where somebody uses it as one."""

from __future__ import annotations

import re
from collections.abc import Iterable

from supervisor.config.defaults import MAX_NAME_LENGTH

EXPECTED = f"1 to {MAX_NAME_LENGTH} of the characters A-Z a-z 0-9 . _ - and first a letter or digit"
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}", re.ASCII)


def name_fault(name: str) -> str | None:
    """Why ``name`` is refused, in one phrase; None when it is fine."""
    if _NAME.fullmatch(name):
        return None
    if not name:
        return "it is empty"
    if len(name) > MAX_NAME_LENGTH:
        return f"it has {len(name)} characters"
    if "/" in name or "\\" in name:
        return "it looks like a path"
    if name.startswith("-"):
        return "it looks like an option"
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in name):
        return "it has a control character in it"
    if not name.isascii():
        return "it has a character outside ASCII, which may look like another one"
    if name[0] in "._":
        return f"it starts with {name[0]!r}"
    bad = next(character for character in name if not _NAME.fullmatch("a" + character))
    return f"it has {bad!r} in it"


def same_but_for_case(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of different names that differ only in upper and lower case, later one second."""
    first: dict[str, str] = {}
    pairs = []
    for name in names:
        other = first.setdefault(name.lower(), name)
        if other != name:
            pairs.append((other, name))
    return pairs

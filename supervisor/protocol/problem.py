"""What is wrong with something an agent wrote: a value, never an exception.

Its text is plain printable ASCII whatever the agent wrote, so it may go to any log or terminal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SHOWN_LIMIT = 60
"""Characters of a found value that a problem quotes."""
FIELD_LIMIT = 120
"""Characters of a field's path; an agent chooses the names of unknown keys."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One reason why a file or a field cannot be used."""

    code: str
    """Stable, for programs: ``missing``, ``unsafe``, ``too-large``, ``encoding``, ``syntax``,
    ``depth``, ``nodes``, ``number``, ``duplicate``, ``surrogate``, ``schema``, ``name``,
    ``too-many``, ``checksum``, ``foreign``, ``empty``, ``unreadable``."""
    field: str
    """Path of the field (``step.completed``), or the file when all of it is meant."""
    found: str
    expected: str

    def __str__(self) -> str:
        """One line: ``step.completed: found '50%', expected a number``."""
        head = f"{self.field}: " if self.field else ""
        return f"{head}found {self.found}, expected {self.expected}"


def shown(value: Any) -> str:
    """``value`` quoted for a problem: ASCII, no control bytes, at most ``SHOWN_LIMIT`` long."""
    if isinstance(value, str):
        return ascii(value) if len(value) <= SHOWN_LIMIT else ascii(value[:SHOWN_LIMIT]) + "..."
    if isinstance(value, dict):
        return f"an object of {len(value)} fields"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    text = ascii(value)
    return text if len(text) <= SHOWN_LIMIT else text[:SHOWN_LIMIT] + "..."


def dotted(path: tuple[str | int, ...]) -> str:
    """``('anomalies', 3, 'id')`` as ``anomalies[3].id``, safe to show."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = ascii(part[:FIELD_LIMIT])[1:-1]
            text += f".{name}" if text else name
    return text if len(text) <= FIELD_LIMIT else text[:FIELD_LIMIT] + "..."

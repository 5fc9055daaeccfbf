"""What is wrong with a configuration: collected, so that every error is said at once.

A validator gets a ``Problems`` and reports to it. Whoever made the collector decides whether the
first error raises (``first_raises``), or all are listed, or all are raised together at the end.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from supervisor.core.text import safe_text
from supervisor.errors import ConfigError

FOUND_LIMIT = 120
"""Characters shown of a value: a message must stay readable with a 10 kB name in it."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: where, what was found, what was expected, what to do."""

    file: str
    key: str
    """Dotted, ``agents.census.timeout``; empty for the file as a whole."""
    found: str
    expected: str = ""
    fix: str = ""
    line: int | None = None
    """From 1; None when no line can be named."""
    column: int | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        """One line: ``config.toml:12: agents.x.timeout: found …; expected …. Do this.``"""
        where = ":".join(str(part) for part in (self.file, self.line, self.column) if part)
        head = f"{where}: {self.key}: " if self.key else f"{where}: "
        expected = f"; expected {self.expected}" if self.expected else ""
        return safe_text(f"{head}{self.found}{expected}." + (f" {self.fix}" if self.fix else ""))


@dataclass(slots=True)
class Problems:
    """Collects problems of one file; not for use after ``raise_if_any`` raised."""

    first_raises: bool = False
    """Raise ConfigError at the first error instead of collecting."""
    _found: list[Problem] = field(default_factory=list)

    def report(self, problem: Problem) -> None:
        """Take it; raises ConfigError at once when the first error is to raise."""
        self._found.append(problem)
        if self.first_raises and problem.severity == "error":
            raise ConfigError((str(problem),), where=problem.file)

    def __iter__(self) -> Iterator[Problem]:
        """All, in the order of the file, errors and warnings mixed."""
        return iter(sorted(self._found, key=lambda problem: problem.line or 0))

    def has_errors(self) -> bool:
        """Whether the file cannot be used; a warning alone never says so."""
        return any(problem.severity == "error" for problem in self._found)

    def raise_if_any(self) -> None:
        """Raise ConfigError with every error; warnings alone pass."""
        errors = [problem for problem in self if problem.severity == "error"]
        if errors:
            raise ConfigError(tuple(str(error) for error in errors), where=errors[0].file)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word a person most likely meant, or None when none is close."""
    # A long word is no typing error, and difflib takes quadratic time on it.
    if len(word) > 64:
        return None
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else None


def show(value: object) -> str:
    """A found value as a person wrote it, cut and harmless."""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, str):
        text = f'"{value[: FOUND_LIMIT * 2]}"'
    elif isinstance(value, dict):
        text = "a table"
    elif isinstance(value, list) and len(value) > 8:
        text = f"a list of {len(value)}"
    else:
        text = repr(value)
    return safe_text(text, limit=FOUND_LIMIT)

"""What a check of ``longwatch doctor`` says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """How much it matters."""

    OK = "ok"
    NOTE = "note"
    """Works, with a drawback; the exit status stays 0."""
    BAD = "bad"
    """Something of ours will not work; exit status 1."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    name: str
    health: Health
    message: str
    fix: str = ""
    """What to do; empty when nothing has to be done."""

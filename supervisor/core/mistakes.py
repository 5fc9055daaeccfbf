"""Which lines of an agent's output tell of an error: a small rule, stated once.

Pure. A line does when one of these stands in it as a word or as the end of a name, in any case:
error, exception, fatal, panic, traceback, critical, segfault, failed, failure; and none of its
errors is denied (no errors, 0 failed, errors: 0, without error, error-free). It is a help to the
eye: nothing is decided by it.
"""

from __future__ import annotations

import re

MAX_LOOKED_AT = 2000
"""Characters of a line: who fails says so near the beginning."""
_HINT = re.compile("error|exce|fatal|panic|trace|crit|segf|fail", re.IGNORECASE)
"""Tried first: it passes over most lines at once."""
_TOLD = re.compile(
    r"(?:\b|(?<=[a-z])|_)(?:errors?|exceptions?|fatal|panic(?:ked)?|traceback|critical|segfault"
    r"|failed|failures?)(?![a-z])",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\b(?:no|0|zero|without|any)\s+(?:\w+\s+)?(?:errors?|exceptions?|failures?|failed|fatal)\b"
    r"|\b(?:errors?|failed|failures?|exceptions?)\s*[:=]\s*(?:0|none|null|false)\b"
    r"|\berror-free\b",
    re.IGNORECASE,
)


def is_error_line(text: str) -> bool:
    """Whether that line, clean of escapes, tells of an error."""
    head = text[:MAX_LOOKED_AT]
    if not _HINT.search(head):
        return False
    return _TOLD.search(_DENIED.sub(" ", head)) is not None

"""Two strikes: when the loop goes round without getting anywhere. Decides, does nothing."""

from __future__ import annotations

import hashlib
import re
from typing import Any

STRIKES = 2
PASSING = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*|\d\d:\d\d:\d\d(?:\.\d+)?"  # times of day
    r"|0x[0-9a-f]+|(?<=\bpid )\d+|/tmp/\S+"  # addresses, processes, temporary places
    r"|\d+(?:\.\d+)?\s?(?:ms|s|sec|secs|seconds?|minutes?)\b",  # how long it took
    re.IGNORECASE,
)
"""What differs in the output of the same failure. Other numbers stay: 4 failed is not 5 failed."""


def error_hash(text: str) -> str:
    """The same for the same error at another time."""
    return hashlib.sha256(PASSING.sub("~", text).encode(errors="replace")).hexdigest()[:16]


class Strikes:
    """Counts over the finished iterations of one task; another task begins afresh."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._unchanged = 0
        self._repeated = 0
        self._errors: set[str] = set()

    def forget(self) -> None:
        """The operator said something new."""
        self._key = None

    def count(self, key: str, work: dict[str, Any], verdict: dict[str, Any]) -> str | None:
        """Why to stop after this iteration; None to go on."""
        if key != self._key:
            self._key, self._unchanged, self._repeated, self._errors = key, 0, 0, set()
        errors = {hashed for hashed in (work["error"], verdict["error"]) if hashed}
        self._unchanged = 0 if work["is_changed"] else self._unchanged + 1
        self._repeated = self._repeated + 1 if errors & self._errors else 1
        self._errors = errors
        if verdict["is_passed"]:
            return None
        if self._repeated >= STRIKES:
            return f"the same error {STRIKES} times"
        if self._unchanged >= STRIKES:
            return f"nothing changed in the work tree {STRIKES} times"
        return None

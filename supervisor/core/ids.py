"""Sortable run ids: ULID (48 bits of Unix milliseconds, 80 random bits, Crockford base 32).

Format: https://github.com/ulid/spec
"""

from __future__ import annotations

import re

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RUN_ID = re.compile(f"[0-7][{ALPHABET}]{{25}}")
MIN_SUFFIX = 4
"""Fewest characters of a run id's end that people may type."""


def ulid(unix_seconds: float, random_bits: int) -> str:
    """The 26-character id for that time and 80 random bits."""
    value = (int(unix_seconds * 1000) & (2**48 - 1)) << 80 | random_bits & (2**80 - 1)
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def is_run_id(text: str) -> bool:
    """Whether ``text`` is a whole run id (and so safe as a directory name)."""
    return RUN_ID.fullmatch(text) is not None

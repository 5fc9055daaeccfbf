"""Sortable run ids: ULID (48 bits of Unix milliseconds, 80 random bits, Crockford base 32).

Format: https://github.com/ulid/spec
"""

from __future__ import annotations

import re

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RUN_ID = re.compile(f"[0-7][{ALPHABET}]{{25}}")
MIN_SUFFIX = 4
"""Fewest characters of a run id's end that people may type."""

STEP_BITS = 20
"""Of the random step to an id that cannot be newer by time: people type the last four
characters, so those have to differ as if drawn."""


def ulid(unix_seconds: float, random_bits: int) -> str:
    """The 26-character id for that time and 80 random bits."""
    value = (int(unix_seconds * 1000) & (2**48 - 1)) << 80 | random_bits & (2**80 - 1)
    return _encoded(value)


def next_ulid(unix_seconds: float, random_bits: int, newest: str) -> str:
    """The id of that time, or the next ones after ``newest`` when the clock is behind it.

    Whatever picks the newest run goes by its id: a clock that was set back must not make the run
    begun last look older. ``newest`` is empty when there is none.
    """
    made = ulid(unix_seconds, random_bits)
    if made > newest:
        return made
    step = 1 + (random_bits & (2**STEP_BITS - 1))
    return _encoded((number_of(newest) + step) & (2**128 - 1))


def _encoded(value: int) -> str:
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


def number_of(run_id: str) -> int:
    """The 128 bits of a run id."""
    value = 0
    for character in run_id:
        value = value << 5 | ALPHABET.index(character)
    return value


def is_run_id(text: str) -> bool:
    """Whether ``text`` is a whole run id (and so safe as a directory name)."""
    return RUN_ID.fullmatch(text) is not None

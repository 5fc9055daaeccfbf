"""Sizes as people write them: ``"64MB"``, ``"2 GB"``, ``"512KiB"``, or a number of bytes."""

from __future__ import annotations

import re

from supervisor.config.defaults import MAX_SIZE_BYTES

UNIT_BYTES = {
    "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12,
    "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40,
}  # fmt: skip
EXPECTED = 'a size above 0, such as "64MB", "2GB", "512KiB" or a number of bytes'
NO_LIMIT = "none"
# A bounded count of digits: a text of 5,000 digits would overflow a float into infinity.
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgt]?i?b)?", re.ASCII)


class SizeError(ValueError):
    """Not a size we accept; the text says what is wrong with it."""


def parse_size(value: object, *, least: int = 1) -> int | None:
    """Bytes, or None for ``None`` and ``"none"`` (no limit).

    Less than ``least`` and more than a pebibyte are refused. kB, MB and GB count in thousands,
    KiB, MiB and GiB in 1,024. Raises SizeError.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise SizeError(f"{type(value).__name__} is no size")
    if isinstance(value, int):
        return _checked(value, least)
    text = value.strip().lower()
    if text == NO_LIMIT:
        return None
    found = _SIZE.fullmatch(text)
    unit = UNIT_BYTES.get(found[2] or "b") if found else None
    if found is None or unit is None:
        raise SizeError("the units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB, after a number")
    return _checked(round(float(found[1]) * unit), least)


def _checked(size: int, least: int) -> int:
    if size <= 0:
        raise SizeError('a size is above 0; for no limit write "none"')
    if size < least:
        raise SizeError(f"less than {least} bytes is taken for a mistake")
    if size > MAX_SIZE_BYTES:
        raise SizeError("more than a pebibyte is taken for a mistake")
    return size

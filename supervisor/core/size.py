"""Amounts of memory and disk in words: the units of ``max_memory`` and ``log_cap``."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_words(size_bytes: int) -> str:
    """``850 B``, ``12 kB``, ``2.3 GB``; units of a thousand, as in config.toml."""
    amount, place = float(size_bytes), 0
    while abs(amount) >= 999.5 and place < len(_UNITS) - 1:
        amount, place = amount / 1000, place + 1
    digits = f"{amount:.1f}" if abs(amount) < 99.95 else f"{amount:.0f}"
    return f"{digits.removesuffix('.0')} {_UNITS[place]}"

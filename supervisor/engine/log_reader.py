"""Pieces of an agent's output for clients; bytes are passed on raw, clients clean them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.process.output import read_output

MAX_PIECE_BYTES = 262_144


def read_piece(path: Path, offset: int, limit: int) -> dict[str, Any]:
    """At most ``limit`` bytes from ``offset`` (negative: from the end), cut at whole characters.

    A missing file is an empty one. Offsets past the end start over at the end: the file may have
    been replaced. ``start`` is behind ``offset`` when the beginning was taken away (the cap).
    """
    piece = read_output(str(path), offset, max(0, min(limit, MAX_PIECE_BYTES)))
    data = piece.data
    if piece.start + len(data) < piece.size:
        data = _whole_characters(data)
    return {
        "data": data.decode("utf-8", "replace"),
        "start": piece.start,
        "offset": piece.start + len(data),
        "size": piece.size,
    }


def _whole_characters(data: bytes) -> bytes:
    """``data`` without a UTF-8 character that was cut at its end (at most 3 bytes)."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:
            wanted = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return data[:-back] if wanted > back and len(data) > back else data
    return data

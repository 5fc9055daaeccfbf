"""Pieces of an agent's output for clients, without secrets; clients clean them for a terminal.

A secret is found also where pieces meet: a piece is read with a margin on both sides. Offsets stay
those of the file, so a piece may hold more or fewer bytes than it stands for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from supervisor.core.redact import Redactor
from supervisor.process.output import Piece, read_output

MAX_PIECE_BYTES = 262_144
MARGIN_BYTES = 8192
"""Above the longest secret that is looked for: a PEM key of 8,192 bits has 6.4 kB."""
_NO_SECRETS = Redactor()


def read_piece(
    path: Path, offset: int, limit: int, redactor: Redactor = _NO_SECRETS
) -> dict[str, Any]:
    """At most ``limit`` bytes from ``offset`` (negative: from the end), cut at whole characters.

    A missing file is an empty one. Offsets past the end start over at the end: the file may have
    been replaced. ``start`` is behind ``offset`` when the beginning was taken away (the cap).
    """
    piece = read_output(str(path), offset, max(0, min(limit, MAX_PIECE_BYTES)))
    data = piece.data
    if piece.start + len(data) < piece.size:
        data = _whole_characters(data)
    end = piece.start + len(data)
    shown = _without_secrets(path, piece.start, data, redactor) if data else data
    return {
        "data": shown.decode("utf-8", "replace"),
        "start": piece.start,
        "offset": end,
        "size": piece.size,
    }


def _without_secrets(path: Path, start: int, data: bytes, redactor: Redactor) -> bytes:
    """``data`` with a marker where a secret begins, and nothing where one only goes on."""
    before_at = max(0, start - MARGIN_BYTES)
    before = _joined(read_output(str(path), before_at, start - before_at), end=start)
    end = start + len(data)
    after = read_output(str(path), end, MARGIN_BYTES)
    behind = after.data if after.start == end else b""
    # One character a byte, so that places in the text are places in the file.
    text = (before + data + behind).decode("latin-1")
    first, last = len(before), len(before) + len(data)
    parts: list[str] = []
    done = first
    for span in redactor.spans(text):
        if span.end <= first or span.start >= last:
            continue
        if span.start >= first:
            parts += (text[done : span.start], f"[redacted {span.label}]")
        done = max(done, min(span.end, last))
    return ("".join(parts) + text[done:last]).encode("latin-1", "replace")


def _joined(piece: Piece, *, end: int) -> bytes:
    """What was read, if it reaches up to there without a gap."""
    return piece.data if piece.start + len(piece.data) == end else b""


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

"""Bytes to lines to JSON objects, with a cap on everything. No I/O.

``StreamReader.readline`` raises on a long line and loses what came with it; here bytes are fed in
as they come, and a line that grows past the limit is an error before it is a cost.
"""

from __future__ import annotations

import json
from typing import Any

CLIENT_LIMIT = 2**20
"""Bytes of a line that a client may send (architecture.md)."""
ENGINE_LIMIT = 16 * 2**20
"""Bytes of a line that the engine may send; a snapshot of 1,000 runs has about 3 MB."""
CHUNK = 2**16


class FrameError(ValueError):
    """A line that cannot be used; ``code`` is the JSON-RPC error code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class FrameReader:
    """Collects chunks into lines of at most ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of a line that has not ended."""
        return self._held_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines that ``chunk`` completes, without their newline, empty ones left out.

        FrameError for a line over the limit, even when it has not ended; nothing more may be fed.
        """
        *ended, rest = chunk.split(b"\n")
        lines = []
        for piece in ended:
            self._hold(piece)
            line = b"".join(self._parts)
            self._parts.clear()
            self._held_bytes = 0
            if line.strip():
                lines.append(line)
        if rest:
            self._hold(rest)
        return lines

    def _hold(self, piece: bytes) -> None:
        self._held_bytes += len(piece)
        if self._held_bytes > self._limit:
            raise FrameError(f"a line is longer than {self._limit} bytes", -32600)
        self._parts.append(piece)


def decode(line: bytes) -> dict[str, Any]:
    """The JSON object in ``line``; FrameError for anything else, NaN and endless nesting too."""
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    except UnicodeDecodeError:
        raise FrameError("a line is not UTF-8", -32700) from None
    except RecursionError:
        raise FrameError("a line is nested too deeply", -32700) from None
    except ValueError as error:
        raise FrameError(f"a line is not JSON: {error}", -32700) from None
    if not isinstance(value, dict):
        raise FrameError("a line is not a JSON object", -32600)
    return value


def encode(message: dict[str, Any]) -> bytes:
    """One line. ASCII only: a lone surrogate from an agent's text must not stop a reply."""
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")

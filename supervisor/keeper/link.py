"""The keeper's end of the socket pair: frames in, frames out, never blocking.

One JSON object a line, at most 4 MiB. Whatever the engine sends, the answer is at worst an error:
a frame that is no call is answered with code ``frame``, and the keeper goes on. While the engine
does not read, its calls wait, so what we keep for it stays bounded.
"""

from __future__ import annotations

import json
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_FRAME_BYTES = 4 * 1024 * 1024
READ_BYTES = 256 * 1024
PAUSE_BYTES = 1024 * 1024
"""Unsent bytes from which on no further call is read."""


class FrameError(ValueError):
    """What arrived is no call."""


class Link:
    """One connection to one engine."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._incoming = bytearray()
        self._scanned = 0
        self._is_skipping = False
        self._outgoing = bytearray()
        self.is_closed = False

    def fileno(self) -> int:
        """For the selector."""
        return self._socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Something is unsent."""
        return bool(self._outgoing)

    @property
    def is_paused(self) -> bool:
        """Too much is unsent to take further calls."""
        return len(self._outgoing) > PAUSE_BYTES

    def send(self, message: dict[str, Any]) -> None:
        """Send or keep for later; after the end of the connection nothing happens."""
        self.send_line(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def send_line(self, data: bytes) -> None:
        """The same for a frame that is encoded already."""
        if self.is_closed:
            return
        if self._outgoing:
            self._outgoing += data
            return
        sent = self._try_to_send(data)
        if sent < len(data):
            self._outgoing += memoryview(data)[sent:]

    def flush(self) -> None:
        """Send what can be sent now."""
        if self._outgoing and not self.is_closed:
            del self._outgoing[: self._try_to_send(self._outgoing)]

    def receive(self) -> list[bytes | FrameError] | None:
        """Whole frames that have arrived; None when there is nothing to read now.

        At the end of the connection ``is_closed`` is set.
        """
        try:
            data = self._socket.recv(READ_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            self.is_closed = True
            self._outgoing.clear()
            return None
        self._incoming += data
        return self._split()

    def close(self) -> None:
        """The end; may be called twice."""
        self.is_closed = True
        self._socket.close()

    def _try_to_send(self, data: bytes | bytearray) -> int:
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            # The reading side will see the end; what is unsent is for nobody.
            return len(data)

    def _split(self) -> list[bytes | FrameError]:
        frames: list[bytes | FrameError] = []
        while (end := self._incoming.find(b"\n", self._scanned)) >= 0:
            line = bytes(self._incoming[:end])
            del self._incoming[: end + 1]
            self._scanned = 0
            if self._is_skipping:
                self._is_skipping = False
            elif len(line) > MAX_FRAME_BYTES:
                frames.append(
                    FrameError(f"a frame of {len(line)} bytes; {MAX_FRAME_BYTES} at most")
                )
            elif line.strip():
                frames.append(line)
        self._scanned = len(self._incoming)
        if self._scanned > MAX_FRAME_BYTES or self._is_skipping:
            if not self._is_skipping:
                frames.append(FrameError(f"a frame of more than {MAX_FRAME_BYTES} bytes"))
            self._is_skipping = True
            self._incoming.clear()
            self._scanned = 0
        return frames


def parse_call(frame: bytes) -> dict[str, Any]:
    """The object in a frame. Raises FrameError."""
    try:
        call = json.loads(frame.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not a JSON object in UTF-8: {error}"[:300]) from None
    if not isinstance(call, dict):
        raise FrameError(f"a JSON object was expected, not {type(call).__name__}")
    return call

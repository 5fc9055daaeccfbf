"""Answers ``GET /metrics`` on loopback: one small request, one answer, and the connection ends.

Never more than a few connections at a time, never a wait without an end, and never a name other
than this machine's: a web page that points its own name at 127.0.0.1 gets nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from supervisor.config.metrics import Address, is_loopback, parse_address

HEAD_LIMIT_BYTES = 16 * 1024
PATIENCE_S = 5.0
"""For a request to arrive, and for its answer to be taken."""
MAX_CONNECTIONS = 16

Answer = Callable[[str], Awaitable[tuple[bytes, str]]]
"""Body and content type for an Accept header."""


class ScrapeServer:
    """A listening socket, from ``start`` to ``close``."""

    def __init__(self, address: Address, answer: Answer) -> None:
        self._address = address
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._open = 0

    async def start(self) -> None:
        """Listen; OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._serve, self._address.host, self._address.port, limit=HEAD_LIMIT_BYTES
        )

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= MAX_CONNECTIONS:
            writer.close()
            return
        self._open += 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._reply(head.decode("latin-1")))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # Whoever asks like that gets no answer.
        finally:
            self._open -= 1
            writer.close()

    async def _reply(self, head: str) -> bytes:
        request, *lines = head.split("\r\n")
        method, _, rest = request.partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        fields = [line.partition(":") for line in lines if ":" in line]
        headers = {name.strip().lower(): value.strip() for name, _, value in fields}
        if method not in ("GET", "HEAD"):
            return _response("405 Method Not Allowed", b"only GET\n", "text/plain", "Allow: GET")
        if not _is_ours(headers.get("host", "")):
            return _response("403 Forbidden", b"ask for 127.0.0.1 or localhost\n", "text/plain")
        if path != "/metrics":
            return _response("404 Not Found", b"see /metrics\n", "text/plain")
        body, content_type = await self._answer(headers.get("accept", ""))
        reply = _response("200 OK", body, content_type)
        return reply[: len(reply) - len(body)] if method == "HEAD" else reply


def _is_ours(host: str) -> bool:
    address = parse_address(host) or parse_address(f"{host}:80")
    return address is not None and is_loopback(address.host)


def _response(status: str, body: bytes, content_type: str, *more: str) -> bytes:
    lines = (
        f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}",
        "Connection: close", "Cache-Control: no-store", *more,
    )  # fmt: skip
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body

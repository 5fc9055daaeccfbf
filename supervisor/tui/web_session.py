"""One browser window: one process of the interface, from the socket's opening to its end.

Uses the process side of textual-serve. Must never outlive its page: whoever closes the window,
loses the network or kills the server ends the process too, and the agents go on.
"""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from aiohttp import WSMessage, WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from supervisor.cancelling import cancelled
from supervisor.core.text import safe_text

QUIT_WAIT_S = 3.0
"""How long the interface may take to leave when asked, and again when told to end."""
MAX_CELLS = 1000
"""Columns or lines that a page may ask for."""
MAX_MESSAGE_BYTES = 1024 * 1024
"""One message of a page: a paste."""
HEARTBEAT_S = 10.0
"""Seconds between two looks at whether the page lives."""
READY = b"__GANGLION__\n"
"""What Textual's web driver prints before its first packet."""
SAID_LINES = 40


class Session(AppService):
    """The process, as textual-serve speaks to it."""

    def __init__(self, argv: Sequence[str], socket: web.WebSocketResponse) -> None:
        super().__init__(
            " ".join(argv),
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=self._close,
            download_manager=DownloadManager(),
        )
        self._socket = socket
        self._argv = argv
        self._said: deque[str] = deque(maxlen=SAID_LINES)

    async def _close(self) -> None:
        await self._socket.close()

    @property
    def pid(self) -> int | None:
        """The process."""
        return self._process.pid if self._process else None

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Without a shell between, so that it can be ended."""
        environment = self._build_environment(width=width, height=height)
        environment.pop("NO_COLOR", None)
        process = await asyncio.create_subprocess_exec(
            *self._argv, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        )
        assert process.stdin is not None
        self._process, self._stdin = process, process.stdin
        return process

    async def run(self) -> None:
        """Carry what it draws to the page, until it ends; an early end is told in the page."""
        process = self._process
        assert process is not None and process.stdout is not None
        listening = asyncio.create_task(self._listen(process))
        try:
            if await self._is_ready(process.stdout):
                await self._carry(process.stdout)
            else:
                await listening
                await self._tell_end(await process.wait())
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # It ended, or the page went: either way this window is over.
        finally:
            listening.cancel()

    async def end(self) -> None:
        """End the process: asked, then told, then made to. May be called twice."""
        process, task = self._process, self._task
        self._task = None
        if process is not None and process.returncode is None:
            with suppress(OSError, RuntimeError):
                async with asyncio.timeout(QUIT_WAIT_S):
                    await self.send_meta({"type": "quit"})
            for end_it in (None, process.terminate, process.kill):
                with suppress(ProcessLookupError):
                    if end_it is not None:
                        end_it()
                with suppress(TimeoutError):
                    async with asyncio.timeout(QUIT_WAIT_S):
                        await process.wait()
                    break
        if task is not None:
            await cancelled(task)

    async def _is_ready(self, stdout: asyncio.StreamReader) -> bool:
        while line := await stdout.readline():
            if line == READY:
                return True
        return False

    async def _carry(self, stdout: asyncio.StreamReader) -> None:
        while True:
            kind = await stdout.readexactly(1)
            payload = await stdout.readexactly(int.from_bytes(await stdout.readexactly(4), "big"))
            if kind == b"D":
                await self.on_data(payload)
            elif kind == b"M":
                await self.on_meta(payload)

    async def _listen(self, process: Process) -> None:
        assert process.stderr is not None
        while line := await process.stderr.readline():
            self._said.append(safe_text(line.decode("utf-8", "replace").rstrip("\n")))

    async def _tell_end(self, status: int) -> None:
        """What it said before it ended, as a terminal would show it."""
        lines = [*self._said, "", f"longwatch ended with status {status}; reload to try again"]
        await self.remote_write_bytes("\r\n".join(lines).encode())


async def serve_page(argv: Sequence[str], socket: web.WebSocketResponse, query: str) -> None:
    """Run one window until its page is gone or the interface was left."""
    width, height = (_cells(part) for part in (query + "x").split("x")[:2])
    session = Session(argv, socket)
    try:
        await session.start(width or 80, height or 24)
        async for message in socket:
            if message.type == WSMsgType.TEXT and not await _take(session, socket, message):
                return
    finally:
        await session.end()


async def _take(session: Session, socket: web.WebSocketResponse, message: WSMessage) -> bool:
    """One message of the page; False for what no page of ours sends."""
    try:
        kind, *rest = message.json()
        if kind == "stdin":
            await session.send_bytes(str(rest[0]).encode("utf-8", "replace"))
        elif kind == "resize":
            width, height = (_cells(str(rest[0][name])) for name in ("width", "height"))
            await session.set_terminal_size(width or 80, height or 24)
        elif kind == "ping":
            await socket.send_json(["pong", str(rest[0])[:40]])
        elif kind in ("blur", "focus"):
            await (session.blur() if kind == "blur" else session.focus())
    except (ValueError, TypeError, KeyError, IndexError):
        return False
    except ConnectionError:
        return False
    return True


def _cells(text: str) -> int:
    return min(MAX_CELLS, int(text)) if text.isdecimal() and len(text) < 6 else 0

"""The interface in a browser: a small server on loopback, its page, and a process for each window.

Owns the listening socket and the windows that are open. Every request passes ``web_gate`` first.
Assets are those of textual-serve, from this machine: the page asks no other machine for anything.
"""

from __future__ import annotations

import asyncio
import html
import signal
import socket
import string
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import textual_serve
from aiohttp import web

from supervisor.cancelling import cancelled
from supervisor.errors import EnvironmentFaultError
from supervisor.tui import web_gate
from supervisor.tui.web_gate import Asked, Gate, Verdict
from supervisor.tui.web_session import HEARTBEAT_S, MAX_MESSAGE_BYTES, serve_page

PAGE = Path(__file__).with_name("web_page.html")
SCRIPT = Path(__file__).with_name("web_page.js")
STATIC = Path(textual_serve.__file__).parent / "static"
MAX_WINDOWS = 16
"""Each is a process of about 60 MB."""
FONT_SIZE = 16
CLOSE_WAIT_S = 10.0
GO_ON = (
    '<!DOCTYPE html><link rel="icon" href="data:,">'
    '<meta http-equiv="refresh" content="0; url=/"><a href="/">longwatch</a>'
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Served:
    """What is to be served."""

    argv: tuple[str, ...]
    """The command of a window."""
    title: str
    gate: Gate
    max_windows: int = MAX_WINDOWS


def listen(address: str, port: int) -> socket.socket:
    """A bound socket; EnvironmentFaultError when that is not possible."""
    try:
        info = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(info[0], socket.SOCK_STREAM)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(info[4])
        bound.listen(64)
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot serve at {address} port {port}: {error.strerror or error}",
            fix="Another port: longwatch serve --port N (0 takes a free one)",
        ) from error
    return bound


def serve(served: Served, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; ``ready`` is called when the first page can come."""
    asyncio.run(_serve(served, bound, ready))


async def _serve(served: Served, bound: socket.socket, ready: Callable[[], None]) -> None:
    told_to_end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told_to_end.set)
    site = Site(served)
    # No access log: the first address holds the token.
    runner = web.AppRunner(site.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.SockSite(runner, bound).start()
        ready()
        await told_to_end.wait()
    finally:
        await site.close_windows()
        await runner.cleanup()


class Site:
    """The routes, behind the gate."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._page = string.Template(PAGE.read_text(encoding="utf-8"))
        self._windows: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        """As aiohttp runs it."""
        made = web.Application(middlewares=[self._checked])
        made.add_routes(
            [
                web.get("/", self._index),
                web.get("/page.js", self._script),
                web.get(self._served.gate.socket_path, self._window),
                web.static("/static", STATIC),
            ]
        )
        return made

    async def close_windows(self) -> None:
        """End every window's process."""
        for task in self._windows:
            task.cancel()
        if self._windows:
            await asyncio.wait(self._windows, timeout=CLOSE_WAIT_S)

    @web.middleware
    async def _checked(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        gate, host = self._served.gate, request.headers.get("Host", "")
        verdict = gate.judge(
            Asked(
                path=request.path,
                host=host,
                origin=request.headers.get("Origin"),
                fetch_site=request.headers.get("Sec-Fetch-Site"),
                fetch_mode=request.headers.get("Sec-Fetch-Mode"),
                token=request.query.get("token"),
                cookie=request.cookies.get(self._cookie_name(request)),
            )
        )
        answer: web.StreamResponse
        if isinstance(verdict, str):
            answer = web.Response(
                status=403, text=f"longwatch: {verdict}\n", headers=web_gate.HEADERS
            )
            return answer
        if verdict is Verdict.GIVE_COOKIE:
            return self._with_cookie(request)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            error.headers.update(web_gate.HEADERS)
            raise
        if not answer.prepared:
            answer.headers.update(web_gate.page_headers(host))
        return answer

    def _cookie_name(self, request: web.Request) -> str:
        """With the port in it: cookies of one machine's ports are otherwise one."""
        port = request.headers.get("Host", "").rpartition(":")[2]
        return f"longwatch-{port if port.isdecimal() else 'web'}"

    def _with_cookie(self, request: web.Request) -> web.Response:
        """The token is taken out of the address: a page of ours goes on, not a redirect, whose
        cookie a strict browser keeps back when a foreign page led here."""
        answer = web.Response(
            text=GO_ON,
            content_type="text/html",
            headers=web_gate.HEADERS,
        )
        answer.set_cookie(
            self._cookie_name(request), self._served.gate.cookie,
            httponly=True, samesite="Strict", path="/", secure=request.secure,
        )  # fmt: skip
        return answer

    async def _index(self, request: web.Request) -> web.Response:
        scheme = "wss" if request.secure else "ws"
        size = request.query.get("fontsize", "")
        text = self._page.substitute(
            title=html.escape(self._served.title),
            socket=html.escape(
                f"{scheme}://{request.headers['Host']}{self._served.gate.socket_path}"
            ),
            font_size=size if size.isdecimal() and len(size) < 3 else FONT_SIZE,
        )
        return web.Response(text=text, content_type="text/html")

    async def _script(self, _request: web.Request) -> web.FileResponse:
        return web.FileResponse(SCRIPT)

    async def _window(self, request: web.Request) -> web.StreamResponse:
        if len(self._windows) >= self._served.max_windows:
            return web.Response(status=503, text="longwatch: too many windows are open\n")
        page = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_MESSAGE_BYTES)
        await page.prepare(request)
        cells = f"{request.query.get('width', '')}x{request.query.get('height', '')}"
        task = asyncio.create_task(serve_page(self._served.argv, page, cells))
        self._windows.add(task)
        try:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(task)
        finally:
            # The handler of a page that went is cancelled: its process still has to end.
            await cancelled(task)
            self._windows.discard(task)
        return page


def window_argv(program: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """The command of a window."""
    return (*program, "--served", *words)

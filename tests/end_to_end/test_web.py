"""``longwatch serve`` in a real browser."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from browser import PageTerminal, browser, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

ASKING = """
import time
from supervisor.agent import Agent
with Agent() as agent:
    agent.approve("Publish it?", action={"argv": ["publish"]})
"""


class Served:
    """A running ``longwatch serve``."""

    def __init__(self, project: Any) -> None:
        self.project = project
        self.process: subprocess.Popen[str] = project.follow("serve", "--port", "0", "--json")
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url: str = said["url"]
        self.port: int = said["port"]
        self.base = f"http://127.0.0.1:{self.port}"
        self.token = urlsplit(self.url).query.partition("=")[2]

    def ask(self, path: str, **headers: str) -> http.client.HTTPResponse:
        """One request as a program makes it; ``_`` in a header's name is ``-``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers=named)
        reply = connection.getresponse()
        reply.body = reply.read().decode("utf-8", "replace")  # type: ignore[attr-defined]
        connection.close()
        return reply

    def cookie(self) -> str:
        """What a browser gets for the token."""
        return str(self.ask(f"/?token={self.token}").getheader("Set-Cookie")).partition(";")[0]

    def windows(self) -> list[psutil.Process]:
        """The processes of open windows."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        return [child for child in children if _is_window(child)]


def _is_window(process: psutil.Process) -> bool:
    try:
        return "--served" in process.cmdline()
    except psutil.Error:
        return False


@pytest.fixture
def served(project: Any) -> Iterator[Served]:
    script = project.script("asking.py", ASKING)
    command = json.dumps(["{python}", str(script)])
    project.configure(
        f"[agents.asker]\ncommand = {command}\nautostart = true\n"
        '[agents.sleeper]\ncommand = ["sleep", "600"]\nautostart = true\n'
    )
    project.run("up")
    project.wait_for("asker", "parked")
    made = Served(project)
    yield made
    if made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        assert made.process.wait(20) == 0


async def test_the_page_shows_the_dashboard_and_is_worked_by_keyboard(served: Served) -> None:
    async with browser() as running:
        page = await running.new_page(viewport={"width": 1100, "height": 600})
        window = PageTerminal(page)
        await page.goto(served.url)
        await window.until(lambda: "1 asks you" in window.text(), "the dashboard")
        assert "sleeper" in window.text()
        assert page.url == f"{served.base}/", "the token does not stay in the address"
        assert (await page.title()).startswith("longwatch")

        assert "❯" in window.line_with("parked   ")
        await page.keyboard.press("j")
        await window.until(lambda: "❯" in window.line_with("sleeper    "), "the cursor to move")
        await page.keyboard.press("i")
        await window.until(lambda: "asker asks for approval" in window.text(), "the request")

        async def approve() -> None:
            # Keys are dead for a moment after a question appeared; a key too many means nothing.
            while served.project.status_of("asker")["status"] == "parked":
                await page.keyboard.press("y")
                await asyncio.sleep(0.2)

        await asyncio.wait_for(approve(), 30)
        await asyncio.to_thread(served.project.wait_for, "asker", "succeeded")
        await window.until(lambda: "asks for approval" not in window.text(), "the dashboard again")
        await page.keyboard.press("q")
        await page.wait_for_selector("text=The agents go on", timeout=30_000)
        ours = (f"{served.base}/", f"ws://127.0.0.1:{served.port}/")
        outside = [url for url in window.requested if not url.startswith((*ours, "data:"))]
        assert not outside
        assert any("RobotoMono" in url for url in window.requested)
    assert served.project.status_of("sleeper")["status"] == "running"


async def test_each_window_has_a_process_that_ends_with_it(served: Served) -> None:
    async with browser() as running:
        windows = []
        for _ in range(2):
            page = await (await running.new_context()).new_page()
            windows.append(PageTerminal(page))
            await page.goto(served.url)
        for window in windows:
            await window.until(lambda w=window: "1 asks you" in w.text(), "its dashboard")
        first = {process.pid for process in served.windows()}
        assert len(first) == 2
        await windows[0].page.close()
        await windows[1].until(lambda: len(served.windows()) == 1, "one process to end")
        assert not windows[1].is_closed
        left = served.windows()
        # Killed, it can end nothing itself: the window's process has to notice.
        served.process.kill()
        await asyncio.to_thread(psutil.wait_procs, left, 20)
        assert not any(process.is_running() for process in left)
    assert served.project.status_of("sleeper")["status"] == "running"


def test_without_the_token_there_is_nothing(served: Served) -> None:
    for path in ("/", "/ws", "/page.js", "/static/js/textual.js", "/?token=wrong", "/nothing"):
        reply = served.ask(path, Origin=served.base)
        assert reply.status == 403, path
        assert "with its token" in reply.body  # type: ignore[attr-defined]
        assert reply.getheader("Set-Cookie") is None


def test_the_cookie_is_kept_from_scripts_and_from_other_pages(served: Served) -> None:
    reply = served.ask(f"/?token={served.token}")
    cookie = str(reply.getheader("Set-Cookie"))
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert served.token not in cookie, "the address is not the cookie"
    page = served.ask("/", Cookie=served.cookie())
    assert page.status == 200
    policy = str(page.getheader("Content-Security-Policy"))
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "http" not in page.body.replace(f"127.0.0.1:{served.port}", "")  # type: ignore[attr-defined]


FOREIGN = (
    {"Host": "evil.example"},
    {"Host": "evil.example:{port}"},
    {"Host": "192.0.2.7:{port}"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors"},
    {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "cors"},
)


def test_the_cookie_alone_lets_no_other_page_in(served: Served) -> None:
    cookie = served.cookie()
    value = cookie.partition("=")[2]
    assert served.ask("/", Cookie=cookie).status == 200
    for headers in FOREIGN:
        named = {name: text.format(port=served.port) for name, text in headers.items()}
        # A browser sends it by the name of the port that it thinks it talks to.
        port = named.get("Host", "").rpartition(":")[2]
        cookies = f"{cookie}; longwatch-{port or 'web'}={value}; longwatch-web={value}"
        for path in ("/", "/ws", "/static/js/textual.js"):
            assert served.ask(path, Cookie=cookies, **named).status == 403, (path, named)
    assert served.ask("/ws", Cookie=cookie).status == 403, "a socket that no page opened"


async def test_a_page_of_another_port_gets_nothing_with_the_browsers_own_cookie(
    served: Served,
) -> None:
    evil = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=evil.serve_forever, daemon=True).start()
    try:
        async with browser() as running:
            context = await running.new_context()
            page = await context.new_page()
            window = PageTerminal(page)
            await page.goto(served.url)
            await window.until(lambda: "1 asks you" in window.text(), "a window with a cookie")
            await page.goto(f"http://127.0.0.1:{evil.server_address[1]}/nothing-here")
            got = await page.evaluate(
                """async (base) => {
                    const socket = await new Promise((done) => {
                        const tried = new WebSocket(base.replace("http", "ws") + "/ws");
                        tried.onopen = () => done("open");
                        tried.onerror = () => done("refused");
                    });
                    const read = await fetch(base + "/", {credentials: "include"})
                        .then(() => "read", () => "refused");
                    const script = await new Promise((done) => {
                        const tried = document.createElement("script");
                        tried.src = base + "/static/js/textual.js";
                        tried.onload = () => done("loaded");
                        tried.onerror = () => done("refused");
                        document.body.append(tried);
                    });
                    return [socket, read, script];
                }""",
                served.base,
            )
            assert got == ["refused", "refused", "refused"]
    finally:
        await asyncio.to_thread(evil.shutdown)
        evil.server_close()


def test_serving_to_the_network_is_warned_of_and_a_taken_port_is_said(
    served: Served, project: Any
) -> None:
    taken = project.run("serve", "--port", str(served.port), check=1)
    assert f"port {served.port}" in taken.stderr and "--port N" in taken.stderr
    wide = project.follow("serve", "--port", "0", "--address", "0.0.0.0")
    lines = [wide.stdout.readline() for _ in range(5)]
    os.kill(wide.pid, signal.SIGINT)
    assert wide.wait(20) == 0
    assert any("WARNING" in line and "reached from the network" in line for line in lines)
    assert any("/?token=" in line for line in lines)

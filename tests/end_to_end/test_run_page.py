"""The page of a run on a real engine: what it shows is there, and what it changes is changed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.pilot import Pilot

from supervisor.config.paths import Project
from supervisor.tui.app import LongwatchApp
from supervisor.tui.client import SocketBackend
from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.screens.run import RunScreen

LIMIT_S = 40.0
SHOWN = (
    "✓ collect", "● write", "from checkpoint", "exit status 3", "← resumes here", "good",
    "odd-page", "fetch in collect[3]", "ERROR page 4 is torn",
)  # fmt: skip
"""One thing of each pane."""
AGENT = """
import os, time
from supervisor.agent import Agent

def fetch(page):
    return {"page": page, "text": "words " * 5}

with Agent() as agent:
    agent.anomaly("odd-page", "a page without a title", "warning")
    for page in agent.track(range(4), stage="collect", unit="pages"):
        agent.step(fetch, page)
    if os.environ["LONGWATCH_ATTEMPT"] == "1":
        print("\\x1b[31mERROR\\x1b[0m page 4 is torn", flush=True)
        os._exit(3)
    agent.stage("write", 2, 2)
    time.sleep(600)
"""


def text_of(app: LongwatchApp) -> str:
    """What stands on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(condition: Callable[[], Any], what: str, app: LongwatchApp) -> None:
    end = asyncio.get_running_loop().time() + LIMIT_S
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"never: {what}\n{text_of(app)}"
        await asyncio.sleep(0.05)


async def confirm(app: LongwatchApp, pilot: Pilot[int]) -> None:
    """Answer the card that asks, once its keys count."""
    await until(lambda: isinstance(app.screen, ConfirmScreen), "the question", app)
    while isinstance(app.screen, ConfirmScreen):
        await pilot.press("y")
        await asyncio.sleep(0.1)


async def test_the_page_shows_a_run_and_mutes_stops_and_rolls_it_back(project: Any) -> None:
    project.script("agent.py", AGENT)
    project.configure('[agents.reader]\ncommand = ["{python}", "agent.py"]\n')
    project.run("up")
    project.run("start", "reader")
    app = LongwatchApp(SocketBackend(Project.find(project.directory)))
    async with app.run_test(size=(200, 50)) as pilot:
        await until(lambda: "reader" in text_of(app), "the table", app)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, RunScreen), "the page", app)
        for words in SHOWN:
            await until(lambda words=words: words in text_of(app), words, app)  # type: ignore[misc]
        assert "⚑1" in text_of(app)

        await pilot.press("5", "m")
        await confirm(app, pilot)
        await until(lambda: "◌ muted" in text_of(app), "the mute", app)
        await until(lambda: "⚑1" not in text_of(app), "no flag", app)

        await pilot.press("4", "j", "b")
        await until(lambda: "stops it first" in text_of(app), "the reason", app)
        await pilot.press("x")
        await confirm(app, pilot)
        await until(lambda: "■ stopped" in text_of(app), "the end", app)
        await pilot.press("b")
        await confirm(app, pilot)
        await until(lambda: "resumes from checkpoint" in text_of(app), "the word on it", app)
        await pilot.press("w")
        await until(lambda: "reader is stopped since" in text_of(app), "why", app)
    after = await asyncio.to_thread(project.status_of, "reader")
    assert after["anomaly_count"] == 0 and after["muted"][0]["kind"] == "odd-page"
    assert after["stage_seconds"].keys() == {"collect", "write"}
    assert await asyncio.to_thread(resumed_from, project) == after["checkpoint"]["generation"]
    told = await asyncio.to_thread(project.run, "events")
    assert "odd-page is no problem for this agent (by tui)" in told.stdout


def resumed_from(project: Any) -> int:
    """The generation that the next attempt really begins with."""
    project.run("restart", "reader")
    project.wait("it runs", lambda: project.status_of("reader")["status"] == "running")
    why = project.run("why", "reader").stdout
    last = [line for line in why.splitlines() if line.startswith("attempt ")][-1]
    return int(last.split("checkpoint ")[1].split(")")[0])

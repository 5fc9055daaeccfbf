"""Many runs at once from the interface, against a real engine and real agents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from supervisor.config.paths import Project
from supervisor.control.sync_client import SyncClient
from supervisor.tui.app import LongwatchApp
from supervisor.tui.client import SocketBackend
from supervisor.tui.model import open_requests
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.many import AlikeScreen, MenuScreen, WholeCard

ASKING = """
from supervisor.agent import Agent
with Agent() as agent:
    answer = agent.approve("Publish?", action={"argv": ["publish", "out"]})
    print("allowed" if answer else "denied", flush=True)
"""
COUNT = 3
LIMIT_S = 40.0


async def until(condition: Callable[[], Any], what: str) -> None:
    end = asyncio.get_running_loop().time() + LIMIT_S
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"never: {what}"
        await asyncio.sleep(0.02)


def shown_questions(app: LongwatchApp) -> int:
    """Open questions of the runs that the dashboard shows."""
    screen = app.screen
    is_there = isinstance(screen, Dashboard)
    return sum(len(run.open_requests) for run in screen.scope().runs) if is_there else 0


async def test_one_card_answers_three_agents_and_each_goes_on(project: Any) -> None:
    script = project.script("ask.py", ASKING)
    command = json.dumps(["{python}", str(script)])
    project.configure("".join(f"[agents.a{n}]\ncommand = {command}\n" for n in range(COUNT)))
    project.run("up")
    project.run("start", "--all")
    app = LongwatchApp(SocketBackend(Project.find(project.directory)))
    async with app.run_test(size=(100, 40)) as pilot:
        # As they are drawn: a menu is about what was in view, which may be a moment older.
        await until(lambda: shown_questions(app) == COUNT, "three questions")
        await pilot.press("F")
        await until(lambda: isinstance(app.screen, MenuScreen), "the menu")
        await pilot.press("4")
        await until(lambda: isinstance(app.screen, AlikeScreen), "the card")
        card = app.screen
        assert isinstance(card, WholeCard)
        await until(card.may, "keys that count")
        await pilot.press("y")
        await until(lambda: not open_requests(app.picture), "answers")
    for number in range(COUNT):
        run = project.wait_for(f"a{number}", "succeeded")
        records = project.directory / ".longwatch" / "records" / run["id"]
        assert (records / "out.log").read_text().split() == ["allowed"]


def test_a_named_run_that_has_moved_on_is_passed_over_and_the_others_are_paused(
    project: Any,
) -> None:
    project.configure(
        '[agents.works]\ncommand = ["sleep", "600"]\n[agents.over]\ncommand = ["true"]\n'
    )
    project.run("up")
    project.run("start", "--all")
    over, works = project.wait_for("over", "succeeded"), project.wait_for("works", "running")
    pointer = project.directory / ".longwatch" / "socket"
    client = SyncClient.connect(type(pointer)(pointer.read_text().splitlines()[0]))
    params = {"names": [over["id"], works["id"]], "lenient": True, "by": "test"}
    with client:
        reply = client.call("pause", params)
    assert [entry["id"] for entry in reply["runs"]] == [works["id"]]
    project.wait_for("works", "paused")

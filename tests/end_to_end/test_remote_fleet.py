"""Several machines in one interface, over a real sshd."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sshd_box import Box
from textual.pilot import Pilot

from supervisor.cli.first_contact import first_contact
from supervisor.cli.places import named_hosts
from supervisor.tui.app import LongwatchApp
from supervisor.tui.model import Link
from supervisor.tui.remote import HostBackend
from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.screens.request import RequestScreen

ASKING = """
from supervisor.agent import Agent
with Agent() as agent:
    print("asking on this machine", flush=True)
    agent.approve("Publish it?", action={"argv": ["publish"]})
"""


class Fleet:
    """The interface on three machines, one of which is not there."""

    def __init__(self, app: LongwatchApp, pilot: Pilot[int]) -> None:
        self.app = app
        self.pilot = pilot

    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        for _ in range(1000):
            await self.pilot.pause()
            if condition():
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"never: {what}\n{self.text()}")

    async def press_when_it_counts(self, key: str) -> None:
        """Keys are dead for a moment after a question appeared."""
        screen = self.app.screen
        assert isinstance(screen, RequestScreen | ConfirmScreen)
        await self.until(screen._arming.is_armed, "keys that count")
        await self.pilot.press(key)


@pytest.fixture
async def fleet(
    project: Any, second_project: Any, box: Box, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Fleet]:
    for made in (project, second_project):
        script = made.script("asking.py", ASKING)
        command = json.dumps(["{python}", str(script)])
        made.configure(f"[agents.asker]\ncommand = {command}\nautostart = true\n")
    here = box.directory / "fleet"
    here.mkdir(exist_ok=True)
    works, dead = box.ssh_config(), box.ssh_config(Port="1")
    (here / "config.toml").write_text(
        "".join(
            f'[hosts.{name}]\naddress = "box"\ndirectory = "{directory}"\n'
            f'ssh = ["ssh", "-F", "{config}"]\n'
            for name, directory, config in (
                ("atlas", project.directory, works),
                ("borg", second_project.directory, works),
                ("gone", "/nowhere", dead),
            )
        )
    )
    monkeypatch.chdir(here)
    hosts = named_hosts(["all"], None)
    assert [host.name for host in hosts] == ["atlas", "borg", "gone"]
    found = await asyncio.to_thread(first_contact, hosts)
    app = LongwatchApp({host.name: HostBackend(host, first) for host, first in found})
    async with app.run_test(size=(120, 36)) as pilot:
        yield Fleet(app, pilot)


async def test_one_table_shows_all_machines_and_an_answer_goes_to_the_right_one(
    fleet: Fleet, project: Any, second_project: Any
) -> None:
    await fleet.until(lambda: "2 ask you" in fleet.text(), "both ask")
    text = fleet.text()
    assert "HOST" in text and "atlas" in text and "borg" in text
    assert "gone cannot be reached" in text, "the machine that is not there blocks nothing"
    first = fleet.app.picture
    assert [host.link for host in first.hosts] == [Link.LIVE, Link.LIVE, Link.LOST]

    asked = [run for run in first.runs.values() if run.open_requests]
    oldest = min(asked, key=lambda run: run.open_requests[0].created_at)
    host, other = ("atlas", "borg") if oldest.agent == "atlas/asker" else ("borg", "atlas")
    await fleet.pilot.press("i")
    await fleet.until(lambda: isinstance(fleet.app.screen, RequestScreen), "the request")
    assert f"{host}/asker asks for approval" in fleet.text()
    await fleet.press_when_it_counts("y")
    projects = {"atlas": project, "borg": second_project}
    await asyncio.to_thread(projects[host].wait_for, "asker", "succeeded")
    assert projects[other].status_of("asker")["status"] == "parked"
    await fleet.until(lambda: "1 asks you" in fleet.text(), "the other still asks")


async def test_a_key_acts_on_the_machine_under_the_cursor(
    fleet: Fleet, project: Any, second_project: Any
) -> None:
    await fleet.until(lambda: "2 ask you" in fleet.text(), "both ask")
    run_id = next(r.id for r in fleet.app.picture.runs.values() if r.agent == "borg/asker")
    fleet.app.command_run("log", run_id, "borg/asker")
    await fleet.until(lambda: "asking on this machine" in fleet.text(), "its log")
    await fleet.pilot.press("escape")
    fleet.app.command_run("stop", run_id, "borg/asker")
    await fleet.until(lambda: "Stop borg/asker" in fleet.text(), "the question")
    await fleet.press_when_it_counts("y")
    await asyncio.to_thread(second_project.wait_for, "asker", "stopped")
    assert project.status_of("asker")["status"] == "parked"

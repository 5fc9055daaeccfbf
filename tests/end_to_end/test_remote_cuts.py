"""A connection over a real sshd that breaks: nothing shown twice, nothing missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sshd_box import Box

from supervisor.cli.places import SSH_VARIABLE, named_hosts
from supervisor.tui.link import EngineLink
from supervisor.tui.model import Link
from supervisor.tui.remote import HostBackend

COUNTING = """
import time
from supervisor.agent import Agent
with Agent() as agent:
    for number in range(100000):
        agent.progress(completed=number, total=100000)
        print("line", number, flush=True)
        time.sleep(0.05)
"""


def counting(project: Any) -> None:
    script = project.script("counting.py", COUNTING)
    project.configure(f"[agents.counter]\ncommand = {json.dumps(['{python}', str(script)])}\n")
    project.run("up")
    project.run("start", "counter")
    project.wait_for("counter", "running")


def newest_seq(project: Any) -> int:
    return int(project.json("status")["engine"]["seq"])


def test_followed_events_go_on_over_cut_connections_and_an_absence(project: Any, box: Box) -> None:
    counting(project)
    project.environment = box.environment()
    follower = project.follow("--host", f"box:{project.directory}", "events", "-f", "--json")
    seen = [json.loads(follower.stdout.readline())["seq"]]
    told: list[str] = []

    def until(seq: int) -> None:
        while seen[-1] < seq:
            line = follower.stdout.readline()
            assert line, "the follower ended"
            if line.startswith("{"):
                seen.append(json.loads(line)["seq"])
            else:
                told.append(line)

    until(newest_seq(project))
    assert box.cut() > 0
    until(newest_seq(project) + 3)
    box.stop()
    try:
        absent = newest_seq(project)
        project.wait("more events", lambda: newest_seq(project) > absent + 3)
    finally:
        box.start()
    until(newest_seq(project) + 3)
    assert seen == list(range(seen[0], seen[-1] + 1))
    first = "connection to box lost, trying again in 1 s: nothing accepts ssh at box"
    assert first in told[0]
    assert "connected to box again; nothing was missed" in told[-1]


class Spied(HostBackend):
    """The real way, with a note of what was asked and what came."""

    replies: list[tuple[dict[str, Any], dict[str, Any]]]

    async def call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        reply = await super().call(method, params, timeout_s)
        if method == "subscribe":
            self.replies.append((dict(params), reply))
        return reply


async def test_the_interface_shows_the_last_state_and_asks_for_what_it_missed(
    project: Any, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(counting, project)
    monkeypatch.setenv(SSH_VARIABLE, box.environment()[SSH_VARIABLE])
    [host] = named_hosts([f"box:{project.directory}"], None)
    backend = Spied(host)
    backend.replies = []
    pictures: list[Any] = []
    link = EngineLink(backend, lambda: pictures.append(link.picture), host=host.name)
    running = asyncio.create_task(link.run())

    async def until(condition: Any, what: str) -> None:
        for _ in range(1000):
            if condition():
                return
            await asyncio.sleep(0.02)
        pytest.fail(f"never: {what}: {link.picture.link} {link.picture.link_why}")

    try:
        await until(lambda: link.picture.link is Link.LIVE, "live")
        before = link.picture
        await asyncio.to_thread(box.stop)
        await until(lambda: link.picture.link is Link.LOST, "lost")
        await until(lambda: link.picture.retry_in_s > 0, "a time of the next attempt")
        assert link.picture.runs, "the last state stays"
        assert link.picture.seq >= before.seq
        await asyncio.to_thread(box.start)
        await until(lambda: link.picture.link is Link.LIVE, "live again")
        last = link.picture.seq
        await until(lambda: link.picture.seq > last, "new events")
    finally:
        running.cancel()
        await asyncio.wait([running])
        if not box.is_up:
            await asyncio.to_thread(box.start)
    assert len(backend.replies) == 2
    asked, reply = backend.replies[1]
    assert asked["since"] >= before.seq
    assert [event["seq"] for event in reply["events"]] == list(
        range(asked["since"] + 1, reply["seq"] + 1)
    )
    numbers = [picture.seq for picture in pictures]
    assert numbers == sorted(numbers)


def test_a_followed_log_has_every_line_once_over_a_cut(project: Any, box: Box) -> None:
    counting(project)
    project.environment = box.environment()
    follower = project.follow(
        "--host", f"box:{project.directory}", "logs", "-f", "--stdout", "-n", "100000", "counter"
    )
    lines = [follower.stdout.readline()]
    box.cut()
    while len(lines) < 100:
        line = follower.stdout.readline()
        assert line, "the follower ended"
        if line.startswith("line "):
            lines.append(line)
    assert lines == [f"line {number}\n" for number in range(len(lines))]


def test_nothing_is_left_there_when_the_client_is_gone(project: Any, box: Box) -> None:
    counting(project)
    project.environment = box.environment()
    follower = project.follow("--host", f"box:{project.directory}", "events", "-f")
    follower.stdout.readline()
    project.wait("a session", box.sessions)
    follower.kill()
    project.wait("the session to end", lambda: not box.sessions())
    assert project.status_of("counter")["status"] == "running"
    assert Path(project.directory).exists()

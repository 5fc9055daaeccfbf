"""One view over several machines: who is there, who can do what, and going through their doors."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "queue"))

from nats_servers import NatsServer

ASKER = """
from supervisor.agent import Agent

with Agent() as agent:
    verdict = agent.approve("Deploy from here?", action={"tool": "shell", "argv": ["deploy"]})
    print("ANSWERED", bool(verdict))
"""
CHATTY = "for number in range(30000):\n    print(number, 'x' * 60)\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[NatsServer]:
    made = NatsServer(tmp_path)
    made.start()
    yield made
    made.kill()


def begin(project: Any, server: NatsServer, name: str, more: str = "operate = true\n") -> None:
    project.script("ask.py", ASKER)
    project.script("chatty.py", CHATTY)
    project.configure(
        f'[fleet]\nengine = "nats"\nservers = ["{server.url}"]\nnamespace = "view"\n'
        f'host = "{name}"\n{more}'
        '[agents.asker]\ncommand = ["{python}", "ask.py"]\n'
        '[agents.chatty]\ncommand = ["{python}", "chatty.py"]\n'
        f'[pools.{name}-work]\ncommand = ["true"]\nworkers = 2\n'
    )
    project.run("up")


def names(project: Any) -> set[str]:
    return {host["name"] for host in project.json("hosts")["hosts"]}


def test_every_machine_is_seen_and_operated_from_one(
    projects: Callable[[], Any], server: NatsServer
) -> None:
    project, other = projects(), projects()
    begin(project, server, "atlas")
    begin(other, server, "borg")
    project.wait("both", lambda: names(project) == {"atlas", "borg"})
    other.run("start", "asker")
    project.wait(
        "the question is counted",
        lambda: any(host["requests"] == 1 for host in project.json("hosts")["hosts"]),
    )
    (request,) = project.json("--host", "fleet:borg", "requests")["requests"]
    assert request["title"] == "Deploy from here?"
    project.run("--host", "fleet:borg", "answer", request["id"], "--allow")
    other.wait(
        "it went on",
        lambda: other.json("status", "asker")["runs"][0]["status"] == "succeeded",
    )
    assert "ANSWERED True" in project.run("--host", "fleet:borg", "logs", "asker").stdout
    assert project.json("status")["runs"] == []
    other.run("run", "chatty", "--headless", "--unattended")
    there = project.run("--host", "fleet:borg", "logs", "chatty", "-n", "30000").stdout
    assert there == other.run("logs", "chatty", "-n", "30000").stdout and len(there) > 60_000


def test_who_is_shut_who_is_dead_and_what_nobody_can_run_is_said(
    projects: Callable[[], Any], server: NatsServer
) -> None:
    project, other = projects(), projects()
    begin(project, server, "atlas")
    begin(other, server, "borg", "")
    project.wait("both", lambda: names(project) == {"atlas", "borg"})
    refused = project.run("--host", "fleet:borg", "status", check=None)
    assert refused.returncode == 2 and "operate = true" in refused.stderr
    unknown = project.run("--host", "fleet:cloud", "status", check=None)
    assert unknown.returncode == 2 and "atlas, borg" in unknown.stderr
    refused = project.run("--host", "fleet:borg", "doctor", check=None)
    assert refused.returncode == 2
    other.run("pool", "borg-work", "--workers", "0")
    (other.directory / "task.json").write_text("{}")
    other.run("submit", "borg-work", "task.json")
    project.wait("it is said", lambda: "NOBODY CAN RUN THIS" in project.run("queue").stdout)
    other.run("pool", "borg-work", "--workers", "1")
    other.run("queue", "--wait")
    assert "NOBODY" not in project.run("queue").stdout
    for pid in other.daemon_pids():
        os.kill(pid, signal.SIGKILL)
    project.wait("it is missed", lambda: names(project) == {"atlas"})

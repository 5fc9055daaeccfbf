"""Several machines and a Temporal server: three state directories on one machine stand for them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "queue"))

from temporal_servers import TemporalServer

pytest.importorskip("temporalio")

from temporalio.client import Client

AGENT = """
import json, os, time
from supervisor.agent import Agent

def work(number):
    time.sleep({pause})
    with open({ledger!r}, "a") as ledger:
        ledger.write(f"{{os.environ['LONGWATCH_RUN_ID']}} {{number}} {{os.environ['HOST']}}\\n")
    return number * 10

with Agent() as agent:
    task = agent.task
    found = [agent.step(work, number) for number in range({steps})]
    agent.checkpoint({{"found": len(found)}})
    task.complete({{"sum": sum(found), "host": os.environ["HOST"], "of": task.payload}})
"""
ASKER = """
from supervisor.agent import Agent

with Agent() as agent:
    verdict = agent.approve("Deploy from here?", action={"tool": "shell", "argv": ["deploy"]})
    print("ANSWERED", bool(verdict))
"""
CHATTY = "for number in range(30000):\n    print(number, 'x' * 60)\n"
VISITED = """
[agents.asker]
command = ["{python}", "ask.py"]
[agents.chatty]
command = ["{python}", "chatty.py"]
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TemporalServer]:
    made = TemporalServer(tmp_path)
    made.start()
    yield made
    made.kill()


class Host:
    """A project directory that stands for a machine."""

    def __init__(self, project: Any, name: str) -> None:
        self.project, self.name = project, name

    def begin(self, server: TemporalServer, agent: str, workers: int = 2, more: str = "") -> None:
        self.project.script("agent.py", agent)
        self.project.configure(
            f'[fleet]\nengine = "temporal"\naddress = "{server.address}"\nprefix = "e2e"\n'
            f'host = "{self.name}"\nlease = "2s"\n{more}'
            f'[pools.work]\ncommand = ["{{python}}", "agent.py"]\nworkers = {workers}\n'
            f'env = {{ HOST = "{self.name}" }}\nmax_deliveries = 50\n'
        )
        self.project.run("up")

    def kill(self) -> None:
        """As when the power fails: keeper, engine and agents at once."""
        doomed = [psutil.Process(pid) for pid in self.project.daemon_pids()]
        for process in list(doomed):
            doomed += process.children(recursive=True)
        for process in doomed:
            try:
                os.kill(process.pid, signal.SIGSTOP)
            except ProcessLookupError:
                pass
        for process in doomed:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def counts(self) -> dict[str, int]:
        queues = self.project.json("queue")["queues"]
        return next((queue for queue in queues if queue["name"] == "work"), {})


@pytest.fixture
def hosts(projects: Callable[[], Any]) -> Callable[[str], Host]:
    return lambda name: Host(projects(), name)


def steps_done(ledger: Path) -> Counter[str]:
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return Counter(" ".join(line.split()[:2]) for line in lines)


def test_another_machine_goes_on_where_a_dead_one_stopped(
    hosts: Callable[[str], Host], server: TemporalServer, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    agent = AGENT.format(pause=0.2, steps=40, ledger=str(ledger))
    first, second = hosts("first"), hosts("second")
    first.begin(server, agent)
    (first.project.directory / "task.json").write_text('"the contract"')
    first.project.run("submit", "work", "task.json")
    first.project.wait("some steps", lambda: len(steps_done(ledger)) >= 4)
    second.begin(server, agent)
    before = steps_done(ledger)
    first.kill()

    second.project.wait("the result", lambda: second.counts().get("done") == 1)
    done = steps_done(ledger)
    assert len(done) == 40
    repeated = {step: count for step, count in done.items() if count > 1}
    # The step in flight at the death may run again, no completed one.
    assert len(repeated) <= 1 and all(step not in repeated for step in list(before)[:-1])
    hosts_seen = {line.split()[2] for line in ledger.read_text().splitlines()}
    assert hosts_seen == {"first", "second"}
    status = second.project.status_of("work")
    assert status["status"] == "succeeded"


def test_without_its_server_a_machine_says_so_and_works_on_afterwards(
    hosts: Callable[[str], Host], server: TemporalServer, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    host = hosts("only")
    server.kill()
    host.begin(server, AGENT.format(pause=0.01, steps=3, ledger=str(ledger)))
    (host.project.directory / "task.json").write_text("1")
    refused = host.project.run("submit", "work", "task.json", check=None)
    assert refused.returncode != 0 and (
        "Temporal cluster" in refused.stderr or "shared queue" in refused.stderr
    )
    server.start()
    end = time.monotonic() + 30
    while host.project.run("submit", "work", "task.json", check=None).returncode:
        assert time.monotonic() < end, "it never connected"
        time.sleep(0.2)
    host.project.wait("the result", lambda: host.counts().get("done") == 1)
    assert json.dumps(sorted(steps_done(ledger).values())) == "[1, 1, 1]"


ASKING = """
from supervisor.agent import Agent

with Agent() as agent:
    answer = agent.approve("Publish the report?", action={"path": "report.txt"})
    sent = agent.approve("Send it?", action={"to": "the board"})
    agent.task.complete({"comment": answer.comment, "sent": bool(sent), "why": sent.comment})
"""


async def tell(server: TemporalServer, task_id: str, answer: dict[str, Any]) -> None:
    """As from Temporal's own screens."""
    client = await Client.connect(server.address)
    await client.get_workflow_handle(f"e2e/work/{task_id}").signal("answered", answer)


def test_questions_are_answered_from_another_machine_and_in_temporal_itself(
    hosts: Callable[[str], Host], server: TemporalServer
) -> None:
    first, second = hosts("first"), hosts("second")
    first.begin(server, ASKING)
    (first.project.directory / "task.json").write_text("1")
    first.project.run("submit", "work", "task.json")
    first.project.wait("the question", lambda: first.project.json("requests")["requests"])
    (asked,) = first.project.json("requests")["requests"]
    second.begin(server, ASKING)
    answer = ("answer", asked["id"], "--allow", "--comment", "from afar")
    second.project.wait(
        "the question there",
        lambda: second.project.run(*answer, check=None).returncode == 0,
    )

    def second_question() -> Any:
        found = first.project.json("requests")["requests"]
        return found if found and found[0]["id"] != asked["id"] else None

    (also,) = first.project.wait("the second question", second_question)
    unseen = {"id": also["id"], "allow": False, "hash": "0" * 64}
    asyncio.run(tell(server, asked["run"], unseen))  # Given for something else: refused.
    said = {"id": also["id"], "allow": True, "hash": also["hash"], "comment": "in Temporal"}
    asyncio.run(tell(server, asked["run"], said))
    first.project.wait("the result", lambda: first.counts().get("done") == 1)
    task = first.project.json("task", asked["run"])
    assert task["result"] == {"comment": "from afar", "sent": True, "why": "in Temporal"}


async def until_listed(server: TemporalServer, names: set[str]) -> None:
    """Wait here for what ``longwatch hosts`` shows: a command for every look would cost more."""
    from supervisor.fleet.temporal_connection import TemporalSettings
    from supervisor.fleet.temporal_presence import members

    settings = TemporalSettings(address=server.address, prefix="e2e")
    async with asyncio.timeout(40):
        while set(await members(settings)) != names:
            await asyncio.sleep(0.5)


def listed(host: Host) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in host.project.json("hosts")["hosts"]}


def test_machines_are_listed_until_they_die_and_what_nobody_can_run_is_said(
    hosts: Callable[[str], Host], server: TemporalServer
) -> None:
    first, second = hosts("first"), hosts("second")
    first.begin(server, ASKING)
    second.begin(server, ASKING, workers=3)
    (first.project.directory / "task.json").write_text("1")
    asyncio.run(until_listed(server, {"first", "second"}))
    assert listed(first)["second"]["pools"] == {"work": 3}
    assert listed(second)["first"]["directory"] == str(first.project.directory)
    told = first.project.json("doctor", check=None)["checks"]
    (found,) = [check for check in told if check["name"] == "fleet"]
    assert found["health"] == "ok" and "2 there: first, second" in found["message"]

    second.kill()
    first.project.run("pool", "work", "--workers", "0")
    first.project.run("submit", "work", "task.json")
    asyncio.run(until_listed(server, {"first"}))
    first.project.wait(
        "nobody has workers",
        lambda: "NOBODY CAN RUN THIS" in first.project.run("queue", check=None).stdout.upper(),
    )
    first.project.run("down", "--stop-agents")
    assert listed(second) == {}, "it left without a word"


def test_every_machine_is_seen_and_operated_from_one(
    hosts: Callable[[str], Host], server: TemporalServer
) -> None:
    first, second = hosts("first"), hosts("second")
    more = f"operate = true\n{VISITED}"
    first.begin(server, ASKING, more=more)
    second.begin(server, ASKING, more=more)
    here, there = first.project, second.project
    for project in (here, there):
        project.script("ask.py", ASKER)
        project.script("chatty.py", CHATTY)
    here.wait("both", lambda: set(listed(first)) == {"first", "second"})
    there.run("start", "asker")
    through = ("--host", "fleet:second")

    def asked() -> Any:
        return here.json(*through, "requests")["requests"]

    (request,) = here.wait("the question", asked)
    here.run(*through, "answer", request["id"], "--allow")
    there.wait(
        "it went on", lambda: there.json("status", "asker")["runs"][0]["status"] == "succeeded"
    )
    assert "ANSWERED True" in here.run(*through, "logs", "asker").stdout
    assert here.json("status")["runs"] == []
    there.run("run", "chatty", "--headless", "--unattended")
    told = here.run(*through, "logs", "chatty", "-n", "30000").stdout
    assert told == there.run("logs", "chatty", "-n", "30000").stdout and len(told) > 60_000
    unknown = here.run("--host", "fleet:cloud", "status", check=2)
    assert "first, second" in unknown.stderr


def test_a_machine_that_is_shut_is_not_entered(
    hosts: Callable[[str], Host], server: TemporalServer
) -> None:
    first, second = hosts("first"), hosts("second")
    first.begin(server, ASKING)
    second.begin(server, ASKING)
    first.project.wait("both", lambda: set(listed(first)) == {"first", "second"})
    refused = first.project.run("--host", "fleet:second", "status", check=2)
    assert "operate = true" in refused.stderr

"""Workers that keep their process from task to task, under the real engine."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from typing import Any

WORKER = """
import os, sys, time
from supervisor.agent import Agent

HERE = os.path.dirname(os.path.abspath(__file__))

def note(words):
    with open(HERE + "/ledger", "a") as ledger:
        ledger.write(words + "\\n")

def double(number):
    note(f"step {number}")
    return number * 2

with Agent() as agent:
    for task in agent.tasks():
        value = task.payload
        note(f"begins {value['n']} {os.getpid()}")
        result = agent.step(double, value["n"])
        if value.get("dies", 0) >= task.delivery:
            os.kill(os.getpid(), 9)
        if value.get("raises", 0) >= task.delivery:
            raise RuntimeError("as it was told")
        if value.get("asks"):
            agent.approve("May I?")
        while value.get("waits") and not os.path.exists(HERE + "/go"):
            time.sleep(0.02)
        task.complete(result)
"""

CONFIG = """
[pools.work]
command = ["{python}", "-P", "work.py"]
worker = "long-lived"
workers = 2
max_deliveries = 3
[pools.work.retry]
base_delay_seconds = 0.05
max_delay_seconds = 0.2
"""


def begin(project: Any, config: str = CONFIG) -> None:
    project.script("work.py", WORKER)
    project.configure(config)
    project.run("up")


def submit(project: Any, *payloads: Any) -> list[str]:
    lines = "".join(json.dumps(payload) + "\n" for payload in payloads)
    (project.directory / "tasks.jsonl").write_text(lines)
    return [task["id"] for task in project.json("submit", "work", "tasks.jsonl")["tasks"]]


def row(project: Any) -> dict[str, Any]:
    return project.json("queue")["queues"][0]


def ledger(project: Any, word: str) -> list[list[str]]:
    path = project.directory / "ledger"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1:] for line in lines if line.startswith(word)]


def test_two_processes_do_twenty_tasks(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n} for n in range(20)))
    project.run("queue", "--wait")
    assert [project.json("task", i)["result"] for i in ids] == [n * 2 for n in range(20)]
    begun = ledger(project, "begins")
    assert len(begun) == 20
    assert len({pid for _n, pid in begun}) <= 2
    assert not [run for run in project.runs() if run["status"] == "failed"]
    runs = project.directory / ".longwatch" / "runs"
    assert not [i for i in ids if (runs / i).exists()], "the rooms of done tasks are gone"


def test_a_worker_that_dies_fails_its_delivery_alone_and_the_task_goes_on(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n, "dies": 1 if n == 3 else 0} for n in range(8)))
    project.run("queue", "--wait")
    assert [project.json("task", i)["deliveries"] for i in ids] == [1, 1, 1, 2, 1, 1, 1, 1]
    steps = Counter(n for (n,) in ledger(project, "step"))
    assert set(steps.values()) == {1}, "a completed step ran again"


def test_an_error_in_a_task_delivers_it_again_and_at_last_buries_it(project: Any) -> None:
    begin(project)
    _good, bad = submit(project, {"n": 1}, {"n": 2, "raises": 9})
    project.run("queue", "--wait", check=1)
    (dead,) = project.json("dead", "list")["tasks"]
    assert dead["id"] == bad and dead["deliveries"] == 3
    assert "its worker died: exit status 1" in dead["problem"]
    assert row(project)["done"] == 1


def test_a_worker_that_keeps_its_process_cannot_ask(project: Any) -> None:
    begin(project)
    submit(project, {"n": 1, "asks": True})
    project.run("queue", "--wait", check=1)
    assert project.json("dead", "list")["tasks"]
    assert any(
        "a long-lived worker cannot ask" in path.read_text()
        for path in (project.directory / ".longwatch" / "records").glob("*/err.log")
    )


def test_an_engine_that_is_killed_finds_its_workers_with_their_tasks(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n, "waits": True} for n in range(4)))
    project.wait("two at work", lambda: len(ledger(project, "begins")) == 2)
    pids = {pid for _n, pid in ledger(project, "begins")}
    engine = json.loads((project.directory / ".longwatch" / "engine.lock").read_text())["pid"]
    os.kill(engine, signal.SIGKILL)
    project.wait("another engine", lambda: project.run("queue", check=None).returncode == 0)
    (project.directory / "go").touch()
    project.run("queue", "--wait")
    assert {project.json("task", i)["deliveries"] for i in ids} == {1}
    begun = ledger(project, "begins")
    assert len(begun) == 4 and {pid for _n, pid in begun} == pids


def test_stopping_everything_gives_what_workers_have_in_hand_back(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n, "waits": True} for n in range(3)))
    project.wait("two at work", lambda: len(ledger(project, "begins")) == 2)
    project.run("down", "--stop-agents")
    (project.directory / "go").touch()
    project.run("up")
    project.run("queue", "--wait")
    told = (
        project.run("events").stdout + (project.directory / ".longwatch" / "engine.log").read_text()
    )
    assert {project.json("task", i)["deliveries"] for i in ids} == {1}, told
    assert Counter(n for (n,) in ledger(project, "step")) == {"0": 1, "1": 1, "2": 1}


def test_fewer_workers_are_fewer_processes(project: Any) -> None:
    begin(project)
    project.wait("two workers", lambda: living(project) == 2)
    project.run("pool", "work", "--workers", "1")
    project.wait("one worker", lambda: living(project) == 1)
    project.configure('[agents.other]\ncommand = ["true"]\n')
    project.wait("none", lambda: living(project) == 0)


def living(project: Any) -> int:
    return sum(run["agent"] == "work" and run["status"] == "running" for run in project.runs())

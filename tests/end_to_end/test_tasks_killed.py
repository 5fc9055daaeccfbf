"""Tasks flow through a pipeline while engine, keeper and workers are killed at random."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

KILLS = int(os.environ.get("LONGWATCH_KILLS", "60"))
TASKS = 30

WORKER = """
import os, sys, time
from supervisor.agent import Agent

HERE = os.path.dirname(os.path.abspath(__file__))

def note(words):
    fd = os.open(HERE + "/ledger", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(fd, (words + "\\n").encode())
    os.fsync(fd)
    os.close(fd)

def work(queue, number, step):
    time.sleep(0.15)
    return [queue, number, step]

with Agent() as agent:
    for task in agent.tasks():
        queue = task.queue.rpartition(".")[2]
        number = task.payload if queue != "sum" else 0
        note(f"began {task.id} {os.getpid()}")
        for step in range(3):
            agent.step(work, queue, number, step)
            note(f"step {task.id} {step} {os.getpid()}")
        task.complete(task.payload)
"""

CONFIG = """
[agents.worker]
command = ["{python}", "-P", "work.py"]
[agents.worker.retry]
base_delay_seconds = 0.05
max_delay_seconds = 0.5
[pipelines.p]
stages = [
    { name = "read", agent = "worker", workers = 3, max_deliveries = 1000 },
    { name = "check", agent = "worker", workers = 2, max_deliveries = 1000 },
    { name = "sum", agent = "worker", join = true, max_deliveries = 1000 },
]
"""


@pytest.mark.skipif("LONGWATCH_LONG" not in os.environ, reason="minutes: LONGWATCH_LONG=1")
@pytest.mark.timeout(900)
def test_no_death_loses_a_task_or_completes_one_twice(project: Any) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    project.script("work.py", WORKER)
    project.configure(CONFIG)
    project.run("up")
    (project.directory / "t.jsonl").write_text("".join(f"{n}\n" for n in range(TASKS)))
    project.run("submit", "p", "t.jsonl", "--together")
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.01, 0.4))
        kill_one(project, chance)
        project.run("up", check=None)
    project.wait("an engine", lambda: project.run("queue", check=None).returncode == 0)
    project.run("queue", "--wait", timeout_s=300)
    rows = {row["name"]: row for row in project.json("queue")["queues"]}
    assert {name: (row["done"], row["dead"]) for name, row in rows.items()} == {
        "p.read": (TASKS, 0),
        "p.check": (TASKS, 0),
        "p.sum": (1, 0),
    }
    (joined,) = project.json("queue", "p.sum", "--tasks", "done")["tasks"]
    results = project.json("task", joined["id"])["payload"]["results"]
    assert sorted(results) == list(range(TASKS))
    check_ledger(project.directory / "ledger")
    project.run("audit", "verify", check=None)


def kill_one(project: Any, chance: random.Random) -> None:
    daemons = project.daemon_pids()
    victim = chance.choice(["keeper", "engine", "both", "worker", "worker", "engine"])
    pids = {"keeper": daemons[:1], "engine": daemons[1:], "both": daemons}.get(victim)
    if pids is None:
        pids = [chance.choice(found)] if (found := workers(project.directory)) else []
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def workers(directory: Path) -> list[int]:
    runs = str(directory / ".longwatch" / "runs")
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if (
                entry.name.isdigit()
                and f"LONGWATCH_RUN_DIR={runs}".encode() in (entry / "environ").read_bytes()
            ):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def check_ledger(path: Path) -> None:
    """No task had two workers at work between each other's lines."""
    newest: dict[str, str] = {}
    seen: dict[str, set[str]] = {}
    for line in path.read_text().splitlines():
        words = line.split()
        task, pid = words[1], words[-1]
        if words[0] == "began":
            newest[task] = pid
            seen.setdefault(task, set()).add(pid)
        assert newest[task] == pid, f"{line}: two workers on one task"
    attempts = Counter(len(pids) for pids in seen.values())
    print(json.dumps({"attempts of a task": dict(attempts)}))

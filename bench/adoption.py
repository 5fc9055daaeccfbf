"""An engine killed under 50 agents: until the next one shows all of them, none restarted."""

from __future__ import annotations

import os
import signal
import time

from bench.figures import Report, Row
from bench.project import BenchProject
from supervisor.control.sync_client import SyncClient
from supervisor.errors import LongwatchError

AGENTS = 50
SAMPLES = 5
LIMIT_S = 30.0
QUIET_S = 10.5
"""An engine that lived this long is started again at once; a younger one after a delay."""

Alive = dict[str, tuple[int, int]]
"""(epoch, pid) of each run."""


def measure(report: Report) -> None:
    """Add the adoption row."""
    with BenchProject() as project:
        agent = {"command": ["sleep", "100000"], "timeout": "none"}
        project.configure({f"agent-{number}": agent for number in range(AGENTS)})
        project.run("up")
        project.run("start", "--all")
        before = _wait(project, 0)
        samples = tuple(_kill_once(project, before) for _ in range(SAMPLES))
    what = f"engine killed under {AGENTS} agents: all adopted"
    report.add(Row(what, "s", samples, note="goal 2, none restarted"))


def _kill_once(project: BenchProject, before: Alive) -> float:
    time.sleep(QUIET_S)
    _keeper, engine = project.daemons()
    began = time.perf_counter()
    os.kill(engine.pid, signal.SIGKILL)
    after = _wait(project, engine.pid)
    passed = time.perf_counter() - began
    if after != before:
        raise RuntimeError("an agent was restarted")
    return passed


def _wait(project: BenchProject, killed: int) -> Alive:
    """All runs as an engine other than ``killed`` shows them, once all of them run."""
    end = time.perf_counter() + LIMIT_S
    while time.perf_counter() < end:
        engine, alive = _look(project)
        if engine not in (0, killed) and len(alive) == AGENTS:
            return alive
        time.sleep(0.005)
    raise TimeoutError(f"{AGENTS} agents were not running within {LIMIT_S:g} s")


def _look(project: BenchProject) -> tuple[int, Alive]:
    try:
        client = SyncClient.connect(project.socket(), 1.0)
    except (LongwatchError, OSError):
        return 0, {}
    try:
        shown = client.call("snapshot", {}, 5.0)
    except (LongwatchError, OSError, TimeoutError):
        return 0, {}
    finally:
        client.close()
    runs = {run["id"]: (run["epoch"], run["attempts"][-1]["pid"]) for run in shown["runs"]
            if run["status"] == "running"}  # fmt: skip
    return int(shown["engine"]["pid"]), runs

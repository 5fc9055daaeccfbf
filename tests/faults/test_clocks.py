"""Suspended laptops and clocks that jump, as far as processes can be made to live through them.

A suspend stops every process, and afterwards the wall clock is hours ahead while the monotonic
one is not. Here everybody is stopped for a moment and the engine's wall clock set ahead. What
that leaves out: the monotonic clock goes on during the stop, and timers of the kernel do too.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest
from fault_project import LEDGER_AGENT, FaultProject, only_long
from invariants import check_ledger, check_log

HOUR_S = 3600.0
BACKOFF_S = 2.0
CRASHING = """
import pathlib, sys, time
pathlib.Path("starts").open("a").write(f"{time.monotonic()}\\n")
sys.exit(1 if len(pathlib.Path("starts").read_text().split()) == 1 else 0)
"""
EXPIRING = """
from supervisor.agent import Agent
with Agent() as agent:
    agent.approve("Publish?", action={"argv": ["x"]}, expires_in=3600, on_timeout="deny")
"""


@pytest.fixture
def project() -> Iterator[FaultProject]:
    made = FaultProject()
    made.environment["LWF_CLOCK"] = str(made.directory / "clock")
    made.hook()
    try:
        yield made
    finally:
        made.end()


def configure(project: FaultProject, **commands: list[str]) -> None:
    text = '[defaults]\ntimeout = "1m"\nstall_timeout = "30s"\n'
    for name, command in commands.items():
        text += f"[agents.{name}]\ncommand = {json.dumps(command)}\n[agents.{name}.retry]\n"
        text += f"base_delay_seconds = {BACKOFF_S}\njitter_fraction = 0.0\n"
    (project.directory / "config.toml").write_text(text)


def set_clock(project: FaultProject, seconds: float) -> None:
    path = project.directory / "clock"
    path.with_suffix(".new").write_text(str(seconds))
    path.with_suffix(".new").replace(path)


def everybody(project: FaultProject) -> list[int]:
    return [*project.holders().values(), *project.agent_pids()]


def engine_ahead_s(project: FaultProject) -> float:
    found = project.ask("snapshot")
    return float(found["now"]["wall"]) - time.time() if found else 0.0


@pytest.mark.parametrize(
    "jump_s", [8 * HOUR_S, pytest.param(-24 * HOUR_S, marks=only_long)], ids=["ahead", "back"]
)
@pytest.mark.parametrize("also", ["suspend", pytest.param("engine dies", marks=only_long)])
def test_hours_on_the_wall_clock_cost_no_run_its_time_and_no_backoff_its_wait(
    project: FaultProject, jump_s: float, also: str
) -> None:
    (project.directory / "crashing.py").write_text(CRASHING)
    worker = ["{python}", str(LEDGER_AGENT), "work", str(project.ledgers), "60", "0.02"]
    configure(project, worker=worker, crasher=["{python}", "crashing.py"])
    project.run("up")
    before = project.holders()
    project.run("start", "worker", "crasher")
    project.wait_for("crasher", "backoff")
    project.wait("some work", lambda: len(project.ledger("worker")) > 10)
    stopped = everybody(project)
    for pid in stopped:
        project.kill(pid, signal.SIGSTOP)
    set_clock(project, jump_s)
    done = len(project.ledger("worker"))
    time.sleep(0.3)
    assert len(project.ledger("worker")) == done, "somebody slept badly"
    if also == "engine dies":
        project.kill(before["engine"])
    for pid in stopped:
        project.kill(pid, signal.SIGCONT)
    project.wait("the engine to see the clock", lambda: abs(engine_ahead_s(project) - jump_s) < 60)
    assert project.wait_for("worker", "succeeded", "failed", "timed_out")["epoch"] == 1
    crasher = project.wait_for("crasher", "succeeded", "failed", "timed_out")
    first, second = map(float, (project.directory / "starts").read_text().split())
    assert BACKOFF_S <= second - first < BACKOFF_S + 5.0 and crasher["epoch"] == 2
    assert crasher["status"] == "succeeded"
    if also == "suspend":
        assert project.holders() == before
    assert check_ledger(project.ledger("worker")) + check_log(project.files.state_db) == []


@only_long
def test_what_expired_during_the_night_is_noticed_within_half_a_minute(
    project: FaultProject,
) -> None:
    (project.directory / "expiring.py").write_text(EXPIRING)
    configure(project, asker=["{python}", "expiring.py"])
    project.run("up")
    project.run("start", "asker")
    project.wait_for("asker", "parked")
    set_clock(project, 2 * HOUR_S)
    run = project.wait_for("asker", "succeeded", limit_s=40.0)
    assert run["requests"][0]["state"] == "expired"

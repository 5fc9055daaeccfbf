"""state.db deleted, corrupt, replaced or too new, with real engines, keepers and agents."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from pathlib import Path
from typing import Any

import psutil
import pytest

COUNTER = """
import os, time
from supervisor.agent import Agent

with Agent() as agent:
    ledger = open(agent.run_dir + "/ledger", "a", buffering=1)
    for item in agent.track(list(range(6)), stage="count", unit="items"):
        ledger.write(f"{agent.epoch if hasattr(agent, 'epoch') else 0} {item}\\n")
        while item == 2 and not os.path.exists("go"):
            time.sleep(0.02)
"""
SLEEPER = ["sh", "-c", "exec sleep 600"]


def agent(name: str, command: list[str], **settings: Any) -> str:
    lines = [f"[agents.{name}]", f"command = {json.dumps(command)}"]
    return "\n".join([*lines, *(f"{k} = {json.dumps(v)}" for k, v in settings.items())]) + "\n"


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def state_files(project: Any) -> list[Path]:
    return sorted((project.directory / ".longwatch").glob("state.db*"))


def holder(project: Any, name: str) -> int:
    return int(json.loads((project.directory / ".longwatch" / f"{name}.lock").read_text())["pid"])


def kill_engine(project: Any) -> None:
    """Kill it and wait for the next one to answer."""
    old = holder(project, "engine")
    os.kill(old, signal.SIGKILL)
    project.wait("another engine", lambda: project.run("status", check=None).returncode == 0
                 and holder(project, "engine") != old)  # fmt: skip


def start_counter(project: Any) -> dict[str, Any]:
    """A run of COUNTER that stands still at its third item, a checkpoint kept."""
    project.script("count.py", COUNTER)
    project.configure(agent("count", ["{python}", "count.py"]))
    project.run("up")
    project.run("start", "count")

    def stands() -> Any:
        run = project.status_of("count")
        copies = project.directory / ".longwatch" / "records" / run.get("id", "-") / "state.json"
        # Checkpoints that follow each other quickly may be seen as one.
        is_ready = (run.get("step") or {}).get("completed") == 2 and run["checkpoint"]
        return run if is_ready and copies.exists() and "pid_started" in copies.read_text() else None

    found: dict[str, Any] = project.wait("the third item", stands)
    return found


def finish_counter(project: Any, before: dict[str, Any]) -> list[str]:
    (project.directory / "go").touch()
    run = project.wait_for("count", "succeeded", "failed", "held")
    assert run["status"] == "succeeded" and run["id"] == before["id"]
    lines = (project.run_dir(run) / "ledger").read_text().split("\n")[:-1]
    return [line.split()[1] for line in lines]


@pytest.mark.parametrize("how", ["deleted", "corrupt"])
def test_without_its_log_an_engine_finds_the_living_agent_and_goes_on(
    project: Any, how: str
) -> None:
    before = start_counter(project)
    os.kill(holder(project, "keeper"), signal.SIGSTOP)  # So that no engine is quicker than we.
    os.kill(holder(project, "engine"), signal.SIGKILL)
    for file in state_files(project):
        if how == "deleted":
            file.unlink()
        elif file.suffix == ".db":
            file.write_bytes(b"not a database at all" * 500)
    os.kill(holder(project, "keeper"), signal.SIGCONT)
    project.wait("the run", lambda: project.status_of("count")["status"] == "running")
    after = project.status_of("count")
    assert (after["pid"], after["epoch"]) == (before["pid"], before["epoch"])
    assert after["checkpoint"]["generation"] >= before["checkpoint"]["generation"]
    assert any(a["kind"] == "state-rebuilt" for a in after["anomalies"])
    assert "history lost" in project.run("events").stdout
    assert bool(list(state_files(project)[0].parent.glob("*.corrupt-1"))) == (how == "corrupt")
    assert finish_counter(project, before) == [str(n) for n in range(6)]


def test_without_log_keeper_and_agent_the_run_resumes_from_its_checkpoint(project: Any) -> None:
    before = start_counter(project)
    os.kill(holder(project, "keeper"), signal.SIGSTOP)
    for pid in (holder(project, "engine"), holder(project, "keeper"), before["pid"]):
        os.kill(pid, signal.SIGKILL)
    for file in state_files(project):
        file.unlink()
    project.wait("all dead", lambda: not lives(before["pid"]))
    project.run("up")
    after = project.wait_for("count", "running")
    assert after["epoch"] == before["epoch"] + 1
    done = finish_counter(project, before)
    # The item in flight may come again, those before it never.
    assert done[:3] == ["0", "1", "2"] and sorted(set(done)) == [str(n) for n in range(6)]
    assert len(done) <= 7


def test_a_log_deleted_under_a_running_engine_is_noticed_and_begun_anew(project: Any) -> None:
    before = start_counter(project)
    for file in state_files(project):
        file.unlink()
    project.wait("the event", lambda: "history lost" in project.run("events", check=None).stdout)
    kill_engine(project)
    after = project.status_of("count")
    assert (after["pid"], after["status"]) == (before["pid"], "running")
    assert finish_counter(project, before) == [str(n) for n in range(6)]


ASKING = """
from supervisor.agent import Agent

with Agent() as agent:
    print("yes" if agent.approve("Go on?", action={"argv": ["true"]}) else "no")
"""


def test_what_was_over_stopped_held_or_asked_before_the_loss_stays_so(project: Any) -> None:
    project.script("ask.py", ASKING)
    project.configure(
        agent("good", ["true"])
        + agent("bad", ["sh", "-c", "exit 70"])
        + agent("long", SLEEPER)
        + agent("asks", ["{python}", "ask.py"])
        + agent("loops", ["false"])
        + "[agents.loops.retry]\nbase_delay_seconds = 0\ncrash_loop_deaths = 2\n"
    )
    project.run("up")
    project.run("start", "--all")
    for name, status in (("good", "succeeded"), ("bad", "failed"), ("loops", "held")):
        project.wait_for(name, status)
    project.wait_for("long", "running")
    project.wait_for("asks", "parked")
    project.run("stop", "long")
    before = {run["agent"]: (run["id"], run["status"], run["epoch"]) for run in project.runs()}
    asked = project.json("requests")["requests"]
    project.run("down")
    for file in state_files(project):
        file.unlink()
    project.run("up")
    after = {run["agent"]: (run["id"], run["status"], run["epoch"]) for run in project.runs()}
    assert after == before
    assert {status for _, status, _ in after.values()} == {
        *("succeeded", "failed", "stopped", "held", "parked"),
    }
    assert project.json("requests")["requests"] == asked
    project.run("answer", asked[0]["id"], "--allow")
    project.wait_for("asks", "succeeded")


def test_an_older_copy_of_the_log_is_set_aside_because_its_numbers_were_used(project: Any) -> None:
    project.configure(agent("long", SLEEPER))
    project.run("up")
    project.run("start", "long")
    first = project.wait_for("long", "running")
    project.run("down")
    database = project.directory / ".longwatch" / "state.db"
    copy = database.read_bytes()
    project.run("up")
    project.run("restart", "long")
    project.wait("the second attempt", lambda: project.status_of("long")["epoch"] == 2)
    second = project.wait_for("long", "running")
    project.run("down")
    database.write_bytes(copy)
    project.run("up")
    after = project.wait_for("long", "running")
    assert (after["pid"], after["epoch"]) == (second["pid"], 2) and after["pid"] != first["pid"]
    assert "older than the records" in project.run("events").stdout
    assert database.with_name("state.db.corrupt-1").exists()


def test_a_newer_log_is_refused_untouched_and_not_tried_in_a_loop(project: Any) -> None:
    project.configure(agent("long", SLEEPER))
    project.run("up")
    project.run("down")
    database = project.directory / ".longwatch" / "state.db"
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = database.read_bytes()
    refused = project.run("up", check=None)
    assert refused.returncode != 0 and "newer version" in refused.stderr
    assert database.read_bytes() == before
    log = (project.directory / ".longwatch" / "engine.log").read_text()
    assert log.count("was written by a newer version") == 1
    assert not any(lives(pid) for pid in project.daemon_pids())

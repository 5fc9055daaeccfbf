"""Agents that sleep by files alone: no process, no retry, and awake at their time."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from typing import Any

import psutil

SLEEPER = """
echo "$LONGWATCH_EPOCH $(date +%s.%N)" >> "$LONGWATCH_RUN_DIR/ledger"
[ "$LONGWATCH_EPOCH" -gt 1 ] && exit 0
cd "$LONGWATCH_RUN_DIR"
printf '{"at": %s, "reason": "nightly pause", "epoch": 1}' WHEN > wake.json.tmp-1
mv wake.json.tmp-1 wake.json
exit 75
"""


def sleeper(project: Any, when: str, **settings: Any) -> None:
    """An agent whose first attempt sleeps until ``when``, a word of the shell."""
    project.script("sleeper.sh", SLEEPER.replace("WHEN", when))
    lines = ["[agents.sleeper]", 'command = ["sh", "sleeper.sh"]']
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    project.configure("\n".join(lines) + "\n")


def soon(project: Any) -> str:
    """A word of the shell for a time that leaves room for some commands on this machine."""
    began = time.monotonic()
    project.run("status", check=None)
    return f"$(($(date +%s)+{math.ceil(2 + 8 * (time.monotonic() - began))}))"


def ledger(project: Any, run: dict[str, Any]) -> list[tuple[int, float]]:
    """Epoch and time of each start, as the agent itself wrote it."""
    text = (project.run_dir(run) / "ledger").read_text()
    return [(int(line.split()[0]), float(line.split()[1])) for line in text.splitlines()]


def wake_at(project: Any, run: dict[str, Any]) -> float:
    return float(json.loads((project.run_dir(run) / "wake.json").read_text())["at"])


def test_a_sleep_survives_the_death_of_engine_keeper_and_log_without_a_process(
    project: Any,
) -> None:
    sleeper(project, soon(project))
    project.run("up")
    project.run("start", "sleeper")
    run = project.wait_for("sleeper", "parked")
    assert run["reason"].startswith("sleeping until ") and run["reason"].endswith("nightly pause")
    assert run["next_start_at"] == run["wake"]["at"] and run["pid"] is None
    # A log that is lost meanwhile is rebuilt from the records, the time to wake included.
    state = project.directory / ".longwatch" / "records" / run["id"] / "state.json"
    project.wait("the copy of its state", lambda: state.exists() and '"wake"' in state.read_text())
    daemons = project.daemon_pids()
    assert {process.pid for process in project._ours()} == set(daemons)
    for pid in daemons:
        os.kill(pid, signal.SIGKILL)
    # The keeper is gone with the engine: whoever looks next starts both again.
    psutil.wait_procs([psutil.Process(pid) for pid in daemons if psutil.pid_exists(pid)], timeout=5)
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (project.directory / ".longwatch" / name).unlink(missing_ok=True)
    project.run("up")
    done = project.wait_for("sleeper", "succeeded")
    assert (done["attempt"], done["retries"]) == (2, 0)
    starts, due = ledger(project, run), wake_at(project, run)
    assert [epoch for epoch, _at in starts] == [1, 2]
    assert starts[1][1] >= due
    assert [anomaly["kind"] for anomaly in done["anomalies"]] == ["state-rebuilt"]


def test_a_sleep_that_ended_while_everything_was_down_ends_at_the_cold_start(project: Any) -> None:
    sleeper(project, soon(project))
    project.run("up")
    project.run("start", "sleeper")
    run = project.wait_for("sleeper", "parked")
    project.run("down", "--stop-agents")
    due = wake_at(project, run)
    project.wait("the time to pass", lambda: time.time() > due + 0.5)
    assert len(ledger(project, run)) == 1
    project.run("up")
    done = project.wait_for("sleeper", "succeeded")
    story = project.run("events").stdout
    assert (done["attempt"], done["retries"]) == (2, 0), story


def test_the_operator_pauses_resumes_and_wakes_a_sleeping_run(project: Any) -> None:
    sleeper(project, "$(($(date +%s)+7200))", timeout="1h")
    project.run("up")
    project.run("start", "sleeper")
    run = project.wait_for("sleeper", "parked")
    assert [anomaly["kind"] for anomaly in run["anomalies"]] == ["sleep-past-deadline"]
    assert "sleeping until" in project.run("status").stdout
    project.run("pause", "--all")
    paused = project.status_of("sleeper")
    assert paused["wake"]["held"] and paused["next_start_at"] is None
    assert "paused while sleeping" in project.run("why", "sleeper").stdout
    project.run("resume", "--all")
    assert project.status_of("sleeper")["next_start_at"] == run["next_start_at"]
    assert "woken" in project.run("start", "sleeper").stdout
    assert project.wait_for("sleeper", "succeeded")["attempt"] == 2


def test_a_wish_that_makes_no_sense_is_told_with_its_field_and_tried_again(project: Any) -> None:
    sleeper(project, "'\"when pigs fly\"'")
    done = project.run("run", "--headless")
    assert "wake-refused: wake.json: at: found 'when pigs fly'" in done.stdout
    assert "next try in" in done.stdout and "succeeded" in done.stdout


SDK_SLEEPER = """
from supervisor.agent import Agent

with Agent() as agent:
    agent.sleep(7200, reason="until the market opens")
    agent.sleep(3600, reason="until it closes")
    print("awake", flush=True)
"""


def test_a_program_that_keeps_to_its_time_is_really_woken_by_start(project: Any) -> None:
    project.script("sleeper.py", SDK_SLEEPER)
    project.configure('[agents.sleeper]\ncommand = ["{python}", "sleeper.py"]\ntimeout = "none"\n')
    project.run("up")
    project.run("start", "sleeper")
    first = project.wait_for("sleeper", "parked")
    assert first["reason"].endswith("until the market opens")
    project.run("start", "sleeper")

    def sleeps_anew() -> Any:
        run = project.status_of("sleeper")
        return run if run["status"] == "parked" and run["attempt"] == 2 else None

    second = project.wait("the second sleep", sleeps_anew)
    assert second["reason"].endswith("until it closes")
    project.run("restart", "sleeper")
    done = project.wait_for("sleeper", "succeeded")
    assert (done["attempt"], done["retries"], done["anomalies"]) == (3, 0, [])

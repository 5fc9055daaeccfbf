"""``longwatch metrics`` over real runs: after a kill -9, and where the figures were lost."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from typing import Any

CONFIG = """
[agents.steady]
command = ["{python}", "-c", '''
import json, os, pathlib
room = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"])
said = {"status": "done", "usage": {"input_tokens": 100, "output_tokens": 7, "cost_usd": 0.25},
        "services": {"anthropic": {"calls": 4, "retries": 2, "failures": 0}}}
(room / "p.tmp-1-1").write_text(json.dumps(said))
(room / "p.tmp-1-1").rename(room / "progress.json")
''']
[agents.shaky]
command = ["{python}", "-c", '''
import os, pathlib
checkpoint = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"]) / "checkpoint.json"
if "LONGWATCH_RESUME_FROM" not in os.environ:
    (checkpoint.parent / "c.tmp-1-1").write_text("[1]")
    (checkpoint.parent / "c.tmp-1-1").rename(checkpoint)
    os.kill(os.getpid(), 9)
''']
retry = { base_delay_seconds = 0.05 }
[agents.broken]
command = ["false"]
retry = { max_retries = 0 }
"""


def shown(project: Any, *arguments: str) -> dict[str, dict[str, Any]]:
    return {row["agent"]: row for row in project.json("metrics", *arguments)["rows"]}


def kill_engine(project: Any) -> None:
    old = project.daemon_pids()[1]
    os.kill(old, signal.SIGKILL)
    project.wait("another engine", lambda: project.daemon_pids()[1:] not in ([], [old]))
    project.wait("an answer", lambda: project.run("status", check=None).returncode == 0)


def test_the_figures_say_what_happened_and_outlive_the_engine_and_their_own_loss(
    project: Any,
) -> None:
    project.configure(CONFIG)
    project.run("up")
    project.run("start", "steady", "shaky", "broken")
    for agent, end in (("steady", "succeeded"), ("shaky", "succeeded"), ("broken", "failed")):
        project.wait_for(agent, end)
    before = shown(project)
    steady, shaky, broken = before["steady"], before["shaky"], before["broken"]
    assert (steady["completed"], steady["input_tokens"], steady["cost_usd"]) == (1, 100, 0.25)
    assert steady["services"]["anthropic"]["retries_per_call"] == 0.5
    assert steady["cost_per_completed_usd"] == 0.25
    assert 0 < steady["duration_median_seconds"] < 60
    assert (shaky["crashes"], shaky["retries"], shaky["recoveries"]) == (1, 1, 1)
    assert (broken["failed"], broken["completion_rate"]) == (1, 0.0)
    table = project.run("metrics").stdout
    assert "RATE" in table and "anthropic" in table and "100%" in table

    kill_engine(project)
    assert shown(project) == before

    project.run("down")
    with sqlite3.connect(project.directory / ".longwatch" / "state.db") as database:
        database.execute("DELETE FROM metrics_state")
        database.execute("DELETE FROM metrics")
    project.run("up")
    project.wait("the log to be counted", lambda: shown(project) == before)


def test_a_day_an_hour_and_an_agent_that_is_unknown(project: Any) -> None:
    project.configure('[agents.quick]\ncommand = ["true"]\n')
    project.run("up")
    project.run("start", "quick")
    project.wait_for("quick", "succeeded")
    by_hour = project.json("metrics", "--by", "agent-hour", "--since", "1h")
    assert sum(row["completed"] for row in by_hour["rows"]) == by_hour["total"]["completed"] == 1
    assert by_hour["rows"][0]["hours"] == 1
    assert project.json("metrics", "--agent", "nobody", check=1)["rows"] == []
    refused = project.run("metrics", "--since", "soon", check=2)
    assert "soon" in refused.stderr and "Traceback" not in refused.stderr


def test_a_spike_of_retries_against_the_agents_own_history_is_an_anomaly(project: Any) -> None:
    project.configure(
        """
[metrics]
spike_window = "1s"
[agents.caller]
command = ["{python}", "-c", '''
import itertools, json, os, pathlib, time
room, retries = pathlib.Path(os.environ["LONGWATCH_RUN_DIR"]), 0
for n in itertools.count():
    time.sleep(0.2)
    retries += 40 if (room / "storm").exists() else n % 5 == 0
    said = {"status": "working", "services": {"web": {"calls": n, "retries": retries}}}
    (room / "p.tmp-1-1").write_text(json.dumps(said))
    (room / "p.tmp-1-1").rename(room / "progress.json")
''']
"""
    )
    project.run("up")
    project.run("start", "caller")
    run = project.wait_for("caller", "running")

    def windows() -> int:
        with sqlite3.connect(
            f"file:{project.directory}/.longwatch/state.db?mode=ro", uri=True
        ) as d:
            found = d.execute("SELECT record FROM metrics_state").fetchone()
        book = json.loads(found[0]) if found else {}
        return book.get("caller", {}).get("web", {}).get("seen", 0)

    project.wait("a history", lambda: windows() >= 8)
    assert not project.status_of("caller")["anomalies"]
    (project.run_dir(run) / "storm").touch()

    def flagged() -> Any:
        found = project.status_of("caller")["anomalies"]
        return [one for one in found if one["kind"] == "retry-spike"]

    anomaly = project.wait("the anomaly", flagged)[0]
    assert "retried calls to web" in anomaly["message"] and "usual" in anomaly["message"]
    assert anomaly["source"] == "longwatch"

"""A run that has used up its budget stands still until the operator grants more."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
SPENDER = """
import time
from supervisor.agent import Agent
with Agent() as agent:
    for n in agent.track(range(40), stage="spend", unit="calls"):
        agent.usage(cost_usd=0.25, model="claude-haiku-4-5")
        agent.progress(step=f"call {n}")
        time.sleep(0.1)
"""


def test_it_stands_still_is_asked_about_and_goes_on_with_as_much_again(project: Any) -> None:
    project.script("spender.py", SPENDER)
    project.configure(
        '[agents.spender]\ncommand = ["{python}", "spender.py"]\nbudget_usd = 2\n'
        f'env = {{ PYTHONPATH = "{ROOT}" }}\n'
    )
    project.run("up")
    project.run("start", "spender")
    run = project.wait_for("spender", "waiting")
    (request,) = run["requests"]
    assert "of its 2.00 USD" in request["title"] and request["kind"] == "approve"
    process = psutil.Process(run["pid"])
    project.wait("it to stand still", lambda: process.status() == psutil.STATUS_STOPPED)

    # An engine that comes back leaves it standing.
    (_keeper, engine) = project.daemon_pids()
    os.kill(engine, signal.SIGKILL)
    project.wait("another engine", lambda: project.daemon_pids()[1:] not in ([], [engine]))
    project.wait_for("spender", "waiting")
    assert process.status() == psutil.STATUS_STOPPED

    project.run("answer", request["id"], "--allow")
    run = project.wait("the next question", lambda: _asked_again(project, request["id"]))
    assert "of its 4.00 USD" in run["requests"][0]["title"]
    project.run("answer", run["requests"][0]["id"], "--deny")
    run = project.wait_for("spender", "stopped")
    assert run["usage"]["cost_usd"] >= 4.0
    assert run["anomalies"][0]["kind"] == "over-budget"


def _asked_again(project: Any, first: str) -> Any:
    run = project.status_of("spender")
    return run if run.get("requests") and run["requests"][0]["id"] != first else None

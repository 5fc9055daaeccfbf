"""The bundled Ralph loop under the real supervisor: crash, question, hint, and the end."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[2]
STAND_IN = str(ROOT / "tests" / "agents" / "ralph_stand_in.py")
LIST = """# Work
- [ ] one
  verify: test -e made/one
- [ ] two
  verify: test -e made/two
"""


def set_up(project: Any, plan: dict[str, list[str]]) -> None:
    project.script("plan.json", json.dumps(plan))
    project.script("TASKS.md", LIST)
    command = json.dumps([sys.executable, STAND_IN])
    project.script("ralph.toml", f'command = {command}\nwatch = ["made"]\n')
    program = json.dumps(["{python}", str(ROOT / "agents" / "ralph.py")])
    retry = "[agents.ralph.retry]\nbase_delay_seconds = 0\n"
    project.configure(f"[agents.ralph]\ncommand = {program}\n{retry}")


def ledger(project: Any) -> list[list[str]]:
    path = project.directory / "ledger"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def is_shown(project: Any) -> bool:
    step = project.status_of("ralph").get("step") or {}
    return step.get("name") == "iteration 1: agent" and step.get("total") == 2


def test_a_crash_a_stop_two_strikes_and_a_hint_lead_to_a_list_that_is_done(project: Any) -> None:
    set_up(project, {"one": ["wait work"], "two": ["lie", "lie", "work"]})
    project.run("up")
    project.run("start", "ralph")
    calls = project.wait("the first call", lambda: ledger(project))
    agent_pid = int(calls[0][0])
    os.kill(project.status_of("ralph")["pid"], signal.SIGKILL)
    project.wait("the second call", lambda: len(ledger(project)) == 2)
    assert not psutil.pid_exists(agent_pid)
    project.wait("what it does to be shown", lambda: is_shown(project))

    project.run("stop", "ralph")
    project.wait_for("ralph", "stopped")
    assert not any(psutil.pid_exists(int(pid)) for pid, _title in ledger(project))
    (project.directory / "go").touch()
    project.run("start", "ralph")
    project.wait("it to run again", lambda: len(ledger(project)) >= 3)

    project.wait_for("ralph", "parked", "failed", "succeeded")
    (request,) = project.json("requests")["requests"]
    assert "two: " in request["title"] and request["kind"] == "choose"
    project.run("answer", request["id"], "--option", "try again with a hint")
    hint = project.wait(
        "the question for a hint",
        lambda: [r for r in project.json("requests")["requests"] if r["kind"] == "text"],
    )[0]
    project.run("answer", hint["id"], "--text", "make the file")

    run = project.wait_for("ralph", "succeeded", "failed", "held")
    assert run["status"] == "succeeded", project.run("why", "ralph").stdout
    assert [title for _pid, title in ledger(project)] == ["one"] * 3 + ["two"] * 3
    assert (project.directory / "TASKS.md").read_text() == LIST.replace("[ ]", "[x]")
    assert "make the file" in (project.directory / "last_prompt").read_text()


def test_a_stop_fails_the_run_without_a_retry(project: Any) -> None:
    set_up(project, {"one": ["lie"]})
    project.run("up")
    project.run("start", "ralph")
    project.wait_for("ralph", "parked", "failed", "succeeded")
    (request,) = project.json("requests")["requests"]
    project.run("answer", request["id"], "--option", "stop")
    run = project.wait_for("ralph", "failed", "held", "succeeded")
    assert (run["status"], len(ledger(project))) == ("failed", 2)
    assert run["retries"] == 0
    assert "same error 2 times" in project.run("why", "ralph").stdout

    # Who starts it again says try again: the same run goes on, with all that it knows.
    (project.directory / "plan.json").write_text(json.dumps({"one": ["work"], "two": ["work"]}))
    project.run("restart", "ralph")
    project.wait_for("ralph", "succeeded")
    assert [title for _pid, title in ledger(project)] == ["one", "one", "one", "two"]
    assert (project.directory / "PROGRESS.md").read_text().count("## 3 · one: done") == 1

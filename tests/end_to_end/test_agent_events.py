"""What an agent notes of itself: once in the log, whoever dies, without its secrets."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

THINKS = """
import os, time
from pathlib import Path
from supervisor.agent import Agent
with Agent() as agent:
    for number in range(60):
        agent.event("thought", f"number {number}", place=number)
    agent.event("tool_call", "opens the vault", password="hunter2-hunter2", arguments={"n": [1]})
    agent.event("observation", "two lines\\nof \\x1b[31mred")
    while not Path("go").exists():
        time.sleep(0.02)
    agent.event("thought", "done")
"""
SHELL = """
printf '{"kind":"note","text":"from a shell"}\\n' >> "$LONGWATCH_RUN_DIR/events.jsonl"
echo 'no json' >> "$LONGWATCH_RUN_DIR/events.jsonl"
printf '{"kind":"note","text":"after a bad one"}\\n' >> "$LONGWATCH_RUN_DIR/events.jsonl"
"""


def noted(project: Any, agent: str) -> list[dict[str, Any]]:
    lines = project.run("audit", "export").stdout.splitlines()
    run = project.status_of(agent)["id"]
    entries = [json.loads(line) for line in lines]
    return [
        entry["data"]
        for entry in entries
        if entry["type"] == "AgentEvent" and entry["run_id"] == run
    ]


def test_each_event_is_in_the_log_once_though_the_engine_dies(project: Any) -> None:
    project.script("thinks.py", THINKS)
    project.script("notes.sh", SHELL)
    project.configure(
        '[agents.thinker]\ncommand = ["{python}", "thinks.py"]\n'
        'env = { VAULT_PASSWORD = "hunter2-hunter2" }\n'
        '[agents.shell]\ncommand = ["sh", "notes.sh"]\n'
    )
    project.run("up")
    project.run("start", "thinker")
    project.wait("the first are told", lambda: len(noted(project, "thinker")) >= 20)
    engine = json.loads((project.directory / ".longwatch" / "engine.lock").read_text())["pid"]
    os.kill(engine, signal.SIGKILL)
    project.script("go", "")
    project.wait_for("thinker", "succeeded")

    found = noted(project, "thinker")
    assert [one["fields"]["place"] for one in found[:60]] == list(range(60))
    assert [one["kind"] for one in found[60:]] == ["tool_call", "observation", "thought"]
    assert "hunter2" not in json.dumps(found)
    assert found[60]["fields"]["arguments"] == {"n": [1]}
    assert "\x1b" not in found[61]["text"] and found[61]["text"].startswith("two lines\n")
    assert found[62]["text"] == "done" and found[62]["epoch"] == 1
    assert project.json("audit", "verify")["ok"]
    assert "thought: done" in project.run("events", "--run", "thinker", "--kind", "notes").stdout

    project.run("start", "shell")
    project.wait_for("shell", "succeeded")
    assert [one["text"] for one in noted(project, "shell")] == ["from a shell", "after a bad one"]
    assert "events of the agent left out" in project.run("events", "--run", "shell").stdout

"""``longwatch audit`` as an auditor uses it: on a real project, with an engine and without."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

AGENT = """
from supervisor.agent import Agent
with Agent() as agent:
    for number in range(3):
        agent.step(str, number)
    answer = agent.approve('Publish?', action={'argv': ['publish', 'report.md']})
    agent.step(str, answer.comment)
"""


def test_the_log_is_checked_exported_and_says_who_answered(project: Any) -> None:
    project.script("agent.py", AGENT)
    project.configure('[agents.writer]\ncommand = ["{python}", "agent.py"]\n')
    assert "no event log" in project.run("audit", "verify", check=4).stderr
    project.run("up")
    project.run("start", "writer")
    asked = project.wait_for("writer", "parked")["requests"][0]
    project.run("answer", asked["id"], "--allow", "--comment", "as agreed on Monday")
    project.wait_for("writer", "succeeded")

    living = project.json("audit", "verify")
    assert living["ok"] and living["findings"] == []
    assert living["sealed"]["seq"] < living["last_seq"]  # From the start; the next in an hour.
    (answer,) = project.json("audit", "answers")["answers"]
    assert (answer["agent"], answer["title"], answer["comment"], answer["hash"]) == (
        "writer",
        "Publish?",
        "as agreed on Monday",
        asked["hash"],
    )
    assert answer["by"] and answer["at"].startswith("20")
    assert "Publish?" in project.run("audit", "answers").stdout

    project.run("down")
    sealed = project.json("audit", "verify")
    assert sealed["ok"] and sealed["sealed"]["seq"] == sealed["last_seq"]

    lines = project.run("audit", "export").stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(1, sealed["last_seq"] + 1))
    exported = project.directory / "export.jsonl"
    exported.write_text("\n".join(lines) + "\n")
    assert "0 not" in project.run("audit", "verify", str(exported)).stdout
    exported.write_text("\n".join(line.replace("Monday", "Sunday") for line in lines))
    assert "changed: event" in project.run("audit", "verify", str(exported), check=1).stdout
    exported.write_text("hello\n")
    assert "line 1 is no exported event" in project.run(
        "audit", "verify", str(exported), check=2
    ).stderr  # fmt: skip

    last = sealed["last_seq"]
    connection = sqlite3.connect(project.directory / ".longwatch" / "state.db")
    connection.execute("DELETE FROM events WHERE seq > ?", (last - 2,))
    connection.execute(
        "UPDATE chain SET last_seq = ?, last_hash = (SELECT hash FROM events WHERE seq = ?)",
        (last - 2, last - 2),
    )
    connection.commit()
    connection.close()
    cut = project.run("audit", "verify", check=1).stdout
    assert f"events {last - 1} to {last} were sealed and are missing" in cut

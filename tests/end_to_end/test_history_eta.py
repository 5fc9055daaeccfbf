"""How far a run is and how long its like took, seen where an operator looks."""

from __future__ import annotations

import json
from typing import Any

WRITER = """
import time
from pathlib import Path
from supervisor.agent import Agent
with Agent() as agent:
    agent.stages(["research", "writing"])
    agent.stage("research")
    agent.stage("writing")
    agent.progress(3, 6, unit="sections")
    time.sleep(float(Path("pause").read_text()))
"""


def test_a_run_knows_how_long_the_ones_before_it_took(project: Any) -> None:
    project.script("writer.py", WRITER)
    project.script("pause", "0.3")
    project.configure('[agents.writer]\ncommand = ["{python}", "writer.py"]\n')
    project.run("up")
    for _ in range(3):
        project.run("start", "writer")
        project.wait_for("writer", "succeeded")
    project.script("pause", "60")
    project.run("start", "writer")
    project.wait("it works", lambda: project.status_of("writer").get("stage"))

    lines = project.run("events", "--json", "--kind", "runs").stdout.splitlines()
    born = [json.loads(line)["data"] for line in lines if '"RunCreated"' in line]
    assert [len(data.get("past", [])) for data in born] == [0, 1, 2, 3]
    assert all(0.3 <= seconds < 60 for seconds in born[-1]["past"])
    run = project.status_of("writer")
    assert run["progress_text"] == "Research complete. Writing: 3 of 6 sections (50 %)."
    # Once it has lasted longer than all of them, they say nothing any more.
    bases = [eta["basis"] for eta in run["etas"]]
    assert bases == ["3 earlier runs"] or run["elapsed_seconds"] > max(born[-1]["past"])
    assert run["progress_text"] in project.run("why", "writer").stdout

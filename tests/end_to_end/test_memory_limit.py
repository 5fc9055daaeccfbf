"""A real process that takes more memory than it may, under the real command."""

from __future__ import annotations

import json
from typing import Any

GREEDY = """
import os, sys, time
from supervisor.agent import Agent

with Agent() as agent:
    if agent.attempt == 1:
        agent.checkpoint({"kept": True})
        hoard = bytearray(200_000_000)
        hoard[::4096] = b"x" * len(hoard[::4096])
        time.sleep(100)
    print("resumed", agent.resumed, flush=True)
"""


def test_an_agent_over_its_limit_is_ended_named_and_goes_on_from_its_checkpoint(
    project: Any,
) -> None:
    project.script("greedy.py", GREEDY)
    project.configure(
        f"[agents.greedy]\ncommand = {json.dumps(['{python}', 'greedy.py'])}\n"
        'max_memory = "150MB"\n[agents.greedy.retry]\nbase_delay_seconds = 0.1\n'
    )
    # Nobody watches: the limit is held all the same.
    project.run("up")
    project.run("start", "greedy")
    run = project.wait_for("greedy", "succeeded")
    assert run["attempt"] == 2 and run["retries"] == 1
    events = project.run("events").stdout
    assert "more than max_memory 150 MB" in events and "over-memory" in events
    log = project.directory / ".longwatch" / "records" / run["id"] / "out.log"
    assert log.read_text() == "resumed {'kept': True}\n"

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

ESCAPED = """
import os, pathlib, sys, time
from supervisor.agent import Agent

HOARD = '''
hoard = bytearray(200_000_000)
hoard[::4096] = b"x" * len(hoard[::4096])
import time
time.sleep(100)
'''
with Agent() as agent:
    if agent.attempt == 1:
        agent.checkpoint({"kept": True})
        command = [sys.executable, "-I", "-S", "-c", HOARD]
        if os.fork() == 0:
            os.setsid()
            if sys.argv[1] == "orphan" and os.fork():
                os._exit(0)
            os.set_inheritable(3, True)
            os.execve(sys.executable, command, {} if sys.argv[1] == "orphan" else os.environ)
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


def test_what_left_the_session_counts_for_the_limit_too(project: Any) -> None:
    """A child in a session of its own; and one without parent or environment, known by its lock."""
    project.script("escaped.py", ESCAPED)
    project.configure(
        "".join(
            f"[agents.{name}]\ncommand = {json.dumps(['{python}', 'escaped.py', name])}\n"
            f'max_memory = "150MB"\n[agents.{name}.retry]\nbase_delay_seconds = 0.1\n'
            for name in ("child", "orphan")
        )
    )
    project.run("up")
    project.run("start", "child", "orphan")
    for name in ("child", "orphan"):
        run = project.wait_for(name, "succeeded")
        assert run["attempt"] == 2 and run["retries"] == 1
    assert project.run("events").stdout.count("more than max_memory 150 MB") >= 2

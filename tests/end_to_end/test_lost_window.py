"""The window of the interface is closed: it ends at once, and the work goes on without it."""

from __future__ import annotations

import signal
from typing import Any

import psutil
from pty_session import Session

LIMIT_S = 30.0
BUSY = """
import time
from supervisor.agent import Agent

with Agent() as agent:
    for step in range(1_000_000):
        agent.progress(step, 1_000_000, "pages")
        print("a line of work", step, flush=True)
        time.sleep(0.01)
"""


def test_closing_the_window_ends_the_interface_and_leaves_engine_and_agent(project: Any) -> None:
    project.script("busy.py", BUSY)
    project.configure(
        '[agents.busy]\ncommand = ["{python}", "busy.py"]\nautostart = true\nstop_grace = "1s"\n'
    )
    session = Session(project)
    try:
        session.expect("pages")
        before = project.wait_for("busy", "running")
        session.hang_up()
        assert session.process.wait(LIMIT_S) == 128 + signal.SIGHUP
        after = project.status_of("busy")
        assert (after["pid"], after["attempt"]) == (before["pid"], before["attempt"])
        assert psutil.Process(after["pid"]).is_running()
    finally:
        session.close()

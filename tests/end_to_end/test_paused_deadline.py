"""A pause is a person's time: the keeper ends nothing that is held still, and no limit runs."""

from __future__ import annotations

import time
from typing import Any

AGENT = """
import os, time
while not os.path.exists("go"):
    time.sleep(0.05)
"""


def test_a_run_paused_for_longer_than_its_limits_comes_to_its_end(project: Any) -> None:
    project.script("slow.py", AGENT)
    project.configure(
        '[agents.slow]\ncommand = ["{python}", "slow.py"]\n'
        'timeout = "6s"\nattempt_timeout = "6s"\nstall_timeout = "6s"\n'
    )
    project.run("up")
    project.run("start", "slow")
    project.wait("it works", lambda: project.status_of("slow")["status"] == "running")
    project.run("pause", "slow")
    project.wait("it is held still", lambda: project.status_of("slow")["status"] == "paused")
    held = time.monotonic()
    # All three limits pass, by every clock there is.
    project.wait("the limits to pass", lambda: time.monotonic() - held > 6.5)
    assert project.status_of("slow")["status"] == "paused"
    (project.directory / "go").touch()
    project.run("resume", "slow")
    project.wait_for("slow", "succeeded")
    assert project.status_of("slow")["attempt"] == 1

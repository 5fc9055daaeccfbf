"""``logs -f`` while engines come and go: every line once."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

WRITER = """
import time, pathlib
stop = pathlib.Path("stop")
number = 0
while not stop.exists():
    number += 1
    print(f"line {number}", flush=True)
    time.sleep(0.01)
print("the end", flush=True)
"""


def test_following_goes_on_over_a_dead_engine_and_an_upgrade(project: Any) -> None:
    script = project.script("writer.py", WRITER)
    project.configure(f"[agents.w]\ncommand = {json.dumps(['{python}', str(script)])}\n")
    project.run("up")
    project.run("start", "w")
    run = project.wait_for("w", "running")
    log = project.directory / ".longwatch" / "records" / run["id"] / "out.log"
    follower = project.follow("logs", "-f", "-n", "100000", "--stdout", "w")
    first = follower.stdout.readline()

    def grows() -> None:
        size = log.stat().st_size
        project.wait("more lines", lambda: log.stat().st_size > size + 200)

    grows()
    engine = project.daemon_pids()[1]
    os.kill(engine, signal.SIGKILL)
    project.wait("another engine", lambda: project.daemon_pids()[1:] not in ([], [engine]))
    grows()
    project.run("upgrade-engine")
    grows()
    (project.directory / "stop").touch()
    out = first + follower.stdout.read()
    assert follower.wait(40) == 0, out[-500:]
    assert out == log.read_text()

"""A run whose lock something still holds: said, waited for, and no retry used up."""

from __future__ import annotations

import fcntl
import json
import os
from typing import Any

FAILS_ONCE = "test -e once && exec sleep 600; touch once; exit 1"


def test_a_held_lock_is_named_and_waited_for_without_using_up_a_retry(project: Any) -> None:
    project.configure(
        f"[agents.w]\ncommand = {json.dumps(['sh', '-c', FAILS_ONCE])}\n"
        "[agents.w.retry]\nbase_delay_seconds = 2.0\n"
    )
    project.run("up")
    project.run("start", "w")
    run = project.wait_for("w", "backoff")
    lock = (project.directory / ".longwatch" / "records" / run["id"] / "lock").open("r+")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def said() -> str:
        found = project.status_of("w")["anomalies"]
        return " ".join(each["message"] for each in found if each["kind"] == "lock-held")

    words = project.wait("the holder to be named", said)
    assert f"pid {os.getpid()}" in words
    waiting = project.status_of("w")
    assert (waiting["status"], waiting["retries"], waiting["epoch"]) == ("starting", 1, 2)
    lock.close()
    after = project.wait_for("w", "running")
    assert (after["retries"], after["epoch"]) == (1, 2)

"""A keeper that executes itself anew: the same pid, the same children, nothing forgotten."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def upgraded(kept: Any, engine: Any) -> Any:
    """The engine of the keeper's next life."""
    assert engine.call("upgrade")["ok"]
    os.kill(engine.pid, signal.SIGKILL)
    second = kept.engine()
    assert "a new keeper in the same process" in kept.log
    return second


def test_the_same_process_keeps_its_children_and_knows_their_exits(kept: Any, engine: Any) -> None:
    living = engine.call("spawn", **kept.shell("living", "exec sleep 100"))
    ends = engine.call(
        "spawn", **kept.shell("ends", "until test -e go; do sleep 0.01; done; exit 7")
    )
    before = engine.call("hello")
    second = upgraded(kept, engine)
    after = second.call("hello")
    assert after["pid"] == before["pid"] == kept.keepers[0].pid
    assert after["attempts"] == before["attempts"]
    assert lives(living["pid"]) and psutil.Process(living["pid"]).ppid() == after["pid"]
    (kept.directory / "go").touch()
    notice = second.exited("ends")
    assert (notice["pid"], notice["code"], notice["known"]) == (ends["pid"], 7, True)
    assert kept.record("ends")["code"] == 7
    third = second.call("spawn", **kept.shell("third", "exit 5"))
    assert third["ok"] and second.exited("third")["code"] == 5


def test_who_dies_between_the_two_lives_is_noticed(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    assert engine.call("upgrade")["ok"]
    os.kill(kept.keepers[0].pid, signal.SIGSTOP)
    os.kill(spawned["pid"], signal.SIGKILL)
    os.kill(engine.pid, signal.SIGKILL)
    os.kill(kept.keepers[0].pid, signal.SIGCONT)
    kept.wait_until("the record", (kept.directory / "r-1.json").exists)
    assert kept.record("r")["signal"] == 9 and kept.record("r")["known"]
    assert kept.engine().call("hello")["attempts"] == []


def test_deadline_grace_and_escapees_go_over(kept: Any, engine: Any) -> None:
    script = (
        "setsid sh -c 'echo $$ > escaped; exec sleep 100' & trap '' TERM; "
        "while :; do sleep 0.05; done"
    )
    at = time.monotonic() + 2.0
    engine.call("spawn", **kept.shell("deaf", script, deadline=at, grace=0.3))
    escaped = kept.pid_in("escaped")
    second = upgraded(kept, engine)
    notice = second.exited("deaf")
    assert notice["ended_by"] == "deadline:task" and notice["at_mono"] >= at
    assert not lives(escaped) and notice["known"]


def test_an_adopted_attempt_stays_watched(kept: Any, engine: Any) -> None:
    sleeper = subprocess.Popen(["sleep", "100"], start_new_session=True)
    try:
        order = kept.shell("r", "unused")
        started = int(Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[19])
        order.update(pid=sleeper.pid, started=started, boot=engine.call("hello")["boot"])
        assert engine.call("adopt", **order)["ok"]
        second = upgraded(kept, engine)
        assert [each["pid"] for each in second.call("hello")["attempts"]] == [sleeper.pid]
        sleeper.kill()
        sleeper.wait(10)
        assert second.exited("r")["known"] is False
    finally:
        sleeper.kill()
        sleeper.wait(10)


def test_the_directory_stays_held_and_the_limits_of_agents_stay_the_users(
    kept: Any, engine: Any
) -> None:
    engine.call("spawn", **kept.shell("before", "ulimit -n; ls /proc/self/fd | wc -l"))
    engine.exited("before")
    second = upgraded(kept, engine)
    second.call("spawn", **kept.shell("after", "ulimit -n; ls /proc/self/fd | wc -l"))
    second.exited("after")
    assert kept.out("after") == kept.out("before")
    rival = kept.start()
    assert rival.wait(10) == 3
    holder = json.loads((kept.directory / "keeper.lock").read_text())
    assert holder["pid"] == kept.keepers[0].pid
    third = upgraded(kept, second)
    assert third.call("hello")["pid"] == holder["pid"]

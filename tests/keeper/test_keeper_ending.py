"""The end of an attempt is the end of everything it started."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

DEAF = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"
DOUBLE_FORK = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        with open("pid", "w") as file:
            file.write(str(os.getpid()))
        time.sleep(300)
    os._exit(0)
os.wait()
while not os.path.exists("pid") or not open("pid").read():
    time.sleep(0.001)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


def test_stop_gives_the_grace_to_clean_up(kept: Any, engine: Any) -> None:
    script = "trap 'echo bye; exit 4' TERM; echo $$ > pid; while :; do sleep 0.05; done"
    engine.call("spawn", **kept.shell("r", script))
    kept.pid_in("pid")
    assert engine.call("stop", run="r", epoch=1, signal=15, grace=10.0, reason="enough")["ok"]
    notice = engine.exited("r")
    assert (notice["code"], notice["ended_by"], notice["reason"]) == (4, "stop", "enough")
    assert kept.out("r") == "bye\n"


def test_a_deaf_agent_is_killed_after_the_grace(kept: Any, engine: Any) -> None:
    engine.call("spawn", **kept.shell("r", DEAF))
    kept.pid_in("pid")
    began = time.monotonic()
    engine.call("stop", run="r", epoch=1, signal=15, grace=0.3, reason="")
    notice = engine.exited("r")
    assert (notice["signal"], notice["ended_by"]) == (9, "stop")
    assert notice["at_mono"] - began >= 0.3
    assert kept.ours() == []


def test_stopping_again_only_shortens_the_grace(kept: Any, engine: Any) -> None:
    engine.call("spawn", **kept.shell("r", DEAF))
    kept.pid_in("pid")
    began = time.monotonic()
    engine.call("stop", run="r", epoch=1, signal=15, grace=100.0, reason="first")
    engine.call("stop", run="r", epoch=1, signal=15, grace=0.1, reason="second")
    engine.call("stop", run="r", epoch=1, signal=15, grace=100.0, reason="third")
    notice = engine.exited("r")
    assert notice["reason"] == "first"
    assert notice["at_mono"] - began < 10


def test_the_stop_signal_is_not_sent_twice(kept: Any, engine: Any) -> None:
    script = "trap 'echo term' TERM; echo $$ > pid; while :; do sleep 0.02; done"
    engine.call("spawn", **kept.shell("r", script))
    kept.pid_in("pid")
    for grace in (5.0, 4.0, 0.5):
        engine.call("stop", run="r", epoch=1, signal=15, grace=grace, reason="")
    engine.exited("r")
    assert kept.out("r") == "term\n"


@pytest.mark.parametrize("kind", ["task", "attempt"])
def test_a_deadline_ends_the_attempt_and_says_which(kept: Any, engine: Any, kind: str) -> None:
    at = time.monotonic() + 0.3
    order = kept.shell("r", "exec sleep 100", deadline=at, deadline_kind=kind)
    engine.call("spawn", **order)
    notice = engine.exited("r")
    assert (notice["signal"], notice["ended_by"]) == (15, f"deadline:{kind}")
    assert 0 <= notice["at_mono"] - at < 5


def test_a_deaf_agent_is_killed_a_grace_after_its_deadline(kept: Any, engine: Any) -> None:
    at = time.monotonic() + 0.3
    engine.call("spawn", **kept.shell("r", DEAF, deadline=at, grace=0.2))
    notice = engine.exited("r")
    assert (notice["signal"], notice["ended_by"]) == (9, "deadline:task")
    assert notice["at_mono"] >= at + 0.2


def test_a_deadline_moves_both_ways(kept: Any, engine: Any) -> None:
    now = time.monotonic()
    engine.call("spawn", **kept.shell("later", "exec sleep 100", deadline=now + 0.2))
    engine.call("spawn", **kept.shell("sooner", "exec sleep 100", deadline=now + 100))
    engine.call("deadline", run="later", epoch=1, at=None, kind="task")
    engine.call("deadline", run="sooner", epoch=1, at=now + 0.4, kind="attempt")
    assert engine.exited("sooner")["ended_by"] == "deadline:attempt"
    assert [attempt["run"] for attempt in engine.call("hello")["attempts"]] == ["later"]


def test_what_the_leader_left_in_the_background_is_ended_and_counted(
    kept: Any, engine: Any
) -> None:
    engine.call("spawn", **kept.shell("r", "sleep 300 & sleep 300 & exit 0"))
    notice = engine.exited("r")
    assert (notice["code"], notice["leftovers"], notice["ended_by"]) == (0, 2, None)
    assert kept.ours() == []


ESCAPES = {
    "nohup": ["/bin/sh", "-c", "nohup sleep 300 >/dev/null 2>&1 & echo $! > pid"],
    "setsid": [
        "/bin/sh", "-c", "setsid sh -c 'echo $$ > pid; sleep 300; :' & "
        "until test -s pid; do :; done",
    ],
    "double fork, descriptors closed": [sys.executable, "-I", "-S", "-c", DOUBLE_FORK],
    "setsid without our variables": [
        "/bin/sh", "-c",
        "env -i /usr/bin/setsid sh -c 'echo $$ > pid; sleep 300; :' & "
        "until test -s pid; do :; done",
    ],
}  # fmt: skip


@pytest.mark.parametrize("how", ESCAPES)
def test_who_escapes_is_ended_with_the_leader(kept: Any, engine: Any, how: str) -> None:
    engine.call("spawn", **kept.order("r", ESCAPES[how]))
    notice = engine.exited("r")
    assert notice["code"] == 0
    assert notice["leftovers"] >= 1
    assert not alive(kept.pid_in("pid"))
    assert kept.ours() == []


@pytest.mark.parametrize("how", ESCAPES)
def test_who_escapes_is_ended_by_a_stop(kept: Any, engine: Any, how: str) -> None:
    argv = ESCAPES[how]
    if argv[0] == "/bin/sh":
        argv = [*argv[:2], argv[2] + "; trap '' TERM; while :; do sleep 0.05; done"]
    else:
        argv = [*argv[:-1], argv[-1] + "\ntime.sleep(300)\n"]
    engine.call("spawn", **kept.order("r", argv))
    pid = kept.pid_in("pid")
    assert alive(pid)
    engine.call("stop", run="r", epoch=1, signal=15, grace=0.2, reason="")
    engine.exited("r")
    assert not alive(pid)
    assert kept.ours() == []


def test_the_child_of_an_escapee_is_ended_too(kept: Any, engine: Any) -> None:
    script = (
        "setsid sh -c 'setsid sh -c \"echo \\$\\$ > pid; sleep 300; :\" & wait' & "
        "until test -s pid; do :; done"
    )
    engine.call("spawn", **kept.shell("r", script))
    assert engine.exited("r")["leftovers"] >= 2
    assert not alive(kept.pid_in("pid"))


def test_nobody_elses_orphan_is_touched(kept: Any, engine: Any) -> None:
    escape = "setsid sh -c 'echo $$ > pid; sleep 300; :' & until test -s pid; do :; done; "
    engine.call("spawn", **kept.shell("other", escape + "exec sleep 300"))
    pid = kept.pid_in("pid")
    engine.call("spawn", **kept.shell("r", "exit 0"))
    assert engine.exited("r")["leftovers"] == 0
    assert alive(pid)
    # And an orphan proper, whose parent died long before the other attempt.
    engine.call("stop", run="other", epoch=1, signal=15, grace=0.0, reason="")
    engine.exited("other")
    assert not alive(pid)


def test_a_wrapper_that_dies_at_once_leaves_the_grace_to_its_child(kept: Any, engine: Any) -> None:
    worker = (
        "trap 'sleep 0.3; echo saved; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done"
    )
    engine.call(
        "spawn",
        **kept.shell("r", f'sh -c "{worker.replace("$$", chr(92) + "$" + chr(92) + "$")}"; :'),
    )
    kept.pid_in("pid")
    engine.call("stop", run="r", epoch=1, signal=15, grace=10.0, reason="")
    notice = engine.exited("r")
    assert notice["signal"] == 15
    assert kept.out("r") == "saved\n"


def test_processes_that_keep_forking_are_ended(kept: Any, engine: Any) -> None:
    script = (
        "for i in 1 2 3 4; do "
        "(trap '' TERM; while :; do setsid sh -c 'sleep 0.02' & sleep 0.01; done) & done; "
        "echo $$ > pid; sleep 0.2; trap '' TERM; while :; do sleep 0.05; done"
    )
    engine.call("spawn", **kept.shell("r", script))
    kept.pid_in("pid")
    engine.call("stop", run="r", epoch=1, signal=15, grace=0.2, reason="")
    engine.exited("r")
    assert kept.ours() == []


def test_a_pause_holds_everything_still_and_a_stop_ends_it(kept: Any, engine: Any) -> None:
    # What is seen is the work: a shell that is stopped within a vfork is in state D, not T.
    script = (
        "setsid sh -c 'echo $$ > pid; while :; do echo . >> far; sleep 0.01; done' & "
        "while :; do echo . >> near; sleep 0.01; done"
    )
    engine.call("spawn", **kept.shell("r", script))
    kept.pid_in("pid")

    def work() -> list[int]:
        return [(kept.directory / name).stat().st_size for name in ("near", "far")]

    def both_go_on() -> bool:
        before = work()
        time.sleep(0.1)
        return all(now > then for now, then in zip(work(), before, strict=True))

    kept.wait_until("both at work", both_go_on)
    assert engine.call("signal", run="r", epoch=1, signal=19)["ok"]
    before = work()
    time.sleep(0.5)
    assert work() == before
    assert engine.call("signal", run="r", epoch=1, signal=18)["ok"]
    kept.wait_until("both to go on", both_go_on)
    engine.call("signal", run="r", epoch=1, signal=19)
    engine.call("stop", run="r", epoch=1, signal=15, grace=10.0, reason="")
    assert engine.exited("r")["signal"] == 15
    assert kept.ours() == []


def test_calls_for_what_does_not_live_say_gone(kept: Any, engine: Any) -> None:
    calls = (
        ("stop", {"signal": 15, "grace": 1.0, "reason": ""}),
        ("deadline", {"at": None, "kind": "task"}),
        ("signal", {"signal": 19}),
    )
    for name, fields in calls:
        assert engine.call(name, run="r", epoch=1, **fields)["error"]["code"] == "gone"


def test_a_full_disk_hides_no_exit(kept: Any, engine: Any) -> None:
    order = kept.shell("r", "exit 5", record=str(kept.directory / "later" / "exit-1.json"))
    engine.call("spawn", **order)
    assert engine.exited("r")["code"] == 5
    # A new engine is told again, because no record tells it.
    engine.call("hello")
    assert engine.exited("r")["code"] == 5

"""The keeper and its engine: restarts, frames, leaving, and a keeper that dies itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_hello_says_who_keeps_what(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    hello = engine.call("hello")
    assert hello["pid"] == kept.keepers[0].pid
    assert hello["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert hello["attempts"] == [{key: spawned[key] for key in spawned if key not in ("id", "ok")}]
    assert psutil.Process(engine.pid).ppid() == hello["pid"]


def test_a_killed_engine_is_replaced_and_the_new_one_learns_who_lives(
    kept: Any, engine: Any
) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    engine.call("spawn", **kept.shell("ends", "until test -e go; do sleep 0.01; done; exit 6"))
    os.kill(engine.pid, signal.SIGKILL)
    (kept.directory / "go").touch()
    second = kept.engine()
    assert second.pid != engine.pid
    assert lives(spawned["pid"])
    kept.wait_until("the record", (kept.directory / "ends-1.json").exists)
    assert kept.record("ends")["code"] == 6
    assert [each["pid"] for each in second.call("hello")["attempts"]] == [spawned["pid"]]


def test_deadlines_hold_and_exits_are_recorded_without_an_engine(kept: Any, engine: Any) -> None:
    at = time.monotonic() + 1.0
    engine.call("spawn", **kept.shell("r", "exec sleep 100", deadline=at))
    # Stopped, it takes no call and is not replaced either.
    os.kill(engine.pid, signal.SIGSTOP)
    kept.wait_until("the record", (kept.directory / "r-1.json").exists)
    assert kept.record("r")["ended_by"] == "deadline:task"
    os.kill(engine.pid, signal.SIGKILL)
    assert kept.engine().call("hello")["attempts"] == []


def test_an_engine_that_dies_at_once_is_started_with_growing_pauses(kept: Any) -> None:
    kept.start()
    began = time.monotonic()
    for _ in range(4):
        os.kill(kept.engine().pid, signal.SIGKILL)
    kept.engine()
    # At once, then 0.1, 0.2 and 0.4 s.
    assert 0.7 <= time.monotonic() - began < 10


def test_nonsense_from_the_engine_is_answered_and_harms_nobody(kept: Any, engine: Any) -> None:
    engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    for frame in (b"nonsense", b"[1]", b"\xff\xfe{}", b"[" * 100_000, b'{"call": 1e999}', b"NaN"):
        engine.end.sendall(frame + b"\n")
        reply = engine.reply_to(None)
        assert reply["ok"] is False and reply["error"]["code"] in ("frame", "bad")
    good = kept.shell("x", "true")
    for field, value in (
        *(("argv", bad) for bad in (None, [], "sh", [1], ["a\0b"], ["sh", "\ud800"])),
        *(("env", bad) for bad in (None, [], {"A": 1}, {"A=B": "x"}, {"": "x"}, {"A": "\0"})),
        *(("deadline", bad) for bad in ("soon", True, float("inf"), 10**400)),
        *(("grace", bad) for bad in (None, -1, "1")),
        *(("epoch", bad) for bad in (None, -1, 1.5, True, 10**30)),
        *(("stop_signal", bad) for bad in (0, 65, "TERM")),
        ("deadline_kind", "other"),
        ("run", None),
    ):
        reply = engine.call("spawn", **{**good, field: value})
        assert reply["error"]["code"] == "bad", (field, value, reply)
    assert engine.call("signal", run="r", epoch=1, signal=9)["error"]["code"] == "bad"
    assert engine.call("nothing")["error"]["code"] == "bad"
    assert len(engine.call("hello")["attempts"]) == 1


def test_a_frame_over_four_mebibytes_is_refused_and_the_next_one_heard(
    kept: Any, engine: Any
) -> None:
    engine.end.sendall(b'{"call": "hello", "x": "' + b"x" * (5 * 1024 * 1024))
    assert engine.reply_to(None)["error"]["code"] == "frame"
    engine.end.sendall(b'"}\n')
    assert engine.call("hello")["ok"]


def test_an_engine_that_does_not_read_costs_the_keeper_no_memory(kept: Any, engine: Any) -> None:
    keeper = psutil.Process(kept.keepers[0].pid)
    before = keeper.memory_info().rss
    engine.end.settimeout(0.5)
    flood = b'{"id": 1, "call": "hello", "pad": "' + b"x" * 500 + b'"}\n'

    def send_for_ever() -> None:
        while True:
            engine.end.sendall(flood * 1000)

    with pytest.raises(TimeoutError):
        send_for_ever()
    assert keeper.memory_info().rss - before < 16 * 1024 * 1024


def test_leave_lets_the_agents_go_on(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    assert engine.call("leave", stop_agents=True)["error"]["code"] == "refused"
    assert engine.call("leave")["ok"]
    assert engine.call("spawn", **kept.shell("late", "true"))["error"]["code"] == "leaving"
    engine.end.shutdown(1)
    assert kept.keepers[0].wait(15) == 0
    assert lives(spawned["pid"])


def test_sigterm_ends_the_engine_and_leaves_the_agents(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    kept.keepers[0].terminate()
    assert kept.keepers[0].wait(15) == 0
    assert not lives(engine.pid)
    assert lives(spawned["pid"])


def test_sighup_changes_nothing(kept: Any, engine: Any) -> None:
    os.kill(kept.keepers[0].pid, signal.SIGHUP)
    assert engine.call("hello")["ok"]


def test_a_second_keeper_is_refused_with_status_3_and_says_who_holds(
    kept: Any, engine: Any
) -> None:
    assert kept.start().wait(15) == 3
    assert "is held by another keeper" in kept.log
    holder = json.loads((kept.directory / "keeper.lock").read_text())
    assert holder["pid"] == kept.keepers[0].pid
    assert {*holder} == {"pid", "boot", "started", "version"}
    assert engine.call("hello")["ok"]


def adoption(kept: Any, spawned: dict[str, Any], **changes: Any) -> dict[str, Any]:
    order = kept.order(spawned["run"], ["unused"], spawned["epoch"])
    del order["argv"]
    return {**order, "pid": spawned["pid"], "started": spawned["started"], **changes}


def replace_keeper(kept: Any) -> Any:
    """kill -9 of the keeper; its engine ends with the connection; the next keeper's engine."""
    kept.keepers[-1].kill()
    kept.keepers[-1].wait(15)
    kept.start()
    return kept.engine()


def test_a_new_keeper_adopts_what_the_killed_one_left(kept: Any, engine: Any) -> None:
    script = "until test -e go; do sleep 0.01; done; echo done; exit 5"
    spawned = engine.call("spawn", **kept.shell("r", script))
    second = replace_keeper(kept)
    assert lives(spawned["pid"])
    assert second.call("hello")["attempts"] == []
    # Its lock is inherited: nobody can start it twice meanwhile.
    again = second.call("spawn", **kept.shell("r", "true", epoch=2))
    assert again["error"]["code"] == "busy"
    adopted = second.call("adopt", **adoption(kept, spawned))
    assert (adopted["pid"], adopted["known"]) == (spawned["pid"], False)
    assert second.call("adopt", **adoption(kept, spawned))["ok"]
    (kept.directory / "go").touch()
    notice = second.exited("r")
    assert (notice["known"], notice["code"], notice["signal"]) == (False, None, None)
    assert kept.record("r") == notice
    # Output went straight to its file all the time.
    assert kept.out("r") == "done\n"


def test_an_adopted_attempt_is_ended_with_everything_it_started(kept: Any, engine: Any) -> None:
    script = (
        "setsid sh -c 'echo $$ > pid; sleep 300; :' & sleep 300 & "
        "until test -s pid; do :; done; trap '' TERM; while :; do sleep 0.05; done"
    )
    spawned = engine.call("spawn", **kept.shell("r", script))
    kept.pid_in("pid")
    second = replace_keeper(kept)
    assert second.call("adopt", **adoption(kept, spawned))["ok"]
    second.call("stop", run="r", epoch=1, signal=15, grace=0.2, reason="over")
    notice = second.exited("r")
    assert (notice["ended_by"], notice["reason"]) == ("stop", "over")
    assert kept.ours() == []


def test_a_deadline_holds_for_the_adopted(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    second = replace_keeper(kept)
    order = adoption(kept, spawned, deadline=time.monotonic() + 0.2, deadline_kind="attempt")
    second.call("adopt", **order)
    assert second.exited("r")["ended_by"] == "deadline:attempt"
    assert kept.ours() == []


def test_a_process_that_is_another_one_by_now_is_not_adopted(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    second = replace_keeper(kept)
    bystander = subprocess.Popen(["sleep", "100"])
    try:
        for changes in (
            {"pid": bystander.pid},
            {"boot": "another-boot"},
        ):
            refused = second.call("adopt", **adoption(kept, spawned, **changes))
            assert refused["error"]["code"] == "gone"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_what_a_leader_left_that_died_without_a_keeper_is_ended_before_gone_is_said(
    kept: Any, engine: Any
) -> None:
    script = "setsid sh -c 'echo $$ > pid; sleep 300; :' & until test -s pid; do :; done; sleep 300"
    spawned = engine.call("spawn", **kept.shell("r", script))
    left = kept.pid_in("pid")
    kept.keepers[-1].kill()
    kept.keepers[-1].wait(15)
    os.kill(spawned["pid"], signal.SIGKILL)
    kept.wait_until("the leader's end", lambda: not lives(spawned["pid"]))
    assert lives(left)
    kept.start()
    second = kept.engine()
    assert second.call("adopt", **adoption(kept, spawned))["error"]["code"] == "gone"
    assert not lives(left)
    assert second.call("spawn", **kept.shell("r", "true", epoch=2))["ok"]


def test_an_idle_keeper_uses_no_cpu(kept: Any, engine: Any) -> None:
    script = "setsid sh -c 'echo $$ > pid; exec sleep 300' & exec sleep 300"
    engine.call("spawn", **kept.shell("r", script, deadline=time.monotonic() + 1000))
    kept.pid_in("pid")
    keeper = psutil.Process(kept.keepers[0].pid)

    def wakeups() -> int:
        status = Path(f"/proc/{keeper.pid}/status").read_text()
        lines = dict(line.split(":\t", 1) for line in status.splitlines())
        return int(lines["voluntary_ctxt_switches"])

    engine.call("hello")
    before = wakeups()
    time.sleep(0.5)  # What is measured is that nothing happens in it.
    assert wakeups() - before <= 1


def test_the_keeper_loads_nothing_but_the_standard_library(kept: Any) -> None:
    package = Path(__file__).parents[2] / "supervisor"
    argv = [sys.executable, "-I", "-S", "-E", "-X", "importtime", package / "keeper"]
    state = kept.directory / "state"
    state.mkdir()
    keeper = subprocess.Popen(
        [*argv, state, "/no/such/engine"], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    kept.wait_until("the lock", (state / "keeper.lock").exists)
    kept.wait_until("its content", (state / "keeper.lock").read_text)
    keeper.terminate()
    _, errors = keeper.communicate(timeout=15)
    names = {
        line.rsplit("|", 1)[1].strip()
        for line in errors.splitlines()
        if line.startswith("import time:") and line.rsplit("|", 1)[1].strip() != "imported package"
    }
    assert "supervisor.keeper.loop" in names
    foreign = {
        name
        for name in names
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name != "supervisor"
        and not name.startswith("supervisor.keeper")
    }
    assert foreign == set()
    assert not {"asyncio", "subprocess", "logging", "typing", "dataclasses"} & names

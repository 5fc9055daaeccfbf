"""Starting an attempt, and telling how it ended."""

from __future__ import annotations

import errno
import fcntl
import json
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

SCRIPT = "import json, os, resource, signal, sys;"


def test_an_exit_status_is_told_and_on_record_before(kept: Any, engine: Any) -> None:
    spawned = engine.call("spawn", **kept.shell("r", "echo hello; echo oh >&2; exit 7"))
    assert spawned["ok"] and spawned["pid"] > 1 and spawned["started"] > 0
    notice = engine.exited("r")
    assert kept.record("r") == notice
    assert (notice["code"], notice["signal"], notice["known"]) == (7, None, True)
    assert (notice["ended_by"], notice["leftovers"]) == (None, 0)
    assert abs(notice["at"] - time.time()) < 10 and abs(notice["at_mono"] - time.monotonic()) < 10
    assert kept.out("r") == "hello\n"
    assert (kept.directory / "r.err").read_text() == "oh\n"


def test_a_death_by_signal_names_the_signal(kept: Any, engine: Any) -> None:
    engine.call("spawn", **kept.shell("r", "kill -9 $$"))
    notice = engine.exited("r")
    assert (notice["code"], notice["signal"]) == (None, 9)


def test_output_is_appended_and_its_offsets_told(kept: Any, engine: Any) -> None:
    engine.call("spawn", **kept.shell("r", "echo one"))
    engine.exited("r")
    again = engine.call("spawn", **kept.shell("r", "echo two", epoch=2))
    engine.exited("r", 2)
    assert (again["out_offset"], again["err_offset"]) == (4, 0)
    assert kept.out("r") == "one\ntwo\n"
    assert stat.S_IMODE((kept.directory / "r.out").stat().st_mode) == 0o600


def test_an_agent_leads_its_own_session_with_clean_signals_limits_and_descriptors(
    kept: Any,
) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    kept.start(
        umask=0o027,
        preexec_fn=lambda: (
            resource.setrlimit(resource.RLIMIT_NOFILE, (300, hard)),
            signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        ),
    )
    engine = kept.engine()
    script = (
        "import json, os, resource, signal;"
        "fds = [int(fd) for fd in os.listdir('/proc/self/fd')];"
        "umask = os.umask(0);"
        "ignored = [s for s in signal.valid_signals() if signal.getsignal(s) == signal.SIG_IGN];"
        "mask = list(signal.pthread_sigmask(signal.SIG_BLOCK, []));"
        "print(json.dumps({'sid': os.getsid(0), 'pgid': os.getpgid(0), 'pid': os.getpid(),"
        " 'fds': sorted(fd for fd in fds if os.path.exists(f'/proc/self/fd/{fd}')),"
        " 'stdin': os.readlink('/proc/self/fd/0'), 'umask': umask, 'ignored': ignored,"
        " 'mask': mask, 'files': resource.getrlimit(resource.RLIMIT_NOFILE)[0],"
        " 'cwd': os.getcwd()}))"
    )
    engine.call("spawn", **kept.order("r", [sys.executable, "-I", "-S", "-c", script]))
    assert engine.exited("r")["code"] == 0
    seen = json.loads(kept.out("r"))
    assert seen["sid"] == seen["pgid"] == seen["pid"]
    assert seen["fds"] == [0, 1, 2, 3]
    assert seen["stdin"] == "/dev/null"
    assert seen["umask"] == 0o027
    # What Python itself ignores.
    assert set(seen["ignored"]) <= {signal.SIGPIPE, signal.SIGXFSZ}
    assert seen["mask"] == []
    assert seen["files"] == 300
    assert seen["cwd"] == str(kept.directory)
    assert soft != 300


def test_an_attempt_that_lives_is_not_started_twice(kept: Any, engine: Any) -> None:
    order = kept.shell("r", "echo once; exec sleep 100")
    first = engine.call("spawn", **order)
    second = engine.call("spawn", **order)
    assert {**second, "id": 0} == {**first, "id": 0}
    kept.wait_until("the output", lambda: kept.out("r") == "once\n")
    kept.wait_until("one process", lambda: len(kept.ours()) == 1)


def test_an_attempt_that_ended_is_gone_and_its_notice_comes_again(kept: Any, engine: Any) -> None:
    order = kept.shell("r", "exit 3")
    engine.call("spawn", **order)
    first = engine.exited("r")
    refused = engine.call("spawn", **order)
    assert refused["ok"] is False and refused["error"]["code"] == "gone"
    assert engine.exited("r") == first


def test_a_torn_record_still_means_that_the_epoch_ran(kept: Any, engine: Any) -> None:
    order = kept.shell("r", "true")
    Path(order["record"]).write_text('{"notice": "exi')
    assert engine.call("spawn", **order)["error"]["code"] == "gone"
    notice = engine.exited("r")
    assert (notice["known"], notice["code"], notice["signal"]) == (False, None, None)


def test_a_held_lock_means_busy(kept: Any, engine: Any) -> None:
    order = kept.shell("r", "true")
    with Path(order["lock"]).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = engine.call("spawn", **order)
        assert refused["error"]["code"] == "busy"
        assert order["lock"] in refused["error"]["message"]
    assert engine.call("spawn", **order)["ok"]


def test_another_epoch_of_a_living_run_is_busy(kept: Any, engine: Any) -> None:
    engine.call("spawn", **kept.shell("r", "exec sleep 100"))
    assert engine.call("spawn", **kept.shell("r", "true", epoch=2))["error"]["code"] == "busy"


def make_script(path: Path, text: str, mode: int = 0o755) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize("case", ["missing", "on path", "denied", "format", "interpreter", "cwd"])
def test_what_cannot_be_executed_is_refused_with_errno_and_path(
    kept: Any, engine: Any, case: str
) -> None:
    here = kept.directory
    argv, changes, number, named = {
        "missing": (["/no/such/program"], {}, errno.ENOENT, "/no/such/program"),
        "on path": (["no-such-program"], {}, errno.ENOENT, "no-such-program"),
        "denied": ([make_script(here / "d", "x", 0o600)], {}, errno.EACCES, str(here / "d")),
        "format": ([make_script(here / "f", "x")], {}, errno.ENOEXEC, str(here / "f")),
        "interpreter": ([make_script(here / "i", "#!/no/sh\n")], {}, errno.ENOENT, "/no/sh"),
        "cwd": (["true"], {"cwd": "/no/such/directory"}, errno.ENOENT, "/no/such/directory"),
    }[case]
    reply = engine.call("spawn", **kept.order("r", argv, **changes))
    assert reply["ok"] is False
    assert reply["error"]["code"] == "spawn"
    assert reply["error"]["errno"] == number
    assert named in reply["error"]["message"]
    # Neither the lock nor the working directory stays behind.
    assert engine.call("spawn", **kept.shell("r", "pwd"))["ok"]
    assert engine.exited("r")["code"] == 0
    assert kept.out("r") == f"{here}\n"


def test_arguments_that_are_too_long_are_refused_with_their_size(kept: Any, engine: Any) -> None:
    reply = engine.call("spawn", **kept.order("r", ["/bin/echo", "x" * 200_000]))
    assert reply["error"]["errno"] == errno.E2BIG
    assert "bytes are too long" in reply["error"]["message"]


def test_programs_are_found_on_the_path_of_the_agent(kept: Any, engine: Any) -> None:
    (kept.directory / "bin").mkdir()
    make_script(kept.directory / "bin" / "mine", "#!/bin/sh\necho found\n")
    order = kept.order("r", ["mine"])
    order["env"]["PATH"] = f"/no/such:{kept.directory / 'bin'}:/usr/bin:/bin"
    assert engine.call("spawn", **order)["ok"]
    engine.exited("r")
    assert kept.out("r") == "found\n"


def test_a_log_that_cannot_be_opened_may_pass(kept: Any, engine: Any) -> None:
    reply = engine.call("spawn", **kept.shell("r", "true", out="/no/such/directory/out"))
    assert reply["error"]["code"] == "unavailable"
    assert "/no/such/directory/out" in reply["error"]["message"]


def test_no_log_is_written_through_a_symbolic_link(kept: Any, engine: Any) -> None:
    target = kept.directory / "target"
    target.write_text("mine\n")
    (kept.directory / "r.out").symlink_to(target)
    reply = engine.call("spawn", **kept.shell("r", "echo theirs"))
    assert reply["error"]["errno"] == errno.ELOOP
    assert target.read_text() == "mine\n"


def test_a_thousand_attempts_leak_no_descriptor_and_no_child(kept: Any, engine: Any) -> None:
    keeper = kept.keepers[0].pid

    def descriptors() -> int:
        return len(list(Path(f"/proc/{keeper}/fd").iterdir()))

    engine.call("spawn", **kept.order("first", ["/bin/true"]))
    engine.exited("first")
    before = descriptors()
    ids = [
        engine.send("spawn", **kept.order(f"r{number % 50}", ["/bin/true"], epoch=number))
        for number in range(1, 51)
    ]
    for call_id in ids:
        assert engine.reply_to(call_id)["ok"]
    for number in range(51, 1001):
        engine.exited(f"r{number % 50}", number - 50)
        engine.send("spawn", **kept.order(f"r{number % 50}", ["/bin/true"], epoch=number))
    for number in range(951, 1001):
        engine.exited(f"r{number % 50}", number)
    assert engine.call("hello")["attempts"] == []
    assert descriptors() == before
    children = [pid for pid in _children_of(keeper) if pid != engine.pid]
    assert children == []


def _children_of(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.append(int(entry.name))
    return found

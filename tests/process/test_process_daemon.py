"""Keepers in the background, who a process is, and what it uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from supervisor.core.moment import seconds_between
from supervisor.process.daemon import is_held, living_holder, read_holder
from supervisor.process.identity import boot_id, is_same_process, moment_now, start_time
from supervisor.process.usage import UsageSampler


def wait_until(what: str, condition: Any, limit_s: float = 15.0) -> Any:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.005)
    pytest.fail(f"{what}: not within {limit_s} s")


def test_a_keeper_is_started_detached_and_holds_its_lock(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = home.state_dir / "keeper.lock"
    assert not is_held(lock) and living_holder(lock) is None
    monkeypatch.setenv("LONGWATCH_RUN_ID", "of an agent that starts a supervisor")
    read_end, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    pid = home.start()
    os.close(write_end)
    holder = wait_until("the lock", lambda: living_holder(lock))
    assert (holder.pid, holder.boot) == (pid, boot_id())
    assert is_same_process(holder.pid, holder.started, holder.boot)
    keeper = psutil.Process(pid)
    assert os.getsid(pid) == pid
    assert keeper.cwd() == str(home.directory)
    assert "LONGWATCH_RUN_ID" not in keeper.environ()
    assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
    assert Path(f"/proc/{pid}/fd/2").readlink() == home.state_dir / "keeper.log"
    assert os.read(read_end, 1) == b""  # Nobody inherited the other end.
    os.close(read_end)
    keeper.kill()
    os.waitpid(pid, 0)
    wait_until("the lock's end", lambda: not is_held(lock))
    assert living_holder(lock) is None
    assert read_holder(lock) == holder


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid": "x"}', "\0"])
def test_a_lock_file_without_sense_names_nobody(tmp_path: Path, content: str) -> None:
    lock = tmp_path / "engine.lock"
    lock.write_text(content)
    assert read_holder(lock) is None


def test_a_reused_pid_is_another_process() -> None:
    own = start_time(os.getpid())
    assert own is not None
    assert is_same_process(os.getpid(), own, boot_id())
    assert not is_same_process(os.getpid(), own + 1, boot_id())
    assert not is_same_process(os.getpid(), own, "another boot")


def test_a_name_full_of_brackets_hides_no_start_time(tmp_path: Path) -> None:
    program = tmp_path / ") 1 (x) Z 2"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([program, "100"])
    try:
        created = psutil.Process(process.pid).create_time() - psutil.boot_time()
        started = start_time(process.pid)
        assert started is not None
        assert abs(started / os.sysconf("SC_CLK_TCK") - created) < 2
    finally:
        process.kill()
        process.wait()
    assert start_time(process.pid) is None


def test_moments_of_one_boot_are_compared_by_the_monotonic_clock() -> None:
    first, second = moment_now(), moment_now()
    assert first.boot == second.boot == boot_id()
    assert 0 <= seconds_between(first, second) < 5


def test_usage_counts_the_whole_session_and_only_what_was_used_since() -> None:
    busy = "import os\nif os.fork() == 0:\n while True: pass\nimport time\ntime.sleep(100)"
    run = [sys.executable, "-I", "-S", "-c"]
    worker = subprocess.Popen([*run, busy], start_new_session=True)
    idle = subprocess.Popen([*run, "import time; time.sleep(100)"], start_new_session=True)
    sampler = UsageSampler()
    leaders = {"busy": worker.pid, "idle": idle.pid, "gone": 2**22 + 1}
    try:

        def both() -> Any:
            found = sampler.sample(leaders)
            return found.get("busy") is not None and found["busy"].processes == 2

        wait_until("the child", both)
        sampler.sample(leaders)
        time.sleep(0.3)  # The span that is measured.
        samples = sampler.sample(leaders)
        assert set(samples) == {"busy", "idle"}
        assert 10 < samples["busy"].cpu_percent < 150
        assert samples["idle"].cpu_percent < 10
        assert samples["idle"].processes == 1
        assert samples["idle"].rss_bytes > 1024 * 1024
    finally:
        os.killpg(worker.pid, 9)
        idle.kill()
        worker.wait()
        idle.wait()


def test_nothing_to_measure_costs_nothing() -> None:
    assert UsageSampler().sample({}) == {}


def test_the_lock_of_a_keeper_says_what_the_contract_says(home: Any) -> None:
    home.start()
    lock = home.state_dir / "keeper.lock"
    wait_until("the lock", lambda: living_holder(lock))
    assert set(json.loads(lock.read_text())) == {"pid", "boot", "started", "version"}

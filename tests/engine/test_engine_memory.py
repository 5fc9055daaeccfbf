"""Which runs are told to be above their limit, and when the OOM killer was at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

from supervisor.core import facts as f
from supervisor.core.facts import Fact
from supervisor.core.run import RunState
from supervisor.engine.memory import OOM_WINDOW_S, MemoryWatch
from supervisor.process.memory import oom_kills, shared_once_bytes
from supervisor.process.usage import UsageSample, UsageSampler
from tests.core.builders import RUN_ID, Story, a_spec

MB = 1_000_000
SHARING = """
import os, time
block = bytearray(80_000_000)
block[::4096] = b"x" * len(block[::4096])
for _ in range(3):
    if os.fork() == 0:
        time.sleep(100)
print("up", flush=True)
time.sleep(100)
"""


def watch_of(story: Story) -> tuple[MemoryWatch, list[Fact]]:
    told: list[Fact] = []

    def state_of(run_id: str) -> RunState | None:
        return story.state if run_id == RUN_ID else None

    return MemoryWatch(state_of, lambda _run, fact: told.append(fact)), told


def story_of(pid: int, limit: int) -> Story:
    story = Story(a_spec(max_memory_bytes=limit))
    story.feed(f.StartWanted())
    story.feed(f.SpawnDone(1, pid, 1))
    return story


async def test_a_sample_of_the_attempt_before_is_not_held_against_this_one() -> None:
    watch, told = watch_of(story_of(77, MB))
    await watch.see({RUN_ID: UsageSample(0.0, 9 * MB, 1)}, {RUN_ID: 76})
    assert told == []


def test_a_kill_while_no_agent_lived_is_nobodys_cause() -> None:
    now, count = [100.0], [3]
    watch = MemoryWatch(
        lambda _run: None, lambda *_: None, kills=lambda: count[0], clock=lambda: now[0]
    )
    watch.note_oom()
    now[0], count[0] = 9000.0, 4
    assert not watch.is_oom_likely()
    watch.note_oom()
    assert not watch.is_oom_likely()


def test_only_runs_with_a_limit_are_sampled_when_nobody_watches() -> None:
    watch, _ = watch_of(Story(a_spec(max_memory_bytes=MB)))
    assert watch.limited({RUN_ID: 1, "other": 2}) == {RUN_ID: 1}
    watch, _ = watch_of(Story(a_spec()))
    assert watch.limited({RUN_ID: 1}) == {}


async def test_a_single_process_above_the_limit_is_told_and_one_below_is_not() -> None:
    watch, told = watch_of(Story(a_spec(max_memory_bytes=100 * MB)).start())
    await watch.see({RUN_ID: UsageSample(0.0, 100 * MB, 1)}, {RUN_ID: 1001})
    assert told == []
    await watch.see({RUN_ID: UsageSample(0.0, 101 * MB, 1)}, {RUN_ID: 1001})
    assert told == [f.MemorySeen(1, 101 * MB)]


async def test_memory_that_processes_share_is_counted_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", SHARING], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        sample = UsageSampler().sample({RUN_ID: process.pid})[RUN_ID]
        exact = shared_once_bytes(sample.pids)
        assert exact is not None and 80 * MB < exact < 160 * MB
        watch, told = watch_of(story_of(process.pid, 160 * MB))
        await watch.see({RUN_ID: replace(sample, rss_bytes=340 * MB)}, {RUN_ID: process.pid})
        assert told == []
        watch, told = watch_of(story_of(process.pid, 60 * MB))
        await watch.see({RUN_ID: replace(sample, rss_bytes=340 * MB)}, {RUN_ID: process.pid})
        assert isinstance(told[0], f.MemorySeen) and told[0].used_bytes < 160 * MB
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_the_kernel_counts_its_kills_here() -> None:
    count = oom_kills()
    assert count is None or count >= 0


def test_the_oom_killer_is_suspected_only_within_its_window() -> None:
    now, count = [100.0], [3]
    watch = MemoryWatch(
        lambda _run: None, lambda *_: None, kills=lambda: count[0], clock=lambda: now[0]
    )
    assert not watch.is_oom_likely(), "nothing is known yet"
    watch.note_oom()
    assert not watch.is_oom_likely()
    count[0] = 4
    assert watch.is_oom_likely()
    for _ in range(20):
        now[0] += 2.0
        watch.note_oom()
        if now[0] <= 100.0 + OOM_WINDOW_S - 2.0:
            assert watch.is_oom_likely(), "a sample between the kill and the exit hides nothing"
    assert not watch.is_oom_likely()


def test_a_machine_that_counts_nothing_names_nobody() -> None:
    watch = MemoryWatch(lambda _run: None, lambda *_: None, kills=lambda: None)
    watch.note_oom()
    assert not watch.is_oom_likely()

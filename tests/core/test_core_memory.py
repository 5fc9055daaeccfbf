"""A memory limit that was exceeded, and a death by the kernel's OOM killer: what each leads to."""

from __future__ import annotations

import signal

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.effects import EndAttempt
from supervisor.core.run import ExitKind, Status
from supervisor.core.size import size_words
from tests.core.builders import Story, a_spec

GB = 1_000_000_000


def _over(**spec: object) -> Story:
    story = Story(a_spec(max_memory_bytes=2 * GB, **spec)).start()
    story.feed(f.MemorySeen(1, 2_300_000_000))
    return story


def test_a_run_over_its_limit_is_ended_with_a_cause_that_says_both_figures() -> None:
    story = _over()
    assert story.state.status is Status.STOPPING
    words = "used 2.3 GB, more than max_memory 2 GB"
    assert story.state.reason == words
    assert story.wanted(EndAttempt) == [EndAttempt(1, words)]
    assert [(a.kind, a.severity, a.message) for a in story.state.anomalies] == [
        ("over-memory", "error", words)
    ]


def test_it_counts_as_a_crash_and_is_retried_by_the_policy() -> None:
    story = _over()
    story.exits(None, signal=signal.SIGTERM, ended_by="stop")
    (backoff,) = story.recorded(e.BackoffBegan)
    assert backoff.retry == 1 and len(story.state.deaths) == 1
    assert "max_memory 2 GB; killed by SIGTERM" in backoff.reason
    last = story.state.newest_attempt
    assert last is not None and last.exit is not None
    assert last.exit.kind is ExitKind.OVER_MEMORY
    assert story.next_attempt().state.status is Status.RUNNING


def test_a_graceful_exit_after_the_signal_is_still_a_crash() -> None:
    story = _over()
    story.exits(0)
    assert story.state.status is Status.BACKOFF


def test_again_and_again_over_the_limit_is_a_crash_loop() -> None:
    story = Story(a_spec(max_memory_bytes=GB, retry={"crash_loop_deaths": 3})).start()
    for number in range(3):
        story.feed(f.MemorySeen(story.state.epoch, 3 * GB))
        story.exits(None, signal=signal.SIGTERM, ended_by="stop")
        if number < 2:
            story.next_attempt()
    assert story.state.status is Status.HELD


@pytest.mark.parametrize(
    ("limit", "fact"),
    [(2 * GB, f.MemorySeen(1, 2 * GB)), (2 * GB, f.MemorySeen(0, 9 * GB)),
     (None, f.MemorySeen(1, 9 * GB))],
)  # fmt: skip
def test_at_the_limit_of_another_attempt_or_without_one_nothing_happens(
    limit: int | None, fact: f.MemorySeen
) -> None:
    story = Story(a_spec(max_memory_bytes=limit)).start()
    assert story.feed(fact).events == ()


def test_a_run_that_is_being_stopped_stays_stopped() -> None:
    story = Story(a_spec(max_memory_bytes=GB)).start()
    story.feed(f.StopWanted("kim", "enough"))
    assert story.feed(f.MemorySeen(1, 9 * GB)).events == ()
    story.exits(None, signal=signal.SIGTERM, ended_by="stop")
    assert story.state.status is Status.STOPPED


def test_a_stop_after_the_limit_was_exceeded_wins() -> None:
    story = _over()
    story.feed(f.StopWanted("kim", "enough"))
    story.exits(None, signal=signal.SIGTERM, ended_by="stop")
    assert story.state.status is Status.STOPPED


@pytest.mark.parametrize(
    ("exited", "is_named"),
    [
        ({"code": None, "signal": signal.SIGKILL, "is_oom_likely": True}, True),
        ({"code": 137, "is_oom_likely": True}, True),
        ({"code": None, "signal": signal.SIGKILL}, False),
        ({"code": None, "signal": signal.SIGTERM, "is_oom_likely": True}, False),
        ({"code": 1, "is_oom_likely": True}, False),
    ],
)
def test_only_a_kill_while_the_oom_killer_was_at_work_is_laid_to_it(
    exited: dict[str, object], is_named: bool
) -> None:
    story = Story().start()
    story.exits(**exited)  # type: ignore[arg-type]
    assert story.state.status is Status.BACKOFF
    assert ("probably by the kernel's OOM killer" in story.state.reason) is is_named


def test_a_kill_that_we_sent_is_not_laid_to_the_oom_killer() -> None:
    story = Story(a_spec(attempt_timeout_s=5.0)).start()
    story.exits(None, signal=signal.SIGKILL, is_oom_likely=True, ended_by="deadline:attempt")
    assert "OOM" not in story.state.reason


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (2_300_000_000, "2.3 GB"),
     (64_000_000, "64 MB"), (123_456_789, "123 MB"), (5 * 10**15, "5000 TB")],
)  # fmt: skip
def test_sizes_are_said_in_the_units_of_the_configuration(size: int, words: str) -> None:
    assert size_words(size) == words

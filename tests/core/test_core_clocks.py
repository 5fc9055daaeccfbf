"""Deadlines, stalls and waits: what counts, what does not, and across which clocks."""

from __future__ import annotations

import pytest

from supervisor.core import facts as f
from supervisor.core.due import (
    WALL_CHECK_S,
    Deadline,
    keeper_deadline,
    next_wake_s,
    stall_left_s,
    start_left_s,
    task_left_s,
)
from supervisor.core.moment import Moment, is_due, seconds_between, seconds_until
from supervisor.core.run import ON_THE_CLOCK, Status
from tests.core.builders import T0, Story, a_spec, counting, story_in

SLOW = {"base_delay_s": 10.0, "max_delay_s": 10.0}


# -- moments ----------------------------------------------------------------------------------


def test_within_a_boot_the_wall_clock_does_not_count() -> None:
    later = Moment(T0.wall - 5000.0, T0.mono + 7.0, T0.boot)
    assert seconds_between(T0, later) == 7.0


def test_across_boots_only_the_wall_clock_counts_and_never_backwards() -> None:
    assert seconds_between(T0, Moment(T0.wall + 60.0, 1.0, "other")) == 60.0
    assert seconds_between(T0, Moment(T0.wall - 60.0, 9e9, "other")) == 0.0


def test_a_moment_is_due_exactly_when_nothing_is_left() -> None:
    due = T0.plus(1.0)
    assert seconds_until(due, T0) == 1.0
    assert not is_due(due, T0.plus(0.999))
    assert is_due(due, T0.plus(1.0)) and is_due(due, T0.plus(2.0))


# -- the task-level timeout -------------------------------------------------------------------


def test_the_task_timeout_runs_over_all_attempts_and_their_backoff() -> None:
    story = Story(a_spec(timeout_s=100.0, retry=SLOW)).start()
    story.wait(30).exits(1)
    story.next_attempt()
    story.wait(20)
    assert task_left_s(story.state, story.now) == pytest.approx(40.0)


def test_time_waiting_for_a_person_does_not_count() -> None:
    story = Story(a_spec(timeout_s=100.0)).start()
    request = story.wait(10).asks()
    story.wait(5000).answers(request)
    story.wait(10)
    story.feed(f.PauseWanted("kim"))
    story.wait(5000).feed(f.ResumeWanted("kim"))
    story.wait(10)
    story.asks("second")
    story.exits(75)
    story.wait(1e6)
    assert task_left_s(story.state, story.now) == pytest.approx(70.0)


@pytest.mark.parametrize("status", list(Status))
def test_the_keeper_is_told_a_deadline_only_while_the_clock_runs(status: Status) -> None:
    story = story_in(status, timeout_s=500.0, attempt_timeout_s=100.0)
    due = keeper_deadline(story.state, story.now)
    assert (due is not None) == (status in ON_THE_CLOCK)


def test_the_sooner_limit_is_the_deadline_and_the_task_wins_a_tie() -> None:
    story = Story(a_spec(timeout_s=100.0, attempt_timeout_s=60.0, retry=SLOW)).start()
    assert keeper_deadline(story.state, story.now) == Deadline(60.0, "attempt")
    story.wait(30).exits(1)
    story.next_attempt()
    assert keeper_deadline(story.state, story.now) == Deadline(60.0, "task")
    story.wait(10)
    assert keeper_deadline(story.state, story.now) == Deadline(50.0, "task")


def test_without_limits_there_is_no_deadline() -> None:
    story = Story().start()
    assert keeper_deadline(story.state, story.now) is None
    assert task_left_s(story.state, story.now) is None
    assert next_wake_s(story.state, story.now) is None


def test_an_attempt_limit_begins_anew_with_every_attempt_and_counts_as_a_crash() -> None:
    story = Story(a_spec(attempt_timeout_s=60.0)).start()
    story.wait(60).exits(None, signal=15, ended_by="deadline:attempt")
    assert (story.state.status, story.state.retries_in_row) == ("backoff", 1)
    story.next_attempt()
    assert keeper_deadline(story.state, story.now) == Deadline(60.0, "attempt")


def test_the_deadline_is_zero_and_not_negative_when_it_has_passed() -> None:
    story = Story(a_spec(timeout_s=100.0)).start()
    story.wait(1e9)
    assert keeper_deadline(story.state, story.now) == Deadline(0.0, "task")


def test_a_run_whose_time_is_used_up_in_backoff_starts_no_more() -> None:
    story = Story(a_spec(timeout_s=12.0, retry={"base_delay_s": 60.0, "max_delay_s": 60.0})).start()
    story.wait(10).exits(1)
    assert next_wake_s(story.state, story.now) == pytest.approx(2.0)
    story.wait(2).tick()
    assert story.state.status is Status.TIMED_OUT
    assert story.state.reason == "the task's 12 s are used up"


def test_a_limit_that_was_lifted_while_the_keeper_enforced_it_breaks_nothing() -> None:
    story = Story(a_spec(timeout_s=12.0)).start()
    story.feed(f.SpecWanted(a_spec(timeout_s=None)))
    story.wait(12).exits(None, signal=15, ended_by="deadline:task")
    assert story.state.reason == "the task's time is used up"


def test_a_reopened_run_has_its_whole_time_again() -> None:
    story = story_in(Status.TIMED_OUT, timeout_s=100.0)
    story.wait(1e6).feed(f.RestartWanted("kim"))
    assert task_left_s(story.state, story.now) == 100.0


def test_a_suspended_laptop_uses_up_no_time() -> None:
    story = Story(a_spec(timeout_s=100.0)).start()
    story.now = Moment(story.now.wall + 28_800.0, story.now.mono + 1.0, story.now.boot)
    assert task_left_s(story.state, story.now) == 99.0


def test_across_a_reboot_the_wall_clock_counts() -> None:
    story = Story(a_spec(timeout_s=100.0)).start()
    story.wait(10).reboot(20.0).exits(None, is_known=False)
    assert task_left_s(story.state, story.now) == pytest.approx(70.0)


def test_a_wall_clock_that_jumps_within_a_boot_moves_no_deadline() -> None:
    story = Story(a_spec(timeout_s=100.0, attempt_timeout_s=50.0, stall_timeout_s=40.0)).start()
    for jump in (1e8, -1e8):
        moved = Moment(story.now.wall + jump, story.now.mono, story.now.boot)
        assert keeper_deadline(story.state, moved) == Deadline(50.0, "attempt")
        assert stall_left_s(story.state, moved) == 40.0


# -- backoff ----------------------------------------------------------------------------------


def test_a_reboot_shortens_no_wait() -> None:
    story = Story(a_spec(retry=SLOW)).start()
    story.exits(1)
    story.reboot(4.0)
    assert start_left_s(story.state, story.now) == pytest.approx(6.0)
    assert story.tick().events == ()
    story.wait(6.0).tick()
    assert story.state.status is Status.STARTING


def test_a_wall_clock_that_lost_years_over_a_reboot_holds_no_run_for_years() -> None:
    story = Story(a_spec(retry=SLOW)).start()
    story.exits(1)
    story.reboot(-1e9)
    assert next_wake_s(story.state, story.now) == 0.0
    story.tick()
    assert story.state.status is Status.STARTING


def test_a_timer_towards_a_wall_clock_time_is_looked_at_again_and_again() -> None:
    slow = {"base_delay_s": 3600.0, "max_delay_s": 3600.0}
    story = Story(a_spec(retry=slow)).start()
    story.asks(expires_at=story.now.wall + 3600.0, on_timeout="deny")
    assert next_wake_s(story.state, story.now) == WALL_CHECK_S
    story = Story(a_spec(retry=slow)).start()
    story.exits(1)
    assert next_wake_s(story.state, story.now) == 3600.0
    story.reboot(60.0)
    assert next_wake_s(story.state, story.now) == WALL_CHECK_S


# -- stalls -----------------------------------------------------------------------------------


def test_an_attempt_without_progress_is_ended_and_retried_as_a_stall() -> None:
    story = Story(a_spec(stall_timeout_s=60.0)).start()
    story.wait(59.999)
    assert story.tick().events == ()
    story.wait(0.001).tick()
    assert story.state.status is Status.STOPPING
    assert story.state.anomalies[-1].kind == "stalled"
    story.exits(None, signal=15, ended_by="stop")
    assert (story.state.status, story.state.retries_in_row) == ("backoff", 1)
    assert story.state.reason == "no new progress for 60 s; killed by SIGTERM"


def test_only_progress_that_moves_counts() -> None:
    story = Story(a_spec(stall_timeout_s=60.0)).start()
    story.feed(f.ProgressSeen(counting(1)))
    story.wait(30).feed(f.ProgressSeen(counting(1, updated_at=30.0)))
    assert stall_left_s(story.state, story.now) == 30.0
    story.feed(f.ProgressSeen(counting(2)))
    assert stall_left_s(story.state, story.now) == 60.0


def test_a_checkpoint_counts_as_progress() -> None:
    story = Story(a_spec(stall_timeout_s=60.0)).start()
    story.wait(50).checkpoints(1)
    assert stall_left_s(story.state, story.now) == 60.0


@pytest.mark.parametrize("status", [s for s in Status if s is not Status.RUNNING])
def test_nothing_but_a_running_attempt_can_stall(status: Status) -> None:
    story = story_in(status, stall_timeout_s=60.0)
    assert stall_left_s(story.state, story.now) is None


def test_the_time_a_person_took_is_no_stall() -> None:
    story = Story(a_spec(stall_timeout_s=60.0)).start()
    request = story.wait(50).asks()
    story.wait(1e6).answers(request)
    assert stall_left_s(story.state, story.now) == 60.0
    story.feed(f.PauseWanted("kim"))
    story.wait(1e6).feed(f.ResumeWanted("kim"))
    assert stall_left_s(story.state, story.now) == 60.0

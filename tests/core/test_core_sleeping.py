"""Runs that sleep: parked until a moment of the wall clock, by a wish of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.describe import reason_words
from supervisor.core.due import WALL_CHECK_S, next_wake_s
from supervisor.core.effects import Spawn
from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment
from supervisor.core.report import run_report
from supervisor.core.run import Status, Wake
from supervisor.core.turn import Decision
from tests.core.builders import Story, a_request, a_spec, an_answer


def asleep(seconds: float = 3600.0, reason: str = "nightly pause", **spec: Any) -> Story:
    """A run that went to sleep for so long."""
    story = Story(a_spec(**spec)).start()
    leaves(story, seconds, reason)
    return story


def leaves(story: Story, seconds: float, reason: str = "", **wake: Any) -> Decision:
    """The living attempt leaves to sleep until ``seconds`` from now."""
    wish = Wake(story.now.wall + seconds, reason, story.state.epoch)
    return story.exits(75, wake=replace(wish, **wake))


def set_clock(story: Story, seconds: float) -> None:
    """Only the wall clock moves: a suspend, or a hand on it."""
    story.now = Moment(story.now.wall + seconds, story.now.mono, story.now.boot)


def anomalies(story: Story) -> list[str]:
    return [anomaly.kind for anomaly in story.state.anomalies]


# -- going to sleep ---------------------------------------------------------------------------


def test_an_agent_that_leaves_with_a_time_is_parked_until_then_and_burns_nothing() -> None:
    story = asleep(3600.0)
    state = story.state
    assert state.status is Status.PARKED and state.pid is None
    assert (state.retries, state.retries_in_row, state.deaths) == (0, 0, ())
    story.wait(3599.0).tick()
    assert story.state.status is Status.PARKED
    story.wait(1.0).tick()
    assert story.state.status is Status.STARTING and story.state.epoch == 2
    assert story.state.reason == "its time to wake came: nightly pause"
    assert (story.state.retries, story.state.retries_in_row) == (0, 0)
    assert not story.recorded(e.BackoffBegan)


def test_the_reason_and_the_report_say_until_when_and_why() -> None:
    story = asleep(7200.0)
    words = reason_words(story.state, story.now)
    assert words.startswith("sleeping until ") and words.endswith(" (in 2 h): nightly pause")
    report = run_report(story.state, story.now)
    assert report["reason"] == words and report["status"] == "parked"
    assert report["next_start_at"] == report["wake"]["at"] == "2027-01-15T10:00:00.000+00:00"
    assert report["wake"]["reason"] == "nightly pause"


@pytest.mark.parametrize("code", [0, 1, 70, 64])
def test_a_wish_counts_only_with_status_75(code: int) -> None:
    story = Story().start()
    story.exits(code, wake=Wake(story.now.wall + 60.0, "", 1))
    assert story.state.status is not Status.PARKED
    assert anomalies(story) == []


def test_the_wish_of_an_older_attempt_is_only_a_leftover() -> None:
    story = Story().start()
    story.exits(1)
    story.next_attempt()
    leaves(story, 60.0, epoch=1)
    assert story.state.status is Status.BACKOFF
    assert anomalies(story) == []


def test_the_wish_of_an_attempt_that_is_yet_to_come_is_refused_and_flagged() -> None:
    story = Story().start()
    leaves(story, 60.0, epoch=9)
    assert story.state.status is Status.BACKOFF
    assert "wake.json: epoch: found 9, expected 1" in story.state.anomalies[-1].message


def test_more_than_366_days_ahead_is_refused_with_the_field_and_means_try_again_later() -> None:
    day_s = 86400.0
    story = Story().start()
    leaves(story, 366 * day_s + 1)
    assert story.state.status is Status.BACKOFF
    assert story.state.anomalies[-1].kind == "wake-refused"
    assert "wake.json: at: " in story.state.anomalies[-1].message
    assert asleep(366 * day_s).state.status is Status.PARKED


def test_a_wish_that_cannot_be_read_is_flagged_and_means_try_again_later() -> None:
    story = Story().start()
    story.exits(75, wake_problem="at: found 'soon', expected an RFC 3339 time")
    assert story.state.status is Status.BACKOFF
    assert story.state.anomalies[-1].message.startswith("wake.json: at: found 'soon'")


def test_a_stop_that_was_under_way_is_not_overruled_by_a_wish_to_sleep() -> None:
    story = Story().start()
    story.feed(f.StopWanted("kim", "enough"))
    leaves(story, 60.0)
    assert story.state.status is Status.STOPPED


def test_an_exit_that_nobody_could_read_was_a_sleep_when_its_wish_lies_there() -> None:
    story = Story().start()
    wake = Wake(story.now.wall + 60.0, "", 1)
    story.exits(None, is_known=False, wake=wake)
    assert story.state.status is Status.PARKED and not story.state.deaths


# -- the wall clock ---------------------------------------------------------------------------


def test_after_a_suspend_it_wakes_when_the_wall_clock_says_so() -> None:
    story = asleep(3600.0)
    set_clock(story, 3600.0)
    story.tick()
    assert story.state.status is Status.STARTING


def test_the_wall_clock_is_looked_at_often_enough_to_notice_a_suspend() -> None:
    story = asleep(3600.0)
    assert next_wake_s(story.state, story.now) == WALL_CHECK_S
    story.wait(3595.0)
    assert next_wake_s(story.state, story.now) == 5.0


def test_a_clock_set_back_makes_it_sleep_longer_and_is_told_once() -> None:
    story = asleep(60.0)
    set_clock(story, -7200.0)
    for _ in range(3):
        story.wait(30.0).tick()
    assert story.state.status is Status.PARKED
    assert anomalies(story) == ["clock-set-back"]
    story.wait(7200.0).tick()
    assert story.state.status is Status.STARTING


def test_a_sleep_goes_on_over_a_reboot_and_ends_at_its_time() -> None:
    story = asleep(3600.0)
    story.reboot(3000.0)
    assert not story.tick().events
    story.wait(600.0).tick()
    assert story.state.status is Status.STARTING


def test_a_machine_that_was_off_at_the_time_wakes_it_as_soon_as_it_is_back() -> None:
    story = asleep(3600.0)
    story.reboot(90_000.0)
    assert next_wake_s(story.state, story.now) == 0.0
    story.tick()
    assert story.state.status is Status.STARTING


# -- the task's time --------------------------------------------------------------------------


def test_the_task_timeout_goes_on_while_it_sleeps_and_ends_the_sleep() -> None:
    story = asleep(50.0, timeout_s=100.0)
    assert clock_used_s(story.state, story.now.plus(20.0)) == 20.0
    assert anomalies(story) == []
    longer = asleep(200.0, timeout_s=100.0)
    assert anomalies(longer) == ["sleep-past-deadline"]
    assert "the task's time ends before" in longer.state.anomalies[-1].message
    longer.wait(99.0).tick()
    assert longer.state.status is Status.PARKED
    assert next_wake_s(longer.state, longer.now) == 1.0
    longer.wait(1.0).tick()
    assert longer.state.status is Status.TIMED_OUT


# -- with a question --------------------------------------------------------------------------


def asking_asleep() -> Story:
    story = Story(a_spec(timeout_s=100.0)).start()
    story.asks()
    leaves(story, 3600.0)
    return story


def test_with_an_open_question_the_answer_may_come_first() -> None:
    story = asking_asleep()
    assert story.state.status is Status.PARKED
    story.wait(10.0).answers(story.state.requests[0])
    assert story.state.status is Status.STARTING


def test_with_an_open_question_the_time_may_come_first_and_a_persons_time_does_not_count() -> None:
    story = asking_asleep()
    assert anomalies(story) == []
    story.wait(3600.0).tick()
    assert story.state.status is Status.STARTING
    assert clock_used_s(story.state, story.now) == 0.0
    assert [request.id for request in story.state.open_requests] == ["ABCD-1"]


def test_a_question_that_is_withdrawn_while_it_sleeps_leaves_it_asleep_on_the_clock() -> None:
    story = asking_asleep()
    story.wait(10.0).feed(f.RequestGone("ask"))
    assert story.state.status is Status.PARKED
    assert clock_used_s(story.state, story.now.plus(5.0)) == 5.0
    story.wait(90.0)
    assert story.state.wake is not None
    assert next_wake_s(story.state, story.now) == 10.0  # of the task's time


def test_an_answer_that_crossed_the_exit_starts_it_at_once() -> None:
    story = Story().start()
    story.answers(story.asks())
    leaves(story, 3600.0)
    assert story.state.status is Status.STARTING and story.state.epoch == 2
    story.spawned()
    leaves(story, 3600.0)
    assert story.state.status is Status.PARKED


def test_an_answer_long_before_the_exit_does_not_disturb_the_sleep() -> None:
    story = Story().start()
    story.answers(story.asks())
    story.wait(60.0)
    leaves(story, 3600.0)
    assert story.state.status is Status.PARKED


def test_a_question_that_arrives_while_it_sleeps_stops_the_tasks_clock() -> None:
    story = asleep(3600.0, timeout_s=100.0)
    story.wait(40.0).feed(f.RequestSeen(a_request()))
    assert clock_used_s(story.state, story.now.plus(1000.0)) == 40.0


# -- naps -------------------------------------------------------------------------------------


def test_a_time_that_has_passed_starts_it_at_once() -> None:
    story = Story().start()
    leaves(story, -86_400.0)
    assert story.state.status is Status.STARTING and story.state.epoch == 2


def test_a_row_of_naps_is_slowed_down_doubling_and_told_as_a_loop() -> None:
    story = Story().start()
    waits = []
    for _ in range(10):
        leaves(story, -1.0)
        began = story.now.wall
        if story.state.status is Status.PARKED:
            assert story.state.wake is not None
            story.wait(story.state.wake.at - began).tick()
        waits.append(story.now.wall - began)
        story.spawned()
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]
    assert anomalies(story) == ["sleep-loop"]
    assert "5 sleeps of under 1 s in a row" in story.state.anomalies[-1].message


def test_a_checkpoint_between_naps_shortens_the_pause_but_does_not_remove_it() -> None:
    story = Story().start()
    for number in range(1, 20):
        story.checkpoints(number)
        leaves(story, 0.0)
        if story.state.status is Status.PARKED:
            assert story.state.wake is not None
            assert story.state.wake.at == story.now.wall + 1.0
            story.wait(1.0).tick()
        else:
            assert number == 1
        story.spawned()
    assert anomalies(story) == []


def test_a_real_sleep_or_real_work_begins_the_row_anew() -> None:
    for way in ("sleep", "work"):
        story = Story().start()
        leaves(story, 0.0)
        story.spawned()
        if way == "sleep":
            leaves(story, 5.0)
            story.wait(5.0).tick()
            story.spawned()
        else:
            story.wait(10.0)
        leaves(story, 0.0)
        assert story.state.status is Status.STARTING, way


# -- the operator -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wish", [f.StartWanted("woken by kim", is_waking=True), f.RestartWanted("kim")]
)
def test_start_and_restart_wake_it_early(wish: f.Fact) -> None:
    story = asleep()
    story.feed(wish)
    assert story.state.status is Status.STARTING
    assert "kim" in story.state.reason


def test_what_was_cut_short_is_remembered_until_its_time_and_nothing_else_is() -> None:
    story = asleep(3600.0)
    due = story.now.wall + 3600.0
    story.feed(f.StartWanted("woken by kim", is_waking=True))
    assert story.state.woken == (due,)
    story.spawned().wait(60.0)
    leaves(story, 60.0)
    story.wait(60.0).tick()
    assert story.state.woken == (due,)
    story.spawned().wait(3600.0)
    leaves(story, 60.0)
    story.feed(f.RestartWanted("kim"))
    assert story.state.woken == (story.now.wall + 60.0,)


def test_a_start_that_only_means_to_follow_does_not_wake_it() -> None:
    story = asleep()
    assert not story.feed(f.StartWanted()).events


def test_stop_ends_the_sleep_for_good() -> None:
    story = asleep()
    story.feed(f.StopWanted("kim", "enough"))
    assert story.state.status is Status.STOPPED and story.state.wake is None


def test_pause_holds_it_asleep_and_resume_lets_it_wake_at_its_time() -> None:
    story = asleep(60.0, timeout_s=100.0)
    story.feed(f.PauseWanted("kim"))
    assert reason_words(story.state, story.now).startswith("paused while sleeping until ")
    assert run_report(story.state, story.now)["next_start_at"] is None
    assert next_wake_s(story.state, story.now) is None
    story.wait(30.0).tick()
    story.feed(f.ResumeWanted("kim"))
    assert story.state.status is Status.PARKED
    assert clock_used_s(story.state, story.now) == 0.0
    story.wait(30.0).tick()
    assert story.state.status is Status.STARTING


def test_a_sleep_that_ended_while_it_was_held_ends_when_it_is_resumed() -> None:
    story = asleep(60.0)
    story.feed(f.PauseWanted("kim"))
    story.wait(600.0)
    assert not story.tick().events
    story.feed(f.ResumeWanted("kim"))
    assert story.state.status is Status.STARTING


def test_an_answer_given_while_it_is_held_starts_it_when_it_is_resumed() -> None:
    story = asking_asleep()
    story.feed(f.PauseWanted("kim"))
    story.feed(f.AnswerGiven("ABCD-1", an_answer()))
    assert story.state.status is Status.PARKED
    story.feed(f.ResumeWanted("kim"))
    assert story.state.status is Status.STARTING


def test_it_cannot_be_paused_twice() -> None:
    story = asleep()
    story.feed(f.PauseWanted("kim"))
    refusal = story.feed(f.PauseWanted("kim")).refusal
    assert refusal is not None and refusal.code == "refused"


def test_waking_waits_its_turn_among_many_but_a_retry_does_not() -> None:
    story = asleep(60.0)
    story.wait(60.0).tick()
    assert story.wanted(Spawn)[-1] == Spawn(2, None, is_retry=False)
    story.spawned().exits(1)
    story.next_attempt()
    assert story.wanted(Spawn)[-1] == Spawn(3, None, is_retry=True)

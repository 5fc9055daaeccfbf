"""Questions that nobody answers: told again at growing intervals; waiting costs nothing."""

from __future__ import annotations

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.describe import describe, waiting_words
from supervisor.core.due import WALL_CHECK_S, next_wake_s
from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment
from supervisor.core.report import request_report
from supervisor.core.run import RequestState, Status
from tests.core.builders import Story, a_spec, story_in

MINUTE, HOUR = 60.0, 3600.0


def waiting(**spec: object) -> Story:
    """A run that asks, by an agent with the defaults of ``config.toml``."""
    return story_in(Status.WAITING, **spec)


def reminders_over(story: Story, seconds: float) -> list[float]:
    """When reminders came, in minutes, by an engine that sleeps as long as it may."""
    began, end, told = story.now.wall, story.now.wall + seconds, []
    while True:
        wait_s = next_wake_s(story.state, story.now)
        if wait_s is None or story.now.wall + wait_s > end:
            return told
        story.wait(max(wait_s, 0.001))
        for event in story.tick().events:
            assert isinstance(event, e.RequestReminded)
            told.append(round((story.now.wall - began) / MINUTE, 1))


def test_reminders_come_after_15_minutes_and_then_after_twice_as_long_up_to_4_hours() -> None:
    minutes = reminders_over(waiting(), 20 * HOUR)
    assert minutes == [15, 45, 105, 225, 465, 705, 945, 1185]


def test_the_two_keys_set_the_first_wait_and_the_longest() -> None:
    story = waiting(remind_after_s=MINUTE, remind_max_s=3 * MINUTE)
    assert reminders_over(story, 13 * MINUTE) == [1, 3, 6, 9, 12]


def test_a_first_wait_beyond_the_longest_is_kept() -> None:
    story = waiting(remind_after_s=10 * MINUTE, remind_max_s=MINUTE)
    assert reminders_over(story, 30 * MINUTE) == [10, 20, 30]


def test_without_reminders_nothing_is_told_and_no_timer_runs() -> None:
    story = waiting(remind_after_s=None)
    assert next_wake_s(story.state, story.now) is None
    assert story.wait(1e7).tick().events == ()


@pytest.mark.parametrize("status", [Status.WAITING, Status.PARKED])
def test_the_request_says_since_when_it_waits_and_how_often_it_was_told(status: Status) -> None:
    story = story_in(status)
    (event,) = story.wait(15 * MINUTE).tick().events
    assert describe(event) == "ABCD-1 still waits for you, since 15 min: Publish?"
    (request,) = story.state.open_requests
    report = request_report(story.state, request)
    assert (report["reminded"], report["overdue"]) == (1, False)
    assert report["waiting_since"] == "2027-01-15T08:00:00.000+00:00"
    assert story.state.status is status


def test_no_answer_for_days_burns_no_retry_no_deadline_and_no_stall_clock() -> None:
    story = waiting(timeout_s=100.0, attempt_timeout_s=50.0, stall_timeout_s=20.0)
    assert len(reminders_over(story, 72 * HOUR)) > 10
    assert story.state.status is Status.WAITING
    assert clock_used_s(story.state, story.now) == 0.0
    assert (story.state.retries, story.state.anomalies) == (0, ())
    story.answers(story.state.requests[0])
    assert story.state.status is Status.RUNNING
    story.wait(19.0)
    assert story.tick().events == ()


def test_a_restart_of_ours_repeats_no_reminder_and_forgets_none() -> None:
    story = waiting()
    story.wait(15 * MINUTE).tick()
    # The next engine knows the stored state alone; three waits went by while none ran.
    assert story.tick().events == ()
    story.wait(10 * HOUR)
    assert [event.number for event in story.tick().events if _is_reminder(event)] == [2]
    assert story.tick().events == ()


def _is_reminder(event: object) -> bool:
    return isinstance(event, e.RequestReminded)


def test_a_suspend_counts_and_a_clock_set_back_takes_nothing_away() -> None:
    story = waiting()
    story.now = Moment(story.now.wall + 15 * MINUTE, story.now.mono, story.now.boot)
    assert len(story.tick().events) == 1
    story.now = Moment(story.now.wall - 1e8, story.now.mono + 30 * MINUTE, story.now.boot)
    assert len(story.tick().events) == 1


def test_after_a_reboot_the_wall_clock_counts_and_one_set_back_makes_it_due() -> None:
    story = waiting()
    assert story.reboot(14 * MINUTE).tick().events == ()
    assert len(story.reboot(MINUTE).tick().events) == 1
    assert len(story.reboot(-1e8).tick().events) == 1
    assert story.tick().events == ()


def test_the_clock_is_looked_at_often_enough_to_notice_a_suspend() -> None:
    story = waiting()
    assert next_wake_s(story.state, story.now) == WALL_CHECK_S


def test_an_answered_or_closed_question_is_never_told_again() -> None:
    story = waiting()
    story.answers(story.state.requests[0])
    assert story.wait(HOUR).tick().events == ()
    withdrawn = waiting()
    withdrawn.feed(f.RequestGone("ask"))
    assert withdrawn.wait(HOUR).tick().events == ()


def test_a_question_asked_again_by_the_next_attempt_goes_on_in_its_row() -> None:
    story = waiting()
    story.wait(15 * MINUTE).tick()
    story.exits(75)
    assert story.state.status is Status.PARKED
    story.wait(30 * MINUTE)
    assert [event.number for event in story.tick().events if _is_reminder(event)] == [2]


# -- its own time to answer -------------------------------------------------------------------


def asked_until(on_timeout: str, **spec: object) -> Story:
    story = Story(a_spec(**spec)).start()
    story.asks(expires_at=story.now.wall + MINUTE, on_timeout=on_timeout, default=True)
    story.exits(75)
    return story


def test_a_question_that_parks_for_ever_says_once_that_its_time_is_over() -> None:
    story = asked_until("park", remind_after_s=None)
    assert next_wake_s(story.state, story.now) == WALL_CHECK_S
    (event,) = story.wait(MINUTE).tick().events
    assert "its time to answer is over, it stays open" in describe(event)
    (request,) = story.state.open_requests
    assert (request.state, request.is_overdue) == (RequestState.OPEN, True)
    assert story.state.status is Status.PARKED
    assert next_wake_s(story.state, story.now) is None
    assert story.wait(HOUR).tick().events == ()
    assert story.answers(request).refusal is None
    assert story.state.status is Status.STARTING


def test_silence_approves_only_where_the_operator_said_unattended() -> None:
    attended = asked_until("default")
    attended.wait(MINUTE).tick()
    assert attended.state.requests[0].state is RequestState.EXPIRED
    # Turned on in config.toml while the question was open already.
    later = asked_until("default")
    later.feed(f.SpecWanted(a_spec(unattended=True)))
    later.wait(MINUTE).tick()
    answer = later.state.requests[0].answer
    assert answer is not None and answer.allow is True and answer.by == "timeout (default)"


def test_who_comes_too_late_is_told_by_whom_when_and_what() -> None:
    story = waiting()
    request = story.state.requests[0]
    story.answers(request, by="tui of kim", allow=False)
    late = story.wait(5).answers(request, by="cli").refusal
    assert late is not None and late.code == "conflict"
    assert late.what == (
        "ABCD-1 was already answered by tui of kim at 2027-01-15 08:00:00 UTC: denied"
    )


def test_who_answers_an_expired_question_is_told_when_it_expired() -> None:
    story = asked_until("deny")
    request = story.state.requests[0]
    before = story.wait(MINUTE).answers(request).refusal
    assert before is not None and before.code == "expired"
    assert "expired at 2027-01-15 08:01:00 UTC" in before.what
    story.tick()
    after = story.answers(request).refusal
    assert after is not None and after.code == "expired"
    assert "was closed at 2027-01-15 08:01:00 UTC: nobody answered in time" in after.what


@pytest.mark.parametrize(
    ("on_timeout", "default", "then"),
    [
        ("park", True, "and it stays open after that"),
        ("deny", True, "then it is denied"),
        ("default", False, "then its default is taken"),
        ("default", True, "then it is denied"),
    ],
)
def test_a_waiting_question_says_what_becomes_of_it(
    on_timeout: str, default: bool, then: str
) -> None:
    story = Story(a_spec(remind_after_s=MINUTE)).start()
    story.asks(expires_at=story.now.wall + HOUR, on_timeout=on_timeout, default=default)
    story.wait(MINUTE).tick()
    words = waiting_words(story.state.requests[0], story.now)
    assert words.startswith("waiting since 1 min, reminded 1 time; until ")
    assert words.endswith(then)

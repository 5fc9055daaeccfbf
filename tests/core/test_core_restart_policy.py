"""What follows the end of an attempt, and what the operator may do in every status."""

from __future__ import annotations

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.effects import EndAttempt, HoldStill, Spawn
from supervisor.core.run import ALIVE, FINAL, RequestState, Status
from supervisor.core.spec import Restart
from tests.core.builders import Story, a_spec, story_in


def _crashing(deaths: int, apart_s: float, **retry: object) -> Story:
    policy = {"max_retries": 99, "base_delay_s": 0.001, "crash_loop_deaths": 3, **retry}
    story = Story(a_spec(retry={"crash_loop_window_s": 60.0, **policy})).start()
    for number in range(deaths):
        story.exits(1)
        if number < deaths - 1:
            story.wait(apart_s).next_attempt()
    return story


# -- the crash loop ---------------------------------------------------------------------------


def test_a_death_exactly_at_the_edge_of_the_window_still_counts() -> None:
    assert _crashing(3, 30.0).state.status is Status.HELD


def test_a_death_just_beyond_the_window_does_not_count() -> None:
    assert _crashing(3, 30.001).state.status is Status.BACKOFF


def test_one_death_fewer_than_the_limit_is_no_loop() -> None:
    assert _crashing(2, 1.0).state.status is Status.BACKOFF


def test_a_crash_loop_is_held_flagged_and_says_the_figures() -> None:
    story = _crashing(3, 10.0)
    assert story.state.reason == (
        "crash loop: 3 crashes before any checkpoint in 20 s; last: exit status 1"
    )
    assert story.state.anomalies[-1].kind == "crash-loop"
    assert story.state.anomalies[-1].severity == "error"


def test_a_checkpoint_between_the_deaths_is_no_loop() -> None:
    story = Story(a_spec(retry={"crash_loop_deaths": 3})).start()
    for number in range(1, 6):
        story.checkpoints(number)
        story.exits(1)
        story.next_attempt()
    assert story.state.status is Status.RUNNING


def test_try_later_is_no_crash_but_uses_up_retries() -> None:
    story = Story(a_spec(retry={"crash_loop_deaths": 2, "max_retries": 3})).start()
    for _ in range(3):
        story.exits(75)
        assert story.state.status is Status.BACKOFF
        story.next_attempt()
    story.exits(75)
    assert story.state.status is Status.FAILED
    assert story.state.deaths == ()


def test_a_held_run_goes_on_with_fresh_budgets_when_the_operator_says_so() -> None:
    story = story_in(Status.HELD)
    story.feed(f.RestartWanted("kim"))
    state = story.state
    assert state.status is Status.STARTING
    assert (state.retries_in_row, state.deaths, state.clock_used_s) == (0, (), 0.0)


# -- exit status 75 has three meanings --------------------------------------------------------


def test_75_with_an_open_request_parks_and_starts_nothing() -> None:
    story = story_in(Status.PARKED)
    spawns = len(story.wanted(Spawn))
    story.wait(1e7).tick()
    assert story.state.status is Status.PARKED
    assert len(story.wanted(Spawn)) == spawns
    assert story.state.retries == 0


def test_75_after_an_answer_in_this_attempt_starts_again_at_once() -> None:
    story = story_in(Status.WAITING)
    story.answers(story.state.requests[0])
    story.exits(75)
    assert (story.state.status, story.state.epoch) == ("starting", 2)
    assert (story.state.retries, story.state.retries_in_row) == (0, 0)


def test_75_after_a_request_expired_in_this_attempt_starts_again_at_once() -> None:
    story = Story().start()
    story.asks(expires_at=story.now.wall + 5, on_timeout="deny")
    story.wait(6).tick()
    story.exits(75)
    assert (story.state.status, story.state.retries) == ("starting", 0)


def test_75_without_a_question_is_tried_again_later() -> None:
    story = Story().start()
    story.exits(75)
    assert (story.state.status, story.state.retries_in_row) == ("backoff", 1)


def test_an_answer_before_this_attempt_gives_no_free_restarts() -> None:
    story = story_in(Status.PARKED)
    story.answers(story.state.requests[0])
    story.spawned()
    story.exits(75)
    assert story.state.status is Status.BACKOFF


def test_a_wall_clock_set_back_makes_no_old_answer_new() -> None:
    story = story_in(Status.PARKED)
    story.answers(story.state.requests[0])
    story.spawned()
    story.exits(1)
    story.reboot(-86_400.0)
    story.tick()
    story.spawned()
    story.exits(75)
    assert story.state.status is Status.BACKOFF


# -- restart settings -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "code", "status"),
    [
        (Restart.ALWAYS, 0, Status.BACKOFF),
        (Restart.ALWAYS, 1, Status.BACKOFF),
        (Restart.ALWAYS, 64, Status.FAILED),
        (Restart.ON_FAILURE, 0, Status.SUCCEEDED),
        (Restart.ON_FAILURE, 1, Status.BACKOFF),
        (Restart.ON_FAILURE, 64, Status.FAILED),
        (Restart.NEVER, 0, Status.SUCCEEDED),
        (Restart.NEVER, 1, Status.FAILED),
        (Restart.NEVER, 64, Status.FAILED),
        (Restart.NEVER, 75, Status.FAILED),
    ],
)
def test_the_restart_setting_decides(restart: Restart, code: int, status: Status) -> None:
    story = Story(a_spec(restart=restart)).start()
    story.exits(code)
    assert story.state.status is status


def test_a_restart_after_success_waits_and_burns_no_retry() -> None:
    story = Story(a_spec(restart=Restart.ALWAYS, retry={"max_retries": 0})).start()
    for _ in range(10):
        story.exits(0)
        story.next_attempt()
    assert (story.state.status, story.state.retries, story.state.epoch) == ("running", 0, 11)


def test_a_program_that_cannot_be_executed_fails_at_once() -> None:
    story = story_in(Status.STARTING)
    story.feed(f.SpawnRefused(1, "no such file: reader.py", permanent=True, at=0.0))
    assert story.state.status is Status.FAILED
    assert "no such file" in story.state.reason


def test_a_start_that_may_work_later_is_retried() -> None:
    story = story_in(Status.STARTING)
    story.feed(f.SpawnRefused(1, "the lock is held", permanent=False, at=0.0))
    assert story.state.status is Status.BACKOFF


def test_a_refused_start_of_a_run_being_stopped_is_stopped() -> None:
    story = story_in(Status.STARTING)
    story.feed(f.StopWanted("kim", "enough"))
    story.feed(f.SpawnRefused(1, "the lock is held", permanent=False, at=0.0))
    assert story.state.status is Status.STOPPED


def test_a_refusal_of_a_process_that_lives_buries_nobody() -> None:
    story = Story().start()
    decision = story.feed(f.SpawnRefused(1, "the lock is held", permanent=False, at=0.0))
    assert decision.events == ()
    assert story.state.status is Status.RUNNING


def test_what_an_older_attempt_does_changes_nothing() -> None:
    story = Story().start()
    story.exits(1)
    story.next_attempt()
    for late in (
        f.Exited(1, 0.0, 0),
        f.SpawnDone(1, 1, 1),
        f.SpawnRefused(1, "busy", permanent=True, at=0.0),
    ):
        assert story.feed(late).events == ()
    assert (story.state.status, story.state.epoch) == ("running", 2)


# -- the operator, in every status ------------------------------------------------------------


@pytest.mark.parametrize("status", list(Status))
def test_stop_ends_every_run_that_is_not_over(status: Status) -> None:
    story = story_in(status)
    decision = story.feed(f.StopWanted("kim", "enough"))
    if status in FINAL:
        assert decision.refusal is not None and decision.events == ()
    elif status is Status.STOPPING:
        assert decision.events == () and decision.refusal is None
    elif status in ALIVE:
        assert story.state.status is Status.STOPPING
        assert story.wanted(EndAttempt) == [EndAttempt(story.state.epoch, "enough")]
        story.exits(None, signal=15, ended_by="stop")
    if status not in FINAL and status is not Status.STOPPING:
        assert story.state.status is Status.STOPPED
        assert story.state.reason == "enough"
        assert story.state.open_requests == ()


@pytest.mark.parametrize("status", list(Status))
def test_restart_starts_every_run_again_but_one_that_succeeded_or_is_being_stopped(
    status: Status,
) -> None:
    story = story_in(status)
    epoch = story.state.epoch
    decision = story.feed(f.RestartWanted("kim"))
    if status in (Status.SUCCEEDED, Status.STOPPING):
        assert decision.refusal is not None and decision.refusal.fix
        assert decision.events == ()
        return
    if status in ALIVE:
        assert story.state.status is Status.STOPPING
        story.exits(0)
    assert (story.state.status, story.state.epoch) == ("starting", epoch + 1)
    assert story.wanted(Spawn)[-1] == Spawn(epoch + 1, None)


@pytest.mark.parametrize("status", list(Status))
def test_pause_holds_still_only_what_runs(status: Status) -> None:
    story = story_in(status)
    decision = story.feed(f.PauseWanted("kim"))
    if status in (Status.RUNNING, Status.WAITING):
        assert story.state.status is Status.PAUSED
        assert decision.effects == (HoldStill(1, still=True),)
    else:
        assert decision.refusal is not None and decision.events == ()


@pytest.mark.parametrize("status", list(Status))
def test_resume_lets_go_only_what_is_paused(status: Status) -> None:
    story = story_in(status)
    decision = story.feed(f.ResumeWanted("kim"))
    if status is Status.PAUSED:
        assert story.state.status is Status.RUNNING
        assert decision.effects == (HoldStill(1, still=False),)
    else:
        assert decision.refusal is not None and decision.events == ()


def test_a_paused_run_with_an_open_question_waits_again_when_it_is_resumed() -> None:
    story = story_in(Status.WAITING)
    story.feed(f.PauseWanted("kim"))
    story.feed(f.ResumeWanted("kim"))
    assert story.state.status is Status.WAITING


def test_a_stop_overrules_a_restart_that_is_under_way() -> None:
    story = Story().start()
    story.feed(f.RestartWanted("kim"))
    story.feed(f.StopWanted("ada", "enough"))
    story.exits(None, signal=15)
    assert story.state.status is Status.STOPPED


def test_a_stop_overrules_a_stall() -> None:
    story = Story(a_spec(stall_timeout_s=10.0)).start()
    story.wait(10).tick()
    assert story.state.ending == "retry"
    story.feed(f.StopWanted("kim", "enough"))
    story.exits(None, signal=15)
    assert story.state.status is Status.STOPPED


def test_a_second_stop_does_not_start_the_grace_again() -> None:
    story = story_in(Status.STOPPING)
    assert story.feed(f.StopWanted("ada", "now")).effects == ()


@pytest.mark.parametrize("status", sorted(FINAL))
def test_nothing_of_a_run_that_is_over_stays_open(status: Status) -> None:
    story = Story(a_spec(timeout_s=100.0)).start()
    request = story.asks()
    story.feed(f.RequestSeen(request))  # seen again: still one question
    endings = {
        Status.SUCCEEDED: lambda: story.exits(0),
        Status.FAILED: lambda: story.exits(64),
        Status.TIMED_OUT: lambda: story.exits(1, ended_by="deadline:task"),
        Status.STOPPED: lambda: (story.feed(f.StopWanted("kim", "enough")), story.exits(1)),
    }
    endings[status]()
    assert story.state.status is status
    assert story.request(request.id).state is RequestState.WITHDRAWN


def test_a_run_that_times_out_between_two_attempts_leaves_no_question_open() -> None:
    story = Story(a_spec(timeout_s=10.0, retry={"base_delay_s": 60.0, "max_delay_s": 60.0}))
    request = story.start().asks()
    story.exits(1)
    story.wait(11).tick()
    assert story.state.status is Status.TIMED_OUT
    assert story.request(request.id).state is RequestState.WITHDRAWN
    late = story.answers(request)
    assert late.refusal is not None and late.refusal.code == "expired"


def test_settings_that_change_apply_until_the_run_is_over() -> None:
    changed = a_spec(timeout_s=5.0)
    for status in Status:
        story = story_in(status)
        story.feed(f.SpecWanted(changed))
        assert (story.state.spec == changed) is (status not in FINAL)


def test_the_cause_of_every_attempt_is_recorded() -> None:
    story = story_in(Status.HELD)
    causes = [event.cause for event in story.recorded(e.AttemptStarting)]
    assert causes[:2] == ["first attempt", "retry 1 after exit status 1"]
    assert all(causes)


def test_without_a_delay_the_next_attempt_is_stored_with_the_exit() -> None:
    story = Story(a_spec(retry={"base_delay_s": 0.0})).start()
    story.exits(1)
    assert story.state.status is Status.STARTING
    assert story.state.attempt == 2
    assert story.state.retries == 1


def test_a_lock_that_stays_held_holds_the_run_and_uses_up_no_retry() -> None:
    story = Story()
    story.feed(f.StartWanted())
    story.feed(f.SpawnBlocked(1, "the run's lock is held by pid 77 (sleep)", at=story.now.wall))
    assert story.state.status is Status.HELD and "pid 77" in story.state.reason
    assert (story.state.retries, story.state.deaths) == (0, ())

"""Recovery of a run by what its state, the keeper and the records say (pure)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.core import facts as f
from supervisor.core.effects import DeliverAnswer, EndAttempt, HoldStill, Spawn, WithdrawAnswer
from supervisor.core.run import ALIVE, FINAL, RequestState, Status
from supervisor.engine.recover import Living, plan_recovery
from tests.core.builders import Story, story_in

ALIVE_NOW = Living(1, 1001, 51)


@pytest.mark.parametrize("status", sorted(ALIVE))
def test_a_living_attempt_is_adopted_whatever_status_it_had(status: Status) -> None:
    plan = plan_recovery(story_in(status).state, ALIVE_NOW, None, 0.0)
    assert plan.facts == (f.SpawnDone(1, 1001, 51, adopted=True),)
    assert not any(isinstance(effect, Spawn) for effect in plan.effects)


@pytest.mark.parametrize(
    ("status", "effect"),
    [
        (Status.RUNNING, HoldStill(1, still=False)),
        (Status.WAITING, HoldStill(1, still=False)),
        (Status.PAUSED, HoldStill(1, still=True)),
        (Status.STOPPING, EndAttempt(1, "enough")),
    ],
)
def test_what_was_stored_but_perhaps_not_carried_out_is_asked_for_again(
    status: Status, effect: object
) -> None:
    assert effect in plan_recovery(story_in(status).state, ALIVE_NOW, None, 0.0).effects


def test_an_attempt_that_was_starting_is_spawned_again_under_the_same_epoch() -> None:
    plan = plan_recovery(story_in(Status.STARTING).state, None, None, 0.0)
    assert (plan.facts, plan.effects) == ((), (Spawn(1, None),))


@pytest.mark.parametrize("status", sorted(ALIVE - {Status.STARTING}))
def test_an_attempt_that_nobody_knows_of_is_gone_in_an_unknown_way(status: Status) -> None:
    plan = plan_recovery(story_in(status).state, None, None, 5.0)
    assert plan.facts == (f.Exited(1, 5.0, is_known=False),)


@pytest.mark.parametrize("status", sorted(ALIVE))
def test_an_exit_record_is_taken_as_it_stands(status: Status) -> None:
    exited = f.Exited(1, 5.0, 3)
    assert plan_recovery(story_in(status).state, None, exited, 9.0).facts == (exited,)


@pytest.mark.parametrize("status", sorted(FINAL | {Status.PARKED, Status.HELD, Status.BACKOFF}))
def test_a_run_without_a_process_is_told_nothing(status: Status) -> None:
    assert plan_recovery(story_in(status).state, None, None, 0.0).facts == ()


def test_a_queued_run_is_started() -> None:
    plan = plan_recovery(Story().state, None, None, 0.0)
    assert isinstance(plan.facts[0], f.StartWanted)


def test_an_answer_that_was_stored_is_delivered_again() -> None:
    story = story_in(Status.PARKED)
    story.answers(story.state.requests[0])
    plan = plan_recovery(story.state, None, None, 0.0)
    assert DeliverAnswer(story.state.requests[0]) in plan.effects


def test_an_answer_is_not_put_back_under_the_name_of_a_question_that_is_open() -> None:
    story = Story().start()
    old = story.asks()
    story.answers(old)
    story.feed(f.RequestSeen(replace(old, sha256="f" * 64, state=RequestState.OPEN, answer=None)))
    effects = plan_recovery(story.state, None, None, 0.0).effects
    assert effects == (WithdrawAnswer(old.file_id),)

"""What a run may cost: a word, a question that holds it still, or the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.effects import AskOperator, EndAttempt, HoldStill
from supervisor.core.own_questions import BUDGET_PREFIX, is_held_still
from supervisor.core.progress import Progress, Usage
from supervisor.core.run import Request, RequestState, Status, Then
from supervisor.core.spec import Budget, BudgetAction
from tests.core.builders import Story, a_request, a_spec


def spending(action: str = "ask", usd: float = 5.0) -> Story:
    return Story(a_spec(budget=Budget(usd=usd, action=BudgetAction(action)))).start()


def spends(story: Story, usd: float) -> None:
    """The agent says that it has used so much in all."""
    story.feed(f.ProgressSeen(Progress("working", usage=Usage(cost_usd=usd))))


def asked(story: Story) -> Request:
    """What the engine does with the effect: our question is opened."""
    (effect,) = story.wanted(AskOperator)[-1:]
    assert isinstance(effect, AskOperator)
    draft = replace(a_request(effect.file_id), title=effect.title, action=effect.action)
    story.feed(f.RequestSeen(draft))
    return story.state.requests[-1]


def still(story: Story) -> bool:
    """Whether the last order was to stand still."""
    (last,) = story.wanted(HoldStill)[-1:]
    assert isinstance(last, HoldStill)
    return last.still


def test_below_the_budget_nothing_is_said() -> None:
    story = spending()
    spends(story, 4.99)
    assert story.state.status is Status.RUNNING and not story.state.anomalies


def test_a_question_holds_the_run_until_more_is_granted_and_then_for_as_much_again() -> None:
    story = spending()
    spends(story, 5.01)
    request = asked(story)
    assert "5.01 of its 5.00 USD" in request.title
    assert story.state.status is Status.WAITING and still(story) and is_held_still(story.state)
    story.answers(request, allow=True)
    assert story.state.status is Status.RUNNING and not still(story)
    spends(story, 9.0)
    assert len(story.wanted(AskOperator)) == 1
    spends(story, 10.0)
    assert asked(story).file_id == f"{BUDGET_PREFIX}run-2"


def test_no_more_budget_ends_the_run_with_its_checkpoint_kept() -> None:
    story = spending()
    story.checkpoints(1)
    spends(story, 6.0)
    story.answers(asked(story), allow=False)
    assert story.state.ending is Then.STOP and story.wanted(EndAttempt)
    story.exits(143)
    assert story.state.status is Status.STOPPED
    assert story.state.checkpoint is not None


def test_the_question_is_asked_once_and_stands_for_the_attempt_after_a_crash() -> None:
    story = spending()
    spends(story, 6.0)
    asked(story)
    spends(story, 6.5)
    assert len(story.wanted(AskOperator)) == 1
    story.exits(1)
    story.next_attempt()
    spends(story, 7.0)
    assert story.state.status is Status.WAITING and still(story)
    assert len(story.wanted(AskOperator)) == 1


def test_resume_does_not_let_it_spend_before_the_answer() -> None:
    story = spending()
    spends(story, 6.0)
    request = asked(story)
    story.feed(f.PauseWanted("kim"))
    story.feed(f.ResumeWanted("kim"))
    assert still(story)
    story.answers(request, allow=True)
    assert not still(story)


def test_a_warning_is_said_once_and_a_stop_ends_the_run() -> None:
    story = spending("warn")
    for usd in (5.0, 6.0, 7.0):
        spends(story, usd)
    assert [anomaly.kind for anomaly in story.state.anomalies] == ["over-budget"]
    assert story.state.status is Status.RUNNING
    story = spending("stop")
    spends(story, 5.0)
    assert story.state.ending is Then.STOP
    (ending,) = story.recorded(e.AttemptEnding)
    assert "over budget" in ending.reason


@pytest.mark.parametrize("answer", [True, False])
def test_the_budget_of_all_asks_each_spender_once_a_day(answer: bool) -> None:
    story = Story(a_spec()).start()
    budget = Budget(usd=20.0, action=BudgetAction.ASK)
    for used in (20.5, 21.0):
        story.feed(f.BudgetUsedUp(20_000, used, budget))
        if used == 20.5:
            story.answers(asked(story), allow=answer)
    assert len(story.wanted(AskOperator)) == 1
    assert (story.state.ending is Then.STOP) is (not answer)
    story.feed(f.BudgetUsedUp(20_001, 20.0, budget))
    assert len(story.wanted(AskOperator)) == (2 if answer else 1)


def test_what_is_spent_counts_for_its_day_and_never_twice() -> None:
    story = spending(usd=1000.0)
    spends(story, 2.0)
    spends(story, 2.0)
    spends(story, 3.0)
    story.wait(86400.0)
    spends(story, 2.5)  # a sum that shrinks is a mistake of the agent, no refund
    spends(story, 3.5)
    days = [usd for _, usd in story.state.spent]
    assert days == [3.0, 1.0]


def test_an_agents_own_question_is_never_taken_for_ours() -> None:
    story = spending()
    request = story.asks("budget-run-1")
    story.answers(request, allow=False)
    assert story.state.status is Status.RUNNING and story.state.ending is None
    assert story.request(request.id).state is RequestState.ANSWERED

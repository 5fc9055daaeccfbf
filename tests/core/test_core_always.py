"""Rules that approve for good: only this agent, only exactly this, only so long, only if asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.always import MAX_FOR_S, MAX_RULES, Standing, fold_rules, matching_rule
from supervisor.core.effects import DeliverAnswer
from supervisor.core.events import Recorded
from supervisor.core.record import recorded_from_plain, recorded_to_plain
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Answer, Status
from supervisor.core.turn import Decision
from tests.core.builders import SHA, T0, Story, a_request, a_spec

OTHER = "cd" * 32
DAY = 86400.0
WISH = f.AlwaysWish("A1", 7 * DAY)


def approving(**changes: Any) -> tuple[Story, Decision]:
    wish = changes.pop("wish", WISH)
    story = Story().start()
    request = story.asks(**changes.pop("asked", {}))
    answer = Answer("kim (cli)", 0.0, changes.pop("sha256", SHA), **{"allow": True, **changes})
    return story, story.feed(f.AnswerGiven(request.id, answer, wish))


def the_rule() -> AlwaysRule:
    _story, decision = approving()
    (event,) = decision.project_events
    assert isinstance(event, e.AlwaysRuleSet)
    return event.rule


RULE = the_rule()


def test_an_approval_for_good_is_an_answer_and_a_rule_in_one_decision() -> None:
    story, decision = approving()
    assert any(isinstance(event, e.RequestAnswered) for event in decision.events)
    assert (RULE.agent, RULE.cwd, RULE.sha256) == ("reader", "/", SHA)
    assert (RULE.set_by, RULE.set_at) == ("kim (cli)", story.now.wall)
    assert RULE.expires_at == story.now.wall + 7 * DAY


@pytest.mark.parametrize(
    "changes",
    [
        {"allow": False},
        {"sha256": ""},
        {"asked": {"kind": "choose", "options": ("a",)}, "allow": None, "option": "a"},
        {"asked": {"kind": "text"}, "allow": None, "text": "a"},
        {"wish": f.AlwaysWish("A1", MAX_FOR_S + 1)},
        {"wish": f.AlwaysWish("A1", float("nan"))},
        {"wish": f.AlwaysWish("A1", -1.0)},
        {"wish": f.AlwaysWish("A1", 0.0)},
        {"wish": f.AlwaysWish("A201", DAY, standing=MAX_RULES)},
        {"asked": {"action": {"payload": "x" * 10_000}}},
    ],
)
def test_what_cannot_stand_for_good_is_refused_and_answers_nothing(changes: dict[str, Any]) -> None:
    story, decision = approving(**changes)
    assert decision.refusal is not None and decision.refusal.code == "refused"
    assert decision.events == decision.project_events == ()
    assert len(story.state.open_requests) == 1


def asked_later(story: Story, *rules: AlwaysRule, **changes: Any) -> Decision:
    return story.feed(f.RequestSeen(a_request(**changes), rules))


def test_the_same_request_of_the_same_agent_is_answered_by_the_rule_at_once() -> None:
    story = Story(now=T0.plus(DAY)).start()
    decision = asked_later(story, RULE)
    assert story.state.status is Status.RUNNING and not story.state.open_requests
    answer = story.state.requests[-1].answer
    assert answer is not None and answer.allow is True and answer.rule_id == "A1"
    assert answer.by == "always-rule A1 (set by kim (cli) on 2027-01-15)"
    assert any(isinstance(effect, DeliverAnswer) for effect in decision.effects)


@pytest.mark.parametrize(
    "changes",
    [{"sha256": OTHER}, {"kind": "choose", "options": ("a",)}, {"kind": "edit"}, {"kind": "form"}],
)
def test_whatever_differs_from_what_was_approved_is_asked(changes: dict[str, Any]) -> None:
    story = Story().start()
    asked_later(story, RULE, **changes)
    assert story.state.status is Status.WAITING and len(story.state.open_requests) == 1


@pytest.mark.parametrize("spec", [{"name": "writer"}, {"cwd": "/elsewhere"}])
def test_a_rule_is_for_one_agent_in_one_directory(spec: dict[str, Any]) -> None:
    story = Story(a_spec(**spec)).start()
    asked_later(story, RULE)
    assert len(story.state.open_requests) == 1


@pytest.mark.parametrize("after_s", [7 * DAY, 8 * DAY, 400 * DAY, -3600.0])
def test_a_rule_that_expired_or_stands_before_its_own_beginning_does_nothing(
    after_s: float,
) -> None:
    story = Story(now=T0.plus(after_s)).start()
    asked_later(story, RULE)
    assert len(story.state.open_requests) == 1


def test_the_last_second_counts_and_the_first_after_it_does_not() -> None:
    end = RULE.expires_at
    assert matching_rule([RULE], "reader", "/", SHA, end - 0.001) is RULE
    assert matching_rule([RULE], "reader", "/", SHA, end) is None


# -- the fold -------------------------------------------------------------------------------------


def recorded(seq: int, event: e.Event, at_s: float = 0.0) -> Recorded:
    """Through the form in which it is stored."""
    return recorded_from_plain(recorded_to_plain(Recorded(seq, T0.plus(at_s), "", event)))


def rule(number: int, sha256: str = "", **changes: Any) -> AlwaysRule:
    sha256 = sha256 or f"{number:064x}"
    return replace(RULE, id=f"A{number}", sha256=sha256, **changes)


def test_rules_are_the_fold_of_their_events() -> None:
    events = [
        recorded(3, e.AlwaysRuleSet(rule(1))),
        recorded(4, e.EngineStarted("1", 1)),
        recorded(5, e.AlwaysRuleSet(rule(2))),
        recorded(7, e.AlwaysRuleRevoked("A1", "kim")),
        recorded(8, e.AlwaysRuleRevoked("A9", "kim")),
    ]
    standing = fold_rules(events)
    assert [r.id for r in standing.rules] == ["A2"]
    assert (standing.next_id, standing.since) == ("A3", 3)
    assert standing.rules[0] == rule(2)
    assert fold_rules(events[3:], fold_rules(events[:3])) == standing


def test_a_rule_made_again_takes_the_place_of_the_one_before() -> None:
    events = [
        recorded(1, e.AlwaysRuleSet(rule(1, SHA))),
        recorded(2, e.AlwaysRuleSet(rule(2, SHA))),
    ]
    assert [r.id for r in fold_rules(events).rules] == ["A2"]


def test_an_expired_rule_is_dropped_when_the_next_one_is_made() -> None:
    events = [recorded(1, e.AlwaysRuleSet(rule(1))), recorded(2, e.AlwaysRuleSet(rule(2)), 9 * DAY)]
    assert [r.id for r in fold_rules(events).rules] == ["A2"]


def test_rules_told_again_stand_without_the_events_that_made_them() -> None:
    standing = fold_rules([recorded(1, e.AlwaysRuleSet(rule(1)))])
    carried = e.AlwaysRulesCarried(standing.rules, standing.count, "old")
    again = fold_rules([recorded(90, carried)])
    assert again == Standing(standing.rules, 1, since=90)
    nothing = fold_rules([recorded(91, e.AlwaysRulesCarried((), 4, "old"))])
    assert (nothing.next_id, nothing.since) == ("A5", 0)

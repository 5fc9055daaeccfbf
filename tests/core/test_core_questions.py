"""Questions to the operator: opened once, frozen, answered exactly once (I4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.effects import DeliverAnswer, Spawn, WithdrawAnswer
from supervisor.core.run import FINAL, RequestState, Status
from tests.core.builders import SHA, Story, a_request, a_spec, story_in

OTHER = "cd" * 32


def _asking(**changes: object) -> tuple[Story, str]:
    story = Story().start()
    return story, story.asks(**changes).id  # type: ignore[arg-type]


# -- asking -----------------------------------------------------------------------------------


def test_a_question_is_numbered_within_its_run_and_makes_it_wait() -> None:
    story = Story().start()
    first, second = story.asks("one"), story.asks("two")
    assert (first.id, second.id) == ("ABCD-1", "ABCD-2")
    assert (first.epoch, first.created_at) == (1, story.now.wall)
    assert story.state.status is Status.WAITING
    assert story.state.reason == "asks ABCD-1: Publish?"


def test_a_question_that_was_there_before_the_keeper_replied_makes_it_wait_too() -> None:
    story = story_in(Status.STARTING, timeout_s=100.0)
    story.asks()
    assert story.state.status is Status.STARTING
    story.spawned()
    assert story.state.status is Status.WAITING
    assert story.state.clock_since is None


def test_a_question_left_open_by_a_dead_attempt_stops_no_clock_of_the_next() -> None:
    story = story_in(Status.WAITING)
    story.exits(1)
    story.next_attempt()
    assert story.state.status is Status.RUNNING
    assert len(story.state.open_requests) == 1


def test_a_question_asked_again_by_the_next_attempt_is_the_same_question() -> None:
    story = story_in(Status.WAITING)
    story.exits(1)
    story.next_attempt()
    story.feed(f.RequestSeen(a_request()))
    assert story.state.status is Status.WAITING
    assert [r.id for r in story.state.requests] == ["ABCD-1"]


def test_a_question_that_changes_after_it_was_asked_is_flagged_and_stays_as_it_was() -> None:
    story, request_id = _asking()
    before = story.request(request_id)
    story.feed(f.RequestSeen(a_request(title="Delete everything?", sha256=OTHER)))
    assert story.request(request_id) == before
    assert story.state.anomalies[-1].kind == "request-changed"
    assert len(story.state.requests) == 1


def test_a_changed_question_after_the_answer_is_a_new_question() -> None:
    story, request_id = _asking()
    story.answers(story.request(request_id))
    story.feed(f.RequestSeen(a_request(title="And the appendix?", sha256=OTHER)))
    assert [r.id for r in story.state.open_requests] == ["ABCD-2"]


def test_an_answered_question_seen_again_is_answered_again_from_the_record() -> None:
    story, request_id = _asking()
    story.answers(story.request(request_id))
    story.exits(1)
    story.next_attempt()
    decision = story.feed(f.RequestSeen(a_request()))
    assert decision.events == ()
    assert decision.effects == (DeliverAnswer(story.request(request_id)),)


def test_a_question_that_is_taken_back_is_closed_and_the_run_goes_on() -> None:
    story, request_id = _asking()
    story.feed(f.RequestGone("ask"))
    assert story.request(request_id).state is RequestState.WITHDRAWN
    assert story.state.status is Status.RUNNING
    assert story.feed(f.RequestGone("ask")).events == ()
    assert story.feed(f.RequestGone("never-asked")).events == ()


def test_a_run_waits_until_its_last_open_question_is_answered() -> None:
    story = Story().start()
    first, second = story.asks("one"), story.asks("two")
    story.answers(second)
    assert story.state.status is Status.WAITING
    story.answers(first)
    assert story.state.status is Status.RUNNING


def test_a_parked_run_starts_again_with_its_answer() -> None:
    story = story_in(Status.PARKED)
    decision = story.answers(story.state.requests[0])
    assert story.state.status is Status.STARTING
    assert isinstance(decision.effects[0], DeliverAnswer)
    assert decision.effects[1] == Spawn(2, None)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_run_that_is_over_opens_no_question(status: Status) -> None:
    story = story_in(status)
    assert story.feed(f.RequestSeen(a_request("late"))).events == ()


# -- answering --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "given", "code"),
    [
        ({}, {"allow": None}, "refused"),
        ({"kind": "choose", "options": ("a", "b")}, {"option": "c"}, "refused"),
        ({"kind": "choose", "options": ("a", "b")}, {"option": None}, "refused"),
        ({"kind": "text"}, {"text": None}, "refused"),
        ({"kind": "edit"}, {"option": "a"}, "refused"),
        ({}, {"sha256": OTHER}, "hash_mismatch"),
        ({}, {"sha256": SHA[:7]}, "hash_mismatch"),
        ({}, {"sha256": SHA + "0"}, "hash_mismatch"),
    ],
)
def test_an_answer_that_does_not_fit_is_refused_and_changes_nothing(
    asked: dict[str, object], given: dict[str, object], code: str
) -> None:
    story, request_id = _asking(**asked)
    before = story.state
    decision = story.answers(story.request(request_id), **given)
    assert decision.refusal is not None and decision.refusal.code == code
    assert (decision.events, decision.effects, story.state) == ((), (), before)


@pytest.mark.parametrize("given", ["", SHA, SHA[:8], SHA[:12].upper()])
def test_an_answer_is_bound_to_what_was_shown_by_the_whole_hash_or_its_beginning(
    given: str,
) -> None:
    story, request_id = _asking()
    story.answers(story.request(request_id), sha256=given)
    answer = story.request(request_id).answer
    assert answer is not None and answer.sha256 == SHA


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, {"allow": True}),
        ({}, {"allow": False}),
        ({"kind": "choose", "options": ("a", "b")}, {"option": "b"}),
        ({"kind": "text"}, {"text": ""}),
        ({"kind": "edit"}, {"text": "new"}),
        ({"kind": "choose", "options": ("a",)}, {"allow": False}),
        ({"kind": "text"}, {"allow": False}),
    ],
)
def test_every_kind_takes_its_answer_and_can_be_denied(
    asked: dict[str, object], given: dict[str, object]
) -> None:
    story, request_id = _asking(**asked)
    assert story.answers(story.request(request_id), **given).refusal is None
    assert story.request(request_id).state is RequestState.ANSWERED


def test_a_second_answer_is_a_conflict_that_names_who_was_first() -> None:
    story, request_id = _asking()
    story.answers(story.request(request_id), by="kim")
    first = story.request(request_id).answer
    decision = story.answers(story.request(request_id), by="ada", allow=False)
    assert decision.refusal is not None and decision.refusal.code == "conflict"
    assert "kim" in decision.refusal.what
    assert story.request(request_id).answer == first


def test_an_answer_to_nothing_is_an_unknown_request() -> None:
    decision = Story().start().answers(a_request(id="ABCD-9"))
    assert decision.refusal is not None and decision.refusal.code == "unknown_request"


def test_an_answer_is_dated_by_us_not_by_the_client() -> None:
    story, request_id = _asking()
    story.wait(7).answers(story.request(request_id), at=5.0)
    answer = story.request(request_id).answer
    assert answer is not None and answer.at == story.now.wall


# -- expiry -----------------------------------------------------------------------------------


def _expiring(on_timeout: str, **changes: object) -> tuple[Story, str]:
    story = Story().start()
    asked = story.asks(expires_at=story.now.wall + 60.0, on_timeout=on_timeout, **changes)
    return story, asked.id


def test_nothing_expires_before_its_time() -> None:
    story, request_id = _expiring("deny")
    assert story.wait(59.9).tick().events == ()
    assert story.request(request_id).state is RequestState.OPEN


def test_deny_closes_the_question_and_tells_the_agent() -> None:
    story, request_id = _expiring("deny")
    decision = story.wait(60).tick()
    closed = story.request(request_id)
    assert (closed.state, closed.answer) == (RequestState.EXPIRED, None)
    assert decision.effects == (DeliverAnswer(closed),)
    assert story.state.status is Status.RUNNING


def test_park_never_expires_and_is_still_answered_afterwards() -> None:
    story, request_id = _expiring("park")
    story.wait(1e9).tick()
    assert story.state.status is Status.WAITING
    assert story.answers(story.request(request_id)).refusal is None


@pytest.mark.parametrize(
    ("kind", "default", "field", "value"),
    [
        ("approve", False, "allow", False),
        ("choose", "b", "option", "b"),
        ("text", "as it was", "text", "as it was"),
        ("edit", "", "text", ""),
    ],
)
def test_default_applies_what_the_question_stated(
    kind: str, default: object, field: str, value: object
) -> None:
    story, request_id = _expiring("default", kind=kind, default=default, options=("a", "b"))
    story.wait(60).tick()
    answer = story.request(request_id).answer
    assert answer is not None and answer.by == "timeout (default)"
    assert getattr(answer, field) == value


def test_a_time_out_approves_nothing_even_when_the_agent_stated_so() -> None:
    story, request_id = _expiring("default", default=True)
    story.wait(60).tick()
    closed = story.request(request_id)
    assert (closed.state, closed.answer) == (RequestState.EXPIRED, None)


def test_default_without_a_default_is_a_denial() -> None:
    story, request_id = _expiring("default")
    story.wait(60).tick()
    assert story.request(request_id).state is RequestState.EXPIRED


def test_an_answer_after_the_expiry_is_refused_even_when_the_timer_is_late() -> None:
    story, request_id = _expiring("deny")
    decision = story.wait(60).answers(story.request(request_id))
    assert decision.refusal is not None and decision.refusal.code == "expired"
    story.tick()
    again = story.answers(story.request(request_id))
    assert again.refusal is not None and again.refusal.code == "expired"


def test_an_expired_question_starts_a_parked_run_once() -> None:
    story, request_id = _expiring("deny")
    story.exits(75)
    story.wait(60).tick()
    assert (story.state.status, story.state.epoch) == ("starting", 2)
    story.spawned()
    seen = story.feed(f.RequestSeen(story.request(request_id)))
    assert seen.events == ()
    assert seen.effects == (DeliverAnswer(story.request(request_id)),)


def test_an_expired_question_that_is_asked_again_with_more_time_is_a_new_one() -> None:
    story, request_id = _expiring("deny")
    story.exits(75)
    story.wait(60).tick()
    story.spawned()
    again = story.asks(expires_at=story.now.wall + 60.0, on_timeout="deny")
    assert again.id != request_id and again.state is RequestState.OPEN


def test_another_question_under_the_same_name_takes_the_old_answer_away_first() -> None:
    story = Story().start()
    old = story.asks()
    story.answers(old)
    new = replace(old, sha256="f" * 64, title="Another one?", state=RequestState.OPEN, answer=None)
    decision = story.feed(f.RequestSeen(new))
    assert decision.effects[0] == WithdrawAnswer(old.file_id)
    assert story.state.open_requests[0].sha256 == "f" * 64
    assert not story.feed(f.RequestSeen(new)).effects, "once"


def test_all_that_is_due_expires_in_one_tick() -> None:
    story = Story().start()
    for name in ("one", "two", "three"):
        story.asks(name, expires_at=story.now.wall + 1.0, on_timeout="deny")
    story.exits(75)
    story.wait(1).tick()
    assert {r.state for r in story.state.requests} == {RequestState.EXPIRED}
    assert (story.state.status, story.state.epoch) == ("starting", 2)


# -- unattended -------------------------------------------------------------------------------


@pytest.mark.parametrize("default", [True, False])
def test_an_unattended_run_takes_the_stated_default_at_once(default: bool) -> None:
    story = Story(a_spec(unattended=True)).start()
    asked = story.asks(default=default)
    assert asked.answer is not None
    assert (asked.answer.allow, asked.answer.by) == (default, "default (unattended)")
    assert story.state.status is Status.RUNNING


def test_an_unattended_run_waits_when_nothing_was_stated() -> None:
    story = Story(a_spec(unattended=True)).start()
    assert story.asks().state is RequestState.OPEN
    assert story.state.status is Status.WAITING


def test_closed_questions_are_kept_up_to_twenty_and_open_ones_always() -> None:
    story = Story().start()
    kept_open = story.asks("open-0").id
    for number in range(60):
        story.answers(story.asks(f"ask-{number}"))
    assert len(story.state.requests) == 21
    assert story.request(kept_open).state is RequestState.OPEN
    assert story.state.request_count == 61
    assert len(story.recorded(e.RequestAnswered)) == 60


# -- whose question it is ---------------------------------------------------------------------


def _second_attempt() -> Story:
    """The first one died asking; the second one works."""
    story = story_in(Status.WAITING)
    story.exits(1)
    return story.next_attempt()


def test_an_answer_lets_an_attempt_go_on_though_a_dead_one_left_a_question() -> None:
    story = _second_attempt()
    asked = story.asks("another", sha256=OTHER)
    assert story.state.status is Status.WAITING
    story.answers(asked)
    assert story.state.status is Status.RUNNING
    assert [r.file_id for r in story.state.open_requests] == ["ask"]


def test_a_file_that_a_dead_attempt_wrote_makes_no_working_one_wait() -> None:
    story = _second_attempt()
    began = story.state.attempts[-1].started_at
    assert story.feed(f.RequestSeen(a_request(), written_at=began - 5.0)).events == ()
    assert story.state.status is Status.RUNNING
    story.feed(f.RequestSeen(a_request(), written_at=began + 5.0))
    assert story.state.status is Status.WAITING
    assert story.state.open_requests[0].epoch == story.state.epoch
    story.answers(story.state.open_requests[0])
    assert story.state.status is Status.RUNNING


def test_a_pause_does_not_make_a_working_attempt_wait_for_a_dead_ones_question() -> None:
    story = _second_attempt()
    story.feed(f.PauseWanted("kim"))
    story.feed(f.ResumeWanted("kim"))
    assert story.state.status is Status.RUNNING


# -- questions that nobody answers, one after the other -----------------------------------------


@pytest.mark.parametrize("how", ["unattended", "expired", "parked"])
def test_a_new_question_in_each_attempt_ends_in_a_hold(how: str) -> None:
    story = Story(a_spec(unattended=how == "unattended")).start()
    for number in range(30):
        expires = None if how == "unattended" else story.now.wall + 1.0
        story.asks(f"ask-{number}", default=False, on_timeout="deny", expires_at=expires)
        if how == "parked":
            story.exits(75)
            if story.state.status is Status.HELD:
                break
        if how != "unattended":
            story.wait(1.0).tick()
        if how != "parked":
            story.exits(75)
        if story.state.status is Status.HELD:
            break
        story.spawned()
    assert story.state.status is Status.HELD
    assert "question loop: 20 attempts" in story.state.reason
    assert story.state.retries == 0
    story.feed(f.RestartWanted("kim"))
    assert story.state.status is Status.STARTING and story.state.unattended_turns == ()


def test_questions_that_a_person_answers_or_a_checkpoint_between_them_make_no_loop() -> None:
    story = Story(a_spec(unattended=True)).start()
    for number in range(60):
        if number % 15 == 14:
            story.checkpoints(number)
        if number % 2:
            story.answers(story.asks(f"ask-{number}"))
        else:
            story.asks(f"ask-{number}", default=True)
        story.exits(75)
        story.spawned()
    assert story.state.status is Status.RUNNING


def test_questions_settled_alone_but_slowly_make_no_loop() -> None:
    story = Story(a_spec(unattended=True)).start()
    for number in range(40):
        story.asks(f"ask-{number}", default=True)
        story.wait(60.0)
        story.exits(75)
        story.spawned()
    assert story.state.status is Status.RUNNING

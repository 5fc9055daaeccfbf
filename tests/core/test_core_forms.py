"""Forms: what may be declared, which values fit, and what an answer has to look like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.agent.faults import UnfitValueError
from supervisor.agent.form import check_fields
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.effects import DeliverAnswer
from supervisor.core.form import (
    FieldProblem,
    check_values,
    declared_fields,
    default_values,
    form_fields,
    value_of,
)
from supervisor.core.run import Answer, RequestState
from tests.core.builders import SHA, Story, a_spec

FIELDS: list[dict[str, Any]] = [
    {"name": "target", "type": "choice", "options": ["staging", "2"], "required": True},
    {"name": "count", "type": "number", "default": 3},
    {"name": "dry", "type": "boolean"},
    {"name": "notes", "type": "text", "multiline": True},
    {"name": "who", "type": "text", "required": True, "default": "me"},
]
FORM = {"fields": FIELDS}


def told(given_values: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in check_values(form_fields(FORM), given_values)[1]]


def test_what_is_left_out_takes_its_default_and_null_is_no_value() -> None:
    values, problems = check_values(form_fields(FORM), {"target": "2", "count": None})
    assert problems == []
    assert values == {"target": "2", "count": None, "dry": None, "notes": None, "who": "me"}


def test_every_field_that_does_not_fit_is_named_with_what_was_found_and_expected() -> None:
    assert told({"target": "moon", "count": True, "dry": "yes", "notes": 5, "who": ""}) == [
        "target: found 'moon', expected one of: staging, 2",
        "count: found true, expected a number",
        "dry: found 'yes', expected true or false",
        "notes: found 5, expected text",
        "who: found nothing, expected text on one line (it is required)",
    ]
    assert told({"target": "2", "\x1b[31m": 1}) == [
        "\\x1b[31m: found it, expected one of: target, count, dry, notes, who"
    ]
    assert "required" in told({})[0]


def test_a_number_that_no_double_holds_exactly_is_refused() -> None:
    for number in (float("nan"), float("inf"), 1e16, -(10**400), [], {}):
        assert len(told({"target": "2", "count": number})) == 1


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("count", " 12 ", 12), ("count", "-1.5e2", -150.0), ("count", "", None),
        ("dry", "YES", True), ("dry", "0", False), ("notes", "", ""), ("notes", "a=b", "a=b"),
        ("target", "1", "staging"), ("target", "2", "2"), ("target", " staging", "staging"),
    ],
)  # fmt: skip
def test_typed_words_mean_what_the_field_declares(name: str, typed: str, value: Any) -> None:
    field = next(field for field in form_fields(FORM) if field.name == name)
    assert value_of(field, typed) == value
    assert type(value_of(field, typed)) is type(value)


@pytest.mark.parametrize(
    ("name", "typed"),
    [("count", "many"), ("count", "1_000"), ("count", "0x10"), ("count", "inf"), ("count", "١"),
     ("dry", "maybe"), ("target", "3"), ("who", "two\nlines")],
)  # fmt: skip
def test_words_that_mean_nothing_say_what_was_expected(name: str, typed: str) -> None:
    field = next(field for field in form_fields(FORM) if field.name == name)
    with pytest.raises(ValueError, match=r"."):
        value_of(field, typed)


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_value_that_fits_or_an_error(typed: str) -> None:
    for field in form_fields(FORM):
        try:
            value = value_of(field, typed)
        except ValueError:
            continue
        is_nothing = value in (None, "")
        assert is_nothing or check_values([field], {field.name: value}) == ({field.name: value}, [])


BAD_FIELDS: dict[str, Any] = {
    "none": [],
    "no list": "x",
    "not an object": ["x"],
    "no name": [{"type": "text"}],
    "a name with =": [{"name": "a=b", "type": "text"}],
    "the same name": [{"name": "a", "type": "text"}, {"name": "a", "type": "text"}],
    "an unknown type": [{"name": "a", "type": "date"}],
    "an unknown key": [{"name": "a", "type": "text", "hint": "x"}],
    "a hidden label": [{"name": "a", "type": "text", "label": "a\u202eb"}],
    "options of a text": [{"name": "a", "type": "text", "options": ["x"]}],
    "no options": [{"name": "a", "type": "choice"}],
    "an option twice": [{"name": "a", "type": "choice", "options": ["x", "x"]}],
    "an empty option": [{"name": "a", "type": "choice", "options": [" "]}],
    "a default that is no option": [
        {"name": "a", "type": "choice", "options": ["x"], "default": "y"}
    ],
    "a default of another type": [{"name": "a", "type": "number", "default": "3"}],
    "required of another type": [{"name": "a", "type": "text", "required": "yes"}],
    "too many": [{"name": f"a{n}", "type": "text"} for n in range(51)],
}


@pytest.mark.parametrize("name", BAD_FIELDS)
def test_a_bad_declaration_refuses_the_whole_form_here_and_in_the_sdk(name: str) -> None:
    problem = declared_fields({"fields": BAD_FIELDS[name]})
    assert isinstance(problem, FieldProblem)
    assert problem.field.startswith("action.fields") and str(problem).isascii()
    with pytest.raises(UnfitValueError):
        check_fields("t", BAD_FIELDS[name])


def test_what_stands_beside_the_fields_and_would_not_be_shown_refuses_the_form() -> None:
    problem = declared_fields({**FORM, "and": "rm -rf"})
    assert isinstance(problem, FieldProblem) and problem.field == "action.and"
    assert not isinstance(declared_fields({**FORM, "about": {"x": 1}}), FieldProblem)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(
    inner, max_size=4) | st.dictionaries(st.sampled_from(["fields", "name", "type", "options"]),
                                         inner), max_leaves=12))  # fmt: skip
def test_no_declaration_however_strange_raises(action: Any) -> None:
    declared_fields(action)


# -- in the life of a run -------------------------------------------------------------------------


def asking(**changes: Any) -> tuple[Story, str]:
    story = Story().start()
    return story, story.asks(**{"kind": "form", "action": FORM, **changes}).id


def test_an_answered_form_carries_a_value_for_every_field() -> None:
    story, request_id = asking()
    decision = story.feed(
        f.AnswerGiven(request_id, Answer("cli", 0.0, SHA, fields={"target": "staging"}))
    )
    answered = next(event for event in decision.events if isinstance(event, e.RequestAnswered))
    assert answered.answer.fields == {
        "target": "staging", "count": 3, "dry": None, "notes": None, "who": "me"
    }  # fmt: skip
    assert any(isinstance(effect, DeliverAnswer) for effect in decision.effects)


@pytest.mark.parametrize("answer", [{"allow": True}, {"text": "x"}, {"fields": {"count": "x"}}])
def test_a_form_takes_no_answer_that_does_not_fit_and_stays_open(answer: dict[str, Any]) -> None:
    story, request_id = asking()
    decision = story.feed(f.AnswerGiven(request_id, Answer("cli", 0.0, SHA, **answer)))
    assert decision.refusal is not None and decision.refusal.code == "refused"
    assert decision.events == () and len(story.state.open_requests) == 1
    if "fields" in answer:
        assert "count: found 'x', expected a number" in decision.refusal.why.splitlines()


def test_a_form_can_be_denied_and_then_carries_no_values() -> None:
    story, request_id = asking()
    story.feed(f.AnswerGiven(request_id, Answer("cli", 0.0, SHA, allow=False, fields={"x": 1})))
    answer = story.state.requests[-1].answer
    assert answer is not None and (answer.allow, answer.fields) == (False, None)


def test_an_unattended_form_takes_its_defaults_only_when_every_required_field_has_one() -> None:
    assert default_values(form_fields(FORM)) is None
    whole = {"fields": [{**FIELDS[0], "default": "2"}, *FIELDS[1:]]}
    story = Story(a_spec(unattended=True)).start()
    story.asks("one", kind="form", action=FORM, default=None)
    story.asks("two", kind="form", action=whole, default=True)
    first, second = story.state.requests
    assert first.state is RequestState.OPEN
    assert second.answer is not None and second.answer.by == "default (unattended)"
    assert second.answer.fields is not None and second.answer.fields["target"] == "2"

"""A question is asked exactly as it was written, or not at all."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.agent.canonical import canonical as agents_canonical
from supervisor.agent.faults import UnfitValueError
from supervisor.core.run import Answer, Request, RequestState
from supervisor.protocol.answer import AnswerFile, answer_to_json
from supervisor.protocol.canonical import canonical, canonical_sha256, request_sha256
from supervisor.protocol.problem import Problem
from supervisor.protocol.request import RequestDraft, request_from_json
from supervisor.protocol.request_name import file_id_of

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

APPROVE: dict[str, Any] = {
    "kind": "approve",
    "title": "Publish the report?",
    "action": {"argv": ["scp", "report.md", "web:"], "bytes": 120},
    "explanation": "It is done.",
    "default": False,
    "expires_at": "2026-03-01T12:00:00Z",
    "on_timeout": "default",
    "created_at": 1772362800.5,
}


def draft_of(value: Any, file_id: str = "q-1") -> RequestDraft:
    found = request_from_json(file_id, value)
    assert isinstance(found, RequestDraft), str(found)
    return found


def refusal_of(value: Any, file_id: str = "q-1") -> Problem:
    found = request_from_json(file_id, value)
    assert isinstance(found, Problem), found
    assert str(found).isascii()
    return found


def test_a_question_arrives_whole() -> None:
    request, problems = draft_of(APPROVE)
    assert problems == ()
    assert request == Request(
        id="",
        file_id="q-1",
        kind="approve",
        title="Publish the report?",
        sha256=request.sha256,
        created_at=1772362800.5,
        epoch=0,
        action=APPROVE["action"],
        explanation="It is done.",
        default=False,
        on_timeout="default",
        expires_at=1772366400.0,
    )
    text = (
        '{"action":{"argv":["scp","report.md","web:"],"bytes":120},"kind":"approve","options":[],'
        '"title":"Publish the report?"}'
    )
    assert request.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_the_hash_covers_what_was_written_not_what_is_shown() -> None:
    evil = {"kind": "text", "title": "name\u202e?\x1b[2J"}
    request, _ = draft_of(evil)
    assert request.title == "name<U+202E>?^[[2J"
    assert request.sha256 == request_sha256("text", "name\u202e?\x1b[2J")
    assert request.sha256 != draft_of({"kind": "text", "title": request.title}).request.sha256


@pytest.mark.parametrize("change", [{"title": "b"}, {"action": {}}, {"kind": "text"}])
def test_the_hash_changes_with_what_it_covers(change: dict[str, Any]) -> None:
    assert draft_of({**APPROVE, **change}).request.sha256 != draft_of(APPROVE).request.sha256


def test_the_hash_does_not_cover_explanation_default_and_expiry() -> None:
    bare = {name: APPROVE[name] for name in ("kind", "title", "action")}
    assert draft_of(bare).request.sha256 == draft_of(APPROVE).request.sha256
    assert draft_of({**bare, "options": None}).request.sha256 == draft_of(bare).request.sha256


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": "order"}, "kind"),
        ({"kind": None}, "kind"),
        ({"title": ""}, "title"),
        ({"title": "  "}, "title"),
        ({"title": 5, "expires_at": "never"}, "title"),
        ({"title": "x" * 1001}, "title"),
        ({"kind": "choose"}, "options"),
        ({"options": "ab"}, "options"),
        ({"options": ["a", 5]}, "options[1]"),
        ({"options": ["a", ""]}, "options[1]"),
        ({"options": ["a", "a"]}, "options"),
        ({"options": ["yes", "no\u202e"]}, "options[1]"),
        ({"options": ["yes\nno"]}, "options[0]"),
        ({"options": [str(n) for n in range(101)]}, "options"),
        ({"action": {"x": "\ud800"}}, "action"),
        ({"action": float("nan")}, "action"),
    ],
)
def test_what_the_hash_covers_is_never_guessed(change: dict[str, Any], field: str) -> None:
    assert refusal_of({**APPROVE, **change}).field == field


@pytest.mark.parametrize("value", [{}, [], None, "x", {"kind": "text"}, {"title": "x"}])
def test_half_a_question_is_refused(value: Any) -> None:
    refusal_of(value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"default": "yes"}, "default"),
        ({"on_timeout": "allow"}, "on_timeout"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"explanation": 7}, "explanation"),
        ({"default": None}, "default: found nothing"),
    ],
)
def test_around_it_a_bad_field_falls_back_to_the_careful_side(
    change: dict[str, Any], named: str
) -> None:
    request, problems = draft_of({**APPROVE, **change})
    assert problems[0].startswith(named)
    if "default" in change:
        assert (request.default, request.on_timeout) == (None, "park")
    if "on_timeout" in change:
        assert request.on_timeout == "park"
    if "expires_at" in change:
        assert request.expires_at is None


@pytest.mark.parametrize(
    ("kind", "default", "fits"),
    [
        ("approve", True, True),
        ("approve", 1, False),
        ("choose", "a", True),
        ("choose", "c", False),
        ("choose", ["a"], False),
        ("text", "anything", True),
        ("edit", {"a": 1}, False),
    ],
)
def test_a_default_has_to_fit_its_kind(kind: str, default: Any, fits: bool) -> None:
    value = {"kind": kind, "title": "t", "options": ["a", "b"], "default": default}
    request, problems = draft_of(value)
    assert request.default == (default if fits else None)
    assert (problems == ()) is fits


@pytest.mark.parametrize(
    "name", ["", "../../x", "a/b", "-rf", ".hidden", "a\0b", "x" * 65, "$(id)", "a\nb",
             "\uff0e\uff0e", "a b", "é", "a\n"]
)  # fmt: skip
def test_a_name_that_is_no_id_is_refused(name: str) -> None:
    assert refusal_of(APPROVE, name).code == "name"
    assert file_id_of(f"{name}.json") is None


def test_ids_are_file_names_without_their_ending() -> None:
    assert file_id_of("approve-0a1b2c.1_x.json") == "approve-0a1b2c.1_x"
    assert file_id_of("approve") is None
    assert file_id_of(".json") is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)
fields = st.sampled_from([*APPROVE, "options", "other"])


@unhurried
@given(value=st.dictionaries(fields, anything, max_size=8), is_whole=st.booleans())
def test_no_value_raises(value: dict[str, Any], is_whole: bool) -> None:
    asked = {**APPROVE, **value, "kind": "text", "title": "t"} if is_whole else value
    found = request_from_json("q", asked)
    assert isinstance(found, RequestDraft | Problem)


@unhurried
@given(anything)
def test_agents_and_we_agree_on_the_canonical_form(value: Any) -> None:
    try:
        ours: bytes | None = canonical(value)
    except ValueError:
        ours = None
    try:
        theirs: bytes | None = agents_canonical(value, "it")
    except UnfitValueError:
        theirs = None
    assert ours == theirs
    if ours is not None:
        assert canonical_sha256(json.loads(ours)) == canonical_sha256(value)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object()])
def test_what_json_cannot_carry_is_a_value_error(value: Any) -> None:
    with pytest.raises(ValueError, match="not a JSON value"):
        canonical(value)


def test_the_answer_carries_the_hash_of_the_question() -> None:
    request = draft_of(APPROVE).request
    given_answer = Answer("tui", 1772366000.0, request.sha256, allow=True, comment="go")
    answered = replace(request, state=RequestState.ANSWERED, answer=given_answer)
    content = answer_to_json(answered)
    assert content == {
        "id": "q-1",
        "request_sha256": request.sha256,
        "allow": True,
        "option": None,
        "text": None,
        "fields": None,
        "comment": "go",
        "by": "tui",
        "answered_at": "2026-03-01T11:53:20.000Z",
        "expired": False,
    }
    AnswerFile.model_validate(content)


def test_a_time_out_is_no_consent() -> None:
    expired = replace(
        draft_of(APPROVE).request, state=RequestState.EXPIRED, closed_why="nobody answered in time"
    )
    content = answer_to_json(expired)
    assert (content["allow"], content["expired"], content["by"]) == (False, True, "timeout")
    assert answer_to_json(expired) == content
    AnswerFile.model_validate(content)

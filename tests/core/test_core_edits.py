"""What the operator made of a proposal: the difference that the log keeps, and JSON that holds."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import facts as f
from supervisor.core.answer_words import answer_words, answered_lines
from supervisor.core.edited import MAX_LINES, changes, difference, json_problem, proposed_text
from supervisor.core.run import Answer
from tests.core.builders import SHA, Story
from tests.core.hostile_samples import HOSTILE, is_harmless


def edited(action: Any, text: str) -> Story:
    story = Story().start()
    request = story.asks(kind="edit", action=action)
    story.feed(f.AnswerGiven(request.id, Answer("cli", 0.0, SHA, text=text)))
    return story


def test_the_agent_gets_what_was_approved_and_the_log_the_difference() -> None:
    story = edited({"text": "Dear all,\nwe are late.\nBye"}, "Dear all,\nwe are early.\nBye")
    answer = story.state.requests[-1].answer
    assert answer is not None and answer.text == "Dear all,\nwe are early.\nBye"
    assert answer.difference == (
        "@@ -1,3 +1,3 @@", " Dear all,", "-we are late.", "+we are early.", " Bye"
    )  # fmt: skip
    assert answer_words(answer) == "approved with changes, +1 -1 lines"
    assert "  -we are late." in answered_lines(story.state.requests[-1])


def test_an_unchanged_text_has_no_difference() -> None:
    answer = edited({"text": "as it is"}, "as it is").state.requests[-1].answer
    assert answer is not None and (answer.text, answer.difference) == ("as it is", ())


def test_of_a_json_proposal_the_values_are_compared_and_not_how_they_are_set() -> None:
    action = {"json": {"argv": ["rm", "x"], "n": 1}}
    assert json.loads(proposed_text(action)) == action["json"]
    assert changes(action, '{"argv":["rm","x"],\n"n":1}') == ()
    assert [line for line in changes(action, '{"argv":["rm","x"],"n":2}') if line[0] in "+-"] == [
        '-  "n": 1', '+  "n": 2'
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "{", "{} x", '{"a":1,"a":2}', "NaN", "[" * 100_000, "[1,]"])
def test_a_json_proposal_takes_nothing_but_one_json_value(text: str) -> None:
    assert json_problem(text)
    story = Story().start()
    request = story.asks(kind="edit", action={"json": [1]})
    decision = story.feed(f.AnswerGiven(request.id, Answer("cli", 0.0, SHA, text=text)))
    assert decision.refusal is not None and "JSON" in decision.refusal.what
    assert len(story.state.open_requests) == 1


@given(st.lists(st.text(max_size=8), max_size=30), st.lists(st.text(max_size=8), max_size=30))
def test_a_difference_is_empty_exactly_for_the_same_text_and_names_true_lines(
    old: list[str], new: list[str]
) -> None:
    before, after = "\n".join(old), "\n".join(new)
    lines = difference(before, after)
    assert (lines == ()) == (before == after)
    for line in lines:
        if line.startswith("@@"):
            start = int(line.split()[1].split(",")[0][1:])
            assert 1 <= start <= len(before.split("\n")) + 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a\n" * 60_000, "b\n" * 60_000),
        ("a\n" * 60_000, "b\n" + "a\n" * 59_999),
        ("ab\n" * 350, "ba\nab\n" * 175),
        ("x" * 250_000, "x" * 249_999 + "y"),
        ("\n".join(str(n) for n in range(50_000)), "\n".join(str(n * 7) for n in range(50_000))),
    ],
    ids=["all", "one", "interleaved", "one line", "many"],
)
def test_a_difference_is_bounded_in_size_and_time_whatever_was_proposed(
    before: str, after: str
) -> None:
    begun = time.process_time()
    lines = difference(before, after)
    assert time.process_time() - begun < 2.0, "it would hold the engine up"
    assert 0 < len(lines) <= MAX_LINES
    assert all(len(line) <= 240 for line in lines)


def test_a_change_far_out_in_a_long_line_is_still_in_the_difference() -> None:
    lines = difference("x" * 5000 + "old", "x" * 5000 + "new")
    assert lines[1].startswith("-…xxx") and lines[1].endswith("xold")
    assert lines[2].endswith("xnew")


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_hostile_survives_in_a_difference(name: str) -> None:
    for line in difference(f"a\n{HOSTILE[name]}\nb", f"{HOSTILE[name]}\nc"):
        assert is_harmless(line), ascii(line[:200])

"""A question on the terminal: shown whole and harmless, and only a clear answer is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.cli import output
from supervisor.cli.ask_inline import ask_inline, question_lines
from supervisor.cli.follow import Follower
from supervisor.cli.log_lines import LogLines
from supervisor.core.events import AnomalyFlagged, Recorded, RequestOpened
from supervisor.core.mirror import Mirror
from supervisor.core.record import recorded_to_plain, to_plain
from supervisor.core.run import Anomaly, Request, RunState, Status
from supervisor.core.why import reasons_of
from tests.core.builders import RUN_ID, SHA, T0, a_request, a_spec, story_in
from tests.core.hostile_samples import HOSTILE, filled, is_harmless

STATE = story_in(Status.WAITING).state


def answered(request: Request, typed: str) -> tuple[dict[str, Any] | None, list[str]]:
    """What ``typed`` leads to, and the lines that were said."""
    said: list[str] = []
    return ask_inline(STATE, request, said.append, lambda _prompt: typed), said


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_question_is_shown_line_by_line_without_a_control(name: str) -> None:
    text = HOSTILE[name]
    request = a_request(
        title=text, action={text: [text]}, explanation=text, options=(text, text), default=text
    )
    lines = question_lines(filled(RunState, text), request)
    for line in lines:
        assert is_harmless(line), ascii(line[:200])
        assert line == "" or line.strip()
    own = [line for line in lines if line.startswith(("  exactly", "  hash", "  its default"))]
    assert len(own) == 3 and lines[-1] == f"  hash {SHA[:12]}"


def test_an_explanation_cannot_pass_for_a_line_of_ours() -> None:
    forged = f"harmless\n  hash {SHA[:12]}\nlongwatch: all is well\nAllow? y"
    lines = question_lines(STATE, a_request(explanation=forged))
    assert [line for line in lines if line.startswith("  hash")] == [lines[-1]]
    start = lines.index("  the agent says: harmless")
    assert all(line.startswith(" " * 18) for line in lines[start + 1 : -1])


def test_the_action_on_the_terminal_reads_back_as_what_will_be_done() -> None:
    action = {"argv": ["rm", "a\u202eb", "c\nd", "e\u00a0f"], "payload": {"Ü": 1.5}}
    lines = question_lines(STATE, a_request(action=action))
    shown = "\n".join(line[4:] for line in lines if line.startswith("    "))
    assert json.loads(shown) == action


@pytest.mark.parametrize(
    ("typed", "allow", "comment"),
    [
        ("y", True, None),
        ("YES", True, None),
        (" y  looks good ", True, "looks good"),
        ("n", False, None),
        ("no not now", False, "not now"),
    ],
)
def test_a_clear_word_answers_an_approval(typed: str, allow: bool, comment: str | None) -> None:
    answer, _said = answered(a_request(id="ABCD-1"), typed)
    assert answer == {"id": "ABCD-1", "hash": SHA, "allow": allow, "comment": comment}


@given(
    typed=st.text(max_size=20).filter(
        lambda typed: typed.strip().partition(" ")[0].lower() not in {"y", "yes", "n", "no"}
    )
)
def test_anything_else_is_no_answer_to_an_approval(typed: str) -> None:
    assert answered(a_request(), typed)[0] is None


@pytest.mark.parametrize(
    ("typed", "option"),
    [
        ("1", "red"),
        (" 2 ", "dark blue"),
        ("red", "red"),
        ("dark blue", "dark blue"),
        ("", None),
        ("0", None),
        ("3", None),
        ("-1", None),
        ("9" * 5000, None),
        ("Red", None),
        ("²", None),
    ],
)
def test_an_option_is_chosen_by_its_number_or_its_words(typed: str, option: str | None) -> None:
    request = a_request(id="ABCD-1", kind="choose", options=("red", "dark blue"))
    answer, said = answered(request, typed)
    assert answer == (option and {"id": "ABCD-1", "hash": SHA, "option": option})
    if option is None and typed:
        assert "none of the options" in said[-1]


def test_options_that_are_numbers_cannot_make_a_number_mean_another() -> None:
    request = a_request(kind="choose", options=("2", "1", "3"))
    answer, said = answered(request, "1")
    assert answer is None and "both a number and another option" in said[-1]
    answer, _said = answered(request, "3")
    assert answer is not None and answer["option"] == "3"


def test_text_is_taken_as_it_is_typed_and_nothing_is_no_text() -> None:
    request = a_request(id="ABCD-1", kind="text")
    assert answered(request, " as typed ")[0] == {
        "id": "ABCD-1",
        "hash": SHA,
        "text": " as typed ",
    }
    assert answered(request, "")[0] is None


def test_the_end_of_input_is_for_the_caller() -> None:
    def ended(_prompt: str) -> str:
        raise EOFError

    with pytest.raises(EOFError):
        ask_inline(STATE, a_request(), lambda _line: None, ended)


# -- the other lines about runs -----------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_why_a_run_is_where_it_is_is_said_harmlessly(name: str) -> None:
    for line in reasons_of(filled(RunState, HOSTILE[name]), T0):
        assert is_harmless(line) and line.strip(), ascii(line[:200])


@pytest.mark.parametrize("name", HOSTILE)
def test_following_prints_harmless_lines_and_never_a_second_one(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HOSTILE[name]
    mirror = Mirror(
        {
            "seq": 0,
            "now": to_plain(T0),
            "engine": {},
            "agents": [to_plain(a_spec())],
            "runs": [to_plain(story_in(Status.RUNNING).state)],
        }
    )
    follower = Follower(mirror, {RUN_ID}, output.line, with_hints=True)
    asked = a_request(id="ABCD-1", title=text, explanation=text, kind="choose", options=(text,))
    flagged = Anomaly("agent:1", text, "error", text, 0.0, "agent")
    events = [Recorded(1, T0, RUN_ID, RequestOpened(asked))]
    events.append(Recorded(2, T0, RUN_ID, AnomalyFlagged(flagged)))
    mirror.take_events([recorded_to_plain(event) for event in events], follower.see)
    for line in follower.summary():
        output.line(line)
    printed = capsys.readouterr().out.rstrip("\n").split("\n")
    assert len(printed) == 5
    assert all(map(is_harmless, printed))
    assert "longwatch answer ABCD-1 --option" in printed[2]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("write", [output.json, output.json_line])
def test_json_is_ascii_and_reads_back_as_it_was(
    name: str, write: Callable[[Any], None], capsys: pytest.CaptureFixture[str]
) -> None:
    text = HOSTILE[name]
    write({text: [text, {"action": text}]})
    printed = capsys.readouterr().out
    assert printed.isascii() and all(line.isprintable() for line in printed.split("\n"))
    assert json.loads(printed) == {text: [text, {"action": text}]}


@given(data=st.text() | st.sampled_from(list(HOSTILE.values())))
def test_a_line_of_a_log_is_one_harmless_line(data: str) -> None:
    lines = LogLines(0)
    whole = lines.feed({"start": 0, "offset": len(data), "data": data}) + lines.rest()
    assert len(whole) in (data.count("\n"), data.count("\n") + 1)
    for line in whole:
        assert is_harmless(line.shown())

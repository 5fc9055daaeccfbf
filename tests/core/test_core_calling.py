"""When the terminal calls for the operator, and of which bytes a call is made."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.calling import (
    NO_CALLS,
    REPEAT_FIRST_S,
    REPEAT_MAX_S,
    Waiting,
    after_look,
    after_reaction,
    repeat_after_s,
    words_for,
)
from supervisor.core.ringing import MAX_TEXT, Ringer, is_ours, ringer_for

HERE = [""]
FIRST = Waiting("r1 q1", "", "writer", "asks: Publish?")
SECOND = Waiting("r2 q1", "", "auditor", "asks: Delete?")
XTERM = {"TERM": "xterm-256color"}


def test_what_was_open_at_the_start_is_not_called_for_and_what_comes_later_is() -> None:
    calls, called = after_look(NO_CALLS, HERE, [FIRST], 0.0)
    assert called == ()
    calls, called = after_look(calls, HERE, [FIRST, SECOND], 1.0)
    assert called == (SECOND,)
    assert after_look(calls, HERE, [FIRST, SECOND], 2.0)[1] == ()


def test_a_machine_that_is_reached_later_brings_its_old_questions_quietly() -> None:
    there = Waiting("box/r1 q1", "box", "box/writer", "asks: Publish?")
    calls, _ = after_look(NO_CALLS, HERE, [], 0.0)
    calls, called = after_look(calls, ["", "box"], [there], 1.0)
    assert called == ()
    newer = Waiting("box/r1 q2", "box", "box/writer", "asks: Again?")
    assert after_look(calls, ["", "box"], [there, newer], 2.0)[1] == (newer,)


def test_a_reminder_is_called_for_even_when_the_question_was_there_at_the_start() -> None:
    calls, _ = after_look(NO_CALLS, HERE, [FIRST], 0.0)
    reminded = Waiting(FIRST.key, "", FIRST.who, FIRST.what, reminded=1)
    assert after_look(calls, HERE, [reminded], 1.0)[1] == (reminded,)


def test_while_nobody_reacts_it_is_repeated_ever_more_rarely_and_a_key_ends_that() -> None:
    calls, _ = after_look(NO_CALLS, HERE, [], 0.0)
    calls, _ = after_look(calls, HERE, [FIRST], 0.0)
    at = []
    for second in range(4000):
        calls, called = after_look(calls, HERE, [FIRST], float(second))
        if called:
            at.append(second)
    assert at == [60, 180, 420, 900, 1800, 2700, 3600]
    calls = after_reaction(calls)
    assert not any(
        after_look(calls, HERE, [FIRST], 4000.0 + second)[1] for second in range(0, 9000, 30)
    )


def test_what_was_answered_is_not_repeated_and_the_same_question_again_is_new() -> None:
    calls, _ = after_look(NO_CALLS, HERE, [], 0.0)
    calls, _ = after_look(calls, HERE, [FIRST], 1.0)
    calls, called = after_look(calls, HERE, [], 500.0)
    assert called == ()
    assert after_look(calls, HERE, [FIRST], 501.0)[1] == (FIRST,)


def test_the_wait_doubles_up_to_its_limit() -> None:
    assert [repeat_after_s(n) for n in (0, 1, 2, 60)] == [REPEAT_FIRST_S, 120, 240, REPEAT_MAX_S]


def test_several_at_once_are_one_message_with_their_agents() -> None:
    assert words_for([FIRST, SECOND]) == "2 wait for you: writer, auditor"


@pytest.mark.parametrize(
    ("notify", "environment", "expected"),
    [
        (
            "all", XTERM,
            "\a\x1b]9;longwatch: writer: Publish?\a\x1b]777;notify;longwatch;writer: Publish?\a",
        ),
        ("all", {"TERM": "xterm-kitty"}, "\a\x1b]9;longwatch: writer: Publish?\a"),
        ("all", {"TERM": "rxvt-unicode"}, "\a\x1b]777;notify;longwatch;writer: Publish?\a"),
        (
            "all", {"TERM": "tmux-256color", "TMUX": "/x,1,0", "TERM_PROGRAM": "ghostty"},
            "\a\x1bPtmux;\x1b\x1b]9;longwatch: writer: Publish?\a\x1b\\",
        ),
        (
            "all", {"TERM": "screen", "STY": "1.x", "TERM_PROGRAM": "WezTerm"},
            "\a\x1bP\x1b]9;longwatch: writer: Publish?\a\x1b\\",
        ),
        ("all", {"TERM": "linux"}, "\a"),
        ("bell", XTERM, "\a"),
        ("off", XTERM, ""),
        ("all", {"TERM": "dumb"}, ""),
        ("all", {}, ""),
    ],
)  # fmt: skip
def test_each_kind_of_terminal_gets_what_it_takes(
    notify: str, environment: dict[str, str], expected: str
) -> None:
    made = ringer_for(notify, environment).message("writer: Publish?")
    assert made == expected
    assert is_ours(made)


def test_only_a_full_ringer_names_the_window() -> None:
    assert ringer_for("all", XTERM).title(2) == "\x1b]2;(2) longwatch\a"
    assert ringer_for("all", XTERM).title(0) == "\x1b]2;longwatch\a"
    assert ringer_for("bell", XTERM).title(2) == ringer_for("off", XTERM).title(2) == ""


@given(
    st.text(max_size=400) | st.text("\x1b\\\x07]9;52c\x9c\x9d\r\n\u202e", max_size=400),
    st.sampled_from(["", "tmux", "screen"]),
)
def test_no_text_gets_out_of_its_message(text: str, around: str) -> None:
    made = Ringer(has_bell=True, codes=(9, 777), around=around).message(text)
    assert is_ours(made)
    plain = Ringer(has_bell=True, codes=(9, 777)).message(text)
    nine, seven = re.fullmatch(
        r"\x07\x1b\]9;longwatch: ([^\x00-\x1f\x7f-\x9f;]*)\x07"
        r"\x1b\]777;notify;longwatch;([^\x00-\x1f\x7f-\x9f;]*)\x07",
        plain,
    ).groups()  # type: ignore[union-attr]
    assert nine == seven and len(nine) <= MAX_TEXT


@pytest.mark.parametrize("foreign", ["\x1b]52;c;aGk=\a", "text", "\x1b[2J", "\x1b]9;a\x1b]52;c;\a"])
def test_nothing_else_counts_as_a_call(foreign: str) -> None:
    assert not is_ours(foreign)

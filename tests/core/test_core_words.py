"""Events and states in words: complete, and harmless whatever an agent wrote into them."""

from __future__ import annotations

import dataclasses
import json
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import events as e
from supervisor.core import mute_events, task_events
from supervisor.core.describe import (
    answer_hint,
    describe,
    duration,
    exact_json,
    next_words,
    number,
    progress_words,
    stage_words,
    step_words,
)
from supervisor.core.events import Event
from supervisor.core.progress import Progress, Stage, Step
from supervisor.core.run import Anomaly, Answer, RunState, Status
from supervisor.core.text import safe_text
from tests.core.builders import T0, a_request, counting
from tests.core.hostile_samples import HOSTILE, filled, is_harmless

EVENTS = [
    kind
    for kind in (vars(e) | vars(task_events) | vars(mute_events)).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
MAX_LINE = 600
"""Characters of the longest line an event may become, whatever is in it."""


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_is_one_harmless_line_whatever_it_says(kind: type[Event], name: str) -> None:
    line = describe(filled(kind, HOSTILE[name]))
    assert is_harmless(line), ascii(line)
    assert line.strip() and len(line) < MAX_LINE


@pytest.mark.parametrize("kind", EVENTS)
def test_every_event_has_words_of_its_own(kind: type[Event]) -> None:
    line = describe(filled(kind, "word"))
    assert kind.__name__ not in line and line


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("status", Status)
def test_a_state_in_words_is_harmless(status: Status, name: str) -> None:
    state = dataclasses.replace(filled(RunState, HOSTILE[name]), status=status)
    for line in (
        next_words(state, T0),
        progress_words(state, T0),
        stage_words(state.progress),
        step_words(Step(name=HOSTILE[name])),
        step_words(Step(completed=1.0, unit=HOSTILE[name])),
        answer_hint(state.requests[0]),
    ):
        assert is_harmless(line), ascii(line)
        assert len(line) < MAX_LINE


SAID: list[tuple[Event, str]] = [
    (
        e.AttemptStarting(2, 2, "killed by SIGKILL", 7),
        "attempt 2 starting, from checkpoint 7 (killed by SIGKILL)",
    ),
    (e.BackoffBegan(T0, 0.5, 1, 5, "exit 1"), "next try in 500 ms, 1 of 5 (exit 1)"),
    (
        e.ProgressReported(counting(47, stage=Stage("extract", 2, 5))),
        "extract (2 of 5), 47 of 100 pages",
    ),
    (e.ProgressReported(Progress(status="thinking")), "thinking"),
    (
        e.RequestAnswered("AB-1", Answer("kim", 0, "", allow=False)),
        "AB-1 answered: denied (by kim)",
    ),
    (e.RequestAnswered("AB-1", Answer("kim", 0, "", option="red")), "AB-1 answered: red (by kim)"),
    (
        e.AnomalyFlagged(Anomaly("x", "stalled", "warning", "no progress", 0.0, "longwatch")),
        "warning: stalled: no progress",
    ),
]


@pytest.mark.parametrize(("event", "line"), SAID)
def test_what_happened_is_said_with_its_figures(event: Event, line: str) -> None:
    assert describe(event) == line


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (-5, "0 s"),
        (0.85, "850 ms"),
        (1.5, "1.5 s"),
        (42, "42 s"),
        (59.7, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (float("inf"), "?"),
        (float("nan"), "?"),
    ],
)
def test_durations_are_said_in_two_units_at_most(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_what_is_no_number_is_shown_as_unknown() -> None:
    assert [number(value) for value in (3.0, 2.5, float("inf"), float("nan"))] == [
        "3",
        "2.5",
        "?",
        "?",
    ]


def test_a_name_of_blanks_is_told_from_no_name() -> None:
    assert step_words(Step(name="  ")) == "(blank)" and step_words(Step(name="")) == ""
    assert describe(e.RequestOpened(a_request(title=" \u00a0"))) == "asks : (blank)"


@given(option=st.text(min_size=1, max_size=80) | st.sampled_from(list(HOSTILE.values())))
def test_a_hint_pasted_into_a_shell_gives_exactly_that_option_or_none(option: str) -> None:
    hint = answer_hint(a_request(kind="choose", options=(option,)))
    assert is_harmless(hint)
    rest = shlex.split(hint.partition("answer")[2])
    if len(option) <= 60 and safe_text(option) == option:
        assert rest in (["--option", option], [f"--option={option}"])
        assert rest[0] != "--option" or not option.startswith("-")
    else:
        assert rest == ["--option", "OPTION"]


def values() -> Any:
    leaf = st.none() | st.booleans() | st.integers() | st.text(max_size=20)
    leaf |= st.sampled_from([text[:600] for text in HOSTILE.values()])
    return st.recursive(
        leaf,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=8,
    )


@given(value=values())
def test_an_action_is_shown_so_that_it_reads_back_as_exactly_what_it_is(value: Any) -> None:
    shown = exact_json(value)
    assert safe_text(shown, keep_newlines=True) == shown
    assert json.loads(shown) == value


def test_a_character_in_an_action_is_told_from_its_own_escape() -> None:
    assert exact_json("a\u202eb") == '"a\\u202eb"' != exact_json("a<U+202E>b")
    assert exact_json("a\u00a0b\x7f") == '"a\\u00a0b\\u007f"'
    assert exact_json("Übung ไทย 日本") == '"Übung ไทย 日本"'

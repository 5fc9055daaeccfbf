"""Stored form: what is written is what is read, and what does not fit says so."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core import events as e
from supervisor.core import task_events
from supervisor.core.events import Event, Recorded
from supervisor.core.record import (
    RecordError,
    event_from_plain,
    event_to_plain,
    from_plain,
    recorded_from_plain,
    recorded_to_plain,
    to_plain,
)
from supervisor.core.run import RunState, Status
from tests.core.builders import T0, story_in

EVENT_KINDS = [
    kind
    for kind in (vars(e) | vars(task_events)).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def _values(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of an annotated type of the core."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return json_values
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(_values(item) for item in arguments))
    if origin is tuple:
        return st.lists(_values(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(st.text(max_size=4), _values(arguments[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    if dataclasses.is_dataclass(kind):
        return st.deferred(lambda: _instances(typing.cast("type", kind)))
    return {
        str: st.text(max_size=6),
        int: st.integers(-(2**63), 2**63),
        float: st.floats(allow_nan=False, allow_infinity=False),
        bool: st.booleans(),
        types.NoneType: st.none(),
    }[kind]


def _instances(kind: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(kind)
    fields = {f.name: _values(hints[f.name]) for f in dataclasses.fields(kind)}
    return st.builds(kind, **fields)


def _through_json(plain: Any) -> Any:
    return json.loads(json.dumps(plain, allow_nan=False))


@pytest.mark.parametrize("kind", EVENT_KINDS, ids=lambda kind: kind.__name__)
def test_every_event_comes_back_as_it_was(kind: type[Event]) -> None:
    @settings(max_examples=20, deadline=None)
    @given(event=_instances(kind))
    def check(event: Event) -> None:
        name, data = event_to_plain(event)
        assert event_from_plain(name, _through_json(data)) == event

    check()


@settings(max_examples=50, deadline=None)
@given(state=_instances(RunState))
def test_every_state_comes_back_as_it_was(state: RunState) -> None:
    back = from_plain(RunState, _through_json(to_plain(state)))
    assert back == state
    assert json.dumps(to_plain(back)) == json.dumps(to_plain(state))


@pytest.mark.parametrize("status", list(Status))
def test_a_real_state_of_every_status_comes_back_as_it_was(status: Status) -> None:
    state = story_in(status).state
    assert from_plain(RunState, _through_json(to_plain(state))) == state


def test_a_log_entry_comes_back_as_it_was() -> None:
    entry = Recorded(7, T0, "01J0000000000000000000ABCD", e.RunPaused("kim"))
    assert recorded_from_plain(_through_json(recorded_to_plain(entry))) == entry


def test_a_newer_writers_fields_are_passed_over_and_missing_ones_take_their_default() -> None:
    plain = {"epoch": 1, "pid": 2, "pid_started": 3, "colour": "blue"}
    assert event_from_plain("AttemptStarted", plain) == e.AttemptStarted(1, 2, 3)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("RunExploded", {}),
        ("Recorded", {}),
        ("Moment", {"wall": 0, "mono": 0, "boot": ""}),
        ("Event", {}),
        ("RunPaused", {}),
        ("RunPaused", []),
        ("RunPaused", None),
        ("RunPaused", "kim"),
        ("AttemptEnding", {"then": "explode", "by": "kim", "reason": ""}),
        ("CheckpointRecorded", {"checkpoint": 5}),
        (
            "BackoffBegan",
            {"next_start": None, "delay_s": "soon", "retry": 1, "max_retries": 1, "reason": ""},
        ),
    ],
)
def test_what_does_not_fit_is_a_record_error(name: str, data: Any) -> None:
    with pytest.raises(RecordError):
        event_from_plain(name, data)


@pytest.mark.parametrize("plain", [None, [], {}, {"seq": 1}, 5, "x"])
def test_what_is_no_log_entry_is_a_record_error(plain: Any) -> None:
    with pytest.raises(RecordError):
        recorded_from_plain(plain)


def test_every_field_that_was_added_to_an_event_has_a_default() -> None:
    """An old log stays readable: the first stored form of each event has these fields."""
    for kind in EVENT_KINDS:
        seen_default = False
        for field in dataclasses.fields(kind):
            has_default = (
                field.default is not dataclasses.MISSING
                or field.default_factory is not dataclasses.MISSING
            )
            assert has_default or not seen_default, f"{kind.__name__}.{field.name}"
            seen_default = seen_default or has_default

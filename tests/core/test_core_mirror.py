"""A client's picture: a snapshot and what follows it, each event once, the same as the engine's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supervisor.core.events import EngineStarted, Recorded
from supervisor.core.mirror import Mirror, fold_loaded
from supervisor.core.record import RecordError, recorded_to_plain, to_plain
from supervisor.core.run import RunState, Status
from tests.core.builders import RUN_ID, T0, Story, a_spec, story_in


def log_of(story: Story) -> list[Recorded]:
    return [Recorded(seq, at, RUN_ID, event) for seq, (at, event) in enumerate(story.events, 1)]


def snapshot(states: list[RunState], seq: int) -> dict[str, Any]:
    plain = {
        "seq": seq,
        "now": to_plain(T0),
        "engine": {"pid": 1},
        "agents": [to_plain(a_spec())],
        "runs": [to_plain(state) for state in states],
        "samples": {},
    }
    return json.loads(json.dumps(plain))


def notice(events: list[Recorded]) -> dict[str, Any]:
    return json.loads(json.dumps({"events": [recorded_to_plain(event) for event in events]}))


@pytest.mark.parametrize("status", Status)
def test_a_picture_from_nothing_is_the_state_the_engine_has(status: Status) -> None:
    story = story_in(status)
    mirror = Mirror(snapshot([], 0))
    mirror.take("events", notice(log_of(story)))
    assert mirror.runs == {RUN_ID: story.state}


def test_events_that_the_snapshot_holds_already_are_passed_over() -> None:
    story = story_in(Status.BACKOFF)
    log = log_of(story)
    mirror = Mirror(snapshot([story.state], len(log)))
    seen: list[int] = []
    mirror.take("events", notice(log), lambda recorded, _state: seen.append(recorded.seq))
    assert seen == [] and mirror.runs[RUN_ID] == story.state
    story.next_attempt()
    for _ in range(2):
        later = notice(log_of(story)[len(log) - 2 :])
        mirror.take("events", later, lambda recorded, _state: seen.append(recorded.seq))
    assert seen == list(range(len(log) + 1, len(story.events) + 1))
    assert mirror.runs[RUN_ID] == story.state and mirror.seq == len(story.events)


def test_an_event_of_the_engine_moves_the_number_and_no_run() -> None:
    mirror = Mirror(snapshot([], 0))
    seen: list[RunState | None] = []
    started = Recorded(5, T0, "", EngineStarted("1", 7))
    mirror.take("events", notice([started]), lambda _recorded, state: seen.append(state))
    assert (mirror.seq, mirror.runs, seen) == (5, {}, [None])


def test_a_new_snapshot_replaces_the_whole_picture() -> None:
    mirror = Mirror(snapshot([story_in(Status.RUNNING).state], 9))
    mirror.replace(snapshot([], 2))
    assert (mirror.seq, mirror.runs) == (2, {})
    assert list(mirror.agents) == ["reader"]


def test_samples_replace_each_other_and_other_notices_change_nothing() -> None:
    mirror = Mirror(snapshot([], 0))
    mirror.take("samples", {"samples": {RUN_ID: {"cpu_percent": 1.0}}})
    mirror.take("news of a later version", {})
    assert mirror.samples == {RUN_ID: {"cpu_percent": 1.0}} and mirror.seq == 0


def test_a_notice_that_cannot_be_read_is_an_error_that_says_so() -> None:
    mirror = Mirror(snapshot([], 0))
    plain = notice([Recorded(1, T0, "", EngineStarted("1", 7))])
    plain["events"][0]["type"] = "NeverHeardOf"
    with pytest.raises(RecordError, match="NeverHeardOf"):
        mirror.take("events", plain)


def test_stored_states_and_the_tail_of_the_log_give_the_same_from_any_point() -> None:
    story = story_in(Status.HELD)
    log = log_of(story)
    mirror = Mirror(snapshot([], 0))
    for recorded in log:
        mirror.take("events", notice([recorded]))
        stored = [(mirror.runs[RUN_ID], recorded.seq)]
        assert fold_loaded(stored, log) == {RUN_ID: story.state}

"""The lifecycle as a machine: its whole cross product, its ways in and its ways out."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from supervisor.core import agent_events, task_events
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.agent_events import AgentEvent
from supervisor.core.decide import decide
from supervisor.core.due import next_wake_s
from supervisor.core.events import Event
from supervisor.core.fold import apply
from supervisor.core.lifecycle import (
    MOVING,
    TRANSITIONS,
    IllegalTransitionError,
    diagram,
    next_status,
)
from supervisor.core.progress import Progress
from supervisor.core.run import (
    ALIVE,
    FINAL,
    ON_THE_CLOCK,
    Anomaly,
    Checkpoint,
    Exit,
    ExitKind,
    Status,
    Then,
)
from supervisor.core.spec import Budget, BudgetAction
from supervisor.core.task import TaskRef
from tests.core.builders import RUN_ID, SHA, T0, NoJitter, a_request, a_spec, an_answer, story_in

LIFECYCLE_PAGE = Path(__file__).parents[2] / "docs" / "lifecycle.md"

EVENT_KINDS = [
    kind
    for kind in (vars(e) | vars(agent_events) | vars(task_events)).values()
    if inspect.isclass(kind) and issubclass(kind, Event) and kind is not Event
]
BIRTHS = ("RunCreated", "RunRebuilt")
"""Events that a run begins with; they happen to no run that exists."""


def _blank(kind: Any) -> Any:
    """The plainest value of an annotated type: enough for an event that the table does not name."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType) and types.NoneType in arguments:
        return None
    if origin is not None:
        return origin()
    if kind is Any:
        return None
    if issubclass(kind, Enum):
        return next(iter(kind))
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: _blank(hints[field.name]) for field in dataclasses.fields(kind)})
    return kind()


_GIVEN: dict[type[Event], Event] = {
    type(event): event
    for event in (
        e.RunCreated(a_spec(), "again"),
        e.SpecChanged(a_spec(timeout_s=1.0)),
        e.AttemptStarting(9, 9, "by hand"),
        e.AttemptStarted(1, 2, 3),
        e.AttemptExited(1, Exit(ExitKind.CRASH, "exit status 1", 1)),
        e.WaitBegan("asks"),
        e.WaitEnded("answered"),
        e.RunParked("asks"),
        e.BackoffBegan(T0.plus(1.0), 1.0, 1, 5, "exit status 1"),
        e.BackoffMoved(T0.plus(9.0), 9.0, "exit status 1; like b, c"),
        e.WakeMoved(9.0, "the service works again"),
        e.AttemptEnding(Then.STOP, "kim", "enough"),
        e.RunPaused("kim"),
        e.RunResumed("kim"),
        e.RunRequeued("again"),
        e.RunReopened("kim", "again"),
        e.RunSucceeded("exit status 0"),
        e.RunFailed("exit status 64"),
        e.RunTimedOut("used up"),
        e.RunHeld("crash loop"),
        e.RunStopped("kim", "enough"),
        e.ProgressReported(Progress("working")),
        e.ProgressRejected("torn"),
        e.CheckpointRecorded(Checkpoint(1, SHA, 1, 1)),
        e.CheckpointRejected("torn"),
        e.CheckpointRolledBack(0, "damaged"),
        e.JournalTruncated(2, 3, "journal-1-2.jsonl", "kim"),
        e.RequestOpened(a_request(id="ABCD-7")),
        e.RequestAnswered("ABCD-7", an_answer()),
        e.RequestClosed("ABCD-7", expired=True, why="late"),
        e.AnomalyFlagged(Anomaly("a", "odd", "info", "odd", 0.0, "longwatch")),
    )
}
EXAMPLES = {kind: _GIVEN.get(kind) or _blank(kind) for kind in EVENT_KINDS}
PAIRS = [(status, kind) for status in Status for kind in EXAMPLES]


def _name(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else str(value)


def test_every_event_of_the_table_has_an_example_that_means_something() -> None:
    assert set(_GIVEN) >= MOVING


@pytest.mark.parametrize(("status", "kind"), PAIRS, ids=_name)
def test_a_pair_is_in_the_table_or_raises_or_leaves_the_status(
    status: Status, kind: type[Event]
) -> None:
    state, event = story_in(status).state, EXAMPLES[kind]
    is_moving = kind in MOVING or kind.__name__ in BIRTHS
    if is_moving and (status, kind) not in TRANSITIONS:
        with pytest.raises(IllegalTransitionError):
            apply(state, RUN_ID, event, T0)
        return
    after = apply(state, RUN_ID, event, T0)
    assert after.status is TRANSITIONS.get((status, kind), status)
    assert after.status is next_status(status, event)


@pytest.mark.parametrize("kind", EXAMPLES, ids=_name)
def test_nothing_happens_to_a_run_before_it_is_created(kind: type[Event]) -> None:
    if kind is e.RunCreated:
        return
    with pytest.raises(IllegalTransitionError):
        apply(None, RUN_ID, EXAMPLES[kind], T0)


def test_an_illegal_event_says_what_does_not_happen_to_whom() -> None:
    with pytest.raises(IllegalTransitionError, match=r"RunPaused .* a run that is queued"):
        next_status(Status.QUEUED, e.RunPaused("kim"))


def test_every_status_can_be_reached_by_events_of_the_table() -> None:
    reached, border = {Status.QUEUED}, [Status.QUEUED]
    while border:
        here = border.pop()
        for (before, _kind), after in TRANSITIONS.items():
            if before is here and after not in reached:
                reached.add(after)
                border.append(after)
    assert reached == set(Status)


@pytest.mark.parametrize("status", list(Status))
def test_every_status_is_reached_by_facts_alone(status: Status) -> None:
    assert story_in(status).state.status is status


@pytest.mark.parametrize("status", sorted(set(Status) - FINAL))
def test_every_status_that_is_not_final_has_a_way_out_by_a_person(status: Status) -> None:
    story = story_in(status)
    if status is Status.STOPPING:
        # The keeper ends it by force; its exit is the way out, and needs nobody.
        story.exits(None, signal=9, ended_by="stop")
        assert story.state.status is Status.STOPPED
        return
    story.feed(f.StopWanted("kim", "enough"))
    assert story.state.status in (Status.STOPPING, Status.STOPPED)


def test_backoff_ends_by_time_alone() -> None:
    story = story_in(Status.BACKOFF)
    wait = next_wake_s(story.state, story.now)
    assert wait is not None
    story.wait(wait).tick()
    assert story.state.status is Status.STARTING


@pytest.mark.parametrize("status", sorted(ALIVE))
def test_a_process_that_is_gone_always_leads_somewhere(status: Status) -> None:
    for code in (0, 1, 64, 75):
        story = story_in(status)
        story.exits(code)
        moved_on = story.state.status not in ALIVE or story.state.epoch > 1
        assert moved_on, (status, code)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_nothing_leaves_a_final_status_but_the_operators_reopening(status: Status) -> None:
    ways = {kind for (before, kind) in TRANSITIONS if before is status}
    assert ways == (set() if status is Status.SUCCEEDED else {e.RunReopened})


def test_the_groups_of_statuses_fit_together() -> None:
    assert not ALIVE & FINAL
    assert not ON_THE_CLOCK & FINAL
    assert not ON_THE_CLOCK & {Status.WAITING, Status.PARKED, Status.PAUSED, Status.HELD}


FACTS: tuple[f.Fact, ...] = (
    f.StartWanted(),
    f.SpawnDone(1, 2, 3),
    f.SpawnRefused(1, "busy", permanent=False, at=0.0),
    f.SpawnBlocked(1, "held by pid 7", at=0.0),
    f.Exited(1, 0.0, 1),
    f.ProgressSeen(Progress("working")),
    f.ProgressBad("torn"),
    f.CheckpointSeen(SHA, 1, 1, 1),
    f.CheckpointBad("torn"),
    f.RollbackWanted(0, "damaged"),
    f.JournalCut(2, 3, "journal-1-2.jsonl", "kim"),
    f.RequestSeen(a_request("other")),
    f.RequestGone("ask"),
    f.MemorySeen(1, 10**12),
    f.ServiceBack("anthropic", 5.0, "works again"),
    f.BudgetUsedUp(20_000, 9.0, Budget(usd=5.0, action=BudgetAction.WARN)),
    f.AlikeSeen("1", ("a", "b", "c"), "exit status 1", T0.plus(99.0), is_lead=True),
    f.Noticed(Anomaly("a", "odd", "info", "odd", 0.0, "longwatch")),
    f.AgentEventsRead(0, (AgentEvent("thought", "so it is", end=12),)),
    f.Unusual(0, "stalled", "nothing moved", 1, "1"),
    f.MuteWanted("odd", is_muted=True, by="kim", at=0.0),
    f.AnswerGiven("ABCD-1", an_answer()),
    f.StopWanted("kim", "enough"),
    f.RestartWanted("kim"),
    f.PauseWanted("kim"),
    f.ResumeWanted("kim"),
    f.SpecWanted(a_spec(timeout_s=1.0)),
    f.TaskGiven(TaskRef(queue="work", token="x.1", delivery=1, max_deliveries=5)),
    f.TaskOver("x.1", "completed"),
    f.Tick(),
)


def test_there_is_an_example_of_every_fact() -> None:
    kinds = {
        kind
        for kind in vars(f).values()
        if inspect.isclass(kind) and issubclass(kind, f.Fact) and kind is not f.Fact
    }
    assert {type(fact) for fact in FACTS} == kinds


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_every_fact_in_every_status_leads_to_a_decision(status: Status, fact: f.Fact) -> None:
    story = story_in(status)
    for at in (story.now, story.now.plus(1e6)):
        decision = decide(story.state, fact, at, NoJitter())
        assert decision.refusal is None or (decision.events, decision.effects) == ((), ())
        assert bool(decision.events) or decision.state is story.state


def test_the_drawing_in_the_documentation_is_the_one_made_from_the_table() -> None:
    assert f"```mermaid\n{diagram()}```\n" in LIFECYCLE_PAGE.read_text(encoding="utf-8")


def test_the_documentation_names_every_status() -> None:
    page = LIFECYCLE_PAGE.read_text(encoding="utf-8")
    for status in Status:
        assert f"| `{status.value}` |" in page, status

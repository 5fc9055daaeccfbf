"""A sleeping run in the table: it says until when, and that it needs nobody."""

from __future__ import annotations

from tui_script import BASE_WALL, World, moment

from supervisor.core import events as e
from supervisor.core.run import Exit, ExitKind, RunState, Wake
from supervisor.tui import actions, model, view
from supervisor.tui.actions import Plan
from supervisor.tui.model import Picture
from supervisor.tui.rows import row_of


def sleeping(*after: e.Event) -> tuple[RunState, Picture]:
    world = World()
    world.agent("night-shift")
    run_id = world.start("NAP1", "night-shift", -60.0)
    wake = Wake(BASE_WALL + 7200.0, "nightly pause", 1)
    for event in (
        e.AttemptExited(1, Exit(ExitKind.PARKED, "exit status 75")),
        e.RunParked("sleeping until 2027: nightly pause", wake),
        *after,
    ):
        world.happen(run_id, event)
    picture = model.from_snapshot(world.snapshot(), Picture())
    return picture.runs[run_id], picture


def test_it_is_shown_asleep_with_its_time_and_not_among_those_who_ask() -> None:
    state, picture = sleeping()
    row = row_of(state, None, moment())
    assert (row.look.word, row.needs_me) == ("asleep", False)
    assert row.note.startswith("sleeping until ")
    assert row.note.endswith("(in 2 h): nightly pause")
    totals = view.totals(picture)
    assert totals.asks == 0
    assert [(look.word, number) for look, number in totals.counts] == [("asleep", 1)]


def test_its_keys_wake_it_and_hold_it_asleep() -> None:
    state, _ = sleeping()
    assert _method("start", state) == "start"
    assert _method("restart", state) == "restart"
    assert _method("pause", state) == "pause"
    held, _ = sleeping(e.RunPaused("kim"))
    assert row_of(held, None, moment()).look.word == "paused"
    assert _method("pause", held) == "resume"


def _method(verb: str, state: RunState) -> str:
    plan = actions.plan(verb, state, state.agent)
    assert isinstance(plan, Plan), plan
    return plan.method

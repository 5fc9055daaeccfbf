"""The event log on screen: found by run, kind, text and time, by pages, live at its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tui_history import History
from tui_script import EVIL, Driven, World, busy_world, driven, moment

from supervisor.core import events as e
from supervisor.core.progress import Progress, Step
from supervisor.tui import event_rows
from supervisor.tui.screens.events import EventsScreen
from supervisor.tui.screens.past import PastScreen


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[tuple[Driven, EventsScreen, History]]:
    history = History(world)
    async with driven(world) as it:
        await it.press("E")
        await it.until(lambda: isinstance(it.app.screen, EventsScreen), "the events")
        screen = it.app.screen
        assert isinstance(screen, EventsScreen)
        await it.until(lambda: screen.marked() is not None, "the newest event")
        yield it, screen, history


def long_world(count: int) -> World:
    world = World()
    run = world.start("7F3K", "license-audit", -50_000)
    for number in range(count):
        step = Step("pages", number, count, "pages")
        world.happen(run, e.ProgressReported(Progress("working", step=step)), -49_000 + number)
    return world


async def test_the_newest_stands_last_and_its_details_below() -> None:
    async with opened(busy_world()) as (it, screen, history):
        marked = screen.marked()
        assert marked is not None and marked.seq == len(history.log)
        assert "live" in it.text() and f"event {marked.seq} of {marked.seq}" in it.text()


async def test_a_long_log_is_walked_to_its_beginning_by_pages_and_never_held_whole() -> None:
    async with opened(long_world(2_500)) as (it, screen, history):
        lasts = []
        while (first := screen._window.events[0].seq) > 1:
            await it.press("g")
            await it.until(lambda seen=first: screen._window.events[0].seq < seen, "older ones")
            lasts.append(len(screen._window.events))
        assert max(lasts) <= event_rows.KEPT
        await it.press("g")
        await it.until(lambda: screen.marked() is history.log[0] or _seq(screen) == 1, "the first")
        assert "stands still" in it.text()
        await it.press("G")
        await it.until(lambda: _seq(screen) == len(history.log), "the end at one key")
        assert "live" in it.text()


def _seq(screen: EventsScreen) -> int:
    marked = screen.marked()
    return marked.seq if marked else 0


async def test_what_happens_is_followed_at_the_end_and_nowhere_else() -> None:
    world = busy_world()
    async with opened(world) as (it, screen, history):
        before = _seq(screen)

        def happens() -> None:
            plain = world.happen(next(iter(world.runs)), e.CheckpointRejected("torn"), 1)
            history.more(world.recorded[-1])
            it.backend.tell(plain)

        happens()
        await it.until(lambda: _seq(screen) == before + 1, "the newer one, marked")
        await it.press("k", "k")
        stays = _seq(screen)
        happens()
        await it.until(lambda: screen._window.events[-1].seq == before + 2, "held already")
        assert _seq(screen) == stays and "stands still" in it.text()


async def test_words_kinds_and_a_run_narrow_it_where_the_log_is() -> None:
    async with opened(busy_world()) as (it, screen, _history):
        await it.press("slash", *"sigkill", "enter")
        await it.until(lambda: len(screen._window.events) in range(1, 4), "what says it")
        assert it.backend.asked("events")[-1]["text"] == "sigkill"
        await it.press("escape")
        await it.until(lambda: len(screen._window.events) > 20, "all again")
        await it.press("5")
        await it.until(
            lambda: {type(r.event) for r in screen._window.events} == {e.AnomalyFlagged}, "one kind"
        )
        await it.press("5", "g", "r")
        await it.until(lambda: len({r.run_id for r in screen._window.events}) == 1, "one run")
        assert "only nightly-digest" in it.text()


async def test_a_typed_time_is_gone_to_and_a_wrong_one_said() -> None:
    async with opened(busy_world()) as (it, screen, history):
        await it.press("t", *"10m ago", "enter")
        await it.until(lambda: _seq(screen) < len(history.log), "another place")
        marked = screen.marked()
        assert marked is not None and marked.at.wall <= moment(-600).wall
        later = [r for r in history.log if r.at.wall <= moment(-600).wall]
        assert marked.seq == later[-1].seq
        await it.press("t", *"soon", "enter")
        await it.until(lambda: "yesterday 14:00" in it.text(), "what is understood")


async def test_an_event_opens_the_dashboard_as_it_was_after_it() -> None:
    async with opened(busy_world()) as (it, screen, _history):
        await it.press("slash", *"sigkill", "enter")
        await it.until(lambda: len(screen._window.events) in range(1, 4), "what says it")
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, PastScreen), "the past")
        await it.until(lambda: "THE PAST" in it.text() and "license-audit" in it.text(), "it")
        assert "weekly-cleanup" in it.text(), "and what had not run then"


async def test_what_an_agent_wrote_is_shown_and_never_obeyed() -> None:
    world = World()
    run = world.start("7F3K", "x", -50)
    world.flag(run, -20, "odd", EVIL, "error")
    async with opened(world) as (it, _screen, _history):
        assert all(line.isprintable() for line in it.text().splitlines())

"""The dashboard as it was: stepped through, marked as the past, and nothing is done in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tui_history import History
from tui_script import Driven, busy_world, driven

from supervisor.tui.carrying import IN_THE_PAST
from supervisor.tui.screens.past import PastScreen

READING = {"events", "past", "log", "subscribe", "snapshot"}


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Driven, PastScreen, History]]:
    world = busy_world()
    history = History(world)
    async with driven(world) as it:
        await it.press("P")
        await it.until(lambda: isinstance(it.app.screen, PastScreen), "the past")
        screen = it.app.screen
        assert isinstance(screen, PastScreen)
        await it.until(lambda: screen._event is not None, "a moment")
        await it.settle()
        yield it, screen, history


def seq(screen: PastScreen) -> int:
    return screen._event.seq if screen._event else 0


def row_of(it: Driven, agent: str) -> str:
    table = it.text().split("PROGRESS")[1]
    return next(line for line in table.splitlines() if agent in line)


async def go_to(it: Driven, screen: PastScreen, when: str) -> None:
    before = len(it.backend.asked("past"))
    await it.press("t", *when, "enter")
    await it.until(lambda: len(it.backend.asked("past")) > before, "the question")
    await it.until(lambda: not screen._is_busy, "the answer")
    await it.settle()


async def test_it_is_said_in_words_that_this_is_the_past_and_how_long_ago() -> None:
    async with opened() as (it, _screen, _history):
        head = it.text().splitlines()[0]
        assert "THE PAST" in head and "13:59:0" in head and "ago" in head
        assert "read only" in head


async def test_at_a_typed_time_runs_stand_where_they_stood() -> None:
    async with opened() as (it, _screen, _history):
        screen = _screen
        await go_to(it, screen, "13:49:59")
        assert "running" in row_of(it, "license-audit")
        await go_to(it, screen, "13:50:01")
        assert "↻ retry" in row_of(it, "license-audit")
        assert "Q81M-1" not in it.text(), "asked later"
        await go_to(it, screen, "#3")
        assert seq(screen) == 3
        assert "crawler" in it.text() and "3120" not in it.text(), "configured, and not begun yet"


async def test_it_is_stepped_by_event_by_what_matters_and_by_minute() -> None:
    async with opened() as (it, screen, history):
        await go_to(it, screen, "#20")
        await it.press("left")
        await it.until(lambda: seq(screen) == 19, "the event before")
        await it.press("right")
        await it.until(lambda: seq(screen) == 20, "the next event")
        await it.press("n")
        await it.until(lambda: seq(screen) > 20, "the next that matters")
        await it.press("N")
        await it.until(lambda: seq(screen) <= 20, "and back")
        at = screen._moment
        assert at is not None
        await it.press("greater_than_sign")
        await it.until(lambda: screen._moment != at, "a minute on")
        assert screen._moment is not None and screen._moment.wall == pytest.approx(at.wall + 60)
        await it.press("less_than_sign")
        await it.until(
            lambda: screen._moment is not None and screen._moment.wall == at.wall, "back"
        )
        assert len(history.log) > 40


async def test_before_the_first_event_and_after_now_it_stays_and_says_so() -> None:
    async with opened() as (it, screen, _history):
        before = seq(screen)
        await go_to(it, screen, "2020-01-01")
        assert seq(screen) == before and "nothing is known of that time" in it.text()
        await it.press("t", *"soon", "enter")
        assert "expected" in it.text() and seq(screen) == before
        for _ in range(4):
            await it.press("greater_than_sign")
            await it.until(lambda: not screen._is_busy, "the answer")
        assert screen._moment is not None and screen._moment.wall <= screen.now_wall()


async def test_no_key_does_anything_to_a_run_in_the_past() -> None:
    async with opened() as (it, screen, _history):
        before = len(it.backend.calls)
        for key in "xrspyFQilwa":
            await it.press(key)
            await it.settle()
            await it.press("y")
            assert it.app.screen is screen, key
            if key in "Qi":
                assert IN_THE_PAST in it.text()
                screen.say()
        assert {name for name, _ in it.backend.calls[before:]} <= READING


async def test_the_palette_offers_nothing_that_acts_while_the_past_is_shown() -> None:
    async with opened() as (it, _screen, _history):
        await it.press("ctrl+p", *"stop")
        await it.settle()
        assert "license-audit 7F3K: stop" not in it.text()


async def test_escape_goes_back_to_now() -> None:
    async with opened() as (it, screen, _history):
        await it.press("escape")
        await it.until(lambda: it.app.screen is not screen, "now")
        assert "THE PAST" not in it.text()

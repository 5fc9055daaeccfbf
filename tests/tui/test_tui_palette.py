"""Every command is in the palette: whatever a key does can be found by its name."""

from __future__ import annotations

from typing import Any

import pytest
from textual.command import CommandPalette
from tui_history import told_world
from tui_script import Driven, driven

from supervisor.tui import keys, place_keys
from supervisor.tui.palette import Command, Commands
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.log import LogScreen
from supervisor.tui.screens.past import PastScreen

AUDIT = ("g", *"jjjjj")
SCOPE_OF = {"queues": place_keys.QUEUE}
"""Where a place is not called as its scope is."""
WAYS: dict[str, tuple[str, ...]] = {
    keys.RUNS: (),
    keys.RUN: AUDIT,
    keys.OPEN_RUN: (*AUDIT, "enter"),
    keys.LOG: (*AUDIT, "l"),
    **{
        SCOPE_OF.get(name := key.action.split("'")[1], name): (key.keys,)
        for key in place_keys.EVERYWHERE_KEYS
        if key.action.startswith("go(")
    },
}
"""From the dashboard to where the keys of a scope work and the palette opens."""
ALONE = {
    keys.REQUEST, keys.APPROVALS, keys.STANDING, keys.CONFIRM, keys.MENU, keys.SWEEP, keys.ALIKE,
    keys.WHY, keys.HELP,
}  # fmt: skip
"""Cards that take all keys alone, Ctrl+P too: a question is answered, not searched from."""


def offered(it: Driven) -> list[Command]:
    return list(Commands(it.app.screen)._commands())


def ids_of(it: Driven) -> set[str]:
    """The keys whose tooltip a command has: the two are made from the same row."""
    told = {command.help for command in offered(it)}
    return {key.id for key in keys.KEYS if key.tooltip in told}


def test_every_scope_is_either_searched_or_a_card_of_its_own() -> None:
    assert {*WAYS, *ALONE, keys.EVERYWHERE, keys.ALWAYS} == set(keys.SCOPES)


@pytest.mark.parametrize("scope", WAYS)
async def test_whatever_a_key_does_is_found_in_the_palette(scope: str) -> None:
    async with driven(told_world()) as it:
        await it.press(*WAYS[scope])
        await it.settle()
        wanted = {key.id for key in keys.active_in(scope)} - {"app.palette"}
        assert wanted - ids_of(it) == set()


async def test_every_agent_is_found_the_one_that_never_ran_too() -> None:
    async with driven(told_world()) as it:
        titles = [command.title for command in offered(it)]
        for spec in it.app.picture.agents:
            assert any(title.startswith(spec.name) for title in titles), spec.name
        assert "weekly-cleanup: start" in titles


@pytest.mark.parametrize(
    ("words", "comes"),
    [
        ("longwatch as it was", lambda it: isinstance(it.app.screen, PastScreen)),
        ("run log", lambda it: isinstance(it.app.screen, LogScreen)),
        ("runs filter", lambda it: it.app.screen.focused is not None),
    ],
)
async def test_what_is_chosen_is_done_where_the_palette_was_opened(words: str, comes: Any) -> None:
    async with driven(told_world()) as it:
        await it.press(*AUDIT, "ctrl+p")
        await it.until(lambda: isinstance(it.app.screen, CommandPalette), "the palette")
        await it.press(*("space" if letter == " " else letter for letter in words))
        palette = it.app.screen
        first = words.rsplit(maxsplit=1)[-1]
        await it.until(lambda: f"{first}" in _list_text(palette), "the command")
        await it.press("enter")
        await it.until(lambda: not isinstance(it.app.screen, CommandPalette), "it closed")
        await it.until(lambda: comes(it), words)
        assert isinstance(it.app.screen_stack[0], Dashboard)


def _list_text(palette: Any) -> str:
    found = palette.query_one("CommandList")
    return "\n".join(str(option.prompt) for option in found.options)

"""The table of keys holds what it says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tui_places import queues_world
from tui_script import driven

from supervisor.tui import keys
from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.screens.many import MenuScreen

DOCS = Path(__file__).parents[2] / "docs" / "keys.md"


WAYS = {
    "queue.requeue": ("W", "5", "tab"),
    "queue.drop": ("W", "5", "tab"),
    "queue.requeue-all": ("W", "5"),
    "queue.drop-all": ("W", "5"),
    # From the table to what it would change; only a run without a process is rolled back.
    "open-run.rollback": ("slash", *"price-watch", "enter", "enter", "4"),
    "open-run.mute": ("enter", "5"),
}


def test_every_id_is_there_once() -> None:
    counted = Counter(key.id for key in keys.KEYS)
    assert [name for name, number in counted.items() if number > 1] == []


@pytest.mark.parametrize("scope", keys.SCOPES)
def test_no_two_actions_share_a_key_where_they_work(scope: str) -> None:
    active = keys.active_in(scope)
    counted = Counter(name for key in active for name in key.keys.split(","))
    assert [name for name, number in counted.items() if number > 1] == []


def test_every_key_is_described() -> None:
    assert all(key.label and key.tooltip and key.scope in keys.SCOPES for key in keys.KEYS)


def test_the_documentation_is_what_the_table_makes() -> None:
    assert DOCS.read_text() == keys.markdown()


def test_keys_that_fingers_rely_on_are_where_they_are_expected() -> None:
    by_id = {key.id: key.keys for key in keys.KEYS}
    assert by_id["app.inbox"] == "i" and by_id["app.leave"] == "q" and by_id["app.stop-all"] == "Q"
    assert by_id["runs.filter"] == "slash" and by_id["runs.open"] == "enter"
    assert by_id["run.log"] == "l" and by_id["app.help"] == "question_mark"
    assert by_id["app.palette"] == "ctrl+p"
    assert (by_id["request.allow"], by_id["request.deny"]) == ("y", "n")


@pytest.mark.parametrize("key", [key for key in keys.KEYS if key.asks], ids=lambda key: key.id)
async def test_what_ends_something_asks_first(key: keys.Key) -> None:
    async with driven(queues_world()) as it:
        await it.press(*["j"] * 5)
        for pressed in WAYS.get(key.id, ()):
            await it.press(pressed)
            await it.settle()
        await it.settle()
        before = len(it.backend.calls)
        await it.press(key.keys)
        assert isinstance(it.app.screen, ConfirmScreen | MenuScreen)
        await it.press("y")
        assert isinstance(it.app.screen, ConfirmScreen | MenuScreen), (
            "a key pressed at once decides nothing"
        )
        await it.press("n")
        assert not isinstance(it.app.screen, ConfirmScreen | MenuScreen)
        made = {method for method, _ in it.backend.calls[before:]}
        assert made <= {"log", "checkpoints", "journal", "queue", "tasks", "task"}

"""Every open question of every run in one list, answered there under the rules of a question."""

from __future__ import annotations

from typing import Any

import pytest
from textual.events import AppFocus
from tui_script import Driven, World, answered, driven
from tui_worlds import asking_world

from supervisor.tui.link import CallError
from supervisor.tui.screens.inbox import InboxScreen
from supervisor.tui.screens.request import RequestScreen
from supervisor.tui.widgets.pick_list import PickList


def hash_of(number: int) -> str:
    return f"{number:02d}cd34ef56" + "0" * 54


def asks(world: World, tail: str, agent: str, since: float, **fields: Any) -> str:
    run_id = world.start(tail, agent, since - 10)
    plain = {"kind": "approve", "title": "Go on?", "action": {"argv": ["make"]}}
    world.ask(run_id, since, **{**plain, **fields})
    return run_id


def three() -> World:
    """The oldest only looks, the newest removes something."""
    world = World()
    asks(world, "1AAA", "reader", -300, action={"argv": ["ls"]}, title="Look?", sha256=hash_of(1))
    asks(world, "2BBB", "maker", -200, title="Build?", sha256=hash_of(2))
    asks(world, "3CCC", "cleaner", -100, action={"argv": ["rm", "x"]}, title="Tidy?",
         sha256=hash_of(3))  # fmt: skip
    return world


async def opened(it: Driven) -> None:
    await it.press("I")
    await it.until(lambda: isinstance(it.app.screen, InboxScreen) and "inbox" in it.text())
    await it.settle()
    it.clock.advance(0.31)


def order(it: Driven) -> list[str]:
    """Ids of the questions as they are listed."""
    listed = it.app.screen.query_one(PickList).keys()
    return [key.split()[1] for key in listed]


async def test_the_riskiest_comes_first_and_s_puts_the_oldest_first() -> None:
    async with driven(three()) as it:
        await opened(it)
        assert order(it) == ["3CCC-1", "2BBB-1", "1AAA-1"]
        assert "3 questions" in it.text() and "1 of high risk" in it.text()
        assert "high risk   removes something: rm" in it.text()
        await it.press("s")
        await it.until(lambda: order(it) == ["1AAA-1", "2BBB-1", "3CCC-1"])


@pytest.mark.parametrize(("key", "allow"), [("y", True), ("n", False)])
async def test_y_and_n_answer_the_marked_one_with_the_hash_of_what_was_shown(
    key: str, allow: bool
) -> None:
    async with driven(three()) as it:
        await opened(it)
        await it.press("j")
        await it.settle()
        it.clock.advance(0.31)
        await it.press(key)
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer") == [
            {"id": "2BBB-1", "hash": hash_of(2), "by": "tui", "allow": allow}
        ]
        await it.until(lambda: f"2BBB-1 {'approved' if allow else 'denied'}" in it.text())
        assert isinstance(it.app.screen, InboxScreen), "the next one is right there"


async def test_a_key_held_down_answers_one_question_and_not_the_next() -> None:
    world = three()
    async with driven(world) as it:
        await opened(it)
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"))
        state = next(run for run in it.app.picture.runs.values() if run.agent == "cleaner")
        it.backend.tell(world.happen(state.id, answered(state, "3CCC-1", by="tui"), 0))
        await it.until(lambda: "2 questions" in it.text())
        await it.press("y", "y", "y")
        assert len(it.backend.asked("answer")) == 1
        assert "press again" in it.text()
        it.clock.advance(0.31)
        await it.press("y")
        await it.until(lambda: len(it.backend.asked("answer")) == 2)


async def test_keys_are_dead_after_another_one_is_marked_and_after_the_focus_came() -> None:
    async with driven(three()) as it:
        await opened(it)
        await it.press("j", "y")
        await it.settle()
        assert it.backend.asked("answer") == []
        it.clock.advance(0.31)
        it.app.post_message(AppFocus())
        await it.pilot.pause()
        await it.press("y")
        assert it.backend.asked("answer") == []


async def test_a_newcomer_above_does_not_take_the_mark() -> None:
    world = three()
    run_id = world.start("4DDD", "pusher", -50)
    async with driven(world) as it:
        await opened(it)
        await it.press("j")
        await it.settle()
        it.clock.advance(0.31)
        push = {"argv": ["git", "push"]}
        told = world.ask(run_id, 0, kind="approve", title="Push?", action=push, sha256=hash_of(4))
        it.backend.tell(told)
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["id"] == "2BBB-1"


async def test_what_is_longer_than_the_room_is_read_before_it_is_approved() -> None:
    world = World()
    payload = "\n".join(f"line {number}" for number in range(80))
    asks(world, "1AAA", "writer", -60, action={"payload": payload}, sha256=hash_of(1))
    async with driven(world, (80, 24)) as it:
        await opened(it)
        await it.press("y")
        assert it.backend.asked("answer") == []
        assert "read to the end first" in it.text()
        for _ in range(12):
            await it.press("space")
            await it.settle()
        assert "line 79" in it.text()
        it.clock.advance(0.31)
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"))


async def test_a_number_chooses_an_option() -> None:
    world = World()
    asks(world, "1AAA", "chooser", -60, kind="choose", title="Which?", action=None,
         options=("main", "next"), sha256=hash_of(1))  # fmt: skip
    async with driven(world) as it:
        await opened(it)
        assert "1 main" in it.text() and "2 next" in it.text()
        await it.press("2")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["option"] == "next"


@pytest.mark.parametrize("kind", ["text", "edit", "form"])
async def test_what_has_to_be_typed_opens_by_itself_and_leads_back(kind: str) -> None:
    world = World()
    action = {"text": {"text": None}, "edit": {"text": "Dear all"}, "form": {
        "fields": [{"name": "n", "type": "text"}]}}[kind]  # fmt: skip
    asks(world, "1AAA", "typist", -60, kind=kind, action=action, sha256=hash_of(1))
    async with driven(world) as it:
        await opened(it)
        if kind == "edit":
            assert "Dear all" in it.text()
        await it.press("y")
        await it.until(lambda: isinstance(it.app.screen, RequestScreen))
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, InboxScreen))
        assert it.backend.asked("answer") == []


async def test_what_somebody_else_answered_is_said_and_leaves_the_list() -> None:
    world = three()
    async with driven(world) as it:
        await opened(it)
        state = next(run for run in it.app.picture.runs.values() if run.agent == "cleaner")
        it.backend.tell(world.happen(state.id, answered(state, "3CCC-1", by="kim (cli)"), 0))
        await it.until(lambda: "2 questions" in it.text())
        assert "3CCC-1 answered elsewhere" in it.text() and "kim (cli)" in it.text()
        assert it.app.screen.run_id is not None


async def test_a_refused_answer_is_said_and_the_question_can_be_answered_again() -> None:
    async with driven(three()) as it:
        await opened(it)
        it.backend.refusals["answer"] = CallError("the disk is full", "failed", "Make room")
        await it.press("y")
        await it.until(lambda: "3CCC-1 not answered: the disk is full" in it.text())
        del it.backend.refusals["answer"]
        it.clock.advance(0.31)
        await it.press("y")
        await it.until(lambda: "3CCC-1 approved" in it.text())


async def test_one_text_in_the_place_of_another_is_shown_as_a_difference_too() -> None:
    world = World()
    action = {"tool": "edit", "old_string": "a\nb\nc", "new_string": "a\nB\nc"}
    asks(world, "1AAA", "coder", -60, action=action, sha256=hash_of(1))
    async with driven(world, (120, 40)) as it:
        await opened(it)
        text = it.text()
        assert "the same as a difference" in text and "-b" in text and "+B" in text


async def test_an_empty_inbox_says_that_all_is_quiet() -> None:
    async with driven(World()) as it:
        await it.press("I")
        await it.until(lambda: "nothing waits for you" in it.text())
        await it.press("y", "n", "a", "enter", "1", "space")
        assert it.backend.asked("answer") == []


async def test_all_kinds_fit_on_the_smallest_screen() -> None:
    async with driven(asking_world(), (80, 24)) as it:
        await opened(it)
        assert "high" in it.text() and "medium" in it.text() and "low" in it.text()

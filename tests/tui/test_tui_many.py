"""Doing something to many runs at once: what it concerns, what is shown, what is sent."""

from __future__ import annotations

import pytest
from tui_script import Driven, World, busy_world, driven, moment

from supervisor.core import events as e
from supervisor.tui import many, model
from supervisor.tui.arrange import Scope
from supervisor.tui.link import CallError
from supervisor.tui.model import Picture
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.many import AlikeScreen, MenuScreen, SweepScreen
from supervisor.tui.widgets.lines import Lines

SAME = "c0ffee0d" * 8
OTHER = "badc0de5" * 8


def asking_world(count: int = 3, **fields: object) -> World:
    """Some runs that ask the same, one that asks something else with the same title."""
    world = World()
    asked = {
        "kind": "approve",
        "title": "Publish the report?",
        "action": {"argv": ["rsync", "-a", "out/", "share:/clients/"]},
        **fields,
    }
    for number in range(count):
        run_id = world.start(f"A{number:03}", f"writer-{number}", -300 + number)
        world.ask(run_id, -200 + number, sha256=SAME, **asked)
        world.happen(run_id, e.WaitBegan("asks"), -200 + number)
    odd = world.start("B000", "odd-one", -100)
    world.ask(odd, -90, sha256=OTHER, kind="approve", title="Publish the report?")
    return world


def scope_of(world: World) -> Scope:
    return many.everything(model.from_snapshot(world.snapshot(), Picture()))


def names(sweep: many.Sweep) -> set[str]:
    return {state.agent for state in sweep.runs}


async def menu(it: Driven) -> None:
    await it.press("F")
    await it.until(lambda: isinstance(it.app.screen, MenuScreen), "the menu")
    await it.settle()


async def card(it: Driven, digit: str, kind: type) -> None:
    await it.press(digit)
    await it.until(lambda: isinstance(it.app.screen, kind), "the card")
    await it.settle()


def test_a_verb_concerns_those_it_can_do_something_to() -> None:
    scope = scope_of(busy_world())
    assert names(many.sweep("pause", scope)) == {
        "license-audit", "contract-review", "embeddings", "issue-triage",
    }  # fmt: skip
    assert names(many.sweep("resume", scope)) == set()
    assert names(many.sweep("restart", scope)) == {"price-watch", "import-ledger"}


def test_requests_are_the_same_by_kind_and_hash_and_not_by_title() -> None:
    world = asking_world()
    choice = world.start("C000", "chooser", -50)
    world.ask(choice, -40, sha256=SAME, kind="choose", title="Publish the report?", options=("a",))
    sets = many.alike(scope_of(world))
    assert [[item.run.agent for item in found.items] for found in sets] == [
        ["writer-0", "writer-1", "writer-2"]
    ]


def test_what_is_typed_is_never_answered_for_several() -> None:
    assert many.alike(scope_of(asking_world(kind="text", action=None))) == []


def test_the_card_tells_every_run_its_folder_and_what_differs_in_what_they_say() -> None:
    world = World()
    for number in range(2):
        run_id = world.start(f"A{number:03}", f"writer-{number}", -300, cwd=f"/srv/{number}")
        world.ask(
            run_id, -200 + number, sha256=SAME, kind="approve", title="Go?",
            action={"argv": ["rm", "-r", "out"]}, explanation=f"because of {number}",
        )  # fmt: skip
    found = many.alike(scope_of(world))[0]
    text = "\n".join(line.plain for line in many.alike_lines(found, moment(), 80))
    for told in ("rm", "writer-0", "writer-1", "in /srv/0", "in /srv/1", "because of 0",
                 "because of 1", "different folders"):  # fmt: skip
        assert told in text, text


async def test_pause_all_lists_every_run_and_sends_each_by_its_id() -> None:
    world = busy_world()
    async with driven(world) as it:
        await menu(it)
        assert "4 runs working or asleep" in it.text() and "2 runs failed" in it.text()
        await card(it, "1", SweepScreen)
        text = it.text()
        for agent in ("license-audit", "contract-review", "embeddings", "issue-triage"):
            assert agent in text
        await it.press("y")
        await it.until(lambda: it.backend.asked("pause"))
        asked = it.backend.asked("pause")[0]
        assert {name[-4:] for name in asked["names"]} == {"7F3K", "Q81M", "Z09C", "K5WP"}
        assert asked["all"] is False and asked["lenient"] is True
        await it.until(lambda: "4 runs: paused" in it.text())


async def test_restart_failed_says_from_where_each_goes_on() -> None:
    world = busy_world()
    async with driven(world) as it:
        await menu(it)
        await card(it, "3", SweepScreen)
        assert "begins anew: it has no checkpoint" in it.text()
        assert "4 crashes in 60 s" in it.text()
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))
        assert it.backend.asked("restart") == []


async def test_a_filter_narrows_what_a_verb_means_and_it_is_said() -> None:
    async with driven(busy_world()) as it:
        await it.press("slash", *"agent:embed", "enter")
        await menu(it)
        assert "the runs that fit 'agent:embed'" in it.text() and "1 run working" in it.text()


async def test_a_group_under_the_cursor_is_what_a_verb_means() -> None:
    async with driven(busy_world()) as it:
        await it.press("b", "b", "b", "g")
        await menu(it)
        assert "the group 'asks you'" in it.text()


async def test_a_verb_that_concerns_nobody_cannot_be_chosen() -> None:
    async with driven(busy_world()) as it:
        await menu(it)
        assert "no run paused" in it.text()
        await it.press("2")
        assert isinstance(it.app.screen, MenuScreen)


async def test_the_same_question_is_answered_one_by_one_each_with_its_hash() -> None:
    world = asking_world()
    async with driven(world, (100, 40)) as it:
        await menu(it)
        assert "3 × Publish the report?" in it.text()
        await card(it, "4", AlikeScreen)
        text = "\n".join(line.plain for line in it.app.screen.query_one("#many-body", Lines).lines)
        assert "rsync" in text and "share:/clients/" in text and "odd-one" not in text
        assert all(f"writer-{number}" in text for number in range(3))
        await it.press("y")
        await it.until(lambda: len(it.backend.asked("answer")) == 3)
        assert it.backend.asked("answer") == [
            {"id": f"A{number:03}-1", "hash": SAME, "by": "tui", "allow": True}
            for number in range(3)
        ]
        await it.until(lambda: "3 requests approved" in it.text())


@pytest.mark.parametrize("size", [(80, 12), (80, 24)])
async def test_nothing_is_approved_before_the_end_of_the_list_was_seen(
    size: tuple[int, int],
) -> None:
    async with driven(asking_world(30), size) as it:
        await menu(it)
        await card(it, "4", AlikeScreen)
        assert "read to the end first" in it.text()
        await it.press("y")
        assert isinstance(it.app.screen, AlikeScreen) and it.backend.asked("answer") == []
        await it.press("G")
        await it.until(lambda: "writer-29" in it.text())
        await it.settle()
        await it.press("y")
        await it.until(lambda: len(it.backend.asked("answer")) == 30)


async def test_a_key_typed_before_the_card_was_seen_decides_nothing() -> None:
    async with driven(asking_world(), (100, 40)) as it:
        await menu(it)
        await it.press("4", "y")
        await it.until(lambda: isinstance(it.app.screen, AlikeScreen))
        await it.press("n")
        assert it.backend.asked("answer") == []


async def test_deny_and_leave_open_are_two_things() -> None:
    async with driven(asking_world(), (100, 40)) as it:
        await menu(it)
        await card(it, "4", AlikeScreen)
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))
        assert it.backend.asked("answer") == []
        await menu(it)
        await card(it, "4", AlikeScreen)
        await it.press("n")
        await it.until(lambda: len(it.backend.asked("answer")) == 3)
        assert {asked["allow"] for asked in it.backend.asked("answer")} == {False}


async def test_a_choice_is_made_for_all_by_its_number() -> None:
    world = asking_world(kind="choose", action=None, options=("keep", "drop"))
    async with driven(world, (100, 40)) as it:
        await menu(it)
        await card(it, "4", AlikeScreen)
        assert "1 keep" in it.text() and "2 drop" in it.text()
        await it.press("y", "7", "2")
        await it.until(lambda: len(it.backend.asked("answer")) == 3)
        assert {asked["option"] for asked in it.backend.asked("answer")} == {"drop"}


async def test_an_answer_that_is_refused_is_told_and_the_others_are_given() -> None:
    world = asking_world()
    async with driven(world, (100, 40)) as it:
        it.backend.refusals["answer"] = CallError("answered by somebody else", "conflict")
        await menu(it)
        await card(it, "4", AlikeScreen)
        await it.press("y")
        await it.until(lambda: "0 approved, 3 not: A000-1: answered by somebody else" in it.text())


async def test_the_palette_offers_what_can_be_done_to_many() -> None:
    async with driven(busy_world()) as it:
        await it.press("ctrl+p")
        await it.settle()
        await it.press(*"fleet pause")
        await it.until(lambda: "fleet: pause (4 runs)" in it.text())
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, SweepScreen))

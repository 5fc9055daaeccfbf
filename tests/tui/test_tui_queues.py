"""The screen of queues and tasks: what it says of them, what it asks for, what it changes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest
from tui_places import QUEUES, queue_view, queues_world, task_view
from tui_script import EVIL, Driven, World, busy_world, driven

from supervisor.tui import queue_rows
from supervisor.tui.queue_rows import Queue
from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.screens.queues import QueuesScreen
from supervisor.tui.screens.run import RunScreen
from supervisor.tui.task_lines import PAGE


async def opened(it: Driven, *keys: str) -> None:
    await it.press("W")
    await it.until(lambda: isinstance(it.app.screen, QueuesScreen), "the queues")
    await it.until(lambda: "all queues" in it.text() and "STATE" in it.text(), "an answer")
    await it.settle()
    for key in keys:
        await it.press(key)
        await it.settle()


def row_of(it: Driven, word: str) -> str:
    """The line of the screen with that word."""
    return next(line for line in it.text().splitlines() if word in line)


async def test_a_pipeline_shows_its_stages_in_order_and_which_holds_up_the_others() -> None:
    async with driven(queues_world()) as it:
        await opened(it)
        text = it.text()
        places = [text.index(stage) for stage in ("├▸ extract", "├▸ review", "└▸ report ⋈")]
        assert places == sorted(places)
        assert "2/2 ●●" in row_of(it, "├▸ review") and "86" in row_of(it, "├▸ review")
        assert "45m" in row_of(it, "├▸ review"), "how long the oldest has waited"
        assert "bottleneck: 86 wait for 2 workers" in text
        assert text.count("◆ bottleneck:") == 2, "in the head and below the stage, nowhere else"


async def test_tasks_that_nobody_can_run_are_said_in_words() -> None:
    async with driven(queues_world()) as it:
        await opened(it)
        assert "waiting and nobody can run this: no pool of that name in config.toml" in it.text()
        assert "old-imports: nobody runs this" in it.text().splitlines()[0]


async def test_a_pool_without_workers_says_so_only_while_something_waits() -> None:
    world = queues_world()
    world.answers["queue"] = {"queues": [queue_view("idle", 0, ready=1), queue_view("calm", 0)]}
    async with driven(world) as it:
        await opened(it)
        assert it.text().count("nobody runs this") == 2
        assert "calm: nobody" not in it.text()


async def test_the_mark_on_a_queue_says_whose_tasks_are_listed() -> None:
    async with driven(queues_world()) as it:
        await opened(it)
        assert "contract-000.txt" in it.text() and "beach.jpg" in it.text()
        await it.press("j")
        await it.until(lambda: "contract-001.txt" not in it.text(), "the tasks of one queue")
        await it.until(lambda: "beach.jpg" in it.text(), "its dead letters")
        assert it.backend.asked("tasks")[-1]["queue"] == "thumbnails"
        assert "in 52s" in row_of(it, "HTTP 503"), "when it is delivered again"


async def test_digits_choose_the_state_and_a_text_what_is_sought() -> None:
    async with driven(queues_world()) as it:
        await opened(it, "5")
        await it.until(lambda: "moon.jpg" in it.text(), "dead letters")
        assert "contract-001" not in it.text()
        assert it.backend.asked("tasks")[-1] == {
            "state": "dead", "limit": PAGE, "after": "", "newest": True,
        }  # fmt: skip
        await it.press("slash", *"beach", "enter")
        await it.until(lambda: "moon.jpg" not in it.text() and "beach.jpg" in it.text(), "one")
        assert it.backend.asked("tasks")[-1]["text"] == "beach"
        await it.press("escape")
        await it.until(lambda: "moon.jpg" in it.text(), "all of them again")
        await it.press("escape")
        await it.until(lambda: not isinstance(it.app.screen, QueuesScreen), "the dashboard")


async def test_workers_are_added_and_taken_away_at_once() -> None:
    async with driven(queues_world()) as it:
        await opened(it)
        await it.press("plus")
        assert "mark one queue first" in it.text()
        await it.press("j", "j", "j", "plus")
        await it.until(lambda: it.backend.asked("pool"), "the call")
        assert it.backend.asked("pool") == [{"pool": "contracts.review", "workers": 3, "by": "tui"}]
        await it.until(lambda: "3 workers from now on (config.toml says 2)" in it.text(), "a word")
        await it.press("minus")
        await it.until(lambda: len(it.backend.asked("pool")) == 2, "the second call")
        assert it.backend.asked("pool")[-1]["workers"] == 1
        await it.until(lambda: "what runs is not ended" in it.text(), "a word on it")


async def test_a_queue_that_is_not_configured_can_have_no_workers() -> None:
    world = queues_world()
    gone = {key: value for key, value in QUEUES[-1].items() if key != "configured"}
    world.answers["queue"] = {"queues": [gone]}
    async with driven(world) as it:
        await opened(it, "j", "plus")
        assert not it.backend.asked("pool")
        assert "old-imports is not in config.toml" in it.text()


@pytest.mark.parametrize(("key", "verb"), [("r", "requeue"), ("d", "drop")])
async def test_one_dead_letter_is_named_before_anything_is_done(key: str, verb: str) -> None:
    async with driven(queues_world()) as it:
        await opened(it, "j", "5", "tab", key)
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert "beach.jpg" in it.text() and "no picture in it" in it.text()
        assert not it.backend.asked(verb)
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked(verb), "the call")
        assert it.backend.asked(verb) == [{"ids": [f"01M8TASK{9:018}"], "by": "tui"}]


async def test_all_dead_letters_are_counted_by_the_engine_and_only_of_the_marked_queue() -> None:
    world = queues_world()
    many = deepcopy(QUEUES)
    many[0]["dead"] = 40_000
    world.answers["queue"] = {"queues": many}
    async with driven(world) as it:
        await opened(it, "j", "D")
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert "Remove every dead letter of thumbnails, 40,000 now, for good?" in it.text()
        assert "and 39,998 more" in it.text() and "cannot be taken back" in it.text()
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("drop"), "the call")
        assert it.backend.asked("drop") == [{"all": True, "queue": "thumbnails", "by": "tui"}]


async def test_what_is_no_dead_letter_is_not_requeued() -> None:
    async with driven(queues_world()) as it:
        await opened(it, "tab", "r")
        assert "is no dead letter" in it.text()
        assert not it.backend.asked("requeue")


async def test_a_task_opens_the_page_of_its_run() -> None:
    world = queues_world()
    task = {**task_view(1, "thumbnails", "leased"), "id": next(iter(world.runs))}

    def tasks(params: Mapping[str, Any]) -> dict[str, Any]:
        return {"tasks": [task] if params["state"] == "leased" else []}

    world.answers["tasks"] = tasks
    async with driven(world) as it:
        await opened(it, "enter")
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, RunScreen), "the page of the run")
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, QueuesScreen), "the queues again")


async def test_a_task_that_nobody_began_says_that_there_is_no_run() -> None:
    async with driven(queues_world()) as it:
        await opened(it, "3", "tab", "enter")
        assert "it was not begun yet" in it.text()


async def test_a_backlog_of_100_000_is_read_a_page_at_a_time() -> None:
    world, total = World(), 100_000
    world.answers["queue"] = {"queues": [queue_view("big", ready=total, oldest_s=9.0)]}

    def tasks(params: Mapping[str, Any]) -> dict[str, Any]:
        if params["state"] != "ready":
            return {"tasks": []}
        start = int(params["after"][-6:]) + 1 if params["after"] else 0
        numbers = range(start, min(total, start + params["limit"]))
        return {"tasks": [task_view(number, "big", "ready", deliveries=0) for number in numbers]}

    world.answers["tasks"] = tasks
    async with driven(world) as it:
        await opened(it, "3")
        await it.until(lambda: "contract-000.txt" in it.text(), "the first page")
        assert "100k" in it.text()
        await it.press("n")
        await it.until(lambda: "page 2" in it.text() and "contract-100" in it.text(), "the second")
        assert it.backend.asked("tasks")[-1]["after"] == f"01M8TASK{99:018}"
        await it.press("N")
        await it.until(lambda: "contract-000" in it.text(), "the first again")
        await it.press("tab", "G")
        assert "n shows the next page of 100,000" in it.text()
        assert all(asked["limit"] == PAGE for asked in it.backend.asked("tasks"))


async def test_names_and_problems_of_tasks_are_shown_and_never_obeyed() -> None:
    world = World()
    world.answers["queue"] = {"queues": [queue_view(f"{EVIL}.{EVIL}", ready=9, nobody=EVIL)]}
    evil = task_view(1, EVIL, "dead", key=EVIL, problem=EVIL, about=EVIL)
    world.answers["tasks"] = lambda params: {"tasks": [evil] if params["state"] == "dead" else []}
    world.answers["task"] = lambda _: {"id": evil["id"], "payload": {EVIL: EVIL}, "result": EVIL}
    async with driven(world) as it:
        await opened(it, "tab", "r")
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert all(line.isprintable() for line in it.text().splitlines())


async def test_without_pools_it_says_how_to_have_some() -> None:
    world = busy_world()
    world.answers["queue"] = {"queues": []}
    async with driven(world) as it:
        await opened_empty(it)
        assert "No pools and no pipelines in config.toml" in it.text()


async def opened_empty(it: Driven) -> None:
    await it.press("W")
    await it.until(lambda: "No pools" in it.text(), "the word on it")


def test_only_the_stage_with_the_most_for_each_worker_is_the_bottleneck() -> None:
    stages = [
        Queue("", queue_view("p.a", 10, 10, ready=50)),
        Queue("", queue_view("p.b", 1, 1, ready=9)),
        Queue("", queue_view("p.c", 1, 1, ready=1)),
        Queue("", queue_view("pool", 1, 1, ready=900)),
    ]
    assert queue_rows.bottlenecks(stages) == {"/p.b"}
    assert queue_rows.bottlenecks(stages[2:]) == set()


def test_the_pace_is_told_once_it_was_watched_for_a_while() -> None:
    assert queue_rows.pace_of([(0.0, 10), (2.0, 12)]) is None
    assert queue_rows.pace_of([(0.0, 10), (30.0, 25)]) == 30.0

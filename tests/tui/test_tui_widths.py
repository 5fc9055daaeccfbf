"""Cells: nothing is cut in half, pushed aside or lost, whatever is written and however wide."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from rich.cells import cell_len
from scenes import SCENES, SURVEY, Scene, staged
from tui_script import driven
from tui_wide import KEYCAPS, WIDE, wide_world

from supervisor.tui import render
from supervisor.tui.app import LongwatchApp
from supervisor.tui.screens.request import RequestScreen

IS_LONG = os.environ.get("LONGWATCH_LONG") == "1"
ALL_SIZES = ((80, 24), (100, 30), (120, 40), (161, 45), (200, 50), (250, 61), (300, 80))
ALL_TOO_SMALL = ((79, 23), (60, 16), (40, 10), (20, 5))
SIZES = ALL_SIZES if IS_LONG else ((80, 24), (161, 45), (300, 80))
TOO_SMALL = ALL_TOO_SMALL if IS_LONG else ((60, 16), (20, 5))
BY_NAME = {scene.name: scene for scene in SCENES}
WORLD_FREE = {"empty", "light", "contrast", "ansi"}
"""Scenes that show nothing of the world, or what another one shows."""


def strips(app: LongwatchApp) -> list[str]:
    return [
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    ]


def assert_whole(app: LongwatchApp, columns: int, rows: int) -> None:
    """As many lines as the terminal has, and every one exactly as wide."""
    lines = strips(app)
    assert len(lines) == rows
    for number, line in enumerate(lines):
        assert cell_len(line) == columns, f"line {number} of {columns}×{rows}: {line!r}"


def wide(scene: Scene) -> Scene:
    """The same screen over a world of wide characters."""
    keys = scene.keys if "slash" not in scene.keys else ("slash", "7")
    if scene.keys[: len(SURVEY)] == SURVEY:
        keys = ("enter", *scene.keys[len(SURVEY) :])
    return replace(scene, world=wide_world, keys=keys, until="")


@pytest.mark.parametrize(
    "scene", [scene for scene in SCENES if scene.name not in WORLD_FREE], ids=lambda it: it.name
)
async def test_every_screen_fills_every_size(scene: Scene) -> None:
    app, play = staged(wide(scene))
    async with app.run_test(size=SIZES[0]) as pilot:
        await play(pilot)
        for columns, rows in (*SIZES, *TOO_SMALL):
            await pilot.resize_terminal(columns, rows)
            for _ in range(3):
                await pilot.pause()
            assert_whole(app, columns, rows)


@pytest.mark.parametrize("size", SIZES)
async def test_columns_of_the_table_stand_below_each_other(size: tuple[int, int]) -> None:
    async with driven(wide_world(), size=size) as it:
        await it.until(lambda: "agent-9" in it.text() or size[1] < 40, "the table")
        lines = it.text().splitlines()
        rows = [line for line in lines if "agent-" in line and "%" in line]
        assert len(rows) >= 5
        # Up to the percentage every row has the same cells, whatever is written in them.
        assert len({cell_len(row[: row.index("%")]) for row in rows}) == 1, rows


@pytest.mark.parametrize("text", [*WIDE, KEYCAPS])
def test_a_text_is_fitted_to_exactly_so_many_cells(text: str) -> None:
    for width in range(1, 14):
        assert cell_len(render.fit(render.clean(text), width)) == width


@pytest.mark.parametrize("text", [*WIDE, KEYCAPS])
def test_the_middle_is_left_out_by_cells(text: str) -> None:
    for width in range(4, 14):
        assert cell_len(render.middle(render.clean(text) * 3, width)) <= width


@pytest.mark.parametrize("share", [0.0, 0.01, 0.33, 0.5, 0.999, 1.0, None])
@pytest.mark.parametrize("width", [1, 2, 7, 20, 61])
def test_a_bar_is_as_wide_as_it_should_be(share: float | None, width: int) -> None:
    assert sum(cell_len(text) for text, _ in render.bar(share, width, "")) == width


@pytest.mark.parametrize("size", TOO_SMALL)
async def test_a_terminal_that_is_too_small_says_so_and_still_works(size: tuple[int, int]) -> None:
    async with driven(BY_NAME["dashboard"].world(), size=size) as it:
        if size[0] >= 40:
            await it.until(lambda: f"{size[0]}×{size[1]} is small" in it.text(), "a word on it")
        await it.press("i")
        await it.until(lambda: isinstance(it.app.screen, RequestScreen), "the question")
        await it.settle()
        await it.press("end")
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"), "the answer")
        assert it.backend.asked("answer")[0]["allow"] is True


async def test_a_terminal_that_grows_again_says_nothing_more() -> None:
    async with driven(BY_NAME["dashboard"].world(), size=(60, 16)) as it:
        await it.until(lambda: "60×16 is small" in it.text(), "a word on it")
        await it.pilot.resize_terminal(100, 30)
        await it.until(lambda: "is small" not in it.text(), "nothing of it")

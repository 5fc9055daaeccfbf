"""What makes the interface fast, held by counting and not by a clock."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest
from textual.screen import Screen
from textual.widget import Widget
from tui_script import Driven, World, driven

from supervisor.core.progress import Step
from supervisor.tui import garbage, rows
from supervisor.tui.widgets.run_table import RunTable

COUNT = 1000
WAIT_FOR = ("textual", "supervisor.tui.screens.dashboard")
LATER = (
    "supervisor.tui.screens.request",
    "supervisor.tui.screens.log",
    "supervisor.tui.screens.run",
    "supervisor.tui.screens.help",
    "supervisor.tui.screens.approvals",
    "supervisor.tui.screens.confirm",
    "supervisor.tui.screens.many",
    "textual_plotext",
    "plotext",
    "pydantic",
    "psutil",
)
"""Nothing of this is on the first screen."""


def thousand() -> World:
    world = World()
    for number in range(COUNT):
        run_id = world.start(f"{number:04}", f"agent-{number:04}", -100)
        world.progress(run_id, -90, step=Step("documents", 1, 100, "documents"))
    return world


def run_id_of(number: int) -> str:
    return "01KJQZ7C3B" + "0" * 12 + f"{number:04}"


def test_the_first_paint_imports_nothing_that_it_does_not_show() -> None:
    program = "import sys, supervisor.tui.app, supervisor.tui.client; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert set(WAIT_FOR) <= loaded
    assert not loaded & set(LATER)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Run ids of the rows that were made."""
    found: list[str] = []
    row_of = rows.row_of

    def counting(state, *others):  # type: ignore[no-untyped-def]
        found.append(state.id)
        return row_of(state, *others)

    monkeypatch.setattr(rows, "row_of", counting)
    return found


def table(it: Driven) -> RunTable:
    return it.app.screen.query_one(RunTable)


async def test_of_a_thousand_runs_only_those_in_view_are_made_into_rows(made: list[str]) -> None:
    world = thousand()
    async with driven(world, (120, 40)) as it:
        made.clear()
        events = [
            world.progress(run_id_of(number), -1, step=Step("documents", 2, 100, "documents"))
            for number in range(COUNT)
        ]
        it.backend.tell(*events)
        await it.until(lambda: "2 of 100 documents" in it.text())
        assert len(made) < 4 * table(it).page, "old and new rows in view, drawn once or twice"


async def test_an_update_out_of_view_draws_no_row() -> None:
    world = thousand()
    async with driven(world, (120, 40)) as it:
        drawn: list[int] = []
        line_of = table(it).render_line
        table(it).render_line = lambda y: drawn.append(y) or line_of(y)  # type: ignore
        told = world.progress(run_id_of(900), -1, step=Step("documents", 7, 100, "documents"))
        it.backend.tell(told)
        await it.until(lambda: it.app.picture.seq == world.seq)
        await it.settle()
        assert drawn == []
        told = world.progress(run_id_of(3), -1, step=Step("documents", 7, 100, "documents"))
        it.backend.tell(told)
        await it.until(lambda: "7 of 100 documents" in it.text())
        # ``text`` draws for the test itself: what counts is the row of the third run.
        assert 4 in drawn


async def test_a_cursor_that_moves_lays_nothing_out_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    world = thousand()
    async with driven(world, (120, 40)) as it:
        await it.press("j")
        await it.settle()
        laid_out: list[Screen] = []
        refresh = Widget.refresh

        def counting(self, *regions, **how):  # type: ignore[no-untyped-def]
            if how.get("layout"):
                laid_out.append(self)
            return refresh(self, *regions, **how)

        monkeypatch.setattr(Widget, "refresh", counting)
        await it.press("j", "j", "j", "k")
        await it.until(lambda: all(tail.run_id == run_id_of(3) for tail in it.app._following.tails))
        await it.settle()
        assert it.app.screen.run_id == run_id_of(3)
        assert laid_out == []


def test_looking_for_garbage_is_held_while_it_starts_and_not_after() -> None:
    program = (
        "import gc; from supervisor.tui import garbage; garbage.hold(); "
        "held = gc.isenabled(); garbage.settle(); "
        "print(held, gc.isenabled(), gc.get_freeze_count() > 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True", "True"]
    assert gc.isenabled() and garbage.SETTLED_S > 0, "this process is not touched"

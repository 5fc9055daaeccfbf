"""The page of a run: what each pane says, that every pane is reached, and what can be changed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from tui_runs import RUN, survey_world
from tui_script import EVIL, Driven, World, driven, hostile_world, moment

from supervisor.core import events as e
from supervisor.tui import run_places
from supervisor.tui.run_places import PANES
from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.run import RunScreen
from supervisor.tui.screens.why import WhyScreen
from supervisor.tui.widgets.log_view import LogView
from supervisor.tui.widgets.pick_list import PickList

SMALL, LARGE = (80, 24), (200, 50)


@asynccontextmanager
async def page(
    world: World | None = None, size: tuple[int, int] = SMALL, run: str = RUN
) -> AsyncIterator[Driven]:
    async with driven(world or survey_world(), size) as it:
        it.app.screen.select(run)  # type: ignore[attr-defined]
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, RunScreen), "the page")
        await it.settle()
        yield it


async def to_pane(it: Driven, digit: str, words: str) -> str:
    await it.press(digit)
    await it.until(lambda: words in it.text(), words)
    return it.text()


def row_with(it: Driven, words: str) -> str:
    return next((row for row in it.text().split("\n") if words in row), "")


async def test_stages_are_a_checklist_with_what_each_took() -> None:
    async with page() as it:
        assert row_with(it, "✓ collect").split() == ["✓", "collect", "8", "min"]
        assert row_with(it, "✓ read").rstrip().endswith("1 h 06 min, 3×"), "over three attempts"
        assert "22 of 60 pages" in row_with(it, "● compare")
        assert row_with(it, "● compare").rstrip().endswith("15 min")
        assert "next" in row_with(it, "write") and "next" not in row_with(it, "review")


async def test_a_stage_that_nobody_saw_has_no_time() -> None:
    async with page(run="01KJQZ7C3B0000000000007F3K") as it:
        assert row_with(it, "✓ fetch").split() == ["✓", "fetch", "–"]
        assert "passed unseen" in it.text()


async def test_attempts_say_from_where_how_long_and_how_they_ended() -> None:
    async with page() as it:
        await to_pane(it, "2", "killed by SIGKILL")
        first = row_with(it, "killed by SIGKILL")
        assert "from the beginning" in first and "18 min" in first
        second = row_with(it, "exit status 1")
        assert "from checkpoint 1" in second and "31 min" in second
        assert "from checkpoint 2" in row_with(it, "3  13:20")


async def test_what_a_failed_attempt_wrote_last_stands_below_it() -> None:
    world = survey_world()
    state = world.runs[RUN]
    world.crash(RUN, -1, "exit status 1")
    end = world.runs[RUN].attempts[-1].exit
    assert end is not None and state.pid is not None
    newest = replace(world.runs[RUN].attempts[-1], exit=replace(end, output=("boom", EVIL)))
    world.runs[RUN] = replace(world.runs[RUN], attempts=(*world.runs[RUN].attempts[:-1], newest))
    async with page(world) as it:
        await to_pane(it, "2", "│ boom")
        assert all(line.isprintable() for line in it.text().splitlines())


@pytest.mark.parametrize("size", [SMALL, (120, 40)])
async def test_every_pane_is_reached_by_its_digit_and_by_tab(size: tuple[int, int]) -> None:
    async with page(size=size) as it:
        screen = it.app.screen
        assert isinstance(screen, RunScreen)
        for digit, name in enumerate(PANES, start=1):
            await it.press(str(digit))
            await it.settle()
            assert screen._board.marked == name and name in screen._board.shown
        await it.press("tab")
        assert screen._board.marked == PANES[0], "out of the log, which has a Tab of its own"
        await it.press("shift+tab")
        assert screen._board.marked == PANES[-1]


async def test_a_large_screen_shows_all_panes_and_zoom_gives_one_all_the_room() -> None:
    async with page(size=LARGE) as it:
        for words in ("✓ collect", "killed by SIGKILL", "← resumes here", "retry-spike",
                      "claude-small", "publish_draft", "compared page 109"):  # fmt: skip
            assert words in it.text(), words
        await it.press("7", "z")
        await it.until(lambda: "✓ collect" not in it.text(), "only the journal")
        assert "publish_draft" in it.text()
        await it.press("escape")
        await it.until(lambda: "✓ collect" in it.text(), "all of them again")
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard), "the table")


async def test_a_click_marks_the_pane() -> None:
    async with page(size=LARGE) as it:
        screen = it.app.screen
        assert isinstance(screen, RunScreen)
        for name in ("anomalies", "log", "usage"):
            await it.pilot.click(f"#pane-{name}", offset=(8, 3))
            await it.until(lambda name=name: screen._board.marked == name)  # type: ignore[misc]


async def test_the_life_of_the_run_stands_above_its_attempts() -> None:
    async with page() as it:
        await to_pane(it, "2", "1 h 30 min ago")
        bar = row_with(it, "━✗━")
        assert bar.count("✗") == 2 and bar.rstrip().endswith("●")
        assert row_with(it, "⚑     ").count("▪") == 3, "kept checkpoints above it"
        assert row_with(it, "1 h 30 min ago").rstrip().endswith("now")


async def test_the_journal_is_asked_for_when_it_is_looked_at_and_a_step_opens() -> None:
    async with page() as it:
        assert not it.backend.asked("journal")
        await to_pane(it, "7", "publish_draft")
        assert it.backend.asked("journal") == [{"run": RUN, "last": 200}]
        assert "PermissionError" in row_with(it, "publish_draft")
        assert "204 earlier steps: longwatch journal" in it.text()
        assert "in results/4f1c.json" in row_with(it, "summarise")
        assert row_with(it, "compare (2)").split()[3] == "4.0s", "what the step says it took"
        assert row_with(it, "publish_draft").split()[3] == "+10s", "since the step before it"
        before = it.text().count("[1, 2, 3]")
        await it.press("j")
        await it.until(lambda: it.text().count("[1, 2, 3]") > before + 10, "the whole result")


async def test_a_run_that_goes_on_has_its_journal_read_again_but_not_at_every_event() -> None:
    world = survey_world()
    async with page(world) as it:
        await to_pane(it, "7", "publish_draft")
        for done in range(23, 28):
            it.backend.tell(world.progress(RUN, -5, step=_pages(done)))
            await it.until(lambda done=done: f"{done} of 60" in it.text())  # type: ignore[misc]
        assert len(it.backend.asked("journal")) == 1
        it.clock.advance(3.0)
        it.backend.tell(world.progress(RUN, -4, step=_pages(40)))
        await it.until(lambda: len(it.backend.asked("journal")) == 2, "the second look")


async def test_going_back_to_a_checkpoint_asks_first_and_names_exactly_that_one() -> None:
    world = survey_world()
    stopped(world)
    async with page(world) as it:
        await it.press("b")
        await it.until(lambda: "← resumes here" in it.text(), "the checkpoints come into view")
        assert not isinstance(it.app.screen, ConfirmScreen), "nothing was marked yet"
        assert "damaged" in row_with(it, "50 min ago")
        await it.press("j", "b")
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert "resume from checkpoint 3?" in it.text()
        assert "1 newer checkpoint will be set aside" in it.text()
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("rollback"), "the call")
        assert it.backend.asked("rollback") == [{"run": RUN, "generation": 3, "by": "tui"}]
        await it.until(lambda: "resumes from checkpoint 3" in it.text(), "a word on it")


async def test_going_back_while_a_process_lives_says_what_has_to_be_done_first() -> None:
    async with page() as it:
        await to_pane(it, "4", "← resumes here")
        await it.press("j", "b")
        await it.until(lambda: "x stops it first" in it.text(), "the reason")
        assert not it.backend.asked("rollback")


async def test_the_marked_row_is_seen_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with page() as it:
        await to_pane(it, "4", "← resumes here")
        rows = it.app.screen.query_one("#pane-checkpoints", PickList)
        marked = [
            any(piece.style and piece.style.reverse for piece in rows.render_line(y))
            for y in range(3)
        ]
        assert marked == [True, False, False]


async def test_a_long_piece_of_evidence_is_shown_from_its_beginning_when_marked() -> None:
    world = survey_world()
    world.flag(RUN, -20, "long-one", "begin " + "and more of it " * 60 + "the end", "warning")
    world.flag(RUN, -10, "short-one", "short", "warning")
    async with page(world) as it:
        text = await to_pane(it, "5", "long-one")
        assert "begin and more" in text and "the end" not in text
        await it.press("j")
        await it.until(lambda: "the end" in it.text(), "all of it")
        assert "begin and more" in it.text() and "warning  long-one" in it.text()


async def test_a_kind_is_muted_once_confirmed_and_unmuted_at_once() -> None:
    async with page() as it:
        await to_pane(it, "5", "retry-spike")
        assert "muted" in row_with(it, "cold-cache") and "muted" not in row_with(it, "retry-spike")
        await it.press("j", "j", "m")
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert "Is this no problem for a-survey?" in it.text()
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("mute"), "the call")
        await it.press("k", "m")
        await it.until(lambda: len(it.backend.asked("mute")) == 2, "the second call")
        wanted = [(call["kind"], call["muted"]) for call in it.backend.asked("mute")]
        assert wanted == [("retry-spike", True), ("cold-cache", False)]


async def test_usage_says_tokens_by_model_and_what_is_not_declared() -> None:
    async with page() as it:
        await to_pane(it, "6", "claude-large")
        assert row_with(it, "claude-small").split()[1:] == ["2.1M", "310k", "–", "–", "$3.08"]
        assert row_with(it, " all ").split()[-1] == "$14.50"
        assert "open" in row_with(it, "web ")
    async with page(run="01KJQZ7C3B000000000000K5WP") as it:
        await to_pane(it, "6", "declares no tokens")


async def test_the_log_is_searched_wrapped_and_followed_on_the_page_itself() -> None:
    async with page() as it:
        await it.press("slash", *"page 031", "enter")
        await it.until(lambda: "match 1 of 1" in it.text(), "the match")
        assert "compared page 031" in it.text() and "stands still" in it.text()
        await it.press("left_square_bracket")
        await it.until(lambda: "no further error above" in it.text(), "none above it")
        await it.press("right_square_bracket")
        await it.until(lambda: "page 070 cannot be read" in it.text(), "the next error")
        await it.press("w")
        assert "not wrapped" in it.text()
        await it.press("f")
        await it.until(lambda: "compared page 109" in it.text(), "the end")
        await it.press("1")
        await it.until(lambda: "✓ collect" in it.text(), "another pane by its digit")


async def test_the_newest_error_of_the_log_is_one_key_away() -> None:
    async with page() as it:
        await it.press("left_square_bracket")
        await it.until(lambda: "page 070 cannot be read" in it.text(), "the error")
        assert it.app.screen.query_one("#log", LogView).current == 70


async def test_digits_typed_into_the_search_are_no_panes() -> None:
    async with page() as it:
        await it.press("slash", "1", "0", "9")
        screen = it.app.screen
        assert isinstance(screen, RunScreen) and screen._board.marked == "log"
        await it.press("escape", "escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard), "back by two Esc")


@pytest.mark.parametrize("keys", [("w",), ("enter", "w")])
async def test_why_is_one_key_away_and_goes_on_being_true(keys: tuple[str, ...]) -> None:
    world = survey_world()
    async with driven(world, SMALL) as it:
        it.app.screen.select(RUN)  # type: ignore[attr-defined]
        await it.press(*keys)
        await it.until(lambda: isinstance(it.app.screen, WhyScreen), "the card")
        await it.until(lambda: "a-survey is running since" in it.text(), "its words")
        assert "attempt 1 (from nothing): killed by SIGKILL" in it.text()
        world.crash(RUN, -1, "exit status 9")
        it.backend.tell(*stopped(world))
        await it.until(lambda: "a-survey is stopped" in it.text(), "the new state")
        await it.press("escape")
        await it.until(lambda: not isinstance(it.app.screen, WhyScreen), "closed")


async def test_whatever_an_agent_wrote_is_shown_and_never_obeyed_in_any_pane() -> None:
    world = hostile_world()
    world.answers["journal"] = {"total": 9, "lines": [
        {"number": 1, "state": EVIL, "name": EVIL, "scope": EVIL, "preview": EVIL, "at": 1.0},
        {"number": 2, "state": "failed", "name": EVIL, "scope": "", "preview": EVIL, "at": None},
    ]}  # fmt: skip
    world.answers["checkpoints"] = {"generations": [], "set_aside": [{"path": EVIL}]}
    async with page(world, LARGE, "01KJQZ7C3B0000000000007F3K") as it:
        for digit in "12345678w":
            await it.press(digit)
            await it.settle()
            assert all(line.isprintable() for line in it.text().splitlines())
        assert it.app.screen_stack


async def test_an_engine_that_cannot_answer_is_said_and_the_rest_stays() -> None:
    from supervisor.tui.link import CallError

    async with driven(survey_world(), LARGE) as it:
        it.backend.refusals["journal"] = CallError("its journal cannot be read: too large")
        it.app.screen.select(RUN)  # type: ignore[attr-defined]
        await it.press("enter")
        await it.until(lambda: "its journal cannot be read" in it.text(), "the reason")
        assert "✓ collect" in it.text()


@pytest.mark.parametrize("width", [40, 79, 80, 110, 169, 170, 300])
@pytest.mark.parametrize("height", [5, 16, 22, 34, 80])
def test_the_marked_pane_is_in_view_whatever_the_room(width: int, height: int) -> None:
    needed = dict.fromkeys(PANES, 40)
    for marked in PANES:
        third = marked if marked not in run_places.ALWAYS_THERE else run_places.LOG
        for is_zoomed in (False, True):
            made = run_places.places(width, height, marked, third, needed, is_zoomed=is_zoomed)
            assert marked in made.shown
            assert all(sum(cells for _, cells in row) == run_places.FULL for row in made.rows)
            assert sum(made.heights) < height
    assert sum(run_places.columns(width)) == width


def _pages(done: int) -> Any:
    from supervisor.core.progress import Step

    return Step("pages", done, 60, "pages")


def stopped(world: World) -> list[dict[str, Any]]:
    """The operator ended it."""
    from supervisor.core.run import Exit, ExitKind

    epoch = world.runs[RUN].epoch
    end = Exit(ExitKind.STOPPED, "stopped by kim", 0, at=moment(-0.5).wall)
    told = []
    if world.runs[RUN].pid is not None:
        told.append(world.happen(RUN, e.AttemptExited(epoch, end), -0.5))
    return [*told, world.happen(RUN, e.RunStopped("kim", "stopped by kim"), -0.4)]

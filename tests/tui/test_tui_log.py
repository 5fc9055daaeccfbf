"""The log screen: colours as styles, search and errors through files of any size, both streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
from textual.theme import Theme
from tui_script import Driven, World, driven

from supervisor.core.sgr import Ink
from supervisor.tui import inks, theme
from supervisor.tui.screens.log import LogScreen
from supervisor.tui.widgets.log_view import LogView


@asynccontextmanager
async def log_of(
    out: str, err: str = "", size: tuple[int, int] = (80, 24)
) -> AsyncIterator[Driven]:
    world = World()
    run = world.start("7F3K", "audit", -100)
    world.logs[run, "out"], world.logs[run, "err"] = out.encode(), err.encode()
    async with driven(world, size) as it:
        await it.press("l")
        await it.until(lambda: isinstance(it.app.screen, LogScreen), "the log")
        await it.until(lambda: view_of(it).line_count, "its lines")
        yield it


def view_of(it: Driven) -> LogView:
    return it.app.screen.query_one("#log", LogView)


def is_seen(it: Driven, words: str) -> bool:
    return words in it.text()


def has_moved(it: Driven, before: int) -> bool:
    return begin_of(it) < before or not before


def begin_of(it: Driven) -> int:
    tail = view_of(it).tail
    assert tail is not None
    return tail.where[0]


async def search(it: Driven, words: str) -> None:
    await it.press("slash", *words, "enter")


def row_with(it: Driven, words: str) -> int:
    return next(n for n, text in enumerate(it.text().split("\n")) if words in text)


def colours_on(it: Driven, words: str) -> set[object]:
    """Foregrounds of the cells in which these words stand."""
    view = view_of(it)
    strip = view.render_line(row_with(it, words) - view.region.y)
    return {seg.style.color for seg in strip if seg.style and words in seg.text}


async def test_colours_of_the_agent_are_shown_and_its_other_escapes_are_not() -> None:
    async with log_of(
        "\x1b[32mgreen words\x1b[0m plain words\x1b]52;c;aGk=\x07\x1b[2J end\n"
    ) as it:
        assert "green words plain words end" in it.text()
        green, plain = colours_on(it, "green words"), colours_on(it, " plain words end")
        assert green and plain and green != plain


@pytest.mark.parametrize("chosen", [theme.DARK, theme.LIGHT, theme.HIGH_CONTRAST, theme.ANSI])
def test_no_colour_hides_what_was_written(chosen: Theme) -> None:
    paper = inks.paper_of(chosen)
    for colour in [*range(16), (15, 19, 25), (0, 0, 0), (255, 255, 255), (251, 251, 250)]:
        for back in (None, colour):
            style = inks.style_of(Ink(fore=colour, back=back), paper)
            behind = style.background or paper.behind
            if paper.is_terminals:
                assert style.foreground != behind
            else:
                assert style.foreground is not None
                assert inks.contrast(style.foreground, behind) >= theme.LEAST_CONTRAST


async def test_a_search_reads_on_to_the_beginning_of_a_large_file() -> None:
    lines = [f"line {n:06} of many more" for n in range(60_000)]
    lines[17] = "here is the needle"
    async with log_of("\n".join(lines) + "\n") as it:
        assert "needle" not in it.text()
        await search(it, "needle")
        await it.until(lambda: "here is the needle" in it.text(), "the match")
        largest = max(call["limit"] for call in it.backend.asked("log"))
        assert largest <= 256 * 1024 and "stands still" in it.text()
        await it.press("N")
        await it.until(lambda: "no further match above" in it.text(), "the end of it")
        await it.press("G")
        await it.until(lambda: "line 059999" in it.text() and "following" in it.text(), "the end")


async def test_the_search_goes_from_match_to_match_both_ways() -> None:
    lines = [f"filler {n}" for n in range(300)]
    for n in (40, 140, 240):
        lines[n] = f"found at {n}"
    async with log_of("\n".join(lines) + "\n") as it:
        await search(it, "found")
        for keys, wanted in ((), 240), (("N",), 140), (("N",), 40), (("n",), 140):
            await it.press(*keys)
            await it.until(partial(is_seen, it, f"found at {wanted}"))


async def test_the_jump_goes_to_the_error_before_and_the_next_one() -> None:
    lines = [f"fine {n}, 0 errors" for n in range(300)]
    lines[50], lines[200] = "ValueError: first", "FATAL: second"
    async with log_of("\n".join(lines) + "\n") as it:
        await it.press("left_square_bracket")
        await it.until(lambda: "FATAL: second" in it.text(), "the newest error")
        await it.press("left_square_bracket")
        await it.until(lambda: "ValueError: first" in it.text(), "the one before")
        await it.press("right_square_bracket")
        await it.until(lambda: "FATAL: second" in it.text(), "the next one")
        await it.press("right_square_bracket")
        await it.until(lambda: "no further error below" in it.text(), "no more")


async def test_a_search_for_nothing_there_ends_and_says_so() -> None:
    async with log_of("a\nb\n") as it:
        await search(it, "zzz")
        await it.until(lambda: "no match above" in it.text())


async def test_going_up_past_the_top_reads_earlier_output() -> None:
    async with log_of("".join(f"line {n:06}\n" for n in range(30_000))) as it:
        await it.press("g")
        for _ in range(40):
            if "line 000000" in it.text():
                break
            before = begin_of(it)
            await it.press("g")
            await it.until(partial(has_moved, it, before), "earlier output")
        await it.press("g")
        await it.until(lambda: "line 000000" in it.text(), "the first line")


async def test_the_text_stands_still_when_earlier_lines_come_above_it() -> None:
    async with log_of("".join(f"line {n:06}\n" for n in range(30_000))) as it:
        view, before = view_of(it), begin_of(it)
        first = view.line_at(0).text
        await it.press("g")
        await it.until(lambda: begin_of(it) < before, "earlier output")
        assert view.line_at(view.top_line).text == first and view.top_line > 1000


async def test_a_long_line_is_wrapped_or_cut_and_looked_along() -> None:
    async with log_of("start " + "x" * 200 + " the far end\n") as it:
        assert "the far end" in it.text()
        await it.press("w")
        assert "the far end" not in it.text() and "not wrapped" in it.text()
        await it.press(*["right"] * 8)
        assert "the far end" in it.text()
        await it.press("w")
        assert "start xxx" in it.text() and "the far end" in it.text()


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_output_and_errors_stand_beside_each_other(size: tuple[int, int]) -> None:
    async with log_of("from the output\n", "from the errors\n", size) as it:
        await it.press("e")
        await it.until(
            lambda: "from the errors" in it.text() and "from the output" not in it.text()
        )
        await it.press("e")
        await it.until(lambda: "from the errors" in it.text() and "from the output" in it.text())
        rows = row_with(it, "from the output"), row_with(it, "from the errors")
        assert (rows[0] == rows[1]) == (size[0] >= 160)
        await it.press("tab")
        await search(it, "errors")
        await it.until(lambda: it.app.screen.query_one("#log-err", LogView).current == 0)


async def test_one_huge_line_is_shown_cut_and_costs_little() -> None:
    async with log_of("z" * 3_000_000 + "\nafter it\n") as it:
        await it.until(lambda: "after it" in it.text())
        await search(it, "zzz")
        await it.until(lambda: "zzzz" in it.text() or "no match" in it.text())
        await it.press("G")
        await it.until(lambda: "after it" in it.text())

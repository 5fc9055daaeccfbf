"""The screen of the metrics: whose, how far back, and that its bars say what is so."""

from __future__ import annotations

import time
from typing import Any

from tui_places import figures, metrics_answer, places_world
from tui_script import EVIL, Driven, driven

from supervisor.tui.link import CallError
from supervisor.tui.metric_plots import PERIODS, by_bucket, starts_of
from supervisor.tui.plots import Plot, Series, draw, nice_cost, nice_count, nice_span, scale_count
from supervisor.tui.screens.metrics import MetricsScreen


async def opened(it: Driven) -> None:
    await it.press("M")
    await it.until(lambda: isinstance(it.app.screen, MetricsScreen), "the metrics")
    await it.until(lambda: "asking the engine" not in it.text(), "the figures")
    await it.settle()


def a_plot(lower: list[float], upper: list[float] | None = None) -> Plot:
    above = Series("failed", upper, "", "2") if upper is not None else None
    return Plot("Runs", Series("completed", lower, "", "7"), above, scale_count, nice_count)


def drawn(plot: Plot, count: int, size: tuple[int, int] = (40, 6)) -> list[str]:
    starts = [1_700_000_000.0 // 3600 * 3600 + 3600 * n for n in range(count)]
    return [content.plain for content in draw(plot, starts, size)]


async def test_six_plots_say_what_came_of_a_day_with_their_figures_in_words() -> None:
    async with driven(places_world()) as it:
        await opened(it)
        text = it.text()
        for title in ("Runs", "Duration", "Retries", "Waiting", "Tokens", "Cost"):
            assert title in text
        assert "completed 83% (136 of 163)" in text
        assert "anthropic" in text and "$42.16" in text and "p95 25 min" in text


async def test_a_key_looks_further_back_and_asks_for_days() -> None:
    async with driven(places_world()) as it:
        await opened(it)
        await it.press("p")
        await it.until(lambda: "the last 7 days" in it.text(), "a week")
        await it.until(lambda: it.backend.asked("metrics")[-1]["by"] == ["day"], "the call")
        week = it.backend.asked("metrics")[-1]
        assert week["utc_offset_s"] == time.localtime(week["since"]).tm_gmtoff
        await it.press("p", "p")
        await it.until(lambda: "the last 24 hours" in it.text(), "a day again")


async def test_an_agent_is_chosen_by_the_arrows_and_only_its_figures_are_asked_for() -> None:
    async with driven(places_world()) as it:
        await opened(it)
        await it.press("right")
        await it.until(lambda: "agent" in it.backend.asked("metrics")[-1], "the call")
        chosen = it.backend.asked("metrics")[-1]["agent"]
        assert chosen in it.text()
        await it.press("left")
        await it.until(lambda: "all agents" in it.text(), "all of them")
        await it.until(lambda: "agent" not in it.backend.asked("metrics")[-1], "the call")


async def test_names_of_services_are_shown_and_never_obeyed() -> None:
    def hostile(params: Any) -> dict[str, Any]:
        said = metrics_answer(params)
        use = {"calls": 9, "retries": 9, "failures": 0, "retries_per_call": 1.0}
        said["total"] = {**said["total"], "services": {EVIL: use}}
        said["rows"] = [{**row, "services": {EVIL: use}} for row in said["rows"]]
        return said

    world = places_world()
    world.answers["metrics"] = hostile
    async with driven(world) as it:
        await opened(it)
        assert "\x1b" not in it.text()


async def test_an_engine_that_knows_no_figures_is_said() -> None:
    async with driven(places_world()) as it:
        it.backend.refusals["metrics"] = CallError("there is no method 'metrics'")
        await it.press("M")
        await it.until(lambda: "no method" in it.text(), "what is wrong")


async def test_figures_that_are_not_whole_yet_are_called_that() -> None:
    world = places_world()
    world.answers["metrics"] = lambda params: {**metrics_answer(params), "is_behind": True}
    async with driven(world) as it:
        await opened(it)
        assert "still being counted" in it.text()


def test_a_bar_is_as_high_as_its_number_and_a_little_is_not_nothing() -> None:
    lines = drawn(a_plot([0, 10, 5, 0.01]), 4)
    bars = [line[7:] for line in lines[1:-1]]
    heights = ["".join(row[at] for row in bars) for at in (0, 8, 16, 24)]
    assert heights == ["    ", "████", "  ██", "   ▁"]


def test_the_upper_part_stands_on_the_lower_and_differs_without_colour() -> None:
    bars = [line[7:] for line in drawn(a_plot([5], [5]), 1)[1:-1]]
    assert [row[0] for row in bars] == ["▒", "▒", "█", "█"]


def test_without_anything_there_is_an_axis_and_no_scale_above_nothing() -> None:
    lines = drawn(a_plot([0.0] * 24), 24)
    assert "└" in lines[-1] and not any(mark in "".join(lines[1:]) for mark in "█▁▒")


def test_more_buckets_than_cells_show_the_newest() -> None:
    lines = drawn(a_plot([9.0] * 50 + [0.0] * 33), 83)
    assert all(len(line) <= 40 for line in lines)
    assert not any("█" in line for line in lines[1:]), "the newest 33 are empty"


def test_a_plot_of_any_size_never_breaks_the_screen() -> None:
    for width in range(1, 60, 3):
        for height in range(1, 12):
            lines = drawn(a_plot([1.0, 2.0], [3.0, 0.0]), 2, (width, height))
            assert len(lines) <= max(1, height) and all(len(line) <= width for line in lines)


def test_scales_end_at_round_numbers() -> None:
    assert [nice_count(n) for n in (0.2, 3, 5, 18, 99, 101)] == [1, 5, 5, 20, 100, 200]
    assert [nice_cost(n) for n in (0.013, 1.2)] == [0.02, 2.0]
    assert [nice_span(n) for n in (3, 61, 4000)] == [5, 120, 7200]


def test_a_row_finds_its_bucket_even_over_a_change_of_summer_time() -> None:
    starts = starts_of(PERIODS[1], 1_700_000_000.0, 3600.0)
    assert len(starts) == 7 and (starts[0] + 3600) % 86400 == 0
    row = {"start": starts[2] + 3600, **figures(1)}
    assert [found is not None for found in by_bucket([row], starts)].index(True) == 2

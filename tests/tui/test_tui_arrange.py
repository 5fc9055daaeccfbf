"""What the table lists, in which order, under which headings; and the curves."""

from __future__ import annotations

from typing import Any

import pytest
from tui_script import Driven, World, busy_world, driven, moment

from supervisor.core.progress import Stage, Step, Usage
from supervisor.tui import model
from supervisor.tui.arrange import ORDERS, Arranger, Grouping, Plan, arrange, plan_words
from supervisor.tui.link import Notice
from supervisor.tui.model import Picture
from supervisor.tui.rows import Heading
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.request import RequestScreen
from supervisor.tui.trend import KEPT, Trend, spark
from supervisor.tui.widgets.columns import COLUMNS, HOST, chosen_columns
from supervisor.tui.widgets.run_table import RunTable

AUDIT = "01KJQZ7C3B0000000000007F3K"


def picture_of(world: World) -> Picture:
    return model.from_snapshot(world.snapshot(), Picture())


def agents(world: World, **plan: Any) -> list[str]:
    rows = Arranger().rows(picture_of(world), moment(), Plan(**plan))
    return [row.agent for row in rows]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("fail", {"import-ledger"}),
        ("state:held", {"price-watch"}),
        ("state:waiting", {"contract-review"}),
        ("state:asks", {"contract-review"}),
        ("state:needs", {"contract-review", "price-watch"}),
        ("agent:audit", {"license-audit"}),
        ("stage:extract", {"license-audit"}),
        ("AUDIT running", {"license-audit"}),
        ("state:running -agent:audit", {"embeddings", "issue-triage"}),
        ("why:sigkill", set()),
        ("why:65", {"import-ledger"}),
        ("idle", {"weekly-cleanup"}),
        ("id:q81m", {"contract-review"}),
        ("audit running nothing-like-it", set()),
    ],
)
def test_a_filter_keeps_what_fits_every_word(text: str, kept: set[str]) -> None:
    assert set(agents(busy_world(), text=text)) == kept


def test_a_field_still_being_typed_hides_nothing() -> None:
    assert len(agents(busy_world(), text="state:")) == len(agents(busy_world()))


@pytest.mark.parametrize("sort", ORDERS)
def test_every_order_lists_every_run_once_and_turns_round(sort: str) -> None:
    world = busy_world()
    first, back = Plan().sorted_by(sort), Plan().sorted_by(sort).sorted_by(sort)
    picture = picture_of(world)
    down = arrange(picture, moment(), first)
    up = arrange(picture, moment(), back)
    assert len(down) == len(up) == 9
    assert {id(item) for item in down} == {id(item) for item in up}
    assert first.highest_first is not back.highest_first


def test_what_has_no_value_stands_last_whichever_way_it_is_sorted() -> None:
    world = busy_world()
    first = agents(world, sort="eta")
    back = agents(world, sort="eta", is_reversed=True)
    assert first[:2] == ["embeddings", "license-audit"]
    assert back[:2] == ["license-audit", "embeddings"]


def test_sorting_by_a_figure_puts_the_most_first() -> None:
    assert agents(busy_world(), sort="cpu")[:2] == ["embeddings", "license-audit"]
    assert agents(busy_world(), sort="cost")[:2] == ["contract-review", "license-audit"]


@pytest.mark.parametrize(
    ("grouping", "labels"),
    [
        (Grouping.STATE, ["asks you", "held", "running", "retrying", "done", "failed", "idle"]),
        (Grouping.STAGE, ["crawl", "label", "extract", "publish", "send", "·", "idle"]),
    ],
)
def test_groups_stand_in_an_order_that_means_something(
    grouping: Grouping, labels: list[str]
) -> None:
    found = arrange(picture_of(busy_world()), moment(), Plan(grouping=grouping))
    assert [item.label for item in found if isinstance(item, Heading)] == labels


def test_a_folded_group_still_counts_its_runs_and_says_when_it_needs_me() -> None:
    world = busy_world()
    plan = Plan(grouping=Grouping.STATE, folded=frozenset({"group:state:asks you"}))
    rows = Arranger().rows(picture_of(world), moment(), plan)
    assert "contract-review" not in [row.agent for row in rows]
    assert rows[0].is_heading and rows[0].needs_me and rows[0].agent == "asks you  1"
    assert rows.run_count == 9


def test_an_order_is_kept_for_a_second_and_a_question_breaks_it_at_once() -> None:
    world = busy_world()
    arranger, plan = Arranger(), Plan(sort="step")
    before = [row.agent for row in arranger.rows(picture_of(world), moment(), plan)]
    world.progress(AUDIT, -1, step=Step("documents", 99_999, 100_000, "documents"))
    soon = arranger.rows(picture_of(world), moment(0.5), plan)
    assert [row.agent for row in soon] == before
    assert "99,999 of 100,000" in next(row for row in soon if row.agent == "license-audit").note
    later = [row.agent for row in arranger.rows(picture_of(world), moment(1.1), plan)]
    assert later[0] == "license-audit"
    plan = Plan()
    arranger.rows(picture_of(world), moment(2.0), plan)
    world.ask(AUDIT, -900, kind="approve", title="Go on?")
    asked = [row.agent for row in arranger.rows(picture_of(world), moment(2.1), plan)]
    assert "license-audit" in asked[:3]


def test_the_words_say_what_is_filtered_sorted_and_grouped() -> None:
    plan = Plan(text=" fail ", sort="cpu", grouping=Grouping.STAGE)
    assert plan_words(plan, 3, 50) == (
        "3 of 50 runs, filter: fail, sorted by cpu, highest first, grouped by stage"
    )
    assert plan_words(Plan(), 1, 1) == "1 run, sorted by need"


def test_the_last_minute_is_kept_and_no_more() -> None:
    world = busy_world()
    picture = picture_of(world)
    for n in range(KEPT + 9):
        world.progress(AUDIT, -1, usage=Usage(100 * n, 0, 0, 0.0))
        picture = model.from_snapshot(world.snapshot(), picture)
        sample = {"cpu_percent": float(n), "rss_bytes": 1000, "processes": 1}
        picture = model.with_samples(picture, {"samples": {AUDIT: sample}})
    trend = picture.trends[AUDIT]
    assert len(trend.cpu_percent) == len(trend.tokens) == KEPT
    assert trend.cpu_percent[-1] == KEPT + 8
    assert set(trend.tokens_each) == {100}
    assert list(picture.trends) == [AUDIT], "what uses nothing any more has no curve"


def test_a_curve_is_empty_where_nothing_was_seen_and_low_where_nothing_was_used() -> None:
    assert spark((), 5, 100.0) == "     "
    assert spark((0.0, 0.0), 5, 100.0) == "   ▁▁"
    assert spark((0.0, 50.0, 100.0, 300.0), 4, 100.0) == "▁▂▃█"
    assert Trend(tokens=(500.0, 20.0)).tokens_each == (0.0,)


def test_every_column_is_there_at_200_and_the_needed_ones_at_80() -> None:
    assert [column.name for column, _ in chosen_columns(199)] == [
        c.name for c in COLUMNS if c.name != HOST
    ]
    narrow = {column.name for column, _ in chosen_columns(80)}
    assert {"status", "agent", "progress", "retries", "flags"} <= narrow
    assert {column.name for column in COLUMNS} == set(ORDERS)


# -- by keyboard ------------------------------------------------------------------------------


def dashboard(it: Driven) -> Dashboard:
    screen = it.app.screen
    assert isinstance(screen, Dashboard)
    return screen


def table(it: Driven) -> RunTable:
    return it.app.screen.query_one(RunTable)


async def test_sorting_and_grouping_by_key_say_so_and_keep_the_cursor_on_its_run() -> None:
    async with driven(busy_world()) as it:
        dashboard(it).select(AUDIT)
        await it.press(*["greater_than_sign"] * 10)
        assert "sorted by cpu, highest first" in it.text() and "CPU▼" in it.text()
        await it.press("o")
        assert "lowest first" in it.text() and "CPU▲" in it.text()
        await it.press("b", "b", "b")
        assert "grouped by state" in it.text() and "▾ running  3" in it.text()
        assert dashboard(it).run_id == AUDIT
        await it.press("space")
        assert "▸ running  3" in it.text()
        assert "license-audit" not in [row.agent for row in table(it).rows]
        await it.press("enter")
        assert "▾ running  3" in it.text()
        assert "license-audit" in [row.agent for row in table(it).rows]


async def test_a_filter_says_how_many_of_how_many() -> None:
    async with driven(busy_world(), (80, 24)) as it:
        await it.press("slash", *"state:running", "enter")
        assert "3 of 9 runs, filter: state:running" in it.text()


async def test_a_click_on_a_heading_sorts_by_it() -> None:
    async with driven(busy_world()) as it:
        await it.pilot.click("RunTable", offset=(16, 0))
        await it.until(lambda: "sorted by agent, a to z" in it.text())
        await it.pilot.click("RunTable", offset=(16, 0))
        await it.until(lambda: "sorted by agent, z to a" in it.text())


async def test_i_goes_from_one_run_that_needs_me_to_the_next() -> None:
    world = busy_world()
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))
        assert it.app.screen.agent == "contract-review"
        await it.press("i")
        await it.until(lambda: "price-watch is held: 4 crashes" in it.text())
        assert it.app.screen.agent == "price-watch"
        await it.press("i")
        await it.until(lambda: isinstance(it.app.screen, RequestScreen))


async def test_i_finds_a_run_that_the_filter_hides() -> None:
    async with driven(busy_world()) as it:
        await it.press("slash", *"audit", "enter")
        await it.open_oldest()
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))
        assert it.app.screen.agent == "contract-review" and "9 runs, sorted" in it.text()


async def test_curves_are_drawn_from_the_samples_the_engine_sends() -> None:
    world = busy_world()
    async with driven(world, (200, 50)) as it:
        for percent in (0.0, 50.0, 100.0):
            world.samples[AUDIT] = {"cpu_percent": percent, "rss_bytes": 9_000_000, "processes": 1}
            it.backend._notices.put_nowait(Notice("samples", {"samples": dict(world.samples)}))
        await it.until(lambda: "▁▅█  100%" in it.text(), "the curve")
        assert "STEP" in it.text() and "COST" in it.text() and "TOKENS" in it.text()


async def test_a_run_that_is_quiet_says_how_long_until_it_counts_as_stalled() -> None:
    world = World()
    run_id = world.start("7F3K", "slow", -500, stall_timeout_s=600.0)
    world.progress(run_id, -300, stage=Stage("read", 1, 2))
    async with driven(world, (200, 50)) as it:
        await it.until(lambda: "quiet 5 min, stalls in 5 min" in it.text())


async def test_a_run_that_is_late_says_how_long_until_its_limit() -> None:
    world = World()
    world.start("7F3K", "late", -3500, timeout_s=3600.0)
    async with driven(world, (200, 50)) as it:
        await it.until(lambda: "time limit in 1 min" in it.text())

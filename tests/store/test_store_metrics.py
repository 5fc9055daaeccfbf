"""Figures in state.db: nothing twice, nothing lost when hours become days, bounded by age."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisor.core.figures import Calls, Figures, merged, summary
from supervisor.core.metrics import Key, Tally
from supervisor.core.moment import Moment
from supervisor.core.record import canonical
from supervisor.core.run import Status
from supervisor.store.database import Database
from supervisor.store.metrics_table import Addition, MetricsTable

NOW_H = 490_000
SOME = Figures(
    created=2, succeeded=1, cost_usd=0.5, waited_s=7.0,
    durations={"12.5": 1}, services={"web": Calls(3, 1, 0)},
)  # fmt: skip


@pytest.fixture
async def table(tmp_path: Path) -> AsyncIterator[MetricsTable]:
    database = await Database.open(tmp_path / "state.db")
    yield MetricsTable(database)
    await database.close()


def addition(seq: int, figures: dict[Key, Figures], **tallies: str | None) -> Addition:
    return Addition(seq, 1.0, "{}", figures, tallies)


async def whole(table: MetricsTable, first: int = 0, end: int = NOW_H + 1) -> Figures:
    _seq, pieces = await table.span(first, end)
    return merged(piece.figures for piece in pieces)


async def test_what_is_added_is_there_with_the_event_that_it_goes_up_to(
    table: MetricsTable,
) -> None:
    tally = Tally(
        "reader", Status.RUNNING, Moment(1.0, 1.0, "boot"), used=(1.0, 2.0, 0.0, 0.0, 0.5)
    )
    await table.add(addition(7, {("reader", NOW_H): SOME}, RUN=canonical(tally), GONE=None))
    kept = await table.load()
    assert kept is not None and kept.seq == 7 and kept.tallies == {"RUN": tally}
    await table.add(addition(8, {("reader", NOW_H): SOME}, RUN=None))
    assert (await whole(table)).created == 4
    assert (await table.totals())["reader"].services["web"] == Calls(6, 2, 0)
    kept = await table.load()
    assert kept is not None and not kept.tallies


async def test_a_commit_that_is_tried_again_counts_once(table: MetricsTable) -> None:
    same = addition(7, {("reader", NOW_H): SOME})
    await table.add(same)
    await table.add(same)
    assert (await whole(table)).created == 2


async def test_hours_that_become_days_keep_every_figure_and_old_days_go(
    table: MetricsTable,
) -> None:
    hours: dict[Key, Figures] = {("reader", NOW_H - back): SOME for back in range(0, 24 * 60, 7)}
    await table.add(addition(7, hours))
    before = summary(await whole(table))
    while await table.compact(NOW_H - 24 * 35, 0):
        pass
    _seq, pieces = await table.span(0, NOW_H + 1)
    assert summary(merged(piece.figures for piece in pieces)) == before
    assert {piece.hours for piece in pieces} == {1, 24}
    assert all(piece.start % 24 == 0 for piece in pieces if piece.hours == 24)
    assert all(piece.start >= NOW_H - 24 * 36 for piece in pieces if piece.hours == 1)
    await table.compact(NOW_H - 24 * 35, NOW_H - 24 * 40)
    _seq, pieces = await table.span(0, NOW_H + 1)
    assert min(piece.start for piece in pieces) >= NOW_H - 24 * 40
    assert (await table.totals())["reader"].created == 2 * len(hours), "all time is all time"


async def test_a_period_and_an_agent_are_found_alone(table: MetricsTable) -> None:
    await table.add(addition(7, {("a", NOW_H): SOME, ("b", NOW_H): SOME, ("a", NOW_H - 9): SOME}))
    assert (await whole(table, NOW_H - 8)).created == 4
    _seq, pieces = await table.span(0, NOW_H + 1, "a")
    assert {piece.agent for piece in pieces} == {"a"} and len(pieces) == 2


async def test_nothing_is_known_of_a_fresh_file_or_after_a_reset(table: MetricsTable) -> None:
    assert await table.load() is None
    assert not await table.add(addition(7, {("a", NOW_H): SOME})), "it held nothing before"
    assert await table.add(addition(8, {}))
    await table.reset()
    assert await table.load() is None and (await whole(table)).created == 0

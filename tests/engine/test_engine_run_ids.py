"""Run ids of a real log: the newest run is the one begun last, whatever the clock says."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from supervisor.core.asking import ID_TAIL
from supervisor.core.moment import Moment
from supervisor.engine.runs import Reactions, Runs
from supervisor.store.event_log import SqliteEventLog
from tests.core.builders import a_spec

SPEC = a_spec()


class OneEnd:
    """Randomness that would give the same end to the first ids of all."""

    def __init__(self) -> None:
        self._drawn = 0
        self._rng = random.Random(5)

    def random(self) -> float:
        self._drawn += 1
        return 0.25 if self._drawn <= 4 else self._rng.random()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteEventLog]:
    opened = await SqliteEventLog.open(tmp_path / "state.db")
    yield opened
    await opened.close()


async def test_the_run_begun_last_is_the_newest_after_the_clock_was_set_back(
    log: SqliteEventLog,
) -> None:
    wall = 1_900_000_000.0
    nothing = Reactions(lambda *_: None, lambda *_: None, lambda *_: None)
    runs = Runs(log, lambda: Moment(wall, wall, "boot"), random.Random(1), nothing)
    first = runs.create(SPEC, "first")
    wall -= 86_400.0
    second = runs.create(SPEC, "second")
    await second.stored
    newest = runs.newest_of("reader")
    assert newest is not None and newest.id == second.state.id > first.state.id

    again = Runs(log, lambda: Moment(wall, wall, "boot"), random.Random(1), nothing)
    again.restore(await log.load())
    assert [state.id for state in again.states()] == [first.state.id, second.state.id]
    assert again.create(SPEC, "third").state.id > second.state.id


async def test_no_two_runs_have_ids_that_end_alike(log: SqliteEventLog) -> None:
    nothing = Reactions(lambda *_: None, lambda *_: None, lambda *_: None)
    runs = Runs(log, lambda: Moment(2e9, 1.0, "boot"), OneEnd(), nothing)
    made = [runs.create(SPEC, "again").state.id for _ in range(3)]
    assert len({run_id[-ID_TAIL:] for run_id in made}) == 3

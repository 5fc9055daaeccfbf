"""What is forgotten by age, in real directories and a real log; and what never is."""

from __future__ import annotations

import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from supervisor.config.defaults import RETENTION_S
from supervisor.config.paths import Project
from supervisor.core.ids import next_ulid, ulid
from supervisor.core.moment import Moment
from supervisor.core.rebuild import Identity
from supervisor.core.run import RunState, Status
from supervisor.engine import keepsakes
from supervisor.engine.checkpoints import KEPT_SET_ASIDE, keep, set_copy_aside
from supervisor.engine.keepsakes import Keepsakes
from supervisor.engine.retention import Retention, newest_before, remove_tree
from supervisor.engine.runs import Reactions, Runs
from supervisor.store.event_log import SqliteEventLog
from tests.core.builders import a_spec

DAY_S = 86400.0


class Days:
    """An engine's log and runs on a clock that the test turns."""

    def __init__(self, project: Project, log: SqliteEventLog) -> None:
        self.project = project
        self.log = log
        self.now = time.time() - 100 * DAY_S
        reactions = Reactions(lambda *_: None, lambda *_: None, lambda *_: None)
        self.runs = Runs(log, self.clock, random.Random(1), reactions)
        self.retention = Retention(project, log, self.runs, self.clock)

    def clock(self) -> Moment:
        return Moment(self.now, self.now, "boot")

    async def add(self, agent: str, status: Status, newest: str = "") -> str:
        """A run that came to be and got that status today, with directories."""
        self.now += 1.0
        state = RunState(
            id=next_ulid(self.now, int(self.now * 7), newest),
            agent=agent,
            spec=a_spec(name=agent),
            created_at=self.now,
            status=status,
            reason="",
            status_since=self.clock(),
            ended_at=self.now if status in (Status.SUCCEEDED, Status.FAILED) else None,
        )
        self.project.ensure_run(state.id)
        (self.project.run_dir(state.id) / "result.txt").write_text("kept")
        await self.runs.rebuild(state, "for the test").stored
        return state.id

    def date_directories(self, wall: float) -> None:
        """All that is there was written while the clock showed that time."""
        for directory in self.project.records_dir.iterdir():
            os.utime(directory, (wall, wall))

    def left(self) -> set[str]:
        parents = (self.project.runs_dir, self.project.records_dir)
        return {entry.name for parent in parents for entry in parent.iterdir()}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path.resolve())
    found.ensure()
    return found


@pytest.fixture
async def days(project: Project) -> AsyncIterator[Days]:
    log = await SqliteEventLog.open(project.state_db)
    yield Days(project, log)
    await log.close()


async def test_old_finished_runs_and_events_go_and_everything_else_stays(days: Days) -> None:
    old = [await days.add("a", Status.SUCCEEDED) for _ in range(3)]
    parked = await days.add("a", Status.PARKED)
    only = await days.add("b", Status.FAILED)
    days.now += RETENTION_S / 2
    younger = await days.add("a", Status.SUCCEEDED)
    days.now += RETENTION_S / 2 + DAY_S
    await days.retention.forget()
    assert days.left() == {parked, only, younger}
    assert days.runs.state(old[0]) is None and days.runs.state(parked) is not None
    kept = await days.log.history(0, 100)
    assert [type(entry.event).__name__ for entry in kept] == ["RunRebuilt", "HistoryForgotten"]
    assert kept[0].run_id == younger
    assert (await days.log.verify_chain()).problem is None
    loaded = await days.log.load()
    assert {state.id for state, _ in loaded.runs} == {parked, only, younger}
    await days.retention.forget()
    assert len(await days.log.history(0, 100)) == 2, "nothing to do says nothing"


async def test_a_link_planted_by_an_agent_leads_nowhere(days: Days, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("mine")
    inside = await days.add("a", Status.SUCCEEDED)
    swapped = await days.add("a", Status.SUCCEEDED)
    await days.add("a", Status.SUCCEEDED)
    (days.project.run_dir(inside) / "door").symlink_to(outside)
    days.project.run_dir(swapped).rename(tmp_path / "moved")
    days.project.run_dir(swapped).symlink_to(outside)
    days.now += RETENTION_S + DAY_S
    await days.retention.forget()
    assert (outside / "precious").read_text() == "mine"
    assert (tmp_path / "moved" / "result.txt").exists()
    assert inside not in days.left() and swapped not in days.left()


async def test_a_directory_that_cannot_be_removed_keeps_its_run_for_the_next_round(
    days: Days, monkeypatch: Any
) -> None:
    stuck = await days.add("a", Status.SUCCEEDED)
    await days.add("a", Status.SUCCEEDED)
    days.now += RETENTION_S + DAY_S
    with monkeypatch.context() as patch:
        patch.setattr("supervisor.engine.retention.remove_tree", lambda *_: False)
        await days.retention.forget()
    assert stuck in days.left() and days.runs.state(stuck) is not None
    await days.retention.forget()
    assert stuck not in days.left()


async def test_the_line_between_old_and_young_events_is_found_by_halving(days: Days) -> None:
    began = days.now
    for _ in range(37):
        await days.add("a", Status.SUCCEEDED)
    for number in (0, 1, 17, 36, 37):
        assert await newest_before(days.log, began + number + 0.5) == number
    assert await newest_before(days.log, began - 5) == 0


async def test_runs_that_were_named_by_a_clock_that_ran_ahead_are_forgotten_all_the_same(
    days: Days,
) -> None:
    true_now = days.now
    days.now = true_now + 70 * 365 * DAY_S
    ahead = [await days.add("a", Status.SUCCEEDED) for _ in range(2)]
    days.now = true_now
    # The clock is right again, the ids go on behind the newest: they say nothing of the time.
    after = [
        await days.add("a", Status.SUCCEEDED, newest=newest)
        for newest in (ahead[-1], next_ulid(0.0, 5, ahead[-1]))
    ]
    parked = await days.add("a", Status.PARKED, newest=after[-1])
    newest = await days.add("a", Status.SUCCEEDED, newest=parked)
    assert sorted([*ahead, *after, parked, newest]) == [*ahead, *after, parked, newest]

    days.date_directories(true_now + 70 * 365 * DAY_S)
    await days.retention.forget()
    assert days.left() == {*ahead, *after, parked, newest}, "nothing of this is a month old"
    days.now += RETENTION_S + DAY_S
    await days.retention.forget()
    assert days.left() == {parked, newest}
    kept = await days.log.history(0, 100)
    assert [type(entry.event).__name__ for entry in kept] == ["HistoryForgotten"]
    assert (await days.log.verify_chain()).problem is None


async def test_a_young_run_is_not_taken_for_old_because_of_a_clock_that_ran_ahead(
    days: Days,
) -> None:
    true_now = days.now
    old = await days.add("a", Status.SUCCEEDED)
    days.now = true_now + 3650 * DAY_S
    ahead = await days.add("a", Status.SUCCEEDED)
    days.now = true_now + RETENTION_S
    days.date_directories(true_now + 3650 * DAY_S)
    young = await days.add("a", Status.SUCCEEDED, newest=ahead)
    last = await days.add("a", Status.SUCCEEDED, newest=young)
    days.now += DAY_S
    await days.retention.forget()
    assert days.left() == {ahead, young, last} and old not in days.left()
    days.now += RETENTION_S / 2
    await days.retention.forget()
    assert days.left() == {ahead, young, last}


async def test_many_runs_that_cannot_go_yet_do_not_hide_one_that_can(
    days: Days, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervisor.engine.retention.RUNS_AT_ONCE", 2)
    true_now = days.now
    days.now = true_now + 3650 * DAY_S
    ahead = [await days.add("a", Status.SUCCEEDED) for _ in range(5)]
    days.now = true_now
    past = await days.add("a", Status.SUCCEEDED, newest=ahead[-1])
    last = await days.add("a", Status.SUCCEEDED, newest=past)
    days.now += RETENTION_S + DAY_S
    days.date_directories(true_now + 3650 * DAY_S)
    await days.retention.forget()
    assert days.left() == {*ahead, last}


@pytest.mark.parametrize("length", [1, 2, 3, 17])
async def test_events_of_a_clock_that_ran_ahead_are_as_old_as_what_came_after(
    days: Days, length: int
) -> None:
    began = days.now
    for _ in range(10):
        await days.add("a", Status.SUCCEEDED)
    right = days.now
    days.now += 3650 * DAY_S
    for _ in range(length):
        await days.add("a", Status.SUCCEEDED)
    days.now = right
    for _ in range(40):
        await days.add("a", Status.SUCCEEDED)
    at_end = days.now + 1.0
    every = 50 + length
    assert await newest_before(days.log, began - 5, at_end) == 0
    assert await newest_before(days.log, began + 4.5, at_end) == 4
    assert await newest_before(days.log, right + 0.5, at_end) == 10
    assert await newest_before(days.log, at_end, at_end) == every
    # Within the block the answer may be too small, so that more is kept, never too large.
    for behind in range(1, 40):
        found = await newest_before(days.log, right + behind + 0.5, at_end)
        assert found <= 10 + length + behind
        assert found == 10 + length + behind or behind <= length + 1


def test_removing_what_is_not_there_is_done_already(tmp_path: Path) -> None:
    assert remove_tree(tmp_path, "nothing")
    assert remove_tree(tmp_path / "no-parent", "nothing")


async def test_copies_beside_the_records_come_back_as_they_were_and_torn_ones_do_not(
    days: Days,
) -> None:
    run_id = await days.add("a", Status.RUNNING)
    state = days.runs.state(run_id)
    assert state is not None
    copies = Keepsakes(days.project)
    copies.see(state)
    await copies.write()
    keepsakes.keep_identity(days.project, state)
    assert keepsakes.read_state(days.project, run_id) == state
    who = Identity(run_id, "a", state.spec, state.created_at)
    assert keepsakes.read_identity(days.project, run_id) == who
    copy = days.project.record_dir(run_id) / keepsakes.STATE_NAME
    whole = copy.read_bytes()
    other = replace(state, id=ulid(days.now, 1))
    days.project.ensure_run(other.id)
    for bad in (b"", whole[: len(whole) // 2], b"[]", b'{"state": 3}', b"\0" * 100, b"[" * 10_000):
        copy.write_bytes(bad)
        assert keepsakes.read_state(days.project, run_id) is None
        (days.project.record_dir(run_id) / keepsakes.IDENTITY_NAME).write_bytes(bad)
        assert keepsakes.read_identity(days.project, run_id) is None
    (days.project.record_dir(other.id) / keepsakes.STATE_NAME).write_bytes(whole)
    assert keepsakes.read_state(days.project, other.id) is None, "another run's"


def test_checkpoints_taken_out_of_use_are_kept_but_not_without_end(project: Project) -> None:
    run_id = ulid(1_700_000_000.0, 7)
    project.ensure_run(run_id)
    for generation in range(1, KEPT_SET_ASIDE + 6):
        keep(project, run_id, generation, b"x")
        set_copy_aside(project, run_id, generation)
    names = {entry.name for entry in project.set_aside_dir(run_id).iterdir()}
    assert len(names) == KEPT_SET_ASIDE
    assert not list(project.checkpoints_dir(run_id).iterdir())

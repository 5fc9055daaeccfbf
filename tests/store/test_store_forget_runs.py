"""Forgetting finished runs and thinning progress: the same for every event log."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from store_samples import created, progress, recorded, run_id, state_after

from supervisor.core.events import EngineStarted
from supervisor.core.run import Status
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.memory import MemoryEventLog
from supervisor.store.ports import EventLog


@pytest.fixture(params=["memory", "sqlite"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventLog]:
    made: EventLog = MemoryEventLog()
    if request.param == "sqlite":
        made = await SqliteEventLog.open(tmp_path / "state.db")
    yield made
    await made.close()


async def test_only_finished_runs_are_old_and_only_they_are_forgotten(log: EventLog) -> None:
    for seq, status in ((1, Status.SUCCEEDED), (2, Status.FAILED), (3, Status.PARKED)):
        event = created(seq)
        ended_at = None if status is Status.PARKED else 1000.0 * seq
        state = replace(state_after(event, status=status), ended_at=ended_at)
        log.append([event], [state])
    await log.durable(3)
    ids = [run_id(number) for number in (1, 2, 3, 4)]
    assert await log.finished_before(ids, 1500.0) == (run_id(1),)
    assert await log.finished_before(ids, 9999.0) == (run_id(1), run_id(2))
    assert await log.forget_runs([run_id(1), run_id(3), run_id(4)]) == 1
    assert {state.id for state, _ in (await log.load()).runs} == {run_id(2), run_id(3)}
    assert await log.find_run(run_id(1)) == ()
    assert (await log.verify_chain()).problem is None


async def filled(log: EventLog) -> None:
    """Events 1 and 2 create runs; then 3 to 20 are progress of the two in turn, but for 10."""
    for seq in (1, 2):
        log.append([created(seq)], [state_after(created(seq), status=Status.SUCCEEDED)])
    for seq in range(3, 21):
        event = EngineStarted("1.0", 1) if seq == 10 else progress(seq)
        log.append([recorded(seq, "" if seq == 10 else run_id(1 + seq % 2), event)])
    await log.durable(20)


async def test_superseded_progress_goes_and_the_chain_stays_checkable(log: EventLog) -> None:
    await filled(log)
    end = log.last_hash
    assert await log.thin(0, 16) == 16
    assert [event.seq for event in await log.history(0, 99)] == [1, 2, 10, 17, 18, 19, 20]
    assert [event.seq for event in await log.history(0, 99, run_id(1))] == [1, 18, 20]
    report = await log.verify_chain()
    assert (report.last_seq, report.problem) == (20, None)
    assert log.last_hash == end
    assert await log.thin(16, 16) == 16, "nothing is left to look at"
    assert await log.thin(0, 16) == 16, "again changes nothing"
    assert (await log.verify_chain()).problem is None
    log.append([recorded(21, run_id(1), progress(21))])
    await log.durable(21)
    assert (await log.verify_chain()).problem is None


async def test_a_thinned_log_is_forgotten_across_its_stretches(log: EventLog) -> None:
    await filled(log)
    await log.thin(0, 20)
    assert await log.forget(5) == 2, "1 and 2; the stretch 3 to 9 reaches further"
    assert (await log.verify_chain()).problem is None
    await log.forget(13)
    assert (await log.verify_chain()).problem is None
    assert [event.seq for event in await log.history(0, 99)] == [19, 20]
    await log.forget(20)
    assert await log.history(0, 99) == []
    assert (await log.verify_chain()).last_seq == 20


async def test_progress_that_a_living_runs_state_does_not_hold_is_not_thinned(
    log: EventLog,
) -> None:
    log.append([created(1)], [state_after(created(1), status=Status.RUNNING)])
    log.append([recorded(seq, run_id(1), progress(seq)) for seq in range(2, 9)])
    await log.durable(8)
    assert await log.thin(0, 8) <= 8
    loaded = await log.load()
    held = loaded.runs[0][1] if loaded.runs else 0
    assert [event.seq for event in loaded.tail] == list(range(held + 1, 9))
    assert (await log.verify_chain()).problem is None


async def test_a_forged_mark_in_the_place_of_events_is_found(tmp_path: Path) -> None:
    log = await SqliteEventLog.open(tmp_path / "state.db")
    await filled(log)
    await log.thin(0, 16)
    await log.close()
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection, connection:
        # Somebody removes event 10 and stretches the mark behind it over the place.
        connection.execute("DELETE FROM events WHERE seq = 10")
    again = await SqliteEventLog.open(tmp_path / "state.db")
    assert (await again.verify_chain()).problem is not None
    await again.close()

"""What every event log promises, on SQLite and in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from store_samples import created, progress, recorded, run_id, state_after

from supervisor.core.events import EngineStarted, Recorded
from supervisor.core.progress import Progress
from supervisor.core.run import Status
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.memory import MemoryEventLog
from supervisor.store.opening import StorageFaultError
from supervisor.store.ports import EventLog


@pytest.fixture(params=["sqlite", "memory"])
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[EventLog]:
    made: EventLog
    if request.param == "sqlite":
        made = await SqliteEventLog.open(tmp_path / "state.db")
    else:
        made = MemoryEventLog()
    yield made
    await made.close()


async def stored(log: EventLog) -> None:
    await asyncio.wait_for(log.durable(log.last_seq), 10)


async def test_what_was_appended_comes_back_the_same(log: EventLog) -> None:
    batch = [
        created(1),
        recorded(2, run_id(1), progress(3)),
        recorded(3, "", EngineStarted("1.0", 7)),
        recorded(4, run_id(1), type(progress(0))(Progress("lone \ud800 surrogate"))),
    ]
    log.append(batch)
    await stored(log)
    assert await log.history(0, 10) == batch
    assert await log.history(1, 2) == batch[1:3]
    assert await log.history(0, 10, run_id(1)) == [batch[0], batch[1], batch[3]]
    assert await log.history(4, 10) == []
    assert log.last_seq == log.durable_seq == 4


async def test_seqs_without_a_gap_or_nothing(log: EventLog) -> None:
    log.append([created(1)])
    for wrong in ([created(3)], [created(1)], [created(2), created(4)]):
        with pytest.raises(ValueError, match="has to follow"):
            log.append(wrong)
    assert log.last_seq == 1
    log.append([created(2)])
    await stored(log)
    assert [event.seq for event in await log.history(0, 10)] == [1, 2]


async def test_a_value_without_a_json_form_is_refused_and_changes_nothing(log: EventLog) -> None:
    with pytest.raises(ValueError, match="JSON"):
        log.append([recorded(1, run_id(1), progress(float("nan")))])  # type: ignore[arg-type]
    log.append([created(1)])
    await stored(log)
    assert log.durable_seq == 1


async def test_callbacks_come_in_order_each_when_it_is_durable(log: EventLog) -> None:
    seen: list[int] = []

    def told(seq: int) -> None:
        assert log.durable_seq >= seq
        seen.append(seq)

    for seq in range(1, 200):
        log.append([created(seq)], on_durable=told)
        if seq % 50 == 0:
            await asyncio.sleep(0.002)
    log.append([], [state_after(created(199))], told)
    assert seen != list(range(1, 200)), "told before anything could be on disk"
    await stored(log)
    ends_at = asyncio.get_running_loop().time() + 5
    while len(seen) < 200 and asyncio.get_running_loop().time() < ends_at:
        await asyncio.sleep(0.001)
    assert seen == [*range(1, 200), 199]


async def test_waiting_for_what_was_never_appended_is_a_mistake(log: EventLog) -> None:
    with pytest.raises(ValueError, match="never appended"):
        await log.durable(1)


async def test_a_load_gives_states_and_the_events_after_each(log: EventLog) -> None:
    first, second = created(1), created(2)
    log.append([first], [state_after(first)])
    log.append([second])
    log.append([recorded(3, run_id(1), progress(1)), recorded(4, run_id(2), progress(1))])
    log.append([recorded(5, "", EngineStarted("1.0", 7))])
    await stored(log)
    loaded = await log.load()
    assert loaded.last_seq == 5
    assert loaded.runs == ((state_after(first), 1),)
    assert [event.seq for event in loaded.tail] == [2, 3, 4]


async def test_a_state_holds_every_event_up_to_its_own(log: EventLog) -> None:
    first = created(1)
    log.append([first], [state_after(first)])
    state = state_after(first, status=Status.RUNNING)
    log.append([recorded(2, "", EngineStarted("1.0", 7)), created(3)], [state])
    await stored(log)
    loaded = await log.load()
    assert loaded.runs == ((state, 3),)
    assert [event.seq for event in loaded.tail] == [3]


async def test_of_finished_runs_only_the_newest_come_back(log: EventLog) -> None:
    seq = 0
    for agent in ("a", "b"):
        for _ in range(5):
            seq += 1
            event = created(seq, agent)
            log.append([event], [state_after(event, agent, Status.SUCCEEDED)])
    seq += 1
    log.append([created(seq, "a")], [state_after(created(seq, "a"), "a", Status.PARKED)])
    await stored(log)
    loaded = await log.load()
    assert [state.id for state, _ in loaded.runs] == [
        run_id(number) for number in (3, 4, 5, 8, 9, 10, 11)
    ]
    old = await log.load_run(run_id(1))
    assert [state.id for state, _ in old.runs] == [run_id(1)]
    assert (await log.load_run(run_id(99))).runs == ()


async def test_at_most_300_finished_runs_come_back(log: EventLog) -> None:
    for seq in range(1, 321):
        event = created(seq, f"agent-{seq}")
        log.append([event], [state_after(event, f"agent-{seq}", Status.FAILED)])
    await stored(log)
    loaded = await log.load()
    assert [state.id for state, _ in loaded.runs] == [run_id(n) for n in range(21, 321)]


async def test_a_run_is_found_by_the_end_of_its_id(log: EventLog) -> None:
    log.append([created(seq) for seq in range(1, 40)])
    await stored(log)
    wanted = run_id(17)
    assert await log.find_run(wanted[-6:]) == (wanted,)
    assert await log.find_run(wanted[-6:].lower()) == (wanted,)
    assert await log.find_run(wanted) == (wanted,)
    for nothing in ("", "UUUU", "%", "_" * 4, "ZZZZZZ", "x'--"):
        assert await log.find_run(nothing) == ()
    letter = wanted[-1]
    several = await log.find_run(letter)
    assert list(several) == sorted(several, reverse=True) and len(several) <= 5


async def test_the_chain_is_whole_and_moves_with_each_event(log: EventLog) -> None:
    hashes = {log.last_hash}
    for seq in range(1, 6):
        log.append([created(seq)])
        await stored(log)
        hashes.add(log.last_hash)
    report = await log.verify_chain()
    assert (report.checked, report.last_seq, report.problem) == (5, 5, None)
    assert len(hashes) == 6


async def test_the_same_events_have_the_same_hashes_everywhere(log: EventLog) -> None:
    other = MemoryEventLog()
    for each in (log, other):
        each.append([created(1), recorded(2, run_id(1), progress(5))])
        await stored(each)
    assert log.last_hash == other.last_hash


async def test_forgetting_keeps_the_chain_and_what_a_living_run_needs(log: EventLog) -> None:
    first, second = created(1), created(2)
    log.append([first], [state_after(first, status=Status.PARKED)])
    log.append([second], [state_after(second, status=Status.SUCCEEDED)])
    log.append([recorded(seq, "", EngineStarted("1.0", seq)) for seq in range(3, 30)])
    await stored(log)
    assert await log.forget(10) == 10
    assert [event.seq for event in await log.history(0, 1)] == [11]
    assert (await log.verify_chain()).problem is None
    log.append([recorded(30, run_id(1), progress(1)), recorded(31, "", EngineStarted("1.0", 1))])
    await stored(log)
    assert await log.forget(10**9) == 19, "event 30 is not in the parked run's state"
    assert [event.seq for event in await log.history(0, 9)] == [30, 31]
    report = await log.verify_chain()
    assert (report.checked, report.last_seq, report.problem) == (2, 31, None)
    assert (await log.load()).last_seq == 31
    assert await log.forget(5) == 0


async def test_close_stores_what_is_queued_and_refuses_more(log: EventLog) -> None:
    seen: list[int] = []
    batch: list[Recorded] = [created(1), created(2)]
    log.append(batch, on_durable=seen.append)
    assert await log.close() == 0
    assert seen == [2]
    with pytest.raises(StorageFaultError):
        log.append([created(3)])
    assert await log.close() == 0

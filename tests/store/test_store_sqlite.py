"""The SQLite log: kill -9, the hash chain, group commits, and growth."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from store_samples import created, progress, recorded, run_id, state_after

from supervisor.core.run import Status
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.opening import connect_to_read
from supervisor.store.reading import verify_chain

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def filled(path: Path, count: int = 300) -> str:
    """A closed log of ``count`` events; its last hash."""
    log = await SqliteEventLog.open(path)
    for seq in range(1, count + 1):
        log.append([created(seq)], [state_after(created(seq))])
    await log.close()
    return log.last_hash


async def until(condition: Callable[[], object], what: str, bound_s: float = 10.0) -> None:
    ends_at = time.monotonic() + bound_s
    while not condition():
        assert time.monotonic() < ends_at, f"never: {what}"
        await asyncio.sleep(0.005)


async def test_what_was_acknowledged_is_there_after_kill_9(path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    acknowledged = kills = 0
    while kills < 30:
        child = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "writer_process.py"), str(path), str(source.random())[2:],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        assert child.stdout is not None
        assert await asyncio.wait_for(child.stdout.readline(), 20) == b"ready\n"
        # Kill points of one start are many and cheap: the start of Python is what takes long.
        await asyncio.sleep(source.random() * 0.06)
        child.kill()
        rest = await asyncio.wait_for(child.stdout.read(), 10)
        await child.wait()
        whole = [int(line) for line in rest.split(b"\n")[:-1]]
        acknowledged = max([acknowledged, *whole])
        kills += 1
        with connect_to_read(path) as connection:
            report = verify_chain(connection)
        assert report.problem is None, f"seed {seed}, kill {kills}: {report.problem}"
        assert report.checked == report.last_seq >= acknowledged, f"seed {seed}, kill {kills}"
    log = await SqliteEventLog.open(path)
    loaded = await log.load()
    assert log.report.set_aside is None and log.last_seq == loaded.last_seq >= acknowledged
    print(f"{kills} kills, {acknowledged} events acknowledged, {log.last_seq} stored")
    await log.close()


@pytest.mark.parametrize("when", [1, 4, 6, 12])
async def test_a_kill_at_any_sync_of_the_first_start_leaves_a_file_that_opens(
    path: Path, when: int
) -> None:
    """Each of the first syncs is a step of making the file, its schema and the first commits."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no strace here")
    inject = ["-e", "trace=fdatasync", "-e", f"inject=fdatasync:signal=KILL:when={when}"]
    command = [sys.executable, str(HERE / "writer_process.py"), str(path), "5"]
    child = await asyncio.create_subprocess_exec(
        strace, "-f", "-qq", "-o", "/dev/null", *inject, *command, stdout=subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(child.communicate(), 30)
    acknowledged = max([int(line) for line in out.split(b"\n")[1:-1]], default=0)
    log = await SqliteEventLog.open(path)
    assert log.report.set_aside is None and log.last_seq >= acknowledged
    assert (await log.verify_chain()).problem is None
    log.append([created(log.last_seq + 1)])
    await log.durable(log.last_seq)
    await log.close()


async def test_a_reopened_log_goes_on_with_seq_and_hash(path: Path) -> None:
    last_hash = await filled(path)
    log = await SqliteEventLog.open(path)
    assert (log.last_seq, log.last_hash, log.report.is_new) == (300, last_hash, False)
    log.append([created(301)])
    await log.durable(301)
    assert (await log.verify_chain()).checked == 301
    await log.close()


async def test_the_files_are_for_their_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        log = await SqliteEventLog.open(path)
        log.append([created(1)])
        await log.durable(1)
        for file in path.parent.iterdir():
            assert file.stat().st_mode & 0o777 == 0o600, file
        await log.close()
    finally:
        os.umask(before)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE events SET data = replace(data, 'asked', 'asket') WHERE seq = 7", "event 7"),
        ("UPDATE events SET wall = wall + 0.0001 WHERE seq = 7", "event 7"),
        ("UPDATE events SET run_id = 'x' WHERE seq = 7", "event 7"),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 7", "event 7"),
        ("DELETE FROM events WHERE seq = 7", "event 7 is missing"),
        ("DELETE FROM events WHERE seq = 1", "event 1 is missing"),
        ("DELETE FROM events WHERE seq > 15", "events 16 to 20 are missing"),
        ("DELETE FROM events", "events 1 to 20 are missing"),
        (
            "UPDATE events SET seq = -1 WHERE seq = 7; UPDATE events SET seq = 7 WHERE seq = 8;"
            "UPDATE events SET seq = 8 WHERE seq = -1",
            "event 7",
        ),
        ("UPDATE chain SET last_hash = zeroblob(32)", "event 20"),
    ],
)
async def test_the_chain_shows_a_changed_removed_or_reordered_event(
    path: Path, statement: str, said: str
) -> None:
    await filled(path, 20)
    connection = sqlite3.connect(path)
    connection.executescript(statement)
    connection.close()
    with connect_to_read(path) as reading:
        report = verify_chain(reading)
    assert said in (report.problem or "")


async def test_a_state_with_nothing_but_progress_waits_but_is_stored_at_the_end(
    path: Path,
) -> None:
    log = await SqliteEventLog.open(path)
    first = created(1)
    log.append([first], [state_after(first)])
    await log.durable(1)
    await until(log._backlog.is_empty, "the first state is stored")
    later = state_after(first, status=Status.RUNNING)
    for seq in range(2, 30):
        log.append([recorded(seq, first.run_id, progress(seq))], [later])
        await log.durable(seq)
    loaded = await log.load()
    assert loaded.runs == ((state_after(first), 1),) and len(loaded.tail) == 28
    await log.close()
    again = await SqliteEventLog.open(path)
    assert (await again.load()).runs == ((later, 29),)
    await again.close()


async def test_a_failing_listener_does_not_stop_the_others(path: Path) -> None:
    log = await SqliteEventLog.open(path)
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["message"])
    )
    seen: list[int] = []

    def fail(_seq: int) -> None:
        raise RuntimeError("listener")

    log.append([created(1)], on_durable=fail)
    log.append([created(2)], on_durable=seen.append)
    await log.durable(2)
    assert seen == [2] and reported == ["a listener of the event log failed"]
    await log.close()


async def test_many_appends_share_a_commit_and_figures_are_printed(path: Path) -> None:
    log = await SqliteEventLog.open(path)
    log.append([created(1)])
    await log.durable(1)
    single = []
    for seq in range(2, 202):
        started = time.perf_counter()
        log.append([recorded(seq, run_id(1), progress(seq))])
        await log.durable(seq)
        single.append((time.perf_counter() - started) * 1e3)
    cpu, started = time.process_time(), time.perf_counter()
    for seq in range(202, 10_202):
        log.append([recorded(seq, run_id(1), progress(seq))])
    await log.durable(10_201)
    passed, cpu = time.perf_counter() - started, time.process_time() - cpu
    single.sort()
    print(f"one event: p50 {single[100]:.2f} ms, p95 {single[190]:.2f} ms; 10,000 queued at once:")
    print(f"{passed * 1e3:.0f} ms, {cpu / 10_000 * 1e6:.0f} µs of CPU an event")
    assert passed < 10_000 * statistics.median(single) / 1e3, "each append has its own commit"
    await log.close()


async def test_every_query_of_the_hot_path_uses_an_index(path: Path) -> None:
    """The cost of an event must not grow with the events stored: no scan, no sort."""
    await filled(path, 10)
    from supervisor.store.queries import queries

    sql = queries("event_log.sql")
    with connect_to_read(path) as connection:
        for name, query in sql.items():
            if name in ("oldest_needed", "events_of_types", "runs_of_agents"):
                continue  # Living runs are few, each by index. An audit and a search read all.
            plan = connection.execute("EXPLAIN QUERY PLAN " + query, _dummies(query)).fetchall()
            for *_ids, step in plan:
                is_scan = step.startswith("SCAN") and not step.startswith(
                    ("SCAN agents", "SCAN CONSTANT")
                )
                assert not is_scan, f"{name}: {step}"


def _dummies(query: str) -> dict[str, int] | tuple[int, ...]:
    named = set(re.findall(r":([a-z]+)", query))
    return dict.fromkeys(named, 3) if named else (0,) * query.count("?")

"""Full disks: nothing queued is lost, and it goes on by itself."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from store_samples import created, progress, recorded, run_id, state_after

from supervisor.core.events import EventsLost
from supervisor.store import backlog
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.opening import StorageFaultError

HERE = Path(__file__).parent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


async def test_a_full_disk_loses_nothing_and_recovers_by_itself(path: Path) -> None:
    """RLIMIT_FSIZE stands in for the disk: writes past it fail, as on a full one."""
    problems: list[str | None] = []
    log = await SqliteEventLog.open(path, on_problem=problems.append)
    log.append([created(1)], [state_after(created(1))])
    await log.durable(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = Path(f"{path}-wal").stat().st_size + 20_000
    seq, done = 1, []
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        while not problems:
            seq += 1
            log.append([created(seq)], [state_after(created(seq))], done.append)
            await asyncio.sleep(0.001)
            assert seq < 5_000, "the limit was never met"
        assert problems[0] is not None and log.storage_problem == problems[0]
        for _ in range(50):
            seq += 1
            log.append([created(seq)], [state_after(created(seq))], done.append)
        await asyncio.sleep(0.05)
        assert log.durable_seq < seq
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await asyncio.wait_for(log.durable(seq), 10)
    assert problems[-1] is None and log.storage_problem is None
    assert done == list(range(2, seq + 1))
    assert (await log.verify_chain()).checked == seq
    assert len((await log.load()).runs) == seq
    await log.close()


async def test_closing_on_a_full_disk_says_how_much_is_lost(path: Path) -> None:
    log = await SqliteEventLog.open(path)
    log.append([created(1)])
    await log.durable(1)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (Path(f"{path}-wal").stat().st_size, hard))
    try:
        log.append([created(seq) for seq in range(2, 12)])
        waiting = asyncio.create_task(log.durable(11))
        assert await asyncio.wait_for(log.close(), 10) == 10
        with pytest.raises(StorageFaultError):
            await waiting
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def on_a_small_disk(tmp_path: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run ``script`` with a 1 MB tmpfs as its first argument and this directory as its third."""
    probe = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here")
    program, room = tmp_path / "fill.py", tmp_path / "room"
    program.write_text(script)
    room.mkdir()
    command = 'mount -t tmpfs -o size=1m none "$2" && exec "$0" "$1" "$2" - "$3"'
    return subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, sys.executable, program, room, HERE],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


async def test_a_real_full_file_system_is_survived(tmp_path: Path) -> None:
    """A 1 MB tmpfs in a namespace of its own, filled and emptied by the child."""
    script = """
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from store_samples import created, state_after
from supervisor.store.event_log import SqliteEventLog
async def main():
    room = Path(sys.argv[1])
    (room / "ballast").write_bytes(b"x" * 500_000)
    said = []
    log = await SqliteEventLog.open(room / "state.db", on_problem=said.append)
    seq = 0
    while not said:
        seq += 1
        log.append([created(seq)], [state_after(created(seq))])
        await asyncio.sleep(0.001)
        assert seq < 5000
    (room / "ballast").unlink()
    await asyncio.wait_for(log.durable(seq), 10)
    report = await log.verify_chain()
    assert said[-1] is None and report.checked == seq and report.problem is None, (said, report)
    print("said:", said[0])
    assert await log.close() == 0
asyncio.run(main())
"""
    ran = on_a_small_disk(tmp_path, script)
    assert ran.returncode == 0, ran.stderr
    assert "full" in ran.stdout


async def test_past_the_bound_progress_is_dropped_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MAX_EVENTS", 200)
    log = await SqliteEventLog.open(path)
    log.append([created(1)])
    await log.durable(1)
    log._backlog._bound = 200
    seq = 1
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")  # Nothing can be stored while another holds the file.
    for _ in range(150):
        for _ in range(9):
            seq += 1
            log.append([recorded(seq, run_id(1), progress(seq))])
        seq += 1
        log.append([created(seq)])
    held = sum(len(batch.rows) for batch in log._backlog._batches)
    assert held < 500, "the bound does not hold"
    blocker.execute("ROLLBACK")
    blocker.close()
    await asyncio.wait_for(log.durable(seq), 20)
    found = await log.history(0, 10_000)
    kinds = [type(event.event).__name__ for event in found]
    assert kinds.count("RunCreated") == 151
    assert kinds.count("ProgressReported") < 1350 and found[-2].seq == seq - 1
    lost = [event.event for event in found if isinstance(event.event, EventsLost)]
    assert sum(event.count for event in lost) == seq - (len(found) - len(lost))
    assert lost[0].first_seq > 1 and lost[-1].last_seq < seq
    assert all(event.since < event.until and event.reason for event in lost)
    report = await log.verify_chain()
    assert (report.checked, report.problem) == (seq, None)
    await log.close()


FLOODED = """
import asyncio, random, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from store_samples import progress, recorded, spec
from supervisor.core import facts as f
from supervisor.core.events import EventsLost, ProgressReported
from supervisor.core.mirror import fold_loaded
from supervisor.core.record import recorded_line
from supervisor.engine.runs import Reactions, Runs
from supervisor.process.identity import moment_now
from supervisor.store import backlog
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.opening import connect_to_read
from supervisor.store.reading import stored_rows
from supervisor.store.rows import NO_EVENTS, canonical_line

backlog.MAX_EVENTS = 200

async def main():
    room = Path(sys.argv[1])
    (room / "ballast").write_bytes(b"x" * 500_000)
    said, shown = [], []
    log = await SqliteEventLog.open(room / "state.db", on_problem=said.append)
    log._backlog._bound = 200
    quiet = lambda *_: None
    runs = Runs(log, moment_now, random.Random(1), Reactions(quiet, quiet, shown.extend))
    busy = runs.create(spec("busy"), "a test").state.id
    idle = runs.create(spec("idle"), "a test").state.id
    number = 0

    async def report(run_id):
        nonlocal number
        number += 1
        fact = f.ProgressSeen(progress(number).progress, (), ())
        runs.feed(run_id, fact)
        await asyncio.sleep(0.0005)

    while not said:
        await report(busy)
        assert number < 5000
    await report(idle)
    accepted = []
    for turn in range(600):
        await report(busy)
        if turn % 20 == 0:
            accepted.append(runs.create(spec("late"), "a test"))
    before = len(shown)
    assert runs.published_seq == before, "shown before it was stored"
    assert not any(fed.stored.done() for fed in accepted), "accepted before it was stored"
    (room / "ballast").unlink()
    await asyncio.wait_for(log.durable(runs.seq), 20)
    await asyncio.wait_for(asyncio.gather(*(fed.stored for fed in accepted)), 20)
    stored = await log.history(0, 100_000)
    with connect_to_read(room / "state.db") as connection:
        rows = [row for row, _hash in stored_rows(connection) if row.type not in NO_EVENTS]
    assert [*map(canonical_line, rows)] == [*map(recorded_line, shown)], "not what was shown"
    lost = [entry.event for entry in stored if isinstance(entry.event, EventsLost)]
    assert lost and sum(e.count for e in lost) == runs.seq - (len(stored) - len(lost)) > 100, lost
    assert all("full" in e.reason and e.since <= e.until for e in lost), lost
    assert {fed.state.id for fed in accepted} <= {entry.run_id for entry in stored}
    loaded = await log.load()
    folded = fold_loaded(loaded.runs, loaded.tail)
    for run_id in (busy, idle):
        state = runs.published_state(run_id)
        assert folded[run_id] == state == runs.state(run_id)
        last = [e.event for e in shown if e.run_id == run_id][-1]
        assert isinstance(last, ProgressReported) and last.progress == state.progress, last
    report_ = await log.verify_chain()
    assert (report_.checked, report_.problem) == (runs.seq, None), report_
    print("lost", sum(e.count for e in lost), "of", runs.seq, "in", len(lost), lost[0])
    runs.close()
    assert await log.close() == 0
asyncio.run(main())
"""


def test_nothing_is_shown_that_a_full_disk_took_and_what_it_took_is_counted(tmp_path: Path) -> None:
    """A real small file system, full for longer than the queue reaches, under the engine's runs."""
    ran = on_a_small_disk(tmp_path, FLOODED)
    assert ran.returncode == 0, ran.stderr

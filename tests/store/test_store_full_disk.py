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


async def test_a_real_full_file_system_is_survived(tmp_path: Path) -> None:
    """A 1 MB tmpfs in a namespace of its own, filled and emptied by the child."""
    probe = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here")
    script = f"""
import asyncio, os, sys
from pathlib import Path
sys.path.insert(0, {str(HERE)!r})
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
    program = tmp_path / "fill.py"
    program.write_text(script)
    room = tmp_path / "room"
    room.mkdir()
    command = 'mount -t tmpfs -o size=1m none "$2" && exec "$0" "$1" "$2"'
    ran = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, sys.executable, program, room],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
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
    report = await log.verify_chain()
    assert (report.checked, report.problem) == (seq, None)
    await log.close()

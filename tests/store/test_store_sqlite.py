"""The SQLite log against the world: kill -9, damage, deletion, full disks, and growth."""

from __future__ import annotations

import asyncio
import os
import random
import resource
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
from supervisor.store import backlog
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.opening import NewerStoreError, StorageFaultError, connect_to_read
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
    ("name", "damage"),
    [
        ("garbage", lambda data: b"this is not a database" * 100),
        ("all NUL", lambda data: bytes(len(data))),
        ("header only", lambda data: data[:100]),
        ("cut in half", lambda data: data[: len(data) // 2]),
        ("last page gone", lambda data: data[:-4096]),
        ("flipped pages", lambda data: data[:8192] + bytes(b ^ 0xFF for b in data[8192:])),
        ("another program's", None),
    ],
)
async def test_a_damaged_file_is_set_aside_whole_and_a_new_one_begun(
    path: Path, name: str, damage: Callable[[bytes], bytes] | None
) -> None:
    await filled(path)
    if damage is None:
        path.unlink()
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
        other.close()
    else:
        path.write_bytes(damage(path.read_bytes()))
    found = path.read_bytes()
    log = await SqliteEventLog.open(path)
    report = log.report
    assert report.is_new and report.problem and report.set_aside is not None, name
    assert report.set_aside.name == "state.db.corrupt-1"
    assert len(report.set_aside.read_bytes()) >= len(found)
    log.append([created(1)])
    await log.durable(1)
    assert (await log.verify_chain()).checked == 1
    await log.close()


async def test_a_second_damaged_file_does_not_overwrite_the_first(path: Path) -> None:
    for number in (1, 2, 3):
        path.write_bytes(b"broken %d" % number * 50)
        log = await SqliteEventLog.open(path)
        await log.close()
        aside = path.with_name(f"state.db.corrupt-{number}")
        assert aside.read_bytes().startswith(b"broken %d" % number)


async def test_a_wal_without_its_database_is_not_replayed_into_a_new_one(path: Path) -> None:
    log = await SqliteEventLog.open(path)
    log.append([created(1)], [state_after(created(1))])
    await log.durable(1)
    shutil.copy(f"{path}-wal", f"{path}-copy")
    await log.close()
    path.unlink()
    Path(f"{path}-copy").rename(f"{path}-wal")
    log = await SqliteEventLog.open(path)
    assert log.report.is_new and log.report.set_aside is not None and log.last_seq == 0
    assert Path(f"{log.report.set_aside}-wal").exists()
    await log.close()


async def test_a_newer_file_is_refused_and_not_touched(path: Path) -> None:
    await filled(path, 10)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(NewerStoreError, match="newer version") as refused:
        await SqliteEventLog.open(path)
    assert refused.value.fix
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


async def test_a_file_can_be_set_aside_on_request(path: Path) -> None:
    await filled(path, 10)
    log = await SqliteEventLog.open(path, discard="its runs could not be read")
    assert (log.last_seq, log.report.problem) == (0, "its runs could not be read")
    await log.close()


async def test_a_directory_or_link_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StorageFaultError, match="regular file"):
        await SqliteEventLog.open(path)
    path.rmdir()
    path.symlink_to("elsewhere.db")
    with pytest.raises(StorageFaultError, match="regular file"):
        await SqliteEventLog.open(path)


@pytest.mark.parametrize("how", ["deleted", "replaced", "all deleted", "wal deleted", "cut"])
async def test_a_file_taken_from_under_us_is_noticed_and_the_log_goes_on(
    path: Path, how: str
) -> None:
    log = await SqliteEventLog.open(path)
    states = [state_after(created(seq)) for seq in (1, 2)]
    log.append([created(1), created(2)], states)
    await log.durable(2)
    last_hash = log.last_hash
    assert log.check() is None
    wal, shm = Path(f"{path}-wal"), Path(f"{path}-shm")
    if how == "cut":
        with path.open("r+b") as file:
            file.truncate(0)
    elif how == "replaced":
        path.rename(path.with_name("moved.db"))
        path.touch()
    else:
        for file in {"deleted": [path], "all deleted": [path, wal, shm]}.get(how, [wal]):
            file.unlink()
    assert "while we used it" in (log.check() or "")
    await asyncio.wait_for(log.begin_anew(states), 10)
    assert log.check() is None
    log.append([recorded(3, run_id(1), progress(1))])
    await asyncio.wait_for(log.durable(3), 10)
    await log.close()
    again = await SqliteEventLog.open(path)
    assert again.last_seq == 3 and again.report.set_aside is None
    assert {state.id for state, _ in (await again.load()).runs} == {run_id(1), run_id(2)}
    assert (await again.verify_chain()).problem is None
    assert last_hash != again.last_hash
    await again.close()


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
            if name == "oldest_needed":
                continue  # Only living runs, each by index; they are few.
            plan = connection.execute("EXPLAIN QUERY PLAN " + query, _dummies(query)).fetchall()
            for *_ids, step in plan:
                is_scan = step.startswith("SCAN") and not step.startswith(
                    ("SCAN agents", "SCAN CONSTANT")
                )
                assert not is_scan, f"{name}: {step}"


def _dummies(query: str) -> dict[str, int] | tuple[int, ...]:
    return {"each": 3, "all": 300} if ":each" in query else (0,) * query.count("?")

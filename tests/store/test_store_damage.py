"""A state.db that is damaged, newer, or taken from under us."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from store_samples import created, progress, recorded, run_id, state_after

from supervisor.store.event_log import SqliteEventLog
from supervisor.store.opening import NewerStoreError, StorageFaultError

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


async def test_a_transaction_under_way_does_not_pass_for_the_new_file(path: Path) -> None:
    log = await SqliteEventLog.open(path)
    log.append([created(1)], [state_after(created(1))])
    await log.durable(1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    # The writer has the old file in hand and waits for its lock when the new one is asked for.
    log.append([created(2)], [state_after(created(2))])
    await asyncio.sleep(0.2)
    anew = asyncio.create_task(log.begin_anew([]))
    await asyncio.sleep(0.1)
    other.execute("COMMIT")
    other.close()
    await asyncio.wait_for(anew, 10)
    assert log.check() is None
    log.append([recorded(3, run_id(1), progress(1))])
    await asyncio.wait_for(log.durable(3), 10)
    assert log.check() is None
    await log.close()
    assert path.with_name("state.db.corrupt-1").exists()
    assert not path.with_name("state.db.corrupt-2").exists()

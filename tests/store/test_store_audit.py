"""An auditor with the file alone: what was touched is found and named, and nothing else is."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from store_samples import created, progress, recorded, run_id, state_after

from supervisor.core.run import Status
from supervisor.core.seal import Seal, compare
from supervisor.services.seals import Seals
from supervisor.store import reading
from supervisor.store.audit import Audit, audit, read_exported
from supervisor.store.audit import exported as exported_row
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.opening import connect_to_read

COUNT = 60


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    found = tmp_path / "state.db"
    log = await SqliteEventLog.open(found)
    for seq in range(1, COUNT + 1):
        log.append([created(seq)], [state_after(created(seq))])
    await log.close()
    return found


def audited(path: Path) -> Audit:
    with connect_to_read(path) as connection:
        return reading.audited(connection)


def tamper(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def swap(one: int, other: int) -> tuple[str, ...]:
    return (
        f"UPDATE events SET seq = -1 WHERE seq = {one}",
        f"UPDATE events SET seq = {one} WHERE seq = {other}",
        f"UPDATE events SET seq = {other} WHERE seq = -1",
    )


CASES: dict[str, tuple[tuple[str, ...], list[tuple[str, int, int]]]] = {
    "nothing": ((), []),
    "a word": (
        ("UPDATE events SET data = replace(data, 'asked', 'ASKED') WHERE seq = 17",),
        [("changed", 17, 17)],
    ),
    "a time": (("UPDATE events SET wall = wall + 3600 WHERE seq = 30",), [("changed", 30, 30)]),
    "whose run it was": (
        ("UPDATE events SET run_id = 'X' WHERE seq = 30",),
        [("changed", 30, 30)],
    ),
    "two words": (
        ("UPDATE events SET wall = wall + 1 WHERE seq IN (5, 50)",),
        [("changed", 5, 5), ("changed", 50, 50)],
    ),
    "the first": (("UPDATE events SET wall = 1 WHERE seq = 1",), [("changed", 1, 1)]),
    "one taken out": (("DELETE FROM events WHERE seq = 20",), [("removed", 20, 20)]),
    "several taken out": (
        ("DELETE FROM events WHERE seq BETWEEN 20 AND 25",),
        [("removed", 20, 25)],
    ),
    "the first ones": (("DELETE FROM events WHERE seq < 4",), [("removed", 1, 3)]),
    "two exchanged": (swap(10, 11), [("reordered", 10, 11), ("reordered", 11, 10)]),
    "two far apart": (swap(10, 40), [("reordered", 10, 40), ("reordered", 40, 10)]),
    "the end": (("DELETE FROM events WHERE seq > 55",), [("cut", 56, 60)]),
    "one more": (
        (
            "INSERT INTO events SELECT 61, wall, mono, boot, run_id, type, data, hash "
            "FROM events WHERE seq = 60",
        ),
        [("changed", 61, 61), ("added", 61, 61)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_touched_is_named_and_nothing_else_is(path: Path, name: str) -> None:
    statements, expected = CASES[name]
    tamper(path, *statements)
    report = audited(path)
    assert [(one.kind, one.first, one.last) for one in report.findings] == expected
    assert all(str(one.first) in one.what for one in report.findings)


def test_any_changed_byte_of_any_event_is_found(path: Path) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    for _ in range(40):
        seq = source.randint(1, COUNT)
        connection = sqlite3.connect(path)
        (data,) = connection.execute("SELECT data FROM events WHERE seq = ?", (seq,)).fetchone()
        place = source.randrange(len(data))
        other = data[:place] + chr(ord(data[place]) ^ 1) + data[place + 1 :]
        connection.execute("UPDATE events SET data = ? WHERE seq = ?", (other, seq))
        connection.commit()
        found = [(one.kind, one.first) for one in audited(path).findings]
        assert found == [("changed", seq)]
        connection.execute("UPDATE events SET data = ? WHERE seq = ?", (data, seq))
        connection.commit()
        connection.close()
    assert audited(path).findings == []


async def test_progress_that_retention_dropped_is_counted_and_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    log = await SqliteEventLog.open(path)
    log.append([created(1)], [state_after(created(1), status=Status.SUCCEEDED)])
    for seq in range(2, 31):
        log.append([recorded(seq, run_id(1), progress(seq))])
    await log.durable(30)
    await log.thin(0, 29)
    await log.close()
    report = audited(path)
    assert report.findings == [] and report.thinned > 20 and report.end[0] == 30


def exported(path: Path) -> list[str]:
    with connect_to_read(path) as connection:
        previous, lines = reading.chain_ends(connection)[1], []
        for stored in reading.stored_rows(connection):
            lines.append(json.dumps(exported_row(stored, previous)))
            previous = stored[1]
    return lines


def check(lines: list[str]) -> list[tuple[str, int]]:
    entries = list(read_exported(lines))
    report = audit((stored for stored, _ in entries), entries[0][1])
    return [(one.kind, one.first) for one in report.findings]


def test_an_export_can_be_checked_by_itself(path: Path) -> None:
    lines = exported(path)
    assert len(lines) == COUNT and json.loads(lines[6])["seq"] == 7
    assert check(lines) == []
    assert check([line.replace("asked", "told") if i == 6 else line for i, line in
                  enumerate(lines)]) == [("changed", 7)]  # fmt: skip
    assert check(lines[:6] + lines[7:]) == [("removed", 7)]
    assert check(lines[20:]) == []


@pytest.fixture
def seals(tmp_path: Path) -> Seals:
    return Seals(run_id(1), tmp_path / "elsewhere")


def held(path: Path, seals: Seals) -> tuple[int, tuple[str, ...]]:
    found, foreign = seals.read()
    with connect_to_read(path) as connection:
        base, base_hash, last, _ = reading.chain_ends(connection)
        hashes = reading.hashes_of(connection, [seal.seq for seal in found])
    report = compare(found, hashes, (base, base_hash.hex()), last)
    return report.confirmed.seq if report.confirmed else 0, (*report.problems, *["?"] * foreign)


def seal_at(path: Path, seals: Seals, seq: int) -> None:
    with connect_to_read(path) as connection:
        seals.add(Seal(seq, reading.hashes_of(connection, [seq])[seq], 1_700_000_000.5))


def test_a_seal_shows_an_end_that_was_cut_off_without_a_trace(path: Path, seals: Seals) -> None:
    for seq in (20, 60):
        seal_at(path, seals, seq)
    assert held(path, seals) == (60, ())
    tamper(
        path,
        "DELETE FROM events WHERE seq > 50",
        "UPDATE chain SET last_seq = 50, last_hash = (SELECT hash FROM events WHERE seq = 50)",
    )
    assert audited(path).findings == []  # The chain alone cannot know.
    assert held(path, seals) == (
        20,
        ("events 51 to 60 were sealed and are missing at the end",),
    )


def test_a_seal_shows_a_log_that_was_written_anew(path: Path, seals: Seals) -> None:
    seal_at(path, seals, 30)
    tamper(path, "UPDATE events SET hash = zeroblob(32) WHERE seq = 30")
    assert held(path, seals)[1] == ("event 30 was sealed with another hash: the log was rewritten",)


@pytest.mark.parametrize(
    "forge",
    [
        lambda line: line.replace('"seq": 30', '"seq": 29'),
        lambda line: line[:-3] + '0"}' if line[-3] != "0" else line[:-3] + '1"}',
        lambda _line: '{"seq": 30}',
        lambda _line: "nonsense",
    ],
)
def test_a_forged_seal_counts_as_none(
    path: Path, seals: Seals, forge: Callable[[str], str]
) -> None:
    seal_at(path, seals, 30)
    line = seals.path.read_text().rstrip("\n")
    assert forge(line) != line
    seals.path.write_text(forge(line) + "\n")
    assert held(path, seals) == (0, ("?",))


def test_a_torn_seal_costs_itself_alone(path: Path, seals: Seals) -> None:
    seal_at(path, seals, 30)
    with seals.path.open("a") as file:
        file.write('{"seq": 40, "ha')
    seal_at(path, seals, 50)
    assert held(path, seals) == (50, ("?",))
    assert seals.path.stat().st_mode & 0o777 == 0o600

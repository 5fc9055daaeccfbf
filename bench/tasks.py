"""The embedded queue: what a task costs beside bare SQLite and huey, and with a million waiting."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.figures import Report, Row
from supervisor.core.task import NewTask
from supervisor.process.identity import moment_now
from supervisor.store.database import Database
from supervisor.store.task_queue import SqliteTaskQueue

TASKS = 1_500
BESIDE = 16
"""Workers that claim and complete at the same time."""
BACKLOG = 1_000_000
BATCH = 5_000
PAYLOAD = json.dumps({"document": "contract-0001.txt", "text": "x" * 140})
Work = Callable[[], None]


def measure(report: Report) -> None:
    """Add the rows of the queue."""
    with tempfile.TemporaryDirectory(prefix="lwb-") as folder:
        place = Path(folder)
        asyncio.run(_beside_the_floor(report, place / "empty", 0))
        asyncio.run(_beside_the_floor(report, place / "full", BACKLOG))


async def _beside_the_floor(report: Report, place: Path, backlog: int) -> None:
    """Each thing in turns with the others, so that a busy moment meets all of them."""
    place.mkdir()
    floor = _Floor(place / "floor.db")
    database = await Database.open(place / "state.db")
    queue = await SqliteTaskQueue.open(database, moment_now)
    huey = None if backlog else _huey(place / "huey.db")
    with_backlog = ""
    if backlog:
        with_backlog = f", {backlog:,} waiting"
        floor.fill(backlog)
        began = time.perf_counter()
        for _ in range(0, backlog, BATCH):
            await queue.submit([NewTask(queue="work", payload=PAYLOAD)] * BATCH)
        took = (time.perf_counter() - began,)
        report.add(Row(f"submitting {backlog:,} tasks, {BATCH:,} a call", "s", took))
    spans: dict[str, list[float]] = {"floor": [], "ours": [], "huey": []}
    for _ in range(TASKS):
        spans["floor"].append(_timed(floor.one))
        began = time.perf_counter()
        await _one(queue)
        spans["ours"].append(time.perf_counter() - began)
        if huey is not None:
            spans["huey"].append(_timed(huey))
    beside = [await _beside(queue) for _ in range(7)]
    counted = [await _counts(queue) for _ in range(9)]
    await database.close()
    floor.close()
    _rows(report, spans, beside, with_backlog)
    report.add(Row(f"counts of the queue{with_backlog}", "ms", tuple(counted)))


def _rows(
    report: Report, spans: dict[str, list[float]], beside: list[float], with_backlog: str
) -> None:
    bare = tuple(span * 1000 for span in spans["floor"])
    middle = sorted(bare)[len(bare) // 2]
    what = "enqueue + claim + acknowledge"
    report.add(Row(f"bare SQLite {what}, FULL{with_backlog}", "ms", bare))
    ours = tuple(span * 1000 for span in spans["ours"])
    report.add(Row(f"{what}, embedded{with_backlog}", "ms", ours, middle, "goal 1.3 x"))
    together = tuple(span * 1000 for span in beside)
    note = "one sync for several"
    report.add(Row(f"the same, {BESIDE} workers{with_backlog}", "ms", together, middle, note))
    if spans["huey"]:
        peer = tuple(span * 1000 for span in spans["huey"])
        report.add(Row("the same with huey on SQLite, fsync", "ms", peer, middle, "loses a task"))
    elif not with_backlog:
        report.leave_out("huey", "not installed: pip install huey")


def _timed(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def _one(queue: SqliteTaskQueue) -> None:
    await queue.submit([NewTask(queue="work", payload=PAYLOAD)])
    (lease,) = await queue.claim("work", "bench", 30.0)
    await queue.complete(lease.token, PAYLOAD)


async def _beside(queue: SqliteTaskQueue) -> float:
    """Seconds a task with several at work."""
    count = 25

    async def work() -> None:
        for _ in range(count):
            await _one(queue)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(BESIDE)))
    return (time.perf_counter() - began) / (count * BESIDE)


async def _counts(queue: SqliteTaskQueue) -> float:
    began = time.perf_counter()
    await queue.counts()
    return (time.perf_counter() - began) * 1000


class _Floor:
    """The least that a durable queue in SQLite does: three transactions a task, one table."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=FULL")
        self._database.execute(
            "CREATE TABLE task (id INTEGER PRIMARY KEY, queue TEXT, state TEXT, lease REAL,"
            " worker TEXT, payload TEXT, result TEXT)"
        )
        self._database.execute("CREATE INDEX ready ON task (queue, id) WHERE state = 'ready'")

    def fill(self, backlog: int) -> None:
        self._database.execute("BEGIN")
        self._database.executemany(
            "INSERT INTO task (queue, state, payload) VALUES ('work', 'ready', ?)",
            ((PAYLOAD,) for _ in range(backlog)),
        )
        self._database.execute("COMMIT")

    def one(self) -> None:
        run = self._database.execute
        run("INSERT INTO task (queue, state, payload) VALUES ('work', 'ready', ?)", (PAYLOAD,))
        (task, _payload) = run(
            "UPDATE task SET state = 'leased', lease = ?, worker = 'bench' WHERE id ="
            " (SELECT id FROM task WHERE queue = 'work' AND state = 'ready' ORDER BY id LIMIT 1)"
            " RETURNING id, payload",
            (time.time() + 30.0,),
        ).fetchall()[0]
        run("UPDATE task SET state = 'done', result = ? WHERE id = ?", (PAYLOAD, task))

    def close(self) -> None:
        self._database.close()


def _huey(path: Path) -> Work | None:
    """Enqueue, take and execute one task; None where it is not installed."""
    try:
        from huey import SqliteHuey
    except ImportError:
        return None
    made: Any = SqliteHuey(filename=str(path), fsync=True, results=True)

    @made.task()
    def work(payload: str) -> str:
        return payload

    def one() -> None:
        work(PAYLOAD)
        made.execute(made.dequeue())

    return one

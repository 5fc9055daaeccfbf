"""The embedded queue under the suite of all queues, and what is its own: reboots and real kills."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from queue_suite import QueueBackend, QueueSuite, none_ready, one, task

from supervisor.core.moment import Moment
from supervisor.core.task import TaskState
from supervisor.process.identity import moment_now
from supervisor.queue.port import TaskQueue
from supervisor.store.database import Database
from supervisor.store.queries import queries
from supervisor.store.task_queue import SqliteTaskQueue

BOOT = "3f7a3c1e-0000-4000-8000-000000000000"


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = Moment(1_800_000_000.0, 500.0, BOOT)

    def __call__(self) -> Moment:
        return self.now


class SqliteBackend:
    """``queue_suite.QueueBackend`` on a file of the test's own."""

    lease_s = 10.0

    def __init__(self, path: Path) -> None:
        self._path = path
        self.clock = Clock()
        self._database: Database
        self._queue: SqliteTaskQueue

    @property
    def queue(self) -> TaskQueue:
        return self._queue

    async def open(self) -> None:
        self._database = await Database.open(self._path)
        self._queue = await SqliteTaskQueue.open(self._database, self.clock)

    async def another(self) -> TaskQueue:
        return self._queue.another()

    async def restart(self) -> None:
        await self.close()
        await self.open()

    async def pass_time(self, seconds: float) -> None:
        self.clock.now = self.clock.now.plus(seconds)

    def jump_wall_clock(self, seconds: float) -> None:
        now = self.clock.now
        self.clock.now = Moment(now.wall + seconds, now.mono, now.boot)

    async def close(self) -> None:
        await self._database.close()


class TestSqliteQueue(QueueSuite):
    @pytest.fixture
    async def backend(self, tmp_path: Path) -> AsyncIterator[QueueBackend]:
        made = SqliteBackend(tmp_path / "state.db")
        await made.open()
        yield made
        await made.close()

    async def test_after_a_reboot_waits_go_on_by_the_wall_clock(
        self, backend: SqliteBackend
    ) -> None:
        await backend.queue.submit([task("late", delay_s=1000.0), task("held")])
        lease = await one(backend.queue, lease_s=30.0)
        assert lease.payload == '"held"'
        # Ten minutes later on a machine that has been up for three seconds.
        backend.clock.now = Moment(backend.clock.now.wall + 600.0, 3.0, "another boot")
        await backend.restart()
        again = await one(backend.queue)
        assert again.payload == '"held"'
        await backend.queue.complete(again.token, "1")
        await backend.pass_time(399.0)
        assert await none_ready(backend.queue)
        await backend.pass_time(2.0)
        assert (await one(backend.queue)).payload == '"late"'

    async def test_a_claim_that_waits_wakes_for_a_lease_that_runs_out(self, tmp_path: Path) -> None:
        database = await Database.open(tmp_path / "real.db")
        queue = await SqliteTaskQueue.open(database, moment_now)
        await queue.submit([task("work")])
        await one(queue, lease_s=0.2)
        second = await asyncio.wait_for(queue.claim("research", "b", 30.0, wait_s=60.0), 20.0)
        assert second[0].task.deliveries == 2
        await database.close()


async def test_claiming_uses_an_index_whatever_the_backlog(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "state.db")
    queue = await SqliteTaskQueue.open(database, moment_now)
    await queue.submit([task(n, group=f"g{n % 9}") for n in range(500)])
    named = queries("task_queue.sql")

    async def explained(name: str, values: object) -> str:
        def work(connection: object) -> str:
            rows = connection.execute(f"EXPLAIN QUERY PLAN {named[name]}", values)  # type: ignore[attr-defined]
            return " | ".join(row[3] for row in rows)

        return await database.read(work)

    keys = {"worker": "", "boot": "", "mono": 0, "wall": 0, "queue": "", "limit": 1}
    assert "tasks_ready" in (claim := await explained("claim", keys))
    assert "TEMP B-TREE" not in claim
    for name, values in (
        ("wake_due", (0,)),
        ("lost_leases", (0,)),
        ("next_due", ()),
        ("is_group_open", ("g1",)),
        ("held_by", ("w",)),
    ):
        found = await explained(name, values)
        assert "INDEX tasks_" in found, f"{name}: {found}"
    await database.close()


async def test_workers_killed_at_any_point_lose_nothing_and_do_nothing_twice(
    tmp_path: Path,
) -> None:
    """A process that submits, claims, fails, completes and hands on is killed again and again."""
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    chance = random.Random(seed)
    worker = [sys.executable, str(Path(__file__).parent / "queue_worker.py"), str(tmp_path)]
    goal = 25
    for life in range(200):
        process = subprocess.Popen([*worker, str(goal)], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # It works from here on.
        try:
            process.wait(chance.uniform(0.001, 0.06) if life < 12 else 60)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode == 0:
            break
    assert process.returncode == 0
    database = await Database.open(tmp_path / "state.db")
    queue = await SqliteTaskQueue.open(database, moment_now)
    counts = await queue.counts()
    assert (counts["research"].done, counts["research"].unfinished) == (goal, 0)
    assert (counts["write"].done, counts["write"].unfinished) == (goal, 0)
    (joined,) = await queue.listed("report", TaskState.DONE)
    detail = await queue.get(joined.id)
    assert detail is not None
    assert sorted(json.loads(detail.payload)["results"]) == list(range(goal))
    said = (tmp_path / "acknowledged").read_text().split()
    assert len(said) == len(set(said)), "a completion was acknowledged as new twice"
    await database.close()

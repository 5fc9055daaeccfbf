"""A worker that is killed at any moment: submits by key, claims, completes, hands on, joins.

    python queue_worker.py DIRECTORY GOAL

It takes over what its dead self held, as an engine does, and leaves with 0 when all is done. Each
completion that was acknowledged as new is a line of ``acknowledged``.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from supervisor.core.task import Join, Lease, NewTask
from supervisor.process.identity import moment_now
from supervisor.store.database import Database
from supervisor.store.task_queue import SqliteTaskQueue

WORKER = "worker"
JOINS = (Join(queue="report", of="write"),)


async def work(directory: Path, goal: int) -> None:
    database = await Database.open(directory / "state.db")
    queue = await SqliteTaskQueue.open(database, moment_now)
    print("working", flush=True)
    await queue.submit(
        [
            NewTask(
                queue="research", payload=str(n), key=f"n{n}", group="g", joins=JOINS,
                max_deliveries=1000,
            )
            for n in range(goal)
        ]
    )  # fmt: skip
    for lease in await queue.held_by(WORKER):
        await finish(queue, lease, directory)
    while True:
        found: list[Lease] = []
        for name in ("write", "research", "report"):
            found = found or await queue.claim(name, WORKER, 30.0, limit=2)
        if not found:
            break
        for lease in found:
            if lease.task.deliveries == 1 and hash(lease.task.id) % 7 == 0:
                await queue.fail(lease.token, "as planned", 0.0)
            else:
                await finish(queue, lease, directory)
    await database.close()


async def finish(queue: SqliteTaskQueue, lease: Lease, directory: Path) -> None:
    then = []
    if lease.task.queue == "research":
        then = [
            NewTask(
                queue="write", payload=lease.payload, group="g", joins=JOINS, max_deliveries=1000
            )
        ]
    if await queue.complete(lease.token, lease.payload, then):
        with (directory / "acknowledged").open("a") as file:
            file.write(f"{lease.task.id}\n")


asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))

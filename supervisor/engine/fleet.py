"""``[fleet]`` at work: which queue the engine has, how it is called there, and what travels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from supervisor.config.fleet import FleetTable
from supervisor.engine.connecting_queue import ConnectingQueue, SharedQueue
from supervisor.engine.luggage import Luggage
from supervisor.engine.membership import Membership
from supervisor.engine.shared_asks import SharedAsks
from supervisor.engine.tasks import Tasks
from supervisor.fleet.settings import host_name
from supervisor.store.task_queue import SqliteTaskQueue

if TYPE_CHECKING:
    from contextlib import AsyncExitStack

    from supervisor.config.paths import Project
    from supervisor.engine.engine import Engine
    from supervisor.store.event_log import SqliteEventLog

FLEET_DB = "fleet.db"


async def open_queue(
    engine: Engine, log: SqliteEventLog, stack: AsyncExitStack
) -> tuple[Tasks, Luggage | None]:
    """The tasks of this engine: its own, or with ``[fleet]`` those that several machines share."""
    table = engine.specs.fleet
    worker = f"{host_name(table)}:{engine.project.directory}"
    if table is None:
        queue = await SqliteTaskQueue.open(log.database, engine.clock)
        return Tasks(engine, queue, worker), None
    shared = shared_queue(engine.project, table)
    stack.push_async_callback(shared.close)
    tasks = Tasks(engine, shared, worker, lease_s=table.lease)
    if table.engine == "temporal":
        tasks.asks = SharedAsks(engine, shared)
        stack.push_async_callback(tasks.asks.close)
    engine.membership = Membership(engine, table)
    stack.push_async_callback(engine.membership.close)
    luggage = Luggage(engine.project, shared, engine.runs.state, worker)
    return tasks, luggage


def shared_queue(project: Project, table: FleetTable) -> ConnectingQueue:
    """The queue of ``[fleet]``; connects in the background."""
    on = _on_temporal if table.engine == "temporal" else _on_nats
    return ConnectingQueue(lambda: on(project, table))


async def _on_nats(project: Project, table: FleetTable) -> SharedQueue:
    from supervisor.fleet.settings import nats_settings
    from supervisor.fleet.shared_queue import SharedTaskQueue

    settings = nats_settings(project, table)
    return await SharedTaskQueue.open(settings, project.state_dir / FLEET_DB)


async def _on_temporal(project: Project, table: FleetTable) -> SharedQueue:
    from supervisor.fleet.settings import temporal_settings
    from supervisor.fleet.temporal_connection import require_library

    # Without the library the next import would say so, and less plainly.
    settings, _library = temporal_settings(project, table), require_library()
    from supervisor.fleet.temporal_queue import TemporalTaskQueue

    return await TemporalTaskQueue.open(settings)

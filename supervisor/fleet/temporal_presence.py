"""Who is in the fleet on Temporal: a workflow a machine, which it holds by heartbeats.

A machine's workflow has one activity that never ends; the machine works on it, and its heartbeats
carry its card. Temporal itself sees who falls silent: the activity then waits for somebody, and
nobody but that machine takes it. The history of such a workflow does not grow. For people, and for
``nobody can run this``; who gets a task is decided without it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor.errors import EnvironmentFaultError
from supervisor.fleet.presence import Card, names_of, read_card
from supervisor.fleet.temporal_activities import TemporalActivities
from supervisor.fleet.temporal_connection import (
    TemporalSettings,
    connect,
    is_missing,
    patiently,
    unreachable,
)
from supervisor.fleet.temporal_door import TemporalDoor
from supervisor.fleet.temporal_token import make_token
from supervisor.fleet.temporal_workflow import HOST_TYPE, LongwatchHost

if TYPE_CHECKING:
    from temporalio.client import Client

LONGEST = timedelta(days=30)
"""Of a machine's workflow: one that died for good is closed by then, a living one makes another."""
TAKE_S = 20.0
"""Of one look for our own activity: longer than an engine before us is believed to be there."""
LEAVE_S = 1.0
MAX_HOSTS = 500


def host_id(prefix: str, host: str, directory: str) -> str:
    """Of the workflow, and of the task queue of its activity."""
    mark = hashlib.sha256(directory.encode()).hexdigest()[:8]
    return f"{prefix}/host/{host}/{mark}"


class TemporalPresence:
    """Our own place in the list; made by ``joined``."""

    def __init__(self, settings: TemporalSettings, client: Client, host: str, directory: str):
        self._settings = settings
        self._client = client
        self._host, self._directory = host, directory
        self._id = host_id(settings.prefix, host, directory)
        self._activities = TemporalActivities(settings, client)
        self._token: str | None = None

    async def put(self, card: Card) -> None:
        """Say that this machine is there. The first time it may wait for our dead self's end."""
        if self._token is None:
            await self._begin()
            self._token = await self._take()
        if self._token is not None and not await self._activities.beat(
            self._token, {"card": asdict(card)}
        ):
            self._token = None  # It ended, or was taken for dead: the next one begins anew.

    async def leave(self) -> None:
        """Say that it is not, before it is missed."""
        if self._token is not None:
            with suppress(Exception):
                async with asyncio.timeout(LEAVE_S):
                    await self._activities.complete(self._token, {})
                    await self._client.get_workflow_handle(self._id).result()

    async def cards(self) -> list[Card]:
        """Everybody whom Temporal has heard of in time."""
        return await cards(self._settings, self._client)

    async def _begin(self) -> None:
        from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

        await patiently(
            self._settings,
            lambda: self._client.start_workflow(
                HOST_TYPE,
                {"queue": self._id},
                id=self._id,
                task_queue=self._id,
                execution_timeout=LONGEST,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                static_summary=f"{self._host}: {self._directory}"[:200],
            ),
        )

    async def _take(self) -> str | None:
        worker = f"{self._host}:{self._directory}"
        answer = await self._activities.poll(self._id, worker, TAKE_S)
        if answer is None or not answer.task_token:
            return None
        return make_token("host", 0, answer.attempt, answer.task_token)


@asynccontextmanager
async def joined(
    settings: TemporalSettings, host: str, directory: str, socket: Path | None = None
) -> AsyncIterator[TemporalPresence]:
    """Be a member; left at the end. Raises LongwatchError when the cluster cannot be reached.

    ``socket``: the control socket, where other machines may come in by it.
    """
    from temporalio.worker import UnsandboxedWorkflowRunner, Worker

    client = await connect(settings)
    presence = TemporalPresence(settings, client, host, directory)
    name = host_id(settings.prefix, host, directory)
    # Of its own, on this machine alone: a query has to come here.
    worker = Worker(
        client,
        task_queue=name,
        workflows=[LongwatchHost],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_cached_workflows=4,
        graceful_shutdown_timeout=timedelta(seconds=1),
    )
    door = None if socket is None else TemporalDoor(name, Path(directory), socket)
    async with worker:
        if door is not None:
            door.open()
        try:
            yield presence
        finally:
            if door is not None:
                await door.close()
            await presence.leave()


async def members(settings: TemporalSettings) -> dict[str, Card]:
    """Who is in the fleet now, by name."""
    return names_of(await cards(settings, await connect(settings)))


async def cards(settings: TemporalSettings, client: Client) -> list[Card]:
    """The cards of those whose heartbeats come; what others wrote is cleaned."""
    query = (
        f"WorkflowType = '{HOST_TYPE}' AND ExecutionStatus = 'Running'"
        f" AND WorkflowId STARTS_WITH '{settings.prefix}/host/'"
    )
    found = []
    try:
        names = [one.id async for one in client.list_workflows(query, limit=MAX_HOSTS)]
        for name in names:
            card = await _card(client, name)
            if card is not None:
                found.append(card)
    except EnvironmentFaultError:
        raise
    except Exception as error:
        raise unreachable(settings, error) from error
    return found


async def _card(client: Client, name: str) -> Card | None:
    from temporalio.api.enums.v1 import PendingActivityState
    from temporalio.service import RPCError

    try:
        told = await client.get_workflow_handle(name).describe()
    except RPCError as error:
        if is_missing(error):
            return None
        raise
    started = PendingActivityState.PENDING_ACTIVITY_STATE_STARTED
    for activity in told.raw_description.pending_activities:
        if activity.state == started and activity.heartbeat_details.payloads:
            payloads = list(activity.heartbeat_details.payloads)
            details: list[Any] = await client.data_converter.decode(payloads)
            return read_plain(details[0])
    return None


def read_plain(details: object) -> Card | None:
    """A card out of the details of a heartbeat."""
    said = details.get("card") if isinstance(details, dict) else None
    return read_card(json.dumps(said).encode()) if isinstance(said, dict) else None

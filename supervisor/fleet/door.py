"""The way into one machine for the others of its fleet: its control socket, carried over NATS.

Only where ``[fleet] operate = true``: who has the servers' credentials may then see and answer
everything here, as over ``--host``. Otherwise the machine is on the list and nothing more.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.cancelling import cancelled
from supervisor.control.greeting import greeting_line, refusal_line
from supervisor.errors import EnvironmentFaultError
from supervisor.fleet.nats_connection import NatsSettings, stream_name
from supervisor.fleet.passage import Passage

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

MAX_VISITS = 32
"""At a time: more are no people any more."""
_VISIT = re.compile(r"[0-9a-f]{32}")


def door_subject(namespace: str, key: str) -> str:
    """Where a machine is asked to let somebody in."""
    return f"{stream_name(namespace)}.door.{key}"


def visit_subject(namespace: str, visit: str, end: str) -> str:
    """Where one end of a visit listens: ``host`` or ``guest``."""
    return f"{stream_name(namespace)}.visit.{visit}.{end}"


class Door:
    """Lets visitors in, from ``open`` to ``close``."""

    def __init__(self, client: Client, settings: NatsSettings, key: str, directory: Path) -> None:
        self._client = client
        self._namespace = settings.namespace
        self._key = key
        self._directory = directory
        self._visits: set[asyncio.Task[None]] = set()

    async def open(self, socket: Path) -> None:
        """``socket``: the control socket here."""
        self._socket = socket
        await self._client.subscribe(door_subject(self._namespace, self._key), cb=self._knock)

    async def close(self) -> None:
        """End every visit."""
        await cancelled(*self._visits)

    async def _knock(self, message: Msg) -> None:
        with suppress(Exception):
            await message.respond(await self._let_in(message.data))

    async def _let_in(self, asked: bytes) -> bytes:
        try:
            visit = str(json.loads(asked)["visit"])
        except (ValueError, KeyError, TypeError, RecursionError):
            visit = ""
        if not _VISIT.fullmatch(visit):
            return refusal_line(EnvironmentFaultError("this is no visit of a longwatch"))
        if len(self._visits) >= MAX_VISITS:
            return refusal_line(EnvironmentFaultError(f"{MAX_VISITS} visitors are there already"))
        try:
            reader, writer = await asyncio.open_unix_connection(self._socket)
        except OSError as error:
            return refusal_line(EnvironmentFaultError(f"its engine does not answer: {error}"))
        passage = Passage(
            self._client, reader, writer,
            ours=visit_subject(self._namespace, visit, "host"),
            theirs=visit_subject(self._namespace, visit, "guest"),
        )  # fmt: skip
        await passage.listen()
        task = asyncio.create_task(passage.carry())
        self._visits.add(task)
        task.add_done_callback(self._visits.discard)
        return greeting_line(str(self._directory), started=False)

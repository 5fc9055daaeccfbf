"""Going through another machine's door on Temporal: the near end of ``--host fleet:NAME``.

As ``visit`` is on NATS; the far end is ``temporal_door``.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import sys
import time
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from supervisor.cancelling import cancelled
from supervisor.errors import EnvironmentFaultError
from supervisor.fleet.presence import names_of
from supervisor.fleet.temporal_connection import TemporalSettings, connect
from supervisor.fleet.temporal_door import DATA, END, PIECE_BYTES, SILENT_S
from supervisor.fleet.temporal_presence import cards, host_id
from supervisor.fleet.visit import found

if TYPE_CHECKING:
    from temporalio.client import Client

FIRST_PAUSE_S, LAST_PAUSE_S = 0.02, 0.25
"""Between two exchanges that carried nothing; what is typed here cuts a pause short."""
REPLY_TIMEOUT = timedelta(seconds=5)
AGAIN_S = 0.2


async def visit(settings: TemporalSettings, name: str, connection: socket.socket) -> None:
    """Join ``connection`` to the control socket of ``name``, until one side ends."""
    client = await connect(settings)
    card = found(names_of(await cards(settings, client)), name)
    guest = _Guest(client, host_id(settings.prefix, card.host, card.directory), name)
    reader, writer = await asyncio.open_connection(sock=connection)
    await guest.carry(reader, writer)
    sys.stderr.write(f"the connection to {name} through the fleet ended\n")


class _Guest:
    """One visit."""

    def __init__(self, client: Client, workflow_id: str, name: str) -> None:
        self._handle = client.get_workflow_handle(workflow_id)
        self._name = name
        self._visit = secrets.token_hex(16)
        self._number = -1

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Exchange after exchange, until one side ends."""
        reading = asyncio.create_task(reader.read(PIECE_BYTES))
        pause_s = 0.0
        try:
            while True:
                sent = b""
                if reading.done():
                    data = reading.result()
                    sent = DATA + data if data else END
                    reading = asyncio.create_task(reader.read(PIECE_BYTES))
                reply = await self._exchange(sent)
                if reply[:1] == END or sent == END:
                    return
                if reply[1:]:
                    writer.write(reply[1:])
                    await writer.drain()
                    pause_s = 0.0
                    continue
                pause_s = min(LAST_PAUSE_S, FIRST_PAUSE_S if sent else 1.5 * pause_s + 0.01)
                await asyncio.wait({reading}, timeout=pause_s)
        except OSError:
            return  # Whoever started this has gone.
        finally:
            await cancelled(reading)
            with suppress(OSError):
                writer.close()

    async def _exchange(self, sent: bytes) -> bytes:
        """The same exchange again while nobody answers: the other side knows its number."""
        from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
        from temporalio.service import RPCError

        self._number += 1
        end = time.monotonic() + SILENT_S
        while True:
            try:
                reply: bytes = await self._handle.query(
                    "exchange",
                    args=[self._visit, self._number, sent],
                    result_type=bytes,
                    rpc_timeout=REPLY_TIMEOUT,
                )
            except (WorkflowQueryFailedError, WorkflowQueryRejectedError, RPCError) as error:
                if time.monotonic() > end:
                    raise EnvironmentFaultError(
                        f"{self._name} is on the list of the fleet, but nobody answers there",
                        why="it has just gone, or is cut off from the Temporal cluster",
                        fix="Try again in a moment, or: longwatch hosts",
                    ) from error
                await asyncio.sleep(AGAIN_S)
            else:
                return reply

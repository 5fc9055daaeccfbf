"""This machine as a member of its fleet: its card, its door, and the cards of the others.

Nothing depends on it but what people see: when the servers are away it is silent and tries again.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import TYPE_CHECKING

from supervisor import __version__
from supervisor.cancelling import cancelled
from supervisor.control.messages import PROTOCOL
from supervisor.core.run import FINAL
from supervisor.errors import LongwatchError
from supervisor.fleet.door import Door
from supervisor.fleet.nats_connection import connect_only
from supervisor.fleet.presence import EVERY_S, Card, Presence, key_of, names_of, stamped
from supervisor.fleet.settings import host_name, nats_settings, temporal_settings

if TYPE_CHECKING:
    from nats.aio.client import Client

    from supervisor.config.fleet import FleetTable
    from supervisor.engine.engine import Engine

AGAIN_S = 3.0
"""Between two tries when the servers cannot be reached."""


class Membership:
    """From its making to ``close``; made in the event loop."""

    def __init__(self, engine: Engine, table: FleetTable) -> None:
        self._engine = engine
        self._table = table
        self._is_temporal = table.engine == "temporal"
        self._host = host_name(table)
        self._directory = str(engine.project.directory)
        self._others: dict[str, Card] = {}
        self._said = ""
        self._task = asyncio.get_running_loop().create_task(self._belong())

    def hosts_of(self, queue: str) -> list[str] | None:
        """Who in the fleet has workers for it now; None while that is not known."""
        if not self._others:
            return None
        return [name for name, card in self._others.items() if card.pools.get(queue, 0) > 0]

    def members(self) -> dict[str, Card]:
        """Everybody who was heard of lately, by name."""
        return dict(self._others)

    async def close(self) -> None:
        """Leave."""
        await cancelled(self._task)

    async def _belong(self) -> None:
        while True:
            try:
                await (self._on_temporal() if self._is_temporal else self._on_nats())
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - the library has no base class for all
                self._tell(error)
            await asyncio.sleep(AGAIN_S)

    def _tell(self, error: Exception) -> None:
        words = str(error) if isinstance(error, LongwatchError) else f"{type(error).__name__}"
        if words != self._said:
            self._said = words
            sys.stderr.write(f"longwatch engine: the list of the fleet: {words}\n")

    async def _on_nats(self) -> None:
        client = await connect_only(nats_settings(self._engine.project, self._table))
        try:
            await self._stay(client)
        finally:
            self._others = {}
            await client.close()

    async def _on_temporal(self) -> None:
        from supervisor.fleet.temporal_connection import require_library

        require_library()  # Without it the next import would say so, and less plainly.
        from supervisor.fleet.temporal_presence import joined

        settings = temporal_settings(self._engine.project, self._table)
        socket = self._engine.project.control_socket() if self._table.operate else None
        try:
            async with joined(settings, self._host, self._directory, socket) as presence:
                while True:
                    await presence.put(self._card())
                    self._others = names_of(await presence.cards())
                    await asyncio.sleep(EVERY_S)
        finally:
            self._others = {}

    async def _stay(self, client: Client) -> None:
        settings = nats_settings(self._engine.project, self._table)
        presence = await Presence.open(client, settings)
        key = key_of(self._host, self._directory)
        door = Door(client, settings, key, self._engine.project.directory)
        if self._table.operate:
            await door.open(self._engine.project.control_socket())
        try:
            while True:
                await presence.put(self._card())
                self._others = names_of(await presence.cards())
                await asyncio.sleep(EVERY_S)
        finally:
            await door.close()
            await presence.leave(key)

    def _card(self) -> Card:
        runs = list(self._engine.runs.states())
        status = Counter(state.status.value for state in runs if state.status not in FINAL)
        pools = self._engine.specs.pools
        return stamped(
            {
                "host": self._host,
                "directory": self._directory,
                "version": __version__,
                "protocol": PROTOCOL,
                "operates": self._table.operate,
                "pools": {name: self._engine.pools.workers(pool) for name, pool in pools.items()},
                "runs": dict(status),
                "requests": sum(len(state.open_requests) for state in runs),
            }
        )

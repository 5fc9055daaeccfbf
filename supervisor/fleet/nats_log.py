"""The shared log in NATS JetStream: one stream of commands, one object store for what is large.

Owns the connection. Needs a server of 2.10 or newer. A command counts when the server has
acknowledged it. One whose acknowledgement was lost is sent again under its own id: the server takes
it once (``nats_connection.DEDUPLICATE_S``), and after that it means nothing new (``core.task``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor.fleet.command import Entry
from supervisor.fleet.nats_connection import (
    CONNECT_TIMEOUT_S,
    FIRST_PAUSE_S,
    LAST_PAUSE_S,
    NatsSettings,
    connect,
    patiently,
    stream_name,
)
from supervisor.fleet.nats_files import NatsTaskFiles

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.object_store import ObjectStore

INLINE_BYTES = 128 * 1024
"""A larger command goes into the object store; servers take messages up to 1 MB by default."""
PUBLISH_TIMEOUT_S = 3.0
"""Until a command without an acknowledgement is sent again."""
LOOK_INTERVAL_S = 2.0
"""How often the end of the stream is asked for: a subscription may have died in silence."""
PIECE = 500
"""Entries handed on at once."""
CALL_HEADER = "Longwatch-Call"
BLOB_HEADER = "Longwatch-Blob"
BLOB_SLACK_S = 3600.0
"""What is large stays so much longer than its command: the clocks of senders differ."""
SNAPSHOT = "snapshot-"
SNAPSHOTS_KEPT = 3
SNAPSHOT_TIMEOUT_S = 120.0
"""For a snapshot of some hundred megabytes over a slow line."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What the log holds now."""

    log: str
    """Which log it is."""
    first: int
    last: int


class NatsLog:
    """A connection to the shared log."""

    def __init__(self, settings: NatsSettings, client: Client, blobs: ObjectStore) -> None:
        self._settings = settings
        self._client = client
        self._js: JetStreamContext = client.jetstream(timeout=CONNECT_TIMEOUT_S)
        self._blobs = blobs
        self._stream = stream_name(settings.namespace)
        self._subject = f"{self._stream}.commands"
        self._is_closed = False

    @classmethod
    async def connect(cls, settings: NatsSettings) -> NatsLog:
        """Connect, and make stream and object store if they are not there."""
        return cls(settings, *await connect(settings))

    @property
    def is_connected(self) -> bool:
        """Whether the servers can be reached just now."""
        return bool(self._client.is_connected)

    def files(self) -> NatsTaskFiles:
        """What tasks have with them, over the same connection."""
        return NatsTaskFiles(self._settings, self._client)

    async def extent(self) -> Extent:
        """Ask what the log holds."""
        info = await patiently(self._settings, lambda: self._js.stream_info(self._stream))
        made = info.created.isoformat() if info.created is not None else ""
        return Extent(made, info.state.first_seq, info.state.last_seq)

    async def append(self, data: bytes, call: str, now: float) -> int:
        """Add a command; its seq once the server has it. EnvironmentFaultError: not known.

        After the error it may be in the log or not; the same call may be made again. ``now``: the
        server's time, about.
        """
        headers = {CALL_HEADER: call, "Nats-Msg-Id": call}
        if len(data) > INLINE_BYTES:
            headers[BLOB_HEADER] = name = f"blob-{int(now)}-{call}"
            large, data = data, b""
            await patiently(self._settings, lambda: self._blobs.put(name, large))
        ack = await patiently(
            self._settings,
            lambda: self._js.publish(
                self._subject, data, timeout=PUBLISH_TIMEOUT_S, headers=dict(headers)
            ),
        )
        return int(ack.seq)

    async def entries(self, after: int) -> AsyncIterator[list[Entry]]:
        """What follows ``after``, in order and without gaps, for ever.

        Ends when the log does not hold the next entry any more: a snapshot does.
        """
        while not self._is_closed:
            extent = await self._extent_or_none()
            if extent is None:
                continue
            if after + 1 < extent.first or after > extent.last:
                return
            arrived: asyncio.Queue[Msg] = asyncio.Queue()
            try:
                subscription = await self._subscribe(after + 1, arrived)
            except Exception:  # noqa: BLE001  # Whatever it is, it is asked again.
                await asyncio.sleep(FIRST_PAUSE_S)
                continue
            try:
                async for entries in self._read(arrived, after):
                    yield entries
                    after = entries[-1].seq
            finally:
                with suppress(Exception):
                    async with asyncio.timeout(1.0):
                        await subscription.unsubscribe()

    async def _read(self, arrived: asyncio.Queue[Msg], after: int) -> AsyncIterator[list[Entry]]:
        """From one subscription, until it misses something."""
        while not self._is_closed:
            try:
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    messages = [await arrived.get()]
            except TimeoutError:
                extent = await self._extent_or_none()
                if extent is not None and (extent.last > after or extent.last < after):
                    return  # It died, or the log is another one.
                continue
            while len(messages) < PIECE and not arrived.empty():
                messages.append(arrived.get_nowait())
            entries: list[Entry] = []
            for message in messages:
                seq = message.metadata.sequence.stream
                if seq <= after:
                    continue
                if seq != after + 1:
                    break
                entries.append(await self._entry(message))
                after = seq
            if not entries:
                return
            yield entries

    async def _subscribe(self, first: int, arrived: asyncio.Queue[Msg]) -> Any:
        from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

        async def take(message: Msg) -> None:
            arrived.put_nowait(message)

        return await self._js.subscribe(
            self._subject,
            stream=self._stream,
            cb=take,
            manual_ack=True,
            pending_msgs_limit=-1,
            pending_bytes_limit=-1,
            config=ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=first,
                ack_policy=AckPolicy.NONE,
                mem_storage=True,
                num_replicas=1,
                inactive_threshold=30.0,
            ),
        )

    async def _entry(self, message: Msg) -> Entry:
        headers, data = message.headers or {}, message.data
        if name := headers.get(BLOB_HEADER):
            data = (await patiently(self._settings, lambda: self._large(name))).data or b""
        at, seq = message.metadata.timestamp.timestamp(), message.metadata.sequence.stream
        return Entry(seq, at, headers.get(CALL_HEADER, ""), data)

    async def _large(self, name: str) -> Any:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            return await self._blobs.get(name)

    async def put_snapshot(self, seq: int, path: Path) -> None:
        """Keep the outcome of everything up to ``seq``: it can be seen once all of it is there."""
        with path.open("rb") as file:
            await self._blobs.put(f"{SNAPSHOT}{seq}", file)

    async def get_snapshot(self, path: Path) -> int | None:
        """Write the newest snapshot to ``path``; up to which seq it goes, None without one."""
        newest = max((number_of(name, SNAPSHOT) for name in await self._blob_names()), default=0)
        if newest == 0:
            return None
        # The library waits for ever for the pieces of an object that is deleted meanwhile.
        async with asyncio.timeout(SNAPSHOT_TIMEOUT_S):
            with path.open("wb") as file:
                await self._blobs.get(f"{SNAPSHOT}{newest}", writeinto=file)
        return newest

    async def _blob_names(self) -> list[str]:
        from nats.js.errors import NotFoundError

        try:
            return [info.name for info in await self._blobs.list(ignore_deletes=True)]
        except NotFoundError:  # Its word for an empty store.
            return []

    async def cut(self, up_to: int, before: float) -> None:
        """Remove the commands up to ``up_to``, of before that time, and what was large of them."""
        await self._js.purge_stream(self._stream, seq=up_to + 1)
        names = await self._blob_names()
        snapshots = sorted(n for name in names if (n := number_of(name, SNAPSHOT)))
        for name in names:
            # Some stay: somebody may be reading one.
            is_old_snapshot = number_of(name, SNAPSHOT) in snapshots[:-SNAPSHOTS_KEPT]
            is_spent = 0 < number_of(name, "blob-") < before - BLOB_SLACK_S
            if is_old_snapshot or is_spent:
                with suppress(Exception):  # Somebody else removed it.
                    await self._blobs.delete(name)

    async def close(self) -> None:
        """Let go; may be called twice."""
        self._is_closed = True
        if not self._client.is_closed:
            await self._client.close()

    async def _extent_or_none(self) -> Extent | None:
        try:
            info = await self._js.stream_info(self._stream)
        except Exception:  # noqa: BLE001  # The servers are away, or the stream is.
            await asyncio.sleep(LAST_PAUSE_S if not self._is_closed else 0)
            return None
        made = info.created.isoformat() if info.created is not None else ""
        return Extent(made, info.state.first_seq, info.state.last_seq)


def number_of(name: str, prefix: str) -> int:
    """The number behind ``prefix`` in a name of ours; 0 for any other name."""
    digits = name.removeprefix(prefix).split("-")[0] if name.startswith(prefix) else ""
    return int(digits) if digits.isdecimal() else 0

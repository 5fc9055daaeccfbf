"""What tasks have with them, in a JetStream stream of its own: one subject a file.

Only who goes on with a task reads them, so nothing of it passes through the log of commands and
its replicas. Writers are fenced by the server: each message names the one before it on its subject
(compare and set), and whoever goes on with a task takes its subjects first. One subject of a task
holds its fence alone and outlives its files: a machine that comes back when the task is long done
would find nothing else that tells it so. A file that is replaced is sent in pieces under its
whole size; until the last one is there the version before it counts.
"""

from __future__ import annotations

import asyncio
import binascii
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from supervisor.errors import RefusedError
from supervisor.fleet.nats_connection import (
    CONNECT_TIMEOUT_S,
    NatsSettings,
    patiently,
    stream_name,
)
from supervisor.queue.port import StaleLeaseError

if TYPE_CHECKING:
    from nats.aio.client import Client

PIECE_BYTES = 512 * 1024
"""Servers take messages up to 1 MB by default."""
FENCE, OFFSET, TOTAL = "Longwatch-Fence", "Longwatch-Offset", "Longwatch-Total"
WRONG_LAST_SEQUENCE = 10071
"""JetStream's error code of a refused compare and set."""
FENCE_SUBJECT = "fence"
"""Of a task; no coded name is like it."""
TRIES = 20
"""Between two that take a task from each other, each time with a newer lease."""
ASIDE = 4
"""Messages of a replaced file before its older versions are cut away."""


@dataclass(slots=True)
class _Subject:
    """One file as its writer knows it."""

    last: int
    """Seq of the newest message on it."""
    size: int
    replaced: int = 0


@dataclass(slots=True)
class _File:
    """One file as a reader puts it together."""

    whole: bytearray = field(default_factory=bytearray)
    """The newest version that is complete."""
    coming: bytearray = field(default_factory=bytearray)
    total: int | None = None
    """Of the version that is coming; None while pieces are appended."""
    last: int = 0
    """Seq of its newest message."""
    fence: int = 0
    """Of who wrote it."""

    def add(self, offset: int, total: int | None, data: bytes) -> None:
        if total is not None and offset == 0:
            self.coming, self.total = bytearray(), total
        if self.total is None:
            self.whole[offset:] = data
            return
        self.coming += data
        if len(self.coming) >= self.total:
            self.whole, self.total = self.coming, None


@dataclass(frozen=True, slots=True)
class _Piece:
    """One message."""

    data: bytes
    offset: int
    total: int | None = None
    """Bytes of the whole file where it takes the place of another."""

    def headers(self, fence: str) -> dict[str, str]:
        found = {FENCE: fence, OFFSET: str(self.offset)}
        return found if self.total is None else {**found, TOTAL: str(self.total)}


class _MovedError(Exception):
    """Whoever had the task before wrote between our look and our write."""


class NatsTaskFiles:
    """``queue.port.TaskFiles`` on a connection that somebody else opens and closes."""

    def __init__(self, settings: NatsSettings, client: Client) -> None:
        self._settings = settings
        self._js = client.jetstream(timeout=CONNECT_TIMEOUT_S)
        self._stream = f"{stream_name(settings.namespace)}_files"
        self._known: dict[tuple[str, str], _Subject] = {}
        """By token and name."""
        self._held: set[str] = set()
        """Tokens whose fence is up."""
        self._locks: dict[str, asyncio.Lock] = {}

    async def keep(self, token: str, name: str, offset: int | None, data: bytes) -> None:
        """See the port."""
        async with self._locks.setdefault(token, asyncio.Lock()):
            for _ in range(TRIES):
                with suppress(_MovedError):
                    await self._hold(token)
                    await self._keep(token, name, offset, data)
                    return
            raise RefusedError(f"{name} is written by others all the time")

    async def _keep(self, token: str, name: str, offset: int | None, data: bytes) -> None:
        known = self._known.get((token, name)) or await self._know(token, name)
        if offset is None:
            await self._replace(token, name, known, data)
            return
        if offset > known.size:
            raise RefusedError(f"{name} has {known.size} bytes, and these would begin at {offset}")
        fresh = data[known.size - offset :]
        for at in range(0, len(fresh), PIECE_BYTES):
            piece = fresh[at : at + PIECE_BYTES]
            await self._publish(token, name, known, _Piece(piece, known.size))
            known.size += len(piece)

    async def take(self, token: str) -> dict[str, bytes]:
        """See the port."""
        task_id = token.split(".", maxsplit=1)[0]
        async with self._locks.setdefault(token, asyncio.Lock()):
            while True:
                await self._hold(token)
                found = await self._read(task_id, ">")
                try:
                    for name, file in found.items():
                        await self._take_over(token, name, file)
                except _MovedError:
                    continue  # Whoever had it wrote once more: that counts too.
                return {name: bytes(file.whole) for name, file in found.items()}

    async def kept_size(self, task_id: str, name: str) -> int:
        """See the port."""
        found = await self._read(task_id, _coded(name))
        return len(found[name].whole) if name in found else 0

    async def drop(self, task_id: str) -> None:
        """Remove everything of a task that is over; what stays after a death goes by age."""
        for key in [key for key in self._known if key[0].startswith(f"{task_id}.")]:
            del self._known[key]
            self._locks.pop(key[0], None)
            self._held.discard(key[0])
        with suppress(Exception):
            subject = f"{self._stream}.{task_id}.{FENCE_SUBJECT}"
            newest = await self._js.get_last_msg(self._stream, subject)
            # Said again, it is the newest message of the task: the one that a purge keeps.
            headers = {FENCE: (newest.headers or {}).get(FENCE, "0")}
            await self._js.publish(subject, b"", timeout=CONNECT_TIMEOUT_S, headers=headers)
            await self._js.purge_stream(self._stream, subject=f"{self._stream}.{task_id}.>", keep=1)

    async def _hold(self, token: str) -> None:
        """Put our fence up; StaleLeaseError when a later one stands."""
        from nats.js.errors import APIError, NotFoundError

        if token in self._held:
            return
        task_id, fence = token.split(".", 1)
        subject = f"{self._stream}.{task_id}.{FENCE_SUBJECT}"

        async def put() -> bool:
            try:
                newest = await self._js.get_last_msg(self._stream, subject)
                theirs, last = int((newest.headers or {}).get(FENCE, "0")), newest.seq
            except NotFoundError:
                theirs, last = 0, 0
            if theirs >= int(fence):
                if theirs > int(fence):
                    raise StaleLeaseError(f"task {task_id} was given to another machine")
                return True
            headers = {FENCE: fence, "Nats-Expected-Last-Subject-Sequence": str(last)}
            try:
                await self._js.publish(subject, b"", timeout=CONNECT_TIMEOUT_S, headers=headers)
            except APIError as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise
                return False
            return True

        while not await patiently(self._settings, put):
            pass  # Somebody was quicker: look again who.
        self._held.add(token)

    async def _replace(self, token: str, name: str, known: _Subject, data: bytes) -> None:
        for at in range(0, max(1, len(data)), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            await self._publish(token, name, known, _Piece(piece, at, len(data)))
        known.size = len(data)
        known.replaced += 1
        if known.replaced % ASIDE == 0:
            pieces = max(1, -(-len(data) // PIECE_BYTES))
            subject = self._subject(token, name)
            with suppress(Exception):  # It is only room.
                await self._js.purge_stream(self._stream, subject=subject, keep=pieces)

    async def _know(self, token: str, name: str) -> _Subject:
        """Learn where a file stands, and shut out whoever wrote it before."""
        while True:
            found = await self._read(token.split(".", maxsplit=1)[0], _coded(name))
            try:
                return await self._take_over(token, name, found.get(name, _File()))
            except _MovedError:
                continue

    async def _take_over(self, token: str, name: str, file: _File) -> _Subject:
        task_id, fence = token.split(".", 1)
        if file.fence > int(fence):
            raise StaleLeaseError(f"task {task_id} was given to another machine")
        known = _Subject(file.last, len(file.whole))
        if file.last and file.fence < int(fence):
            await self._publish(token, name, known, _Piece(b"", known.size))
        self._known[token, name] = known
        return known

    async def _publish(self, token: str, name: str, known: _Subject, piece: _Piece) -> None:
        from nats.js.errors import APIError, NotFoundError

        headers = piece.headers(token.split(".")[1])
        subject = self._subject(token, name)

        async def send() -> Any:
            expected = {"Nats-Expected-Last-Subject-Sequence": str(known.last)}
            try:
                return await self._js.publish(
                    subject, piece.data, timeout=CONNECT_TIMEOUT_S, headers={**headers, **expected}
                )
            except APIError as error:
                if error.err_code != WRONG_LAST_SEQUENCE:
                    raise
            # The message before is another one: our own, whose answer was lost, or theirs.
            try:
                newest = await self._js.get_last_msg(self._stream, subject)
            except NotFoundError:
                # All of it was removed: the task is over, and its fence tells for whom.
                self._known.pop((token, name), None)
                self._held.discard(token)
                return None
            theirs = newest.headers or {}
            is_ours = all(theirs.get(key) == headers.get(key) for key in (FENCE, OFFSET, TOTAL))
            if is_ours and (newest.data or b"") == piece.data:
                return newest
            self._known.pop((token, name), None)
            if int(theirs.get(FENCE, "0")) < int(headers[FENCE]):
                return None
            raise StaleLeaseError(f"task {token.split('.', maxsplit=1)[0]} is worked on elsewhere")

        sent = await patiently(self._settings, send)
        if sent is None:
            raise _MovedError
        is_first, known.last = known.last == 0, int(sent.seq)
        if is_first:
            # Whoever goes on with the task could not take over what was not there. They put their
            # fence up before they looked: either they saw this, or we see their fence.
            self._held.discard(token)
            await self._hold(token)

    async def _read(self, task_id: str, which: str) -> dict[str, _File]:
        """Files by name, each with seq and fence of its newest message."""
        subject = f"{self._stream}.{task_id}.{which}"
        found: dict[str, _File] = await patiently(self._settings, lambda: self._collect(subject))
        return found

    async def _collect(self, subject: str) -> dict[str, _File]:
        info = await self._js.stream_info(self._stream, subjects_filter=subject)
        left = sum((info.state.subjects or {}).values())
        found: dict[str, _File] = {}
        if left == 0:
            return found
        subscription = await self._js.subscribe(subject, stream=self._stream, ordered_consumer=True)
        try:
            while left > 0:
                message = await subscription.next_msg(CONNECT_TIMEOUT_S)
                if message.subject.endswith(f".{FENCE_SUBJECT}"):
                    left = message.metadata.num_pending
                    continue
                headers, name = message.headers or {}, _decoded(message.subject)
                file = found.setdefault(name, _File())
                total = headers.get(TOTAL)
                file.add(
                    int(headers.get(OFFSET, "0")),
                    int(total) if total is not None else None,
                    message.data,
                )
                file.last = message.metadata.sequence.stream
                file.fence = int(headers.get(FENCE, "0"))
                left = message.metadata.num_pending
            return found
        finally:
            with suppress(Exception):
                await subscription.unsubscribe()

    def _subject(self, token: str, name: str) -> str:
        return f"{self._stream}.{token.split('.', maxsplit=1)[0]}.{_coded(name)}"


def _coded(name: str) -> str:
    """A name as one token of a subject."""
    return binascii.hexlify(name.encode()).decode("ascii")


def _decoded(subject: str) -> str:
    return binascii.unhexlify(subject.rpartition(".")[2]).decode()

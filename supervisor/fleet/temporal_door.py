"""The way into one machine for the others of its fleet on Temporal: a connection by queries.

A query to a workflow goes to the worker that has it and back, and leaves nothing in any history.
So each machine's own workflow answers ``exchange``: what a visitor sends goes to the control socket
here, what that said meanwhile goes back with the reply. Each exchange has a number, and one that is
asked again (the library does that) gets the same reply again: nothing is lost, doubled or out of
order.

Only where ``[fleet] operate = true``, as on NATS: see ``door``.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from pathlib import Path

from supervisor.cancelling import cancelled
from supervisor.control.greeting import greeting_line, refusal_line
from supervisor.errors import EnvironmentFaultError

PIECE_BYTES = 256 * 1024
"""Of the 2 MB that Temporal takes as one payload."""
WAITING_BYTES = 4 * PIECE_BYTES
"""What a visitor may leave unread before the socket is read no further."""
MAX_VISITS = 32
SILENT_S = 20.0
"""A visitor that asks nothing for so long is gone."""
DATA, END = b"d", b"e"

_doors: dict[str, TemporalDoor] = {}
"""By workflow id: the workflow's code runs in this process, in threads of the library."""


class TemporalDoor:
    """Lets visitors in, from ``open`` to ``close``. ``exchange`` may be called by any thread."""

    def __init__(self, workflow_id: str, directory: Path, socket: Path) -> None:
        self._id = workflow_id
        self._directory, self._socket = directory, socket
        self._loop = asyncio.get_running_loop()
        self._visits: dict[str, _Visit] = {}
        self._guard = threading.Lock()

    def open(self) -> None:
        """From now on."""
        _doors[self._id] = self

    async def close(self) -> None:
        """End every visit."""
        _doors.pop(self._id, None)
        visits = tuple(self._visits.values())
        await cancelled(*(visit.task for visit in visits if visit.task is not None))

    def exchange(self, name: str, number: int, sent: bytes) -> bytes:
        """One exchange of the visit ``name``; 0 is the first, ``END`` is sent by the last."""
        with self._guard:
            visit = self._visits.get(name)
            if visit is None:
                if number:
                    return END
                if len(self._visits) >= MAX_VISITS:
                    why = EnvironmentFaultError(f"{MAX_VISITS} visitors are there already")
                    return DATA + refusal_line(why)
                visit = self._visits[name] = _Visit()
                self._loop.call_soon_threadsafe(self._let_in, name, visit)
            return visit.exchange(self._loop, number, sent)

    def _let_in(self, name: str, visit: _Visit) -> None:
        visit.task = self._loop.create_task(visit.carry(self._directory, self._socket))
        visit.task.add_done_callback(lambda _task: self._visits.pop(name, None))


def exchange(workflow_id: str, name: str, number: int, sent: bytes) -> bytes:
    """See ``TemporalDoor.exchange``; END where nobody is let in."""
    door = _doors.get(workflow_id)
    return END if door is None else door.exchange(name, number, sent)


class _Visit:
    """One connection: what waits in either direction. Of two threads, so all of it is locked."""

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._back = bytearray()
        self._is_over = False
        self._is_told = False
        self._number, self._reply = -1, b""
        self._heard_at = time.monotonic()
        self._forth: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = asyncio.Event()

    def exchange(self, loop: asyncio.AbstractEventLoop, number: int, sent: bytes) -> bytes:
        """See ``TemporalDoor.exchange``."""
        with self._lock:
            self._heard_at = time.monotonic()
            if number == self._number:
                return self._reply
            if number != self._number + 1:
                return END
            self._number = number
            piece = bytes(self._back[:PIECE_BYTES])
            del self._back[:PIECE_BYTES]
            self._is_told = sent == END or (self._is_over and not piece)
            self._reply = END if self._is_told else DATA + piece
        if sent:
            loop.call_soon_threadsafe(self._forth.put_nowait, sent)
        loop.call_soon_threadsafe(self._room.set)
        return self._reply

    async def carry(self, directory: Path, socket: Path) -> None:
        """Until one side ends, and the visitor has what was said before, or is gone."""
        try:
            reader, writer = await asyncio.open_unix_connection(socket)
        except OSError as error:
            self._say(refusal_line(EnvironmentFaultError(f"its engine does not answer: {error}")))
        else:
            self._say(greeting_line(str(directory), started=False))
            works = [
                asyncio.create_task(work)
                for work in (self._read(reader), self._write(writer), self._watch())
            ]
            try:
                await asyncio.wait(works, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await cancelled(*works)
                with suppress(OSError):
                    writer.close()
        self._is_over = True
        while not self._is_told and not self._is_silent:
            self._room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._room.wait()

    @property
    def _is_silent(self) -> bool:
        return time.monotonic() - self._heard_at > SILENT_S

    def _say(self, data: bytes) -> bool:
        """Whether there is room for more."""
        with self._lock:
            self._back += data
            return len(self._back) < WAITING_BYTES

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                has_room = self._say(data)
                while not has_room:
                    self._room.clear()
                    await self._room.wait()
                    has_room = self._say(b"")

    async def _write(self, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, RuntimeError):
            while (sent := await self._forth.get())[:1] == DATA:
                writer.write(sent[1:])
                await writer.drain()

    async def _watch(self) -> None:
        while not self._is_silent:
            await asyncio.sleep(1.0)

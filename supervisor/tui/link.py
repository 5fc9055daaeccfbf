"""The one worker that talks to the engine, and the picture it keeps.

Owns: connecting, subscribing, reconnecting with ``since``, and holding updates to at most ten a
second. Must never draw. The one surprising thing: time is the engine's. Each snapshot and sample
carries the engine's clock, and ``now`` is that plus what has passed here, so a remote engine with
another wall clock is shown rightly.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from supervisor.control.greeting import difference
from supervisor.core.lifecycle import IllegalTransitionError
from supervisor.core.moment import Moment
from supervisor.core.record import RecordError
from supervisor.tui import model
from supervisor.tui.model import GapError, Link, Picture
from supervisor.tui.tail import LogChunk, Tail, Want

UPDATE_INTERVAL_S = 0.1
"""Fewest seconds between two updates of the picture on screen: ten a second is what eyes follow."""
LOG_INTERVAL_S = 0.2
"""Seconds between two looks at a log that is shown."""
LOG_LIMIT_BYTES = 256 * 1024
RETRY_FIRST_S = 0.1
RETRY_MAX_S = 2.0
"""Longest wait between two attempts to reach an engine that is gone."""
HOST_RETRY_MAX_S = 15.0
"""The same for another machine: each attempt is an ssh."""
CALL_TIMEOUT_S = 15.0
"""Longest wait for a reply; the engine answers in milliseconds."""


class CallError(Exception):
    """The engine says no, or could not be asked."""

    def __init__(self, what: str, code: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.code = code
        """As in docs/architecture.md: conflict, expired, hash_mismatch …; empty for no answer."""
        self.fix = fix


class LinkLostError(Exception):
    """The connection is gone; it is made again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What the engine sends unasked."""

    method: str
    """events | samples"""
    params: Mapping[str, Any]


class Backend(Protocol):
    """A connection to an engine, as narrow as the interface uses it."""

    async def connect(self) -> None:
        """Connect (again) and say hello; LinkLostError when that fails."""
        ...

    async def call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        """One call; CallError when refused, LinkLostError when the connection is gone."""
        ...

    def notices(self) -> AsyncIterator[Notice]:
        """Notices in order; ends or raises LinkLostError when the connection is gone."""
        ...

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""
        ...


class EngineLink:
    """Keeps a picture up to date and carries calls."""

    def __init__(
        self,
        backend: Backend,
        on_change: Callable[[], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        interval_s: float = UPDATE_INTERVAL_S,
        host: str = "",
    ) -> None:
        """``host`` is the machine at the other end, where it is not this one."""
        self._backend = backend
        self._retry_max_s = HOST_RETRY_MAX_S if host else RETRY_MAX_S
        self._on_change = on_change
        self._clock = clock
        self._interval_s = interval_s
        self._anchor: tuple[Moment, float] | None = None
        self._flush: asyncio.TimerHandle | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._last_told = float("-inf")
        self.picture = Picture(host=host)

    def now(self) -> Moment:
        """The engine's clock, as far as it is known."""
        if self._anchor is None:
            return Moment(time.time(), self._clock(), "")
        moment, at = self._anchor
        return moment.plus(self._clock() - at)

    async def run(self) -> None:
        """Connect, follow, connect again; ends only by cancellation."""
        wait_s = RETRY_FIRST_S
        try:
            while True:
                try:
                    await self._backend.connect()
                    await self._subscribe()
                    wait_s = RETRY_FIRST_S
                    await self._follow()
                    why = "the engine closed the connection"
                except (GapError, RecordError, IllegalTransitionError):
                    # Something was missed or is newer than we are: start from a whole picture.
                    self._set(replace(self.picture, seq=0))
                    why = "taking a fresh picture"
                except (LinkLostError, CallError, OSError, TimeoutError) as error:
                    why = str(error)
                self._set(replace(self.picture, link=Link.LOST, link_why=why))
                await self._backend.close()
                await self._wait(wait_s)
                wait_s = min(self._retry_max_s, wait_s * 2)
        finally:
            await self._stop()

    async def _wait(self, wait_s: float) -> None:
        """Sleep, and let every whole second that is left be seen."""
        while wait_s > 0:
            self._set(replace(self.picture, retry_in_s=math.floor(wait_s)))
            part_s = min(wait_s, 1.0)
            await asyncio.sleep(part_s)
            wait_s -= part_s
        self._set(replace(self.picture, retry_in_s=0))

    async def _stop(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
        if self._refreshing is not None:
            self._refreshing.cancel()
        with suppress(LinkLostError, OSError):
            await self._backend.close()

    async def call(self, method: str, **params: Any) -> Any:
        """One call to the engine; CallError says what was wrong, also when it is unreachable."""
        try:
            return await self._backend.call(method, params, CALL_TIMEOUT_S)
        except TimeoutError as error:
            raise CallError(f"the engine did not answer within {CALL_TIMEOUT_S:g} s") from error
        except (LinkLostError, OSError) as error:
            raise CallError(f"the engine cannot be reached: {error}") from error

    async def follow_log(self, tail: Tail, on_change: Callable[[], None]) -> None:
        """Feed ``tail`` while its log is shown; ends by cancellation."""
        await follow_log(self, tail, on_change)

    async def _subscribe(self) -> None:
        since = self.picture.seq or None
        reply = await self._backend.call("subscribe", {"since": since}, CALL_TIMEOUT_S)
        if "runs" in reply:
            self._take_snapshot(reply)
        elif reply["seq"] < self.picture.seq:
            raise GapError("the engine's log is shorter than what was seen: another log")
        else:
            missed = model.events_from_plain({"events": reply.get("events") or ()})
            self._set(model.fold(self.picture, missed))
        self._set(replace(self.picture, link=Link.LIVE, link_why=""))

    def _take_snapshot(self, plain: Mapping[str, Any]) -> None:
        try:
            self._set_clock(plain.get("now"))
            fresh = model.from_snapshot(plain, self.picture)
        except (RecordError, KeyError, TypeError, ValueError) as error:
            # Of another version, perhaps of another protocol: who has to upgrade is said.
            engine = plain.get("engine")
            where = self.picture.host or "the engine"
            told = difference(engine, where) if isinstance(engine, dict) else ""
            raise LinkLostError(f"its picture cannot be read here. {told or error}") from error
        self._set(fresh)

    async def _follow(self) -> None:
        async for notice in self._backend.notices():
            if notice.method == "events":
                self._set(model.fold(self.picture, model.events_from_plain(notice.params)))
                if self.picture.agents_stale:
                    self._refresh_agents()
            elif notice.method == "samples":
                self._set_clock(notice.params.get("now"))
                self._set(model.with_samples(self.picture, notice.params))

    def _refresh_agents(self) -> None:
        """Read the list of agents again: the event names them, the snapshot describes them."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._read_agents())

    async def _read_agents(self) -> None:
        try:
            plain = await self.call("snapshot")
        except CallError:
            return  # Lost meanwhile; the next subscription brings it.
        fresh = model.from_snapshot(plain, self.picture)
        self._set(replace(self.picture, agents=fresh.agents, agents_stale=False))

    def _set_clock(self, plain: Any) -> None:
        moment = model.moment_from_plain(plain)
        if moment is not None:
            self._anchor = (moment, self._clock())

    def _set(self, picture: Picture) -> None:
        """Take a new picture; tell of it now or, within the interval, once at its end."""
        self.picture = picture
        if self._flush is not None:
            return
        loop = asyncio.get_running_loop()
        wait_s = self._last_told + self._interval_s - loop.time()
        if wait_s <= 0:
            self._tell()
        else:
            self._flush = loop.call_later(wait_s, self._tell)

    def _tell(self) -> None:
        self._flush = None
        self._last_told = asyncio.get_running_loop().time()
        self._on_change()


class Caller(Protocol):
    """Whoever carries a call to an engine."""

    async def call(self, method: str, **params: Any) -> Any:
        """One call; CallError says what was wrong."""
        ...


async def follow_log(caller: Caller, tail: Tail, on_change: Callable[[], None]) -> None:
    """Feed ``tail`` while its log is shown; ends by cancellation."""
    wanted = asyncio.Event()
    tail.on_want = wanted.set
    while True:
        wanted.clear()
        try:
            more = await _read_log(caller, tail)
        except CallError:
            more = False  # The banner says that the engine is gone; the log goes on later.
        else:
            on_change()
        if not more:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOG_INTERVAL_S):
                    await wanted.wait()


async def _read_log(caller: Caller, tail: Tail) -> bool:
    """Read once; True when there is more to read at once."""
    want, (offset, limit) = tail.want, tail.next_read()
    limit = LOG_LIMIT_BYTES if limit is None else limit
    plain = await caller.call(
        "log", run=tail.run_id, stream=tail.stream, offset=offset, limit=limit
    )
    chunk = LogChunk(plain["data"], plain["offset"], plain["start"], plain["size"])
    tail.feed(chunk, want)
    return tail.want is not Want.NEWER or bool(chunk.data and chunk.offset < chunk.size)

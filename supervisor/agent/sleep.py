"""``agent.sleep``: a wait that restarts neither shorten nor begin anew.

The moment to wake is in the journal before the wait begins. Under the supervisor a long wait
leaves the machine: the process parks, ``wake.json`` says until when, and no process is there in
between. A short one, one without a supervisor, and one while other work goes on, waits in place.
"""

from __future__ import annotations

import json
import time

from supervisor.agent.crew import does_everybody_wait
from supervisor.agent.faults import AsleepExit, UnfitValueError
from supervisor.agent.positions import Branch, Positions, current_task
from supervisor.agent.run_files import WAKE, RunFiles
from supervisor.agent.values import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Generator
    from datetime import datetime, timedelta
    from typing import Any

SHORT_S = 2.0
"""Below this, leaving and coming back would cost more than it saves."""
LOOK_S = 0.1
"""How soon who waits beside others learns that they all wait."""
LONGEST_S = 30.0
"""Between looks at the wall clock, which may have been set or have slept with the laptop."""
REASON_LIMIT = 200


class Slept:
    """An await that is over already."""

    def __await__(self) -> Generator[Any, None, None]:
        """Nothing to wait for."""
        return iter(())  # type: ignore[return-value]


class Sleeps:
    """The sleeps of one attempt."""

    def __init__(
        self,
        files: RunFiles,
        values: Values,
        positions: Positions,
        *,
        is_supervised: bool,
        woken: frozenset[float] = frozenset(),
    ) -> None:
        self._files = files
        self._values = values
        self._positions = positions
        self._is_supervised = is_supervised
        self._woken = woken
        self._wake: tuple[float, str] | None = None
        self._service: str | None = None

    def sleep(
        self,
        duration: float | timedelta | None,
        until: datetime | float | None,
        reason: str,
        key: str | None,
        *,
        park: bool,
    ) -> Awaitable[None]:
        """Wait; in a coroutine, give what is to be awaited. AsleepExit when the process parks."""
        branch = self._positions.here()
        at = self._values.take(
            "sleep", lambda: wake_time(duration, until, time.time()), key, must_sync=True
        )
        if at in self._woken:
            at = min(at, time.time())  # The operator did not want to wait for it.
        can_park = park and self._is_supervised and at - time.time() > SHORT_S
        if current_task() is not None:
            return self._wait_awaiting(branch, at, reason, can_park=can_park)
        self._wait(branch, at, reason, can_park=can_park)
        return Slept()

    def park_for_service(self, service: str, latest_s: float, reason: str) -> None:
        """Park for a service that cannot be called; returns where the process may not leave."""
        branch = self._positions.here()
        _mark(branch, is_waiting=True)
        try:
            if self._is_supervised and does_everybody_wait(branch.member):
                at = time.time() + latest_s
                self._wake, self._service = (at, reason), service
                self._positions.park(AsleepExit(at))
        finally:
            _mark(branch, is_waiting=False)

    def write_wake(self, epoch: int) -> None:
        """Tell the supervisor when to start this run again; nothing when nobody sleeps."""
        if self._wake is not None:
            at, reason = self._wake
            fields = {"at": at, "reason": reason[:REASON_LIMIT], "epoch": epoch}
            if self._service is not None:
                fields["service"] = self._service
            self._files.write(WAKE, json.dumps(fields).encode() + b"\n", durable=True)

    def _wait(self, branch: Branch, at: float, reason: str, *, can_park: bool) -> None:
        try:
            while (left_s := at - time.time()) > 0:
                time.sleep(self._pause(branch, at, left_s, reason, can_park=can_park))
        finally:
            _mark(branch, is_waiting=False)

    async def _wait_awaiting(
        self, branch: Branch, at: float, reason: str, *, can_park: bool
    ) -> None:
        import asyncio

        try:
            while (left_s := at - time.time()) > 0:
                await asyncio.sleep(self._pause(branch, at, left_s, reason, can_park=can_park))
        finally:
            _mark(branch, is_waiting=False)

    def _pause(
        self, branch: Branch, at: float, left_s: float, reason: str, *, can_park: bool
    ) -> float:
        """Seconds until the next look; AsleepExit when nothing is left to do here."""
        _mark(branch, is_waiting=True)
        if can_park and left_s > SHORT_S and does_everybody_wait(branch.member):
            if self._wake is None or at < self._wake[0]:
                self._wake = (at, reason)
            self._positions.park(AsleepExit(at))
        return min(left_s, LONGEST_S if branch.member is None else LOOK_S)


def wake_time(
    duration: float | timedelta | None, until: datetime | float | None, now: float
) -> float:
    """Unix seconds at which a sleep that begins now is over; UnfitValueError for nonsense."""
    if (duration is None) == (until is None):
        raise UnfitValueError("agent.sleep() takes either a duration in seconds or until=…")
    if until is not None:
        if getattr(until, "tzinfo", True) is None:
            raise UnfitValueError(
                f"agent.sleep(until={until}) has no time zone: nobody could tell when that is. "
                "Use an aware datetime, such as datetime.now(UTC) + …, or Unix seconds"
            )
        at = until if isinstance(until, (int, float)) else until.timestamp()
    elif isinstance(duration, (int, float)):
        at = now + duration
    else:
        assert duration is not None
        at = now + duration.total_seconds()
    if at - at != 0:  # NaN or infinite
        raise UnfitValueError("agent.sleep() takes a finite time; to wait for a person, ask")
    return float(at)


def _mark(branch: Branch, *, is_waiting: bool) -> None:
    if branch.member is not None and branch.member.crew is not None:
        branch.member.is_waiting = is_waiting

"""A command's living picture of a directory: it survives restarts of the engine.

An engine that dies is started again by its keeper within a moment. A command that follows runs
for hours must not end by that: it connects again and asks for what it missed by number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from supervisor.cli.exit_codes import say
from supervisor.cli.session import Place, connect
from supervisor.control.host import RemoteHost
from supervisor.control.messages import ConnectionLostError
from supervisor.control.sync_client import CALL_TIMEOUT_S, SyncClient
from supervisor.core.events import Recorded
from supervisor.core.mirror import Mirror
from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.errors import LongwatchError, NotRunningError

RECONNECT_S = 30.0
"""How long an engine may be away before the command gives up."""
LOOK_EVERY_S = 0.1
HOST_RECONNECT_S = 3600.0
"""The same for another machine: a closed laptop, a train, a router."""
HOST_WAIT_FIRST_S = 1.0
HOST_WAIT_MAX_S = 15.0

See = Callable[[Recorded, RunState | None], None]


class Live:
    """A subscription over one connection after another; ``mirror`` is the newest picture."""

    def __init__(self, place: Place, client: SyncClient, see: See) -> None:
        """Subscribe on ``client``; ``see`` gets every event after its snapshot, once."""
        self._place = place
        self._client = client
        self._see = see
        self.mirror = Mirror(client.call("subscribe", {"since": None}))
        self._taken_at, self._taken_mono = self.mirror.taken_at, time.monotonic()

    def arrivals(self, quiet_s: float) -> Iterator[None]:
        """Take notices as they come, one a step, until none came for ``quiet_s`` seconds.

        ConnectionLostError when no engine came back in time.
        """
        try:
            for method, params in self._client.notices(quiet_s):
                self.mirror.take(method, params, self._see)
                yield
        except TimeoutError:
            return
        except ConnectionLostError as error:
            self._reconnect(error)

    def call(self, method: str, params: dict[str, Any]) -> Any:
        """Call the engine; once more over a new connection when the old one is gone.

        Only for calls that may be carried out twice.
        """
        try:
            return self._client.call(method, params)
        except ConnectionLostError as error:
            self._reconnect(error)
            return self._client.call(method, params)

    def now(self) -> Moment:
        """The engine's clock at this instant, as far as this process can tell."""
        if self._taken_at is not self.mirror.taken_at:
            self._taken_at, self._taken_mono = self.mirror.taken_at, time.monotonic()
        passed = time.monotonic() - self._taken_mono
        taken = self._taken_at
        return Moment(taken.wall + passed, taken.mono + passed, taken.boot)

    def fileno(self) -> int:
        """The descriptor of the connection there is now, for ``select``."""
        return self._client.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _reconnect(self, lost: ConnectionLostError) -> None:
        since = {"since": self.mirror.seq}
        self._client, missed = _again(self._place, self._client, lost, "subscribe", since)
        if "runs" in missed:
            self.mirror.replace(missed)
        else:
            self.mirror.take_events(missed["events"], self._see)


class Steady:
    """Calls that may be carried out twice, over one connection after another."""

    def __init__(self, place: Place, client: SyncClient) -> None:
        """``client`` is ours from now on."""
        self._place = place
        self._client = client

    def call(self, method: str, params: dict[str, Any], timeout_s: float = CALL_TIMEOUT_S) -> Any:
        """As of ``SyncClient``; asked again of the next engine when this one is gone.

        ConnectionLostError when no engine came back in time.
        """
        try:
            return self._client.call(method, params, timeout_s)
        except ConnectionLostError as lost:
            self._client, reply = _again(self._place, self._client, lost, method, params)
            return reply

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _again(
    place: Place,
    client: SyncClient,
    lost: ConnectionLostError,
    method: str,
    params: dict[str, Any],
) -> tuple[SyncClient, Any]:
    """A new connection and the reply that the old one did not bring."""
    client.close()
    waits = _Waits(place)
    why: Exception = lost
    while True:
        try:
            client = connect(place)
        except (NotRunningError, ConnectionLostError) as error:
            why = error
        else:
            try:
                reply = client.call(method, params)
            except ConnectionLostError as error:
                client.close()
                why = error
            else:
                waits.over()
                return client, reply
        if not waits.wait(why):
            raise lost


class _Waits:
    """The pauses between attempts: short ones for an engine that its keeper starts again, growing
    ones, said aloud, for a machine behind a network."""

    def __init__(self, place: Place) -> None:
        self._host = place if isinstance(place, RemoteHost) else None
        self._ends_at = time.monotonic() + (HOST_RECONNECT_S if self._host else RECONNECT_S)
        self._next_s = HOST_WAIT_FIRST_S if self._host else LOOK_EVERY_S
        self._has_said = False

    def wait(self, why: Exception) -> bool:
        """Wait; False when it is time to give up."""
        if time.monotonic() > self._ends_at:
            return False
        if self._host is not None:
            again = f"trying again in {self._next_s:g} s"
            say(f"longwatch: connection to {self._host.name} lost, {again}: {_what(why)}")
            self._has_said = True
        time.sleep(self._next_s)
        if self._host is not None:
            self._next_s = min(HOST_WAIT_MAX_S, self._next_s * 2)
        return True

    def over(self) -> None:
        """It worked."""
        if self._host is not None and self._has_said:
            say(f"longwatch: connected to {self._host.name} again; nothing was missed")


def _what(error: Exception) -> str:
    return error.what if isinstance(error, LongwatchError) else str(error)

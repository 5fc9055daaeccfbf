"""A command's living picture of a directory: it survives restarts of the engine.

An engine that dies is started again by its keeper within a moment. A command that follows runs
for hours must not end by that: it connects again and asks for what it missed by number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from supervisor.cli.session import connect
from supervisor.config.paths import Project
from supervisor.control.messages import ConnectionLostError
from supervisor.control.sync_client import SyncClient
from supervisor.core.events import Recorded
from supervisor.core.mirror import Mirror
from supervisor.core.run import RunState
from supervisor.errors import NotRunningError

RECONNECT_S = 30.0
"""How long an engine may be away before the command gives up."""
LOOK_EVERY_S = 0.1

See = Callable[[Recorded, RunState | None], None]


class Live:
    """A subscription over one connection after another; ``mirror`` is the newest picture."""

    def __init__(self, project: Project, client: SyncClient, see: See) -> None:
        """Subscribe on ``client``; ``see`` gets every event after its snapshot, once."""
        self._project = project
        self._client = client
        self._see = see
        self.mirror = Mirror(client.call("subscribe", {"since": None}))

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

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _reconnect(self, lost: ConnectionLostError) -> None:
        since = {"since": self.mirror.seq}
        self._client, missed = _again(self._project, self._client, lost, "subscribe", since)
        if "runs" in missed:
            self.mirror.replace(missed)
        else:
            self.mirror.take_events(missed["events"], self._see)


class Steady:
    """Calls that only read, over one connection after another."""

    def __init__(self, project: Project, client: SyncClient) -> None:
        """``client`` is ours from now on."""
        self._project = project
        self._client = client

    def call(self, method: str, params: dict[str, Any]) -> Any:
        """As of ``SyncClient``; asked again of the next engine when this one is gone.

        ConnectionLostError when no engine came back in time.
        """
        try:
            return self._client.call(method, params)
        except ConnectionLostError as lost:
            self._client, reply = _again(self._project, self._client, lost, method, params)
            return reply

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _again(
    project: Project,
    client: SyncClient,
    lost: ConnectionLostError,
    method: str,
    params: dict[str, Any],
) -> tuple[SyncClient, Any]:
    """A new connection and the reply that the old one did not bring."""
    client.close()
    end = time.monotonic() + RECONNECT_S
    while True:
        try:
            client = connect(project)
            return client, client.call(method, params)
        except (NotRunningError, ConnectionLostError):
            client.close()
            if time.monotonic() > end:
                raise lost from None
            time.sleep(LOOK_EVERY_S)

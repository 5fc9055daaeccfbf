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
        self._client.close()
        end = time.monotonic() + RECONNECT_S
        while True:
            try:
                self._client = connect(self._project)
                missed = self._client.call("subscribe", {"since": self.mirror.seq})
                break
            except (NotRunningError, ConnectionLostError):
                if time.monotonic() > end:
                    raise lost from None
                time.sleep(LOOK_EVERY_S)
        if "runs" in missed:
            self.mirror.replace(missed)
        else:
            self.mirror.take_events(missed["events"], self._see)

"""A client for the fault suite that keeps every event it was shown."""

from __future__ import annotations

import threading
from typing import Any

from fault_project import FaultProject

from supervisor.control.messages import CallRefusedError, ConnectionLostError


class Watcher(threading.Thread):
    """A client that subscribes, reconnects and keeps every event it was shown."""

    def __init__(self, project: FaultProject) -> None:
        super().__init__(daemon=True)
        self._project = project
        self._leave = threading.Event()
        self.seen: list[dict[str, Any]] = []

    def run(self) -> None:
        """Until ``leave``."""
        while not self._leave.wait(0.05):
            client = self._project.client()
            if client is None:
                continue
            try:
                since = self.seen[-1]["seq"] if self.seen else 0
                first = client.call("subscribe", {"since": since}, 5.0)
                self.seen += first.get("events", [])
                for method, params in client.notices(1.0):
                    if method == "events":
                        newest = self.seen[-1]["seq"] if self.seen else 0
                        self.seen += [ev for ev in params["events"] if ev["seq"] > newest]
            except (CallRefusedError, ConnectionLostError, TimeoutError, OSError):
                continue
            finally:
                client.close()

    def leave(self) -> None:
        """End it."""
        self._leave.set()
        self.join(10)

"""Looks at the shared state of services for the runs that wait for one; decides nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from supervisor.core.facts import Fact
from supervisor.core.run import RunState
from supervisor.core.service_wake import Seen, Sent, decide_wakes, waiting_for
from supervisor.services.shared import SharedServices


class ServiceWatch:
    """Of one engine. A restart of ours forgets who was sent to probe: at worst a second one is."""

    def __init__(
        self,
        active: Callable[[], Iterable[RunState]],
        feed: Callable[[str, Fact], object],
        shared: SharedServices,
    ) -> None:
        self._active = active
        self._feed = feed
        self.shared = shared
        self._sent: dict[str, Sent | None] = {}

    async def look(self) -> None:
        """Start whoever may call again. Reads nothing while nobody waits."""
        waiting = waiting_for(self._active())
        if not waiting:
            self._sent.clear()
            return
        standings = await asyncio.to_thread(
            lambda: {service: self.shared.standing(service) for service in waiting}
        )
        for service, standing in standings.items():
            # The runs may have moved on while the file was read.
            runs = waiting_for(self._active()).get(service, [])
            seen = Seen(standing.state, standing.wait_s, standing.generation)
            facts, self._sent[service] = decide_wakes(
                service, runs, seen, self._sent.get(service), time.monotonic()
            )
            for run_id, fact in facts:
                self._feed(run_id, fact)

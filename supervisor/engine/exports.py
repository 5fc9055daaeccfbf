"""What of the figures leaves the engine as ``[metrics]`` says: followed, and said when it cannot.

Nothing here may stop or slow the engine: a port that is taken, a missing extra or a dead
collector is a word in ``longwatch metrics`` and in the log, and is tried again.
"""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from typing import TYPE_CHECKING, Any

from supervisor.config.defaults import EXPORT_INTERVAL_S
from supervisor.config.metrics import MetricsSection, address_of
from supervisor.core.run import FINAL
from supervisor.engine.prometheus import Standing, exposition
from supervisor.engine.scrape import ScrapeServer

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine


class Exports:
    """One per engine; ``follow`` is a round, ``close`` its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._server: ScrapeServer | None = None
        self._served: str | None = None
        self.problems: dict[str, str] = {}
        """By name of the setting: why it is not in force."""

    async def follow(self) -> None:
        """Bring what is served in line with the configuration, again and again."""
        while True:
            settings = self._engine.specs.metrics
            await self._follow_prometheus(settings)
            await asyncio.sleep(EXPORT_INTERVAL_S)

    async def close(self) -> None:
        """Serve no more."""
        if self._server is not None:
            await self._server.close()
            self._server, self._served = None, None

    def describe(self) -> dict[str, Any]:
        """For the call ``metrics``: each export with its target and its problem."""
        settings = self._engine.specs.metrics
        targets = {"prometheus": settings.prometheus, "otlp": settings.otlp}
        return {
            name: {"target": target, "problem": self.problems.get(name)}
            for name, target in targets.items()
            if target is not None
        }

    async def _follow_prometheus(self, settings: MetricsSection) -> None:
        if settings.prometheus == self._served:
            return
        await self.close()
        address = address_of(settings)
        if address is None:
            self.tell("prometheus", None)
            return
        if importlib.util.find_spec("prometheus_client") is None:
            self.tell("prometheus", "not installed: pip install 'longwatch[prometheus]'")
            return
        server = ScrapeServer(address, self._scraped)
        try:
            await server.start()
        except OSError as error:
            why = error.strerror or str(error)
            self.tell("prometheus", f"cannot listen on {settings.prometheus}: {why}")
            return
        self._server, self._served = server, settings.prometheus
        self.tell("prometheus", None)

    def _scraped(self, accept: str) -> tuple[bytes, str]:
        metrics, runs = self._engine.metrics, self._engine.runs
        standing = Standing(
            metrics.total_of_all_time(),
            [state for state in runs.published() if state.status not in FINAL],
            runs.published_seq,
            metrics.is_behind,
        )
        return exposition(standing, accept)

    def tell(self, name: str, problem: str | None) -> None:
        """Remember what is wrong with an export; said in the log when it changes."""
        if problem == self.problems.get(name):
            return
        if problem is None:
            del self.problems[name]
            return
        self.problems[name] = problem
        sys.stderr.write(f"longwatch engine: metrics: {name}: {problem}\n")

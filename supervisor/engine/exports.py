"""What of the figures leaves the engine as ``[metrics]`` says: followed, and said when it cannot.

Nothing here may stop or slow the engine: a port that is taken, a missing extra or a dead
collector is a word in ``longwatch metrics`` and in the log, and is tried again.
"""

from __future__ import annotations

import asyncio
import importlib
import sys
from typing import TYPE_CHECKING, Any

from supervisor.cancelling import cancelled
from supervisor.config.defaults import EXPORT_INTERVAL_S
from supervisor.config.metrics import MetricsSection, address_of
from supervisor.core.events import Recorded
from supervisor.core.run import FINAL
from supervisor.engine.prometheus import Standing, exposition
from supervisor.engine.scrape import ScrapeServer
from supervisor.engine.traces import Traces

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine


class Exports:
    """One per engine; ``follow`` is a round, ``close`` its end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._server: ScrapeServer | None = None
        self._served: str | None = None
        self._traces: Traces | None = None
        self._sending: asyncio.Task[None] | None = None
        self._sent_to: tuple[str | None, str | None] = (None, None)
        self.problems: dict[str, str] = {}
        """By name of the setting: why it is not in force."""

    async def follow(self) -> None:
        """Bring what is served in line with the configuration, again and again."""
        while True:
            settings = self._engine.specs.metrics
            await self._follow_prometheus(settings)
            await self._follow_otlp(settings)
            await asyncio.sleep(EXPORT_INTERVAL_S)

    def see(self, recorded: Recorded) -> None:
        """An event was stored."""
        if self._traces is not None:
            self._traces.see(recorded)

    async def close(self) -> None:
        """Serve and send no more; what was not sent is kept."""
        await self._close_prometheus()
        if self._traces is not None:
            await self._stop_sending()
            await self._traces.save()

    async def _stop_sending(self) -> None:
        if self._sending is not None:
            await cancelled(self._sending)
            self._sending = None

    async def _follow_otlp(self, settings: MetricsSection) -> None:
        wanted = (settings.otlp, settings.otlp_headers_env)
        if self._sending is not None and self._sending.done():
            error = self._sending.exception()  # A bug of ours: said, and tried again.
            self.tell("otlp", f"{type(error).__name__}: {error}")
            self._sending = None
        elif wanted == self._sent_to:
            return
        self._sent_to = wanted
        await self._stop_sending()
        if settings.otlp is None:
            if self._traces is not None:
                await self._traces.forget()
            self._traces = None
            self.tell("otlp", None)
            return
        if not await _can_import("supervisor.engine.otlp"):
            self._sent_to = (None, None)
            self.tell("otlp", "not installed: pip install 'longwatch[otel]'")
            return
        if self._traces is None:
            traces = Traces(self._engine, lambda problem: self.tell("otlp", problem))
            self._traces = traces
            await traces.open()
        self._sending = asyncio.create_task(self._traces.follow(settings))

    async def _close_prometheus(self) -> None:
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
        await self._close_prometheus()
        address = address_of(settings)
        if address is None:
            self.tell("prometheus", None)
            return
        if not await _can_import("prometheus_client.openmetrics.exposition"):
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

    async def _scraped(self, accept: str) -> tuple[bytes, str]:
        metrics, runs = self._engine.metrics, self._engine.runs
        standing = Standing(
            metrics.total_of_all_time(),
            [state for state in runs.published() if state.status not in FINAL],
            runs.published_seq,
            metrics.is_behind,
        )
        return await asyncio.to_thread(exposition, standing, accept)

    def tell(self, name: str, problem: str | None) -> None:
        """Remember what is wrong with an export; said in the log when it changes."""
        if problem == self.problems.get(name):
            return
        if problem is None:
            del self.problems[name]
            return
        self.problems[name] = problem
        sys.stderr.write(f"longwatch engine: metrics: {name}: {problem}\n")


async def _can_import(name: str) -> bool:
    """Import it where it does not hold up the loop; whether it is installed."""
    try:
        await asyncio.to_thread(importlib.import_module, name)
    except ImportError:
        return False
    return True

"""What the engine does again and again: hints, the rescan, samples, a look at config.toml."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from supervisor.cancelling import cancelled
from supervisor.config.defaults import (
    CONFIG_SCAN_INTERVAL_S,
    INTAKE_INTERVAL_S,
    KEEPSAKE_INTERVAL_S,
    RETENTION_INTERVAL_S,
    SAMPLE_INTERVAL_S,
    SCAN_INTERVAL_S,
    SERVICE_INTERVAL_S,
    STORAGE_CHECK_INTERVAL_S,
)
from supervisor.control.messages import notice_line
from supervisor.core.record import to_plain
from supervisor.core.run import ALIVE, Status
from supervisor.engine.anomalies import Anomalies
from supervisor.engine.exports import Exports
from supervisor.engine.intake import Intakes
from supervisor.engine.log_bounds import LogBounds
from supervisor.process.usage import UsageSampler
from supervisor.watch.hints import Hints

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine

LOOKS_AT_ONCE = 8
"""Changed runs that are read, about 0.2 ms each, before commits and clients have their turn."""
SCANS_AT_ONCE = 50
"""The same for runs that did not change, about 15 µs each."""


class Rounds:
    """The engine's background tasks; each one survives a failure and says it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._hints = Hints(engine.project.runs_dir)
        self._bounds = LogBounds(engine.project, engine.runs)
        self._usage = UsageSampler(str(engine.project.state_dir))
        self._intakes = Intakes(engine.tasks.queue, engine.runs)
        self.exports = Exports(engine)
        self._anomalies = Anomalies(
            engine.project,
            engine.runs,
            engine.clock,
            engine.feed,
            secrets=engine.secrets,
            settings=lambda: engine.specs.anomalies,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.samples: dict[str, Any] = {}

    @property
    def watch_words(self) -> str:
        """``events``, or ``polling: why``."""
        return self._hints.mode

    def start(self) -> None:
        """Begin all rounds."""
        loop = asyncio.get_running_loop()
        for name, work in (
            ("hints", self._follow_hints),
            ("scan", _every(SCAN_INTERVAL_S, self._scan)),
            ("logs", self._bounds.follow),
            ("samples", _every(SAMPLE_INTERVAL_S, self._sample)),
            ("notify", self._engine.notifier.follow),
            ("anomalies", self._anomalies.follow),
            ("services", _every(SERVICE_INTERVAL_S, self._engine.services.look)),
            ("config", _every(CONFIG_SCAN_INTERVAL_S, self._look_at_config)),
            ("keepsakes", _every(KEEPSAKE_INTERVAL_S, self._engine.history.keep)),
            ("metrics", self._engine.metrics.follow),
            ("exports", self.exports.follow),
            ("storage", _every(STORAGE_CHECK_INTERVAL_S, self._engine.history.check)),
            ("retention", _every(RETENTION_INTERVAL_S, self._engine.history.forget)),
            ("tasks", _every(RETENTION_INTERVAL_S, self._engine.tasks.forget)),
            ("intake", _every(INTAKE_INTERVAL_S, self._look_at_intakes)),
        ):
            self._tasks.append(loop.create_task(_guarded(name, work)))

    async def stop(self) -> None:
        """End all rounds."""
        await cancelled(*self._tasks)
        await self.exports.close()

    async def _follow_hints(self) -> None:
        self._hints = Hints(self._engine.project.runs_dir)
        async with self._hints as hints:
            async for hinted in hints:
                names: dict[str, set[str]] = {}
                for hint in hinted:
                    names.setdefault(hint.run_id, set()).add(hint.name)
                for place, (run_id, changed) in enumerate(names.items()):
                    self._engine.look(run_id, changed)
                    if place % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1:
                        await asyncio.sleep(0)

    async def _scan(self) -> None:
        for place, state in enumerate(self._engine.runs.active()):
            # Nothing is written for one that sleeps, and its directory is read when it starts.
            if state.status in ALIVE or (state.status is Status.PARKED and state.open_requests):
                self._engine.look(state.id)
            if place % SCANS_AT_ONCE == SCANS_AT_ONCE - 1:
                await asyncio.sleep(0)

    async def _sample(self) -> None:
        runs = self._engine.runs
        pids = {s.id: s.pid for s in runs.active() if s.status in ALIVE and s.pid is not None}
        memory = self._engine.memory
        if pids:
            memory.note_oom()
        wanted = pids if self._engine.has_audience else memory.limited(pids)
        sampled = await asyncio.to_thread(self._usage.sample, wanted) if wanted else {}
        await memory.see(sampled, pids)
        if not self._engine.has_audience or not pids:
            self.samples = {}
            return
        self.samples = {
            run_id: {
                "cpu_percent": round(sample.cpu_percent, 1),
                "rss_bytes": sample.rss_bytes,
                "processes": sample.processes,
            }
            for run_id, sample in sampled.items()
        }
        now = to_plain(self._engine.clock())
        self._engine.broadcast(notice_line("samples", {"samples": self.samples, "now": now}))

    async def _look_at_intakes(self) -> None:
        await self._intakes.look(self._engine.specs.pools)

    async def _look_at_config(self) -> None:
        if self._engine.specs.has_changed():
            await self._engine.reload()


def _every(interval_s: float, work: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def again_and_again() -> None:
        while True:
            await work()
            await asyncio.sleep(interval_s)

    return again_and_again


async def _guarded(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run ``work``; a failure is said and followed by another try, a second later."""
    while True:
        try:
            await work()
        except Exception as error:  # noqa: BLE001  a named task boundary: the others go on
            sys.stderr.write(f"longwatch engine: {name}: {type(error).__name__}: {error}\n")
        await asyncio.sleep(1.0)

"""Holds every output file to its cap: when to look at which, and having it cut.

Looking is one ``stat`` a file, as seldom as the number of files asks for. A file that is being
flooded is looked at again when it should have reached its cap. The cutting blocks and happens in
a thread. A failure is said once for each file and never ends the round.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from supervisor.config.defaults import (
    LOG_CAP_BYTES,
    LOG_LOOK_INTERVAL_S,
    LOG_LOOK_MIN_S,
    LOG_LOOK_PER_FILE_S,
)
from supervisor.config.paths import Project
from supervisor.core.run import ALIVE, RunState
from supervisor.process.output import Kept, bound_output


class RunList(Protocol):
    """Where the runs are."""

    def active(self) -> list[RunState]:
        """Runs that are not over."""
        ...

    def states(self) -> Iterator[RunState]:
        """Those and the finished ones in memory."""
        ...


@dataclass(slots=True)
class _Log:
    """What is known of one file."""

    path: str
    cap_bytes: int
    start: int = 0
    """First byte kept, as far as known: 0 until it was first cut."""
    size: int = 0
    at: float = 0.0
    """Monotonic seconds of the newest look."""
    due: float | None = None
    """When to look again before the next pass; None while nothing floods it."""
    is_said: bool = False


Cut = Callable[[str, int], Kept | None]


class LogBounds:
    """The output files of all living runs and our own two logs. One per engine."""

    def __init__(self, project: Project, runs: RunList, cut: Cut = bound_output) -> None:
        self._project = project
        self._runs = runs
        self._cut = cut
        self._logs: dict[str, tuple[_Log, ...]] = {}
        """By run id; our own under the empty one."""

    async def follow(self) -> None:
        """Bound all files again and again; runs until it is cancelled."""
        while True:
            began = time.monotonic()
            await self.look_at_all()
            count = sum(len(logs) for logs in self._logs.values())
            end = began + max(LOG_LOOK_INTERVAL_S, LOG_LOOK_PER_FILE_S * count)
            while (now := time.monotonic()) < end:
                hot = self._hot()
                due = min((log.due for log in hot if log.due is not None), default=end)
                await asyncio.sleep(max(LOG_LOOK_MIN_S, min(due, end) - now))
                await self._bound(log for log in hot if self._is_full(log))

    async def look_at_all(self) -> None:
        """One look at every file, those of runs that have just ended included."""
        ended = self._follow_runs()
        logs = [log for logs in (*self._logs.values(), *ended) for log in logs]
        await self._bound([log for log in logs if self._is_full(log)])

    def _follow_runs(self) -> list[tuple[_Log, ...]]:
        """Know the logs of exactly the living runs; those of the others come back.

        At first all runs count: one may have flooded its log and ended while no engine lived.
        """
        project, before = self._project, self._logs
        own = (str(project.engine_log), str(project.keeper_log))
        known = {"": before.get("") or tuple(_Log(path, LOG_CAP_BYTES) for path in own)}
        states = self._runs.active() if before else self._runs.states()
        for state in states:
            if before and state.status not in ALIVE:
                continue
            cap_bytes, logs = state.spec.log_cap_bytes, before.get(state.id)
            if logs is None:
                paths = (project.out_log(state.id), project.err_log(state.id))
                logs = tuple(_Log(str(path), cap_bytes) for path in paths)
            for log in logs:
                log.cap_bytes = cap_bytes
            known[state.id] = logs
        self._logs = known
        return [logs for run_id, logs in before.items() if run_id not in known]

    def _hot(self) -> list[_Log]:
        return [log for logs in self._logs.values() for log in logs if log.due is not None]

    def _is_full(self, log: _Log) -> bool:
        """Look at a file; whether it exceeds its cap."""
        try:
            size = os.stat(log.path).st_size  # noqa: PTH116  a thousand Path objects a pass cost
        except OSError:
            return False
        if size < log.start:
            log.start = 0  # Replaced, or its writer emptied it.
        if size - log.start > log.cap_bytes:
            return True
        now = time.monotonic()
        if log.due is not None and now >= log.due:
            log.due = self._next_look(log, size, now)
        log.size, log.at = size, now
        return False

    def _next_look(self, log: _Log, size: int, now: float) -> float | None:
        """When the file will be full if it goes on growing as it did; None if not soon."""
        grown, passed_s = size - log.size, now - log.at if log.at else LOG_LOOK_INTERVAL_S
        if grown <= 0 or passed_s <= 0:
            return None
        left_s = (log.start + log.cap_bytes - size) / (grown / passed_s)
        return now + max(LOG_LOOK_MIN_S, left_s) if left_s < LOG_LOOK_INTERVAL_S else None

    async def _bound(self, full: Iterable[_Log]) -> None:
        logs = list(full)
        if logs:
            await asyncio.to_thread(self._bound_each, logs)

    def _bound_each(self, logs: list[_Log]) -> None:
        for log in logs:
            try:
                kept = self._cut(log.path, log.cap_bytes)
            except OSError as error:
                if not log.is_said:
                    sys.stderr.write(f"longwatch engine: {log.path} cannot be bounded: {error}\n")
                log.is_said = True
                continue
            if kept is None:
                continue
            now = time.monotonic()
            log.start = kept.start
            log.due = self._next_look(log, kept.size, now)
            log.size, log.at = kept.size, now

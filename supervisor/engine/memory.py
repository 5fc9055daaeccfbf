"""Memory limits of agents, and whether the kernel's OOM killer was at work.

Runs with a ``max_memory`` are sampled whether or not anybody watches. The sum over processes
counts what they share for each of them, so a sum above the limit is counted exactly before
anything is decided. What follows is decided in the core.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from supervisor.core.facts import Fact, MemorySeen
from supervisor.core.run import RunState
from supervisor.errors import EnvironmentFaultError
from supervisor.process.identity import boot_id
from supervisor.process.memory import oom_kills, oom_source, shared_once_bytes
from supervisor.process.usage import UsageSample
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_object

OOM_WINDOW_S = 10.0
"""How long before an exit a kill by the OOM killer may have been, to be its cause: a few samples.
Counting from the attempt's start would blame it for any ``kill -9`` days later."""


class MemoryWatch:
    """Feeds what limited runs use, and remembers the OOM killer's count. One per engine."""

    def __init__(
        self,
        state_of: Callable[[str], RunState | None],
        feed: Callable[[str, Fact], object],
        *,
        kills: Callable[[], int | None] = oom_kills,
        clock: Callable[[], float] = time.monotonic,
        kept_in: Path | None = None,
    ) -> None:
        """``kept_in``: where the next engine finds the count that this one saw last."""
        self._state_of = state_of
        self._feed = feed
        self._kills = kills
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()
        """(monotonic seconds, count), the oldest one at the edge of the window."""
        self._kept_in = kept_in
        self._kept = _kept_count(kept_in) if kept_in is not None else None

    def limited(self, pids: Mapping[str, int]) -> dict[str, int]:
        """Those of ``pids`` (run id → leader) that have a limit."""
        return {run_id: pid for run_id, pid in pids.items() if self._limit(run_id) is not None}

    async def see(self, samples: Mapping[str, UsageSample], pids: Mapping[str, int]) -> None:
        """Tell the core of every run that is above its limit."""
        for run_id, sample in samples.items():
            limit, state = self._limit(run_id), self._state_of(run_id)
            if limit is None or state is None or sample.rss_bytes <= limit:
                continue
            if state.pid != pids[run_id]:
                continue  # The sample is that of an attempt before.
            epoch, used = state.epoch, sample.rss_bytes
            if sample.processes > 1:
                exact = await asyncio.to_thread(shared_once_bytes, sample.pids)
                used = used if exact is None else exact
            if used > limit:
                self._feed(run_id, MemorySeen(epoch, used))

    def note_oom(self) -> None:
        """Remember the count of now; called with every sample while an agent lives."""
        count, now = self._kills(), self._clock()
        if count is None:
            return
        self._seen.append((now, count))
        while len(self._seen) > 1 and self._seen[1][0] <= now - OOM_WINDOW_S:
            self._seen.popleft()
        if self._kept_in is not None and count != self._kept:
            self._keep(self._kept_in, count)

    def is_oom_likely(self) -> bool:
        """Whether the OOM killer ended something within the window before now."""
        count, since = self._kills(), self._clock() - 2 * OOM_WINDOW_S
        # Nothing is noted while no agent lives: a count from before that says nothing.
        before = next((seen for at, seen in self._seen if at >= since), None)
        return count is not None and before is not None and count > before

    def is_oom_possible(self) -> bool:
        """Whether it ended something since the engine before us looked, and before we did."""
        count = self._kills()
        is_known = count is not None and self._kept is not None and not self._seen
        return is_known and (count or 0) > (self._kept or 0)

    def _keep(self, path: Path, count: int) -> None:
        kept = {"boot": boot_id(), "source": oom_source(), "count": count}
        try:
            write_atomic(path, json.dumps(kept).encode(), durable=False)
        except EnvironmentFaultError:
            return  # With the next sample again; the worst is one word less about an exit.
        self._kept = count

    def _limit(self, run_id: str) -> int | None:
        state = self._state_of(run_id)
        return state.spec.max_memory_bytes if state is not None else None


def _kept_count(path: Path) -> int | None:
    """What an engine of this boot kept there, from the counter that we read; None without one."""
    kept = read_object(path.parent, path.name)
    if isinstance(kept, Problem) or (kept.get("boot"), kept.get("source")) != (
        boot_id(),
        oom_source(),
    ):
        return None
    count = kept.get("count")
    return count if isinstance(count, int) else None

"""What is forgotten by age: old events, and what finished runs left on disk.

Never anything of an unfinished run but events that its stored state already holds, and never
the newest run of an agent. Directories are removed through descriptors that follow no link: an
agent could have planted one.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from supervisor.config.defaults import MAX_EVENTS, PROGRESS_RETENTION_S, RETENTION_S
from supervisor.config.paths import Project
from supervisor.core import events as e
from supervisor.core.ids import is_run_id, ulid
from supervisor.core.moment import Moment
from supervisor.core.run import FINAL, RunState
from supervisor.engine.runs import Runs
from supervisor.store.ports import EventLog

RUNS_AT_ONCE = 200
"""Directories removed in one round, so that a round never keeps the disk busy for long."""
PAGE_PAUSE_S = 0.02
"""Between two pages of thinning: an append waits for one page at most, about 10 ms."""


class Retention:
    """Forgets; one call a round."""

    def __init__(
        self,
        project: Project,
        log: EventLog,
        runs: Runs,
        clock: Callable[[], Moment],
        carry_over: Callable[[int], None] = lambda _up_to: None,
    ) -> None:
        """``carry_over`` tells again what no run's state holds, before events up to there go."""
        self._carry_over = carry_over
        self._project = project
        self._log = log
        self._runs = runs
        self._clock = clock
        self._thinned_up_to = 0
        """Where the next round goes on; begun anew by each engine, which finds little left."""

    async def forget(self) -> None:
        """Remove what is too old; said in the log when it was anything."""
        before = self._clock().wall - RETENTION_S
        up_to = max(await newest_before(self._log, before), self._log.durable_seq - MAX_EVENTS)
        if up_to > 0:
            self._carry_over(up_to)
            await self._log.durable(self._log.last_seq)
        count = await self._log.forget(up_to) if up_to > 0 else 0
        await self._thin(self._clock().wall - PROGRESS_RETENTION_S)
        gone = await self._forget_runs(before)
        if count or gone:
            await self._runs.note(e.HistoryForgotten(up_to, count, gone))

    async def _thin(self, before: float) -> None:
        """Drop progress that was superseded long ago, a page at a time with room for appends."""
        up_to = await newest_before(self._log, before)
        while self._thinned_up_to < up_to:
            reached = await self._log.thin(self._thinned_up_to, up_to)
            if reached == self._thinned_up_to:
                return
            self._thinned_up_to = reached
            await asyncio.sleep(PAGE_PAUSE_S)

    async def _forget_runs(self, before: float) -> int:
        kept = _needed(self._runs.states(), before)
        # A run id begins with the time of its creation: younger ones need no look.
        limit = ulid(before, 0)
        found = await asyncio.to_thread(_older_than, self._project, limit)
        candidates = [run_id for run_id in found if run_id not in kept][:RUNS_AT_ONCE]
        old = await self._log.finished_before(candidates, before)
        if not old:
            return 0
        # The directories first: what could not be removed has to be found again.
        gone = await asyncio.to_thread(_remove_all, self._project, old)
        await self._log.forget_runs(gone)
        self._runs.forget(gone)
        return len(gone)


def _needed(states: Iterable[RunState], before: float) -> set[str]:
    """Unfinished runs, younger ones, and the newest of each agent."""
    newest: dict[str, str] = {}
    kept = set()
    for state in states:
        newest[state.agent] = max(state.id, newest.get(state.agent, ""))
        if state.status not in FINAL or (state.ended_at or 0.0) >= before:
            kept.add(state.id)
    return kept | set(newest.values())


async def newest_before(log: EventLog, wall: float) -> int:
    """Seq of the newest event of before that time, found by halving; 0 when there is none.

    A clock that was set back puts a few events on the wrong side of the line, no more.
    """
    first = await log.history(0, 1)
    if not first or first[0].at.wall >= wall:
        return 0
    low, high = first[0].seq, log.durable_seq
    while low < high:
        middle = (low + high + 1) // 2
        found = await log.history(middle - 1, 1)
        if found and found[0].at.wall < wall:
            low = middle
        else:
            high = middle - 1
    return low


def _older_than(project: Project, limit: str) -> list[str]:
    """Ids of run and record directories that sort before ``limit``, oldest first."""
    found: set[str] = set()
    for directory in (project.runs_dir, project.records_dir):
        names = (entry.name for entry in directory.iterdir())
        found.update(name for name in names if is_run_id(name) and name < limit)
    return sorted(found)


def _remove_all(project: Project, run_ids: Iterable[str]) -> list[str]:
    """Remove the directories of these runs; the ids of which nothing is left."""
    parents = (project.runs_dir, project.records_dir)
    return [run_id for run_id in run_ids if all(remove_tree(parent, run_id) for parent in parents)]


def remove_tree(parent: Path, name: str) -> bool:
    """Remove what is called ``name`` in ``parent``; whether it is gone now.

    A link is removed, never followed, wherever in the tree it stands. What cannot be removed
    stays and is said: it is tried again in the next round.
    """
    if not shutil.rmtree.avoids_symlink_attacks:
        return False  # A system without openat: better to keep too much.
    try:
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=fd)
            else:
                os.unlink(name, dir_fd=fd)
        finally:
            os.close(fd)
    except FileNotFoundError:
        return True
    except OSError as error:
        sys.stderr.write(f"longwatch engine: {parent / name} could not be removed: {error}\n")
        return False
    return True

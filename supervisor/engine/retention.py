"""What is forgotten by age: old events, and what finished runs left on disk.

Never anything of an unfinished run but events that its stored state already holds, and never
the newest run of an agent. What a clock that ran ahead has dated into the future is as old as what
came after it, and no older. Directories are removed through descriptors that follow no link: an
agent could have planted one.
"""

from __future__ import annotations

import asyncio
import math
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Sequence
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
        old = await newest_before(self._log, before, self._clock().wall)
        up_to = max(old, self._log.durable_seq - MAX_EVENTS)
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
        up_to = await newest_before(self._log, before, self._clock().wall)
        while self._thinned_up_to < up_to:
            reached = await self._log.thin(self._thinned_up_to, up_to)
            if reached == self._thinned_up_to:
                return
            self._thinned_up_to = reached
            await asyncio.sleep(PAGE_PAUSE_S)

    async def _forget_runs(self, before: float) -> int:
        now = self._clock().wall
        kept = _needed(self._runs.states(), before, now)
        found = await asyncio.to_thread(_ids_to_look_at, self._project, before, now)
        candidates = [run_id for run_id in found if run_id not in kept]
        # A page that holds nothing old must not stand before one that does.
        for first in range(0, len(candidates), RUNS_AT_ONCE):
            old = await self._old_among(candidates[first : first + RUNS_AT_ONCE], before, now)
            if old:
                # The directories first: what could not be removed has to be found again.
                gone = await asyncio.to_thread(_remove_all, self._project, old)
                await self._log.forget_runs(gone)
                self._runs.forget(gone)
                return len(gone)
        return 0

    async def _old_among(self, run_ids: Sequence[str], before: float, now: float) -> list[str]:
        old = set(await self._log.finished_before(run_ids, before))
        over = set(await self._log.finished_before(run_ids, math.inf))
        ended_ahead = over - set(await self._log.finished_before(run_ids, now))
        if ended_ahead:
            old |= await asyncio.to_thread(
                _first_seen_before, self._project, ended_ahead, before, now
            )
        return [run_id for run_id in run_ids if run_id in old]


def _needed(states: Iterable[RunState], before: float, now: float) -> set[str]:
    """Unfinished runs, younger ones, and the newest of each agent."""
    newest: dict[str, str] = {}
    kept = set()
    for state in states:
        newest[state.agent] = max(state.id, newest.get(state.agent, ""))
        if state.status not in FINAL or before <= (state.ended_at or 0.0) <= now:
            kept.add(state.id)
    return kept | set(newest.values())


async def newest_before(log: EventLog, wall: float, now: float = math.inf) -> int:
    """Seq of the newest event of before that time, found by halving; 0 when there is none.

    An event dated after ``now`` was written while the clock ran ahead: it is older than the next
    one with a time that can be. A clock that was set back puts a few events on the wrong side of
    the line, no more.
    """
    first = await log.history(0, 1)
    if not first:
        return 0
    # One before the first: that all of them are younger is an answer too.
    low, high = first[0].seq - 1, log.durable_seq
    while low < high:
        middle = (low + high + 1) // 2
        told = await _dated(log, middle, high, now)
        if told is not None and told[1] < wall:
            low = told[0]
        else:
            high = middle - 1
    return low if low >= first[0].seq else 0


async def _dated(log: EventLog, seq: int, last: int, now: float) -> tuple[int, float] | None:
    """Seq and time of the event at ``seq``, or of a later one when that time cannot be.

    None when there is none up to ``last``. The steps double: a clock that ran ahead for a month
    costs some twenty looks.
    """
    step = 1
    while seq <= last:
        found = await log.history(seq - 1, 1)
        if not found:
            return None
        if found[0].at.wall <= now:
            return found[0].seq, found[0].at.wall
        seq, step = seq + step, step * 2
    return None


def _ids_to_look_at(project: Project, before: float, now: float) -> list[str]:
    """Ids of run and record directories that may be old, oldest first.

    A run id begins with the time of its creation: those between the two times are young. After a
    clock that ran ahead every id is (``core.ids.next_ulid``), and says nothing.
    """
    young, ahead = ulid(before, 0), ulid(now + 1.0, 0)
    found: set[str] = set()
    for directory in (project.runs_dir, project.records_dir):
        names = (entry.name for entry in directory.iterdir())
        found.update(n for n in names if is_run_id(n) and not young <= n < ahead)
    return sorted(found)


def _first_seen_before(
    project: Project, run_ids: Iterable[str], before: float, now: float
) -> set[str]:
    """Which of these, all dated into the future, were there at a look of before that time.

    The date of our own record directory keeps the first look: nothing else of such a run says
    when it really was.
    """
    old = set()
    for run_id in run_ids:
        directory = project.record_dir(run_id)
        try:
            seen = directory.lstat().st_mtime
            if seen > now:
                os.utime(directory, (now, now), follow_symlinks=False)
            elif seen < before:
                old.add(run_id)
        except FileNotFoundError:
            old.add(run_id)  # Nothing of ours is left of it.
        except OSError as error:
            sys.stderr.write(f"longwatch engine: {directory} cannot be dated: {error}\n")
    return old


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

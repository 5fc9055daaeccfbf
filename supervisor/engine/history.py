"""The log around the runs: lost before the start, deleted under us, grown too old.

Owns the copies that make a loss bearable (``keepsakes``), what is done when it happens
(``rebuild``) and what is forgotten by age (``retention``). An agent never notices any of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence

from supervisor.config.paths import Project
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.moment import Moment
from supervisor.core.run import FINAL, Anomaly, RunState
from supervisor.engine.approvals import Approvals
from supervisor.engine.keepsakes import Keepsakes, read_identity, read_state
from supervisor.engine.log_seals import LogSeals
from supervisor.engine.rebuild import rebuild_all, run_ids
from supervisor.engine.retention import Retention
from supervisor.engine.runs import Runs
from supervisor.process.keeper_link import LivingAttempt
from supervisor.store.event_log import SqliteEventLog


class History:
    """The log's keeper on the engine's side, from recovery to the end."""

    def __init__(
        self, project: Project, log: SqliteEventLog, runs: Runs, clock: Callable[[], Moment]
    ) -> None:
        self._project = project
        self._log = log
        self._runs = runs
        self._clock = clock
        self._keepsakes = Keepsakes(project)
        self.approvals = Approvals(project, log, runs, clock)
        self._retention = Retention(project, log, runs, clock, self.approvals.carry_over)
        self._seals = LogSeals(project, log, clock)
        self.trouble: str | None = None
        """What happened to the log, until a new one holds everything that goes on."""

    async def recover(self, attempts: Sequence[LivingAttempt]) -> None:
        """Put the runs together again when the log is new but they are not; else do nothing.

        A log that is older than the records (a copy from yesterday, put back) is set aside like a
        damaged one: its epochs and generations were used since (I5).
        """
        report = self._log.report
        is_lost = True
        if report.is_new:
            aside = str(report.set_aside) if report.set_aside else ""
            await self._rebuild(attempts, report.problem, aside)
        elif problem := await asyncio.to_thread(self._why_too_old):
            await self._log.begin_anew([])
            self._runs.forget_all()
            await self._rebuild(attempts, problem, "")
        else:
            is_lost = False
        await self.approvals.recover(is_log_lost=is_lost)
        for state in self._runs.active():
            self._keepsakes.see(state)

    def _why_too_old(self) -> str | None:
        """What shows that the log is older than the records; None when nothing does.

        Reads one small file for each unfinished run; a copy of a state is never ahead of the log
        that it was made from.
        """
        for state in self._runs.active():
            copy = read_state(self._project, state.id)
            if copy is not None and copy.epoch > state.epoch:
                return f"state.db is older than the records of run {state.id}"
        newest = max((state.id for state in self._runs.states()), default="")
        for run_id in sorted(run_ids(self._project.records_dir), reverse=True):
            if run_id <= newest:
                return None
            # Written after the run's first event was stored; the directory may be a little ahead.
            if read_identity(self._project, run_id) is not None:
                return f"state.db is older than run {run_id}"
        return None

    async def _rebuild(
        self, attempts: Sequence[LivingAttempt], problem: str | None, aside: str
    ) -> None:
        found, nameless = await rebuild_all(self._project, attempts, self._clock())
        if found or nameless or problem is not None:
            problem = problem or "state.db was deleted"
            self._runs.note(e.HistoryLost(problem, aside, len(found)))
            _say(f"{problem}; {len(found)} runs were put together again from their records")
        for rebuilt in found:
            self._runs.rebuild(rebuilt.state, rebuilt.reason)
            if rebuilt.state.status not in FINAL:
                self._flag(rebuilt.state, rebuilt.reason)
        for run_id in nameless:
            _say(f"the records of run {run_id} do not say whose it is; it was left alone")

    def see(self, run_id: str) -> None:
        """An event of a run was stored."""
        state = self._runs.published_state(run_id)
        if state is not None:
            self._keepsakes.see(state)

    async def keep(self) -> None:
        """Bring the copies beside the records up to date."""
        await self._keepsakes.write()

    async def check(self) -> None:
        """Notice a ``state.db`` that was deleted or replaced under us, and begin a new one."""
        problem = self._log.check()
        if problem is None:
            return
        states = list(self._runs.states())
        _say(f"{problem}; {len(states)} runs go on in a new one")
        self.trouble = f"{problem}; a new one is being begun"
        await self._log.begin_anew(states)
        self.trouble = None
        # Not before: it could be the last event that went into the lost file.
        self._runs.note(e.HistoryLost(problem, "", len(states)))
        if self._runs.standing.rules:
            self.approvals.carry("the events that made them are lost")

    async def forget(self) -> None:
        """Remove what is older than the stated retention."""
        await self._retention.forget()
        await self._seals.seal()

    async def close(self) -> None:
        """The last copies, and a seal on what is stored."""
        await self.keep()
        await self._seals.seal()

    def _flag(self, state: RunState, reason: str) -> None:
        now = self._clock().wall
        key = f"state-rebuilt:{state.epoch}"
        anomaly = Anomaly(key, "state-rebuilt", "warning", reason, now, "longwatch")
        self._runs.feed(state.id, f.Noticed(anomaly))


def _say(words: str) -> None:
    sys.stderr.write(f"longwatch engine: {words}\n")


async def close_log(log: SqliteEventLog) -> None:
    """Close it; what the disk refused to the end is said where somebody may still read it."""
    lost = await log.close()
    if lost:
        why = f"({log.storage_problem}); nobody was shown or promised any of them"
        _say(f"{lost} events could not be stored before leaving {why}")

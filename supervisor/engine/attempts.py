"""Living and dead attempts: recovery after a restart of ours, and exits told by the keeper."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from signal import SIGKILL

from supervisor.config.paths import Project
from supervisor.core import facts as f
from supervisor.core.classify import TEMPFAIL
from supervisor.core.pool import Declared
from supervisor.core.run import ALIVE, RunState
from supervisor.engine.last_words import last_words
from supervisor.engine.memory import MemoryWatch
from supervisor.engine.observe import Observer
from supervisor.engine.perform import Performer, signal_number
from supervisor.engine.recover import Living, plan_recovery
from supervisor.engine.runs import Runs
from supervisor.errors import LongwatchError
from supervisor.process.exit_record import read_exit_record
from supervisor.process.identity import moment_now
from supervisor.process.keeper_link import (
    AdoptOrder,
    ExitNotice,
    KeeperError,
    KeeperLink,
    LivingAttempt,
)
from supervisor.protocol.problem import Problem
from supervisor.protocol.wake import read_wake

NO_PID = 2**31 - 1
"""Above every pid there can be: asks the keeper for what lives of an attempt without a leader."""

LAST_LOOKS = 5
LOOK_AGAIN_S = 0.5
"""A disk that refuses once is asked again; one that goes on refusing holds nothing up for long."""


class Attempts:
    """Between the keeper and the runs."""

    def __init__(
        self,
        project: Project,
        keeper: KeeperLink,
        runs: Runs,
        performer: Performer,
        observer: Observer,
        *,
        memory: MemoryWatch,
        redacted: Callable[[str], str],
        left: Callable[[RunState], Declared | None],
    ) -> None:
        self._project = project
        self._keeper = keeper
        self._runs = runs
        self._performer = performer
        self._observer = observer
        self._memory = memory
        self._redacted = redacted
        self._left = left
        self._is_recovered = False
        self._early: list[ExitNotice] = []

    async def recover(self, attempts: Sequence[LivingAttempt]) -> None:
        """Go on with every unfinished run: adopt what lives, learn the exits that were missed."""
        living = {(attempt.run, attempt.epoch): attempt for attempt in attempts}
        for state in self._runs.active():
            await self._recover_one(state, living.get((state.id, state.epoch)))
        self._is_recovered = True
        for notice in self._early:
            self.exited(notice)
        self._early.clear()

    async def _recover_one(self, state: RunState, attempt: LivingAttempt | None) -> None:
        found = Living(attempt.epoch, attempt.pid, attempt.started) if attempt else None
        exited = None
        if found is None and state.status in ALIVE:
            exited = self._record(state)
            if exited is None:
                found = await self._adopt(state)
        plan = plan_recovery(state, found, exited, moment_now().wall)
        if found is not None:
            self._performer.adopted(state)
        if state.status in ALIVE:
            # Also of one that is gone without a trace: what it wrote last is still to be read.
            await self._look_finally(state.id)
        for fact in plan.facts:
            # Nobody wrote down that it left, but the attempt itself may have said why.
            if isinstance(fact, f.Exited) and not fact.is_known:
                self._runs.feed(state.id, self._told(state, fact))
            else:
                self._runs.feed(state.id, fact)
        for effect in plan.effects:
            self._performer.perform(state.id, effect)
        if found is not None:
            self._performer.follow_deadline(state.id)
        self._runs.arm(state.id)

    def _record(self, state: RunState) -> f.Exited | None:
        notice = read_exit_record(self._project.exit_record(state.id, state.epoch))
        return self._told(state, exit_fact(notice)) if notice is not None else None

    def _told(self, state: RunState, fact: f.Exited) -> f.Exited:
        """With the last lines of an attempt that did not end well, and its wish to sleep."""
        if (fact.code == 0 or not fact.is_known) and (left := self._left(state)) is not None:
            is_there = not left.is_missing and left.problem is None
            fact = replace(fact, result_problem=left.problem, has_result=is_there)
        if fact.code == 0:
            return fact
        if (_is_killed(fact) or not fact.is_known) and self._memory.is_oom_possible():
            fact = replace(fact, is_oom_possible=True)
        fact = replace(fact, output=last_words(self._project, state, self._redacted))
        if fact.is_known and fact.code != TEMPFAIL:
            return fact
        wake = read_wake(self._project.run_dir(state.id))
        if isinstance(wake, Problem):
            return replace(fact, wake_problem=str(wake))
        return replace(fact, wake=wake)

    async def _adopt(self, state: RunState) -> Living | None:
        """Have the keeper watch a process that a former keeper started, if it is still there.

        When the leader is not, or was spawned but its pid never stored, nothing of the attempt
        lives once this returned None: the keeper ends what is left of it first (I3, I9).
        Raises KeeperError when the keeper cannot tell; nothing may be concluded from that.
        """
        newest = state.newest_attempt
        pid, started = (newest.pid, newest.pid_started) if newest else (None, None)
        order = AdoptOrder(
            run=state.id,
            epoch=state.epoch,
            pid=NO_PID if pid is None else pid,
            started=started or 0,
            boot=state.status_since.boot,
            lock=str(self._project.run_lock(state.id)),
            record=str(self._project.exit_record(state.id, state.epoch)),
            deadline=None,
            deadline_kind="task",
            stop_signal=signal_number(state.spec.stop_signal),
            grace=state.spec.stop_grace_s,
        )
        try:
            attempt = await self._keeper.adopt(order)
        except KeeperError as error:
            if error.code != "gone":
                raise
            return None
        return Living(attempt.epoch, attempt.pid, attempt.started)

    def exited(self, notice: ExitNotice) -> None:
        """The keeper says that nothing of an attempt lives; kept until recovery is through."""
        if not self._is_recovered:
            self._early.append(notice)
            return
        self._performer.chain(notice.run, lambda: self._take_exit(notice))

    async def _take_exit(self, notice: ExitNotice) -> None:
        """Read what the attempt left behind first: it decides what its exit means."""
        state = self._runs.state(notice.run)
        if state is None or state.epoch != notice.epoch:
            return
        fact = exit_fact(notice)
        if _is_killed(fact):
            fact = replace(fact, is_oom_likely=self._memory.is_oom_likely())
        await self._look_finally(notice.run)
        self._performer.ended(notice.run)
        self._runs.feed(notice.run, self._told(state, fact))
        await asyncio.sleep(0)

    async def _look_finally(self, run_id: str) -> None:
        """The last look; when the disk refuses its copies to the end, the exit still counts.

        Left out, the run would stay running without a process until the next engine.
        """
        for _ in range(LAST_LOOKS):
            try:
                await self._observer.look_finally(run_id)
                return
            except (LongwatchError, OSError):
                await asyncio.sleep(LOOK_AGAIN_S)


def _is_killed(fact: f.Exited) -> bool:
    """It, or the child whose end it reports, died of SIGKILL."""
    return SIGKILL in (fact.signal, (fact.code or 0) - 128)


def exit_fact(notice: ExitNotice) -> f.Exited:
    """What the core is told of an exit notice."""
    return f.Exited(
        notice.epoch,
        notice.at,
        notice.code,
        notice.signal,
        is_known=notice.known,
        ended_by=notice.ended_by,
        leftovers=notice.leftovers,
    )

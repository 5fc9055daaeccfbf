"""Carries effects out, one after the other for each run, after the events are stored.

Every effect may be carried out twice without harm, because after our own death recovery asks for
it again: the keeper spawns an epoch only once, an answer file is written with the same content.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from supervisor.config.paths import Project
from supervisor.core import facts as f
from supervisor.core.due import keeper_deadline
from supervisor.core.effects import (
    AskOperator,
    DeliverAnswer,
    Effect,
    EndAttempt,
    HoldStill,
    Spawn,
    WithdrawAnswer,
)
from supervisor.core.facts import Fact
from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, FINAL, Anomaly, RunState
from supervisor.engine import checkpoints
from supervisor.engine.agent_environment import build_environment
from supervisor.engine.answers import remove_answer, write_answer
from supervisor.engine.keepsakes import keep_identity
from supervisor.engine.pace import Pace
from supervisor.engine.secrets import Secrets
from supervisor.engine.spending import own_request
from supervisor.errors import EnvironmentFaultError, LongwatchError
from supervisor.process.keeper_link import KeeperError, KeeperLink, LivingAttempt, SpawnOrder
from supervisor.process.lock_holders import lock_holders

DELIVER_AGAIN_S = 1.0
"""Between two tries to write an answer: its agent waits, or gives up and waits for its retry."""
PERMANENT_CODES = frozenset({"spawn"})
BUSY_LIMIT_S = 30.0
"""How long an attempt waits for the lock; nothing may stay starting for over a minute."""
BUSY_FIRST_S, BUSY_LAST_S = 0.1, 2.0
DEADLINE_TOLERANCE_S = 0.05
"""A deadline that moved less than this is not worth telling the keeper."""


@dataclass(frozen=True, slots=True)
class RunPort:
    """The way back to the runs."""

    state: Callable[[str], RunState | None]
    feed: Callable[[str, Fact], object]
    report: Callable[[str, Exception], None]
    """Something asked for could not be carried out."""


class Performer:
    """The hands of the engine."""

    def __init__(
        self,
        project: Project,
        keeper: KeeperLink,
        clock: Callable[[], Moment],
        runs: RunPort,
        secrets: Secrets,
    ) -> None:
        self._secrets = secrets
        self._project = project
        self._keeper = keeper
        self._clock = clock
        self._state_of = runs.state
        self._feed = runs.feed
        self._report = runs.report
        self._pace = Pace(time.monotonic, random.SystemRandom().random)
        self._tails: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, tuple[int, float | None, str]] = {}
        self._undelivered: set[tuple[str, str]] = set()
        """Answers, by run and request, that the disk refused."""
        self._environment = dict(os.environ)
        """Decoded once; nothing of ours changes it."""

    def perform(self, run_id: str, effect: Effect) -> None:
        """Carry ``effect`` out after those of the same run before it."""
        self.chain(run_id, lambda: self._carry_out(run_id, effect))

    def chain(self, run_id: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` after everything of the same run before it."""
        before = self._tails.get(run_id)
        task = asyncio.get_running_loop().create_task(self._after(before, run_id, work))
        self._tails[run_id] = task
        task.add_done_callback(lambda done: self._forget(run_id, done))

    def follow_deadline(self, run_id: str) -> None:
        """Tell the keeper in turn until when the living attempt may run, if that changed."""
        state, told = self._state_of(run_id), self._told.get(run_id)
        if state is None or told is None or told[0] != state.epoch or state.pid is None:
            return
        due = keeper_deadline(state, now := self._clock())
        at, kind = (now.mono + due.in_s, due.kind) if due else (None, told[2])
        if _is_same(told[1], at) and kind == told[2]:
            return
        self._told[run_id] = (state.epoch, at, kind)
        self.chain(run_id, lambda: self._tell_deadline(run_id, state.epoch, at, kind))

    async def settle(self) -> None:
        """Wait until nothing is being carried out."""
        while self._tails:
            await asyncio.gather(*self._tails.values(), return_exceptions=True)

    def _forget(self, run_id: str, done: asyncio.Task[None]) -> None:
        if self._tails.get(run_id) is done:
            del self._tails[run_id]

    async def _after(
        self,
        before: asyncio.Task[None] | None,
        run_id: str,
        work: Callable[[], Awaitable[None]],
    ) -> None:
        if before is not None:
            await asyncio.gather(before, return_exceptions=True)
        try:
            await work()
        except (LongwatchError, KeeperError, OSError, TimeoutError) as error:
            self._report(run_id, error)

    async def _carry_out(self, run_id: str, effect: Effect) -> None:
        if isinstance(effect, Spawn):
            await self._spawn(run_id, effect)
        elif isinstance(effect, EndAttempt):
            await self._end(run_id, effect)
        elif isinstance(effect, HoldStill):
            await self._hold(run_id, effect)
        elif isinstance(effect, AskOperator):
            request = own_request(effect, self._clock().wall)
            self._feed(run_id, f.RequestSeen(request))
        elif isinstance(effect, DeliverAnswer):
            await self._deliver(run_id, effect)
        elif isinstance(effect, WithdrawAnswer):
            run_dir = self._project.run_dir(run_id)
            await asyncio.to_thread(remove_answer, run_dir, effect.file_id)

    async def _deliver(self, run_id: str, effect: DeliverAnswer) -> None:
        """Write the answer file; what the disk refuses is tried again and reported once."""
        key = run_id, effect.request.id
        try:
            await asyncio.to_thread(self._write_answer, run_id, effect)
        except (EnvironmentFaultError, OSError):
            loop = asyncio.get_running_loop()
            loop.call_later(DELIVER_AGAIN_S, self._deliver_again, run_id, effect)
            if key not in self._undelivered:
                self._undelivered.add(key)
                raise
        else:
            self._undelivered.discard(key)

    def _deliver_again(self, run_id: str, effect: DeliverAnswer) -> None:
        state = self._state_of(run_id)
        if state is not None and state.status not in FINAL:
            self.perform(run_id, effect)
        else:
            self._undelivered.discard((run_id, effect.request.id))

    def _write_answer(self, run_id: str, effect: DeliverAnswer) -> None:
        request = self._secrets.revealed(run_id, effect.request)
        write_answer(self._project.run_dir(run_id), request)

    async def _spawn(self, run_id: str, effect: Spawn) -> None:
        if not effect.is_retry and (wait_s := self._pace.book()):
            await asyncio.sleep(wait_s)
        state = self._state_of(run_id)
        if state is None or state.epoch != effect.epoch or state.status not in ALIVE:
            return
        try:
            order = await self._order(state, effect)
        except (LongwatchError, OSError) as error:
            # A full disk, mostly: without an answer the run would stay starting for ever.
            message = f"could not be prepared: {error}"
            self._feed(
                run_id,
                f.SpawnRefused(effect.epoch, message, permanent=False, at=self._clock().wall),
            )
            return
        try:
            living = await self._insist(order)
        except KeeperError as error:
            if error.code == "gone":
                return  # Its exit notice is on the way again.
            if error.code in ("lost", "leaving"):
                return  # The next engine finds out whether it lives, from the same status.
            if error.code == "busy":
                message = await self._who_holds(order)
                self._feed(run_id, f.SpawnBlocked(effect.epoch, message, at=self._clock().wall))
                return
            self._feed(
                run_id,
                f.SpawnRefused(
                    effect.epoch,
                    _explain(error),
                    permanent=error.code in PERMANENT_CODES,
                    at=self._clock().wall,
                ),
            )
            return
        self._told[run_id] = (effect.epoch, order.deadline, order.deadline_kind)
        self._feed(run_id, f.SpawnDone(effect.epoch, living.pid, living.started))

    async def _insist(self, order: SpawnOrder) -> LivingAttempt:
        """Ask until there is an answer: after a time-out the attempt may live, and saying that it
        failed would leave a process that no other attempt could ever pass (I3). While something
        of an earlier attempt lives nothing was tried yet: it is asked again, up to a bound."""
        end, pause_s = time.monotonic() + BUSY_LIMIT_S, BUSY_FIRST_S
        while True:
            try:
                return await self._keeper.spawn(order)
            except KeeperError as error:
                if error.code == "timeout":
                    continue
                if error.code != "busy" or not self._may_wait(order, end):
                    raise
            if pause_s == BUSY_FIRST_S:
                await self._say_who_holds(order)
            await asyncio.sleep(pause_s)
            pause_s = min(BUSY_LAST_S, pause_s * 2.0)

    def _may_wait(self, order: SpawnOrder, end: float) -> bool:
        state = self._state_of(order.run)
        is_wanted = state is not None and state.epoch == order.epoch and state.ending is None
        return is_wanted and time.monotonic() < end

    async def _say_who_holds(self, order: SpawnOrder) -> None:
        words, now = await self._who_holds(order), self._clock().wall
        key = f"lock-held:{order.epoch}"
        anomaly = Anomaly(key, "lock-held", "warning", words, now, "longwatch")
        self._feed(order.run, f.Noticed(anomaly))

    async def _who_holds(self, order: SpawnOrder) -> str:
        found = await asyncio.to_thread(lock_holders, order.lock)
        named = ", ".join(f"pid {pid} ({name})" for pid, name in found[:5])
        who = named or "a process that we may not look into"
        return f"the run's lock is held by {who}, of an earlier attempt; end it, then restart"

    async def _order(self, state: RunState, effect: Spawn) -> SpawnOrder:
        project, spec = self._project, self._secrets.for_launch(state)
        resume = checkpoints.NOTHING
        if checkpoints.has_any(project, state):
            # Reading and hashing may take long; without any the thread would be the longer way.
            resume = await asyncio.to_thread(_make_ready, project, state)
        self._tell_resume(state, resume)
        now = self._clock()
        due = keeper_deadline(state, now)
        return SpawnOrder(
            run=state.id,
            epoch=effect.epoch,
            argv=tuple(spec.command),
            env=build_environment(
                self._environment,
                replace(state, spec=spec),
                project.run_dir(state.id),
                resume.path,
                now,
                services_file=project.services_file,
            ),
            cwd=spec.cwd,
            out=str(project.out_log(state.id)),
            err=str(project.err_log(state.id)),
            lock=str(project.run_lock(state.id)),
            record=str(project.exit_record(state.id, effect.epoch)),
            deadline=now.mono + due.in_s if due else None,
            deadline_kind=due.kind if due else "task",
            stop_signal=signal_number(spec.stop_signal),
            grace=spec.stop_grace_s,
        )

    def _tell_resume(self, state: RunState, resume: checkpoints.Resume) -> None:
        if resume.rollback_to is not None:
            self._feed(state.id, f.RollbackWanted(resume.rollback_to, resume.problem or ""))
        if resume.problem is not None:
            now = self._clock().wall
            key = f"checkpoint-restored:{state.epoch}"
            anomaly = Anomaly(
                key, "checkpoint-restored", "warning", resume.problem, now, "longwatch"
            )
            self._feed(state.id, f.Noticed(anomaly))

    async def _end(self, run_id: str, effect: EndAttempt) -> None:
        state = self._state_of(run_id)
        if state is None or state.epoch != effect.epoch:
            return
        try:
            await self._keeper.stop(
                run_id,
                effect.epoch,
                signal=signal_number(state.spec.stop_signal),
                grace=state.spec.stop_grace_s,
                reason=effect.reason,
            )
        except KeeperError as error:
            if error.code != "gone":
                raise

    async def _hold(self, run_id: str, effect: HoldStill) -> None:
        number = signal_number("STOP" if effect.still else "CONT")
        await self._keeper.signal(run_id, effect.epoch, number)

    async def _tell_deadline(self, run_id: str, epoch: int, at: float | None, kind: str) -> None:
        try:
            await self._keeper.set_deadline(run_id, epoch, at=at, kind=kind)
        except KeeperError as error:
            if error.code != "gone":
                raise

    def adopted(self, state: RunState) -> None:
        """Remember a living attempt that another engine started; its deadline is told anew."""
        self._told[state.id] = (state.epoch, -1.0, "task")

    def ended(self, run_id: str) -> None:
        """Forget what the keeper was told of an attempt that is gone."""
        self._told.pop(run_id, None)


def _make_ready(project: Project, state: RunState) -> checkpoints.Resume:
    """What has to be on disk before a process; blocks."""
    keep_identity(project, state)
    return checkpoints.prepare_resume(project, state)


def signal_number(name: str) -> int:
    """The number of a signal named without SIG."""
    return signal.Signals[f"SIG{name}"].value


def _is_same(told: float | None, now: float | None) -> bool:
    if told is None or now is None:
        return told is now
    return abs(told - now) < DEADLINE_TOLERANCE_S


def _explain(error: KeeperError) -> str:
    return f"could not be started: {error.message}"

"""The simulated engine: the pure core between a log that may lag behind and a keeper.

What was decided but not stored, and what was asked for but not carried out, dies with it. It
recovers as the real one does, by ``plan_recovery``.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field, replace

from supervisor.core import facts as f
from supervisor.core.decide import decide
from supervisor.core.due import keeper_deadline, next_wake_s
from supervisor.core.effects import (
    DeliverAnswer,
    Effect,
    EndAttempt,
    HoldStill,
    Spawn,
    WithdrawAnswer,
)
from supervisor.core.events import Event
from supervisor.core.facts import Fact
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, RequestState, RunState
from supervisor.core.turn import Decision
from supervisor.engine.recover import Living, plan_recovery
from tests.core.simulation.agents import Files
from tests.core.simulation.keeper import BusyError, GoneError, Keeper
from tests.core.simulation.rules import Budget, ViolationError, check_decision

RUN_ID = "01J0000000000000000000S1MX"


@dataclass(slots=True)
class Disk:
    """What survives everything: the log, the run directory, the kept checkpoints."""

    log: list[tuple[Moment, Event]] = field(default_factory=list)
    files: Files = field(default_factory=Files)
    copies: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Generation → (epoch, sequence)."""

    def fold(self) -> RunState:
        """The state as the log tells it, from nothing."""
        state: RunState | None = None
        for at, event in self.log:
            state = apply(state, RUN_ID, event, at)
        assert state is not None
        return state


class Engine:
    """One life of the engine."""

    def __init__(self, disk: Disk, keeper: Keeper, budget: Budget, rng: random.Random) -> None:
        self.disk = disk
        self.keeper = keeper
        self.budget = budget
        self.rng = rng
        self.damage = 0.0
        """Chance that a spawn finds the newest checkpoint damaged."""
        self.state = self.stored = disk.fold()
        self.unstored: deque[tuple[Moment, Decision]] = deque()
        self.todo: deque[Effect | f.Exited] = deque()
        self.last_refusal = ""
        self._seen = Files()

    # -- living -------------------------------------------------------------------------------

    def recover(self, now: Moment) -> None:
        """Go on where the log ends."""
        state, process = self.state, self.keeper.process
        living = None
        if process is not None and process.epoch == state.epoch:
            living = Living(process.epoch, process.pid, process.pid)
        exited = self.keeper.records.get(state.epoch)
        self.keeper.notices.clear()
        # Planned from what is stored: the answers it delivers again must not be newer than that.
        plan = plan_recovery(state, living, None if living else exited, now.wall)
        self.look(now)
        for fact in plan.facts:
            self.feed(self._told(fact) if isinstance(fact, f.Exited) else fact, now)
        self.todo.extend(plan.effects)
        self._follow_deadline(now)

    def _told(self, exited: f.Exited) -> f.Exited:
        """An exit with the wish to sleep that lies in the run directory."""
        return replace(exited, wake=self.disk.files.wake)

    def feed(self, fact: Fact, now: Moment) -> Decision:
        """Decide; nothing is stored yet."""
        before = self.state
        decision = decide(before, fact, now, self.rng)
        check_decision(before, fact, now, decision)
        self.state = decision.state
        # Without events too: an effect must not overtake the decision it rests on, or an answer
        # reaches the agent that a crash then makes us forget.
        if decision.events or decision.effects:
            self.unstored.append((now, decision))
            self._follow_deadline(now)
        return decision

    def flush(self) -> bool:
        """The disk confirms the oldest decision; False when there is none."""
        if not self.unstored:
            return False
        at, decision = self.unstored.popleft()
        for event in decision.events:
            self.stored = apply(self.stored, RUN_ID, event, at)
            self.disk.log.append((at, event))
            self.budget.see(self.stored, event)
        if self.stored != decision.state:
            raise ViolationError("replaying the stored events gives another state than was decided")
        self.todo.extend(decision.effects)
        return True

    def perform(self, now: Moment) -> bool:
        """Carry out the oldest effect, or take the oldest exit; False when there is none."""
        if not self.todo:
            return False
        work = self.todo.popleft()
        if isinstance(work, f.Exited):
            self.look(now)
            self.feed(self._told(work), now)
        elif isinstance(work, Spawn):
            self._spawn(work, now)
        elif isinstance(work, EndAttempt):
            if work.epoch == self.state.epoch:
                self.keeper.end(work.epoch, "stop", now)
        elif isinstance(work, HoldStill):
            self.keeper.hold(work.epoch, still=work.still)
        elif isinstance(work, DeliverAnswer):
            self._deliver(work)
        elif isinstance(work, WithdrawAnswer):
            self.disk.files.answers.pop(work.file_id, None)
        return True

    def hear(self) -> bool:
        """Take the keeper's oldest notice; it waits its turn behind earlier work."""
        if not self.keeper.notices:
            return False
        self.todo.append(self.keeper.notices.pop(0))
        return True

    def wakes_in(self, now: Moment) -> float | None:
        """Seconds until a tick is due."""
        return next_wake_s(self.state, now)

    # -- looking ------------------------------------------------------------------------------

    def look(self, now: Moment) -> None:
        """Feed what changed in the run directory since the last look of this life."""
        files, seen = self.disk.files, self._seen
        for file_id, request in files.requests.items():
            if seen.requests.get(file_id) != request:
                seen.requests[file_id] = request
                self.feed(f.RequestSeen(request), now)
        for file_id in [name for name in seen.requests if name not in files.requests]:
            del seen.requests[file_id]
            self.feed(f.RequestGone(file_id), now)
        if files.progress is not None and files.progress != seen.progress:
            seen.progress = files.progress
            self.feed(f.ProgressSeen(files.progress), now)
        if files.checkpoint is not None and files.checkpoint != seen.checkpoint:
            seen.checkpoint = files.checkpoint
            self._keep(files.checkpoint, now)

    def _keep(self, checkpoint: tuple[int, int], now: Moment) -> None:
        epoch, sequence = checkpoint
        newest = self.state.checkpoint
        sha256 = f"{epoch:032x}{sequence:032x}"
        if newest is not None and newest.sha256 == sha256:
            return
        self.disk.copies[self.state.next_generation] = checkpoint
        self.feed(f.CheckpointSeen(sha256, 10, epoch, sequence), now)

    # -- effects ------------------------------------------------------------------------------

    def _spawn(self, spawn: Spawn, now: Moment) -> None:
        if spawn.epoch != self.state.epoch or self.state.status not in ALIVE:
            return
        done = self._resume(now)
        try:
            process = self.keeper.spawn(spawn.epoch, done)
        except BusyError:
            self.feed(f.SpawnRefused(spawn.epoch, "busy", permanent=False, at=now.wall), now)
        except GoneError:
            pass
        else:
            self.feed(f.SpawnDone(spawn.epoch, process.pid, process.pid), now)

    def _resume(self, now: Moment) -> int:
        """Steps done in the checkpoint that the attempt gets; a damaged one is rolled back."""
        if self.state.checkpoint is not None and self.rng.random() < self.damage:
            older = self.state.checkpoints[-2].generation if len(self.state.checkpoints) > 1 else 0
            self.feed(f.RollbackWanted(older, "damaged"), now)
            self.disk.files.checkpoint = None
        kept = self.state.checkpoint
        if kept is None:
            return 0
        if self.disk.copies.get(kept.generation) != (kept.epoch, kept.sequence):
            raise ViolationError(
                f"I5: generation {kept.generation} holds another checkpoint's bytes"
            )
        return kept.sequence or 0

    def _deliver(self, effect: DeliverAnswer) -> None:
        request = effect.request
        if request.state not in (RequestState.ANSWERED, RequestState.EXPIRED):
            raise ViolationError(f"I4: an answer to a request that is {request.state}")
        before = self.disk.files.answers.get(request.file_id)
        if before is not None and before.id == request.id and before.answer != request.answer:
            raise ViolationError(f"I4: {request.id} got two different answers")
        self.disk.files.answers[request.file_id] = replace(request)

    def _follow_deadline(self, now: Moment) -> None:
        due = keeper_deadline(self.state, now)
        told = (now.mono + due.in_s, due.kind) if due else None
        self.keeper.set_deadline(self.state.epoch, told)

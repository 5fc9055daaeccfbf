"""Every run's state and the only writer of it.

A fact goes in, the core decides, the events are appended to the log, and only when they are
stored (synchronous=FULL) do clients see them and are the effects carried out. The decided state
runs ahead of the published one by what the disk has not confirmed yet; a client never sees more
than would survive our own death (I7).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from supervisor.core import events as e
from supervisor.core import ids
from supervisor.core.always import Standing, fold_rules
from supervisor.core.asking import ID_TAIL
from supervisor.core.decide import decide
from supervisor.core.due import next_wake_s, start_left_s
from supervisor.core.effects import Effect, Refusal
from supervisor.core.eta import worked_s
from supervisor.core.events import Event, Recorded
from supervisor.core.facts import Fact, RequestSeen, Tick
from supervisor.core.fold import apply
from supervisor.core.mirror import fold_loaded
from supervisor.core.moment import Moment
from supervisor.core.mute_events import AnomalyMuted
from supervisor.core.record import canonical
from supervisor.core.redact import Redactor
from supervisor.core.run import FINAL, RunState
from supervisor.core.spec import AgentSpec
from supervisor.core.task import TaskRef
from supervisor.core.turn import Decision, Randomness
from supervisor.store.ports import EventLog, LoadedLog

KEPT_FINISHED = 300
"""Finished runs that stay in memory and in snapshots; older ones are in the log."""

NEW_ID_TRIES = 1000
"""A million ends are possible and some hundred taken: the second draw is rare already."""


@dataclass(frozen=True, slots=True)
class Fed:
    """What became of a fact."""

    state: RunState
    events: tuple[Event, ...]
    refusal: Refusal | None
    stored: asyncio.Future[None]
    """Done once the events are durable, and with them everything of the run before."""


@dataclass(frozen=True, slots=True)
class Reactions:
    """What the engine does when a decision was taken."""

    perform: Callable[[str, Effect], None]
    """Carry an effect out; the events that ask for it are stored."""
    decided: Callable[[str], None]
    """The decided state of a run changed; nothing is stored yet."""
    publish: Callable[[Sequence[Recorded]], None]
    """These events are stored: show them."""
    redacted: Callable[[Any], Any] = field(default=Redactor().record)
    """A fact or event without the secrets in it: nothing is decided on or stored before that."""


class Runs:
    """States by run id, in the order the runs were created."""

    def __init__(
        self,
        journal: EventLog,
        clock: Callable[[], Moment],
        rng: Randomness,
        reactions: Reactions,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._rng = rng
        self._reactions = reactions
        self._decided: dict[str, RunState] = {}
        self._published: dict[str, RunState] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._is_closed = False
        self._newest: dict[str, asyncio.Future[None]] = {}
        """Of each run, what is not stored yet."""
        self.seq = 0
        """Number of the newest event appended."""
        self.published_seq = 0
        """Number of the newest event stored and shown."""
        self.standing = Standing()
        """The rules that answer in the operator's place, as decided."""
        self.published_standing = Standing()
        """The same, as stored and shown."""

    # -- reading ------------------------------------------------------------------------------

    def state(self, run_id: str) -> RunState | None:
        """The decided state of a run in memory."""
        return self._decided.get(run_id)

    def states(self) -> Iterator[RunState]:
        """Decided states, oldest first."""
        return iter(tuple(self._decided.values()))

    def active(self) -> list[RunState]:
        """Runs that are not over."""
        return [state for state in self._decided.values() if state.status not in FINAL]

    def published(self) -> list[RunState]:
        """States as clients may see them, at ``published_seq``."""
        return list(self._published.values())

    def published_state(self, run_id: str) -> RunState | None:
        """The state of a run as it is stored: never ahead of the log."""
        return self._published.get(run_id)

    def newest_of(self, agent: str) -> RunState | None:
        """The newest run of an agent."""
        found = [state for state in self._decided.values() if state.agent == agent]
        return max(found, key=lambda state: state.id) if found else None

    # -- writing ------------------------------------------------------------------------------

    def restore_rules(self, standing: Standing) -> None:
        """Take over the rules that the log says stand, before anything is fed."""
        self.standing = self.published_standing = standing

    def restore(self, loaded: LoadedLog) -> None:
        """Take over what the log says, before anything is fed."""
        folded = fold_loaded(loaded.runs, loaded.tail)
        for run_id in sorted(folded):
            self._decided[run_id] = self._published[run_id] = folded[run_id]
        self.seq = self.published_seq = loaded.last_seq

    async def bring_back(self, run_id: str) -> RunState | None:
        """A run that is over, from the log back into memory; None when the log has none."""
        loaded = await self._journal.load_run(run_id)
        state = fold_loaded(loaded.runs, loaded.tail).get(run_id)
        if state is not None:
            state = self._decided.setdefault(run_id, state)
            self._published.setdefault(run_id, state)
        return state

    def create(self, spec: AgentSpec, reason: str) -> Fed:
        """A new run of an agent, queued."""
        return self._begin(self._new_id(self._clock().wall), e.RunCreated(spec, reason))

    def create_for(self, task_id: str, spec: AgentSpec, task: TaskRef) -> Fed:
        """A new run for a task, which has its id, queued."""
        return self._begin(task_id, e.RunCreated(spec, f"a task of {task.queue}", task))

    def _begin(self, run_id: str, event: e.RunCreated) -> Fed:
        now = self._clock()
        others = [state for state in self._decided.values() if state.agent == event.spec.name]
        before = max(others, key=lambda state: state.id, default=None)
        past = worked_s(others, now)
        if before is not None and len(past) < len(before.past):
            past = before.past  # What it knew is not in memory any more.
        event = replace(event, past=past)
        events: tuple[Event, ...] = (event, *map(AnomalyMuted, before.muted if before else ()))
        state = apply(None, run_id, event, now)
        for muted in events[1:]:
            state = apply(state, run_id, muted, now)
        return self._store(run_id, Decision(state, events), now)

    def rebuild(self, state: RunState, reason: str) -> Fed:
        """A run that the log does not know (any more), as it was put together again."""
        state, reason = self._reactions.redacted((state, reason))
        event = e.RunRebuilt(state, reason)
        return self._store(state.id, Decision(state, (event,)), self._clock())

    def forget_all(self) -> None:
        """What was restored came from a log that does not count; nothing was fed yet."""
        self._decided.clear()
        self._published.clear()
        self.restore_rules(Standing())

    def forget(self, run_ids: Sequence[str]) -> None:
        """Finished runs that were removed from the log and the disk."""
        for run_id in run_ids:
            self._decided.pop(run_id, None)
            self._published.pop(run_id, None)

    def _new_id(self, wall: float) -> str:
        """Newer than every other, and with an end of its own: requests are called by it."""
        newest = max(self._decided, default="")
        tails = {run_id[-ID_TAIL:] for run_id in self._decided}
        for _ in range(NEW_ID_TRIES):
            made = ids.next_ulid(wall, self._random_bits(), newest)
            if made[-ID_TAIL:] not in tails:
                break
        return made

    def _random_bits(self) -> int:
        """80 bits: people type the end of an id, so the low ones have to differ too."""
        high, low = self._rng.random(), self._rng.random()
        return int(high * 2**40) << 40 | int(low * 2**40)

    def feed(self, run_id: str, fact: Fact) -> Fed:
        """Decide on a fact about a run; KeyError for a run that is not in memory."""
        now = self._clock()
        fact = self._reactions.redacted(fact)
        if isinstance(fact, RequestSeen):
            fact = replace(fact, rules=self.standing.rules)
        decision = decide(self._decided[run_id], fact, now, self._rng)
        fed = self._store(run_id, decision, now)
        if fed.events and start_left_s(self._decided[run_id], now) == 0.0:
            # A retry that is due at once is stored with the exit, not by a commit of its own.
            self.feed(run_id, Tick())
        return fed

    def note(self, event: Event) -> asyncio.Future[None]:
        """Record an event of the engine itself."""
        return self._append([("", self._reactions.redacted(event))], None, (), self._clock())

    def close(self) -> None:
        """No timer fires after this."""
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def reopen(self) -> None:
        """Set the timers again, when nothing came of leaving."""
        self._is_closed = False
        for state in self.active():
            self.arm(state.id)

    def arm(self, run_id: str) -> None:
        """Set the run's timer for whatever is due next."""
        if (old := self._timers.pop(run_id, None)) is not None:
            old.cancel()
        state = None if self._is_closed else self._decided.get(run_id)
        wait_s = next_wake_s(state, self._clock()) if state else None
        if wait_s is not None:
            loop = asyncio.get_running_loop()
            self._timers[run_id] = loop.call_later(wait_s, self._wake, run_id)

    def _wake(self, run_id: str) -> None:
        self._timers.pop(run_id, None)
        if run_id in self._decided:
            self.feed(run_id, Tick())
            self.arm(run_id)

    def _store(self, run_id: str, decision: Decision, now: Moment) -> Fed:
        state, events = decision.state, decision.events
        if not events:
            stored = self._after_stored(run_id, decision.effects)
            return Fed(state, events, decision.refusal, stored)
        self._decided[run_id] = state
        entries = [(run_id, event) for event in events]
        entries += [("", event) for event in decision.project_events]
        stored = self._append(entries, state, decision.effects, now)
        self.arm(run_id)
        self._reactions.decided(run_id)
        return Fed(state, events, None, stored)

    def _after_stored(self, run_id: str, effects: tuple[Effect, ...]) -> asyncio.Future[None]:
        """Carry effects out that no event of their own asks for, and when what they rest on is.

        The state they were decided on may not be stored yet: carried out at once, an answer
        file could be there whose event a crash then loses, and be followed by another (I4).
        """

        def perform(_stored: asyncio.Future[None] | None = None) -> None:
            for effect in effects:
                self._reactions.perform(run_id, effect)

        newest = self._newest.get(run_id)
        if newest is not None:
            if effects:
                newest.add_done_callback(perform)
            return newest
        perform()
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def _append(
        self,
        entries: Sequence[tuple[str, Event]],
        state: RunState | None,
        effects: tuple[Effect, ...],
        now: Moment,
    ) -> asyncio.Future[None]:
        """One transaction: each event with the run it is of, the first one's run waits for it."""
        run_id = entries[0][0]
        batch = [
            Recorded(self.seq + n, now, who, event, canonical(event))
            for n, (who, event) in enumerate(entries, 1)
        ]
        self.seq += len(batch)
        own = (recorded for recorded in batch if not recorded.run_id)
        standing = self.standing = fold_rules(own, self.standing)
        stored = self._newest[run_id] = asyncio.get_running_loop().create_future()

        def on_durable(seq: int) -> None:
            self.published_seq, self.published_standing = seq, standing
            # Less than the batch after a long time without a disk: what is not kept is not shown.
            shown = self._journal.as_stored(batch)
            if state is not None and any(recorded.run_id == run_id for recorded in shown):
                self._published[run_id] = state
            self._reactions.publish(shown)
            for effect in effects:
                self._reactions.perform(run_id, effect)
            if self._newest.get(run_id) is stored:
                del self._newest[run_id]
            if not stored.done():
                stored.set_result(None)
            if state is not None and state.status in FINAL:
                self._forget_old()

        self._journal.append(batch, [state] if state else [], on_durable)
        return stored

    def _forget_old(self) -> None:
        finished = [s.id for s in self._published.values() if s.status in FINAL and is_settled(s)]
        newest = {state.agent: state.id for state in self._published.values()}
        for run_id in finished[: max(0, len(finished) - KEPT_FINISHED)]:
            if run_id not in newest.values():
                del self._decided[run_id], self._published[run_id]


def is_settled(state: RunState) -> bool:
    """Whether nothing about the run is still to be told to the queue of its task."""
    return state.task is None or bool(state.task.outcome)

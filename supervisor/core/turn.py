"""One decision being taken: a state, the events recorded so far, and the effects they ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from supervisor.core import events as e
from supervisor.core.effects import Effect, EndAttempt, Refusal, Spawn
from supervisor.core.events import Event
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.mute import is_muted
from supervisor.core.run import Anomaly, RunState, Status


class Randomness(Protocol):
    """Where jitter comes from: ``random.Random``, seeded in simulations."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What a fact leads to: store the events in one transaction, then carry out the effects."""

    state: RunState
    events: tuple[Event, ...] = ()
    project_events: tuple[Event, ...] = ()
    """Events of no run, in the same transaction."""
    effects: tuple[Effect, ...] = ()
    refusal: Refusal | None = None


class Turn:
    """Collects a decision; each recorded event is applied at once, so later rules see it."""

    def __init__(self, state: RunState, now: Moment, rng: Randomness) -> None:
        self.state = state
        self.now = now
        self.rng = rng
        self._events: list[Event] = []
        self._project_events: list[Event] = []
        self._effects: list[Effect] = []
        self._refusal: Refusal | None = None

    def record(self, event: Event) -> None:
        """Decide that ``event`` happens."""
        if isinstance(event, e.AnomalyFlagged) and is_muted(self.state.muted, event.anomaly.kind):
            event = replace(event, is_muted=True)
        self.state = apply(self.state, self.state.id, event, self.now)
        self._events.append(event)

    def record_for_all(self, event: Event) -> None:
        """Decide that something happens which concerns no run alone; never without ``record``."""
        self._project_events.append(event)

    def want(self, effect: Effect) -> None:
        """Ask for ``effect`` once the events are stored."""
        self._effects.append(effect)

    def refuse(self, code: str, what: str, fix: str = "", why: str = "") -> None:
        """Say no; only before anything was recorded."""
        assert not self._events, "refused after recording"
        self._refusal = Refusal(code, what, fix, why)

    def begin_attempt(self, cause: str) -> None:
        """The next attempt, from the newest checkpoint; its epoch is stored before the spawn."""
        newest = self.state.checkpoint
        generation = newest.generation if newest else None
        epoch = self.state.epoch + 1
        is_retry = self.state.status is Status.BACKOFF
        self.record(e.AttemptStarting(epoch, self.state.attempt + 1, cause, generation))
        self.want(Spawn(epoch, generation, is_retry))

    def end_attempt(self, event: e.AttemptEnding) -> None:
        """Have the keeper end the living attempt."""
        self.record(event)
        self.want(EndAttempt(self.state.epoch, event.reason))

    def flag(self, kind: str, message: str, *, key: str, severity: str = "warning") -> None:
        """Raise an anomaly of our own; the same ``key`` again renews it instead of adding one."""
        anomaly = Anomaly(f"{kind}:{key}", kind, severity, message, self.now.wall, "longwatch")
        self.record(e.AnomalyFlagged(anomaly))

    def decision(self) -> Decision:
        """The collected decision."""
        return Decision(
            self.state,
            tuple(self._events),
            tuple(self._project_events),
            tuple(self._effects),
            self._refusal,
        )

"""What must hold after every decision, whatever was killed and whenever.

Each rule names its invariant of RELIABILITY.md. A broken one raises ``ViolationError``.
"""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.due import keeper_deadline, reminder_left_s, start_left_s
from supervisor.core.effects import Effect, Spawn
from supervisor.core.events import Event
from supervisor.core.facts import Fact
from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, FINAL, ON_THE_CLOCK, RequestState, RunState, Status, Wake
from supervisor.core.spec import Restart
from supervisor.core.turn import Decision

EPSILON = 1e-6


class ViolationError(AssertionError):
    """An invariant does not hold."""


def _demand(holds: bool, rule: str, found: object = "") -> None:
    if not holds:
        raise ViolationError(f"{rule}: {found}" if found != "" else rule)


def check_decision(before: RunState, fact: Fact, now: Moment, decision: Decision) -> None:
    """Everything that one decision can be judged by."""
    after, events, effects = decision.state, decision.events, decision.effects
    if decision.refusal is not None:
        _demand(not events and not effects and after is before, "a refusal changes nothing", fact)
        return
    _demand(bool(events) or after == before, "a state changes only by events", fact)
    _numbers(before, after)
    _starts(before, fact, now, events, effects)
    _answers(before, after)
    _reminders(before, now, events)
    _clocks(before, after, now, events)
    if before.status in FINAL and after.status is not before.status:
        _demand(isinstance(events[0], e.RunReopened), "a run that is over stays over", events)
        _demand(isinstance(fact, f.RestartWanted), "only the operator reopens a run", fact)
    if after.status in FINAL:
        _demand(not after.open_requests, "nothing of a run that is over stays open", after.status)


def _numbers(before: RunState, after: RunState) -> None:
    _demand(after.epoch >= before.epoch, "I5: the epoch never goes back", after.epoch)
    _demand(
        after.next_generation >= before.next_generation,
        "I5: a generation is never given out twice",
        after.next_generation,
    )
    generations = [kept.generation for kept in after.checkpoints]
    _demand(generations == sorted(set(generations)), "I5: generations go up", generations)
    living = [a for a in after.attempts if a.exit is None and a.pid is not None]
    _demand(len(living) <= 1, "I3: at most one attempt lives", living)
    if after.status not in ALIVE:
        _demand(not living, "I3: nothing lives when no process is meant to", after.status)


def _starts(
    before: RunState,
    fact: Fact,
    now: Moment,
    events: tuple[Event, ...],
    effects: tuple[Effect, ...],
) -> None:
    starting = [event for event in events if isinstance(event, e.AttemptStarting)]
    spawns = [effect for effect in effects if isinstance(effect, Spawn)]
    _demand(len(starting) <= 1, "one decision starts one attempt", starting)
    _demand(
        [s.epoch for s in starting] == [s.epoch for s in spawns],
        "an attempt is spawned exactly when its epoch is stored",
        (starting, spawns),
    )
    if starting and isinstance(fact, f.Tick) and before.status is Status.BACKOFF:
        _demand(start_left_s(before, now) == 0.0, "I8: no start before next_start", before)
    if starting and before.wake is not None:
        _wakes(before.wake, fact, now, events)


def _wakes(wake: Wake, fact: Fact, now: Moment, events: tuple[Event, ...]) -> None:
    """A sleeping run is started by its time, by an answer or an expiry, or by the operator."""
    if isinstance(fact, f.StartWanted | f.RestartWanted):
        return
    is_let_go = isinstance(fact, f.ResumeWanted)
    _demand(is_let_go or not wake.is_held, "a run held asleep stays asleep", fact)
    is_settled = any(
        isinstance(event, e.RequestAnswered)
        or (isinstance(event, e.RequestClosed) and event.expired)
        for event in events
    )
    _demand(is_settled or now.wall >= wake.at, "I8: no start before its wake time", wake)


def _answers(before: RunState, after: RunState) -> None:
    known = {request.id: request for request in after.requests}
    for request in before.requests:
        now_is = known.get(request.id)
        if request.state is not RequestState.OPEN and now_is is not None:
            _demand(now_is == request, "I4: a closed request never changes", request.id)
        if request.state is RequestState.OPEN:
            _demand(now_is is not None, "I4: an open request is never forgotten", request.id)


def _reminders(before: RunState, now: Moment, events: tuple[Event, ...]) -> None:
    """Each one counts on, belongs to an open question, and none comes before it is due."""
    asked = {request.id: request for request in before.open_requests}
    for event in events:
        if isinstance(event, e.RequestReminded):
            request = asked.get(event.request_id)
            assert request is not None, "a reminder of a question that is not open"
            _demand(event.number == request.reminded + 1, "reminders count on", event)
            left_s = reminder_left_s(before, request, now)
            _demand(event.is_overdue or left_s == 0.0, "no reminder before it is due", event)


def _clocks(before: RunState, after: RunState, now: Moment, events: tuple[Event, ...]) -> None:
    if not any(isinstance(event, e.RunReopened) for event in events):
        used, had = clock_used_s(after, now), clock_used_s(before, now)
        _demand(used >= had - EPSILON, "the task clock never runs backwards", (had, used))
    is_asleep = after.wake is not None and not after.wake.is_held and not after.open_requests
    _demand(
        (after.clock_since is not None) == (after.status in ON_THE_CLOCK or is_asleep),
        "the task clock runs exactly in the statuses that count, and while asleep",
        after.status,
    )
    if after.status not in ON_THE_CLOCK:
        _demand(keeper_deadline(after, now) is None, "no deadline while it waits", after.status)


@dataclass(slots=True)
class Budget:
    """Starts since the last checkpoint against what allows them (I8)."""

    starts: int = 0
    allowed: int = 0
    naps: int = 0

    def see(self, state: RunState, event: Event) -> None:
        """Count one recorded event; ``state`` is the one after it."""
        if isinstance(event, e.CheckpointRecorded | e.RunReopened):
            self.starts = self.allowed = 0
        elif isinstance(event, e.AttemptStarting):
            self.starts += 1
        elif isinstance(event, e.RequestAnswered | e.RequestClosed) or (
            isinstance(event, e.RunRequeued) and event.reason.startswith("restarted by")
        ):
            self.allowed += 1
        elif isinstance(event, e.RunParked) and event.wake is not None:
            self.allowed += 1
            self._sleeps(event.wake, state.status_since)
        elif isinstance(event, e.BackoffBegan) and event.retry == 0:
            _demand(state.spec.restart is Restart.ALWAYS, "a free restart has its reason", event)
            self.allowed += 1
        limit = 1 + state.spec.retry.max_retries + self.allowed
        _demand(self.starts <= limit, "I8: starts between checkpoints stay in budget", self)

    def _sleeps(self, wake: Wake, since: Moment) -> None:
        """A sleep burns no retry, but a row of naps is counted and slowed down."""
        if wake.is_held:
            return  # An answer moved it while it was held.
        _demand(wake.nap <= self.naps + 1, "a row of naps has no gap", (self.naps, wake))
        is_slow = wake.at >= since.wall + 1.0 - EPSILON
        _demand(wake.nap < 2 or is_slow, "I8: the second nap in a row takes a second", wake)
        self.naps = wake.nap

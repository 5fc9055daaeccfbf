"""The event log folded into figures: for each agent and each hour what happened in it.

Owns which event counts as what; the figures themselves are in ``core.figures``. Deterministic:
the same events give the same figures, in any number of pieces. Must never need a run's state:
what a run has told so far is in its ``Tally``, small enough to be stored beside the figures.

An agent counts its calls and tokens upwards over a run. A number that went down in the same
attempt is a correction and counts as nothing; in a new attempt it began again from zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.figures import HOUR_S, Calls, Figures
from supervisor.core.fold import CRASHES
from supervisor.core.lifecycle import TRANSITIONS
from supervisor.core.moment import Moment, seconds_between
from supervisor.core.progress import Progress, ServiceUse, Usage
from supervisor.core.run import FINAL, ON_THE_CLOCK, RunState, Status, Wake

FOLD_VERSION = 1
"""Goes up when an event counts as something else: stored figures are then made anew."""
KEPT_IDS = 100
"""Newest anomalies of a run that are known again when they are renewed."""
KEPT_ENDED = 1_000
"""Ended runs that are remembered, in case somebody continues them."""
LONGEST_SPREAD_H = 24 * 31
"""A longer wait is spread over its last month only."""
USED = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd")
"""What is counted of a report's usage, in the order of ``Tally.used``."""
_READ_USED = attrgetter(*USED)

Key = tuple[str, int]
"""Agent, and number of the hour since 1970 (UTC)."""


@dataclass(slots=True)
class Tally:
    """What of one run the figures of its next events depend on."""

    agent: str
    status: Status
    since: Moment
    """When ``worked_s`` and the waiting were last counted up to."""
    worked_s: float = 0.0
    """On the clock of the task-level timeout, over all attempts and continuations."""
    cost_usd: float = 0.0
    """Spent since the run began or last ended."""
    open: tuple[str, ...] = ()
    """Ids of its open questions."""
    sleep: str = ""
    """Parked until a time: ``asleep``, or ``held`` by a person who paused it."""
    has_crashed: bool = False
    """The newest attempt that ended did so by a crash."""
    begins_anew: bool = False
    """No progress was reported in this attempt yet."""
    used: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)
    """What it last told of its usage; see ``USED``."""
    services: dict[str, ServiceUse] = field(default_factory=dict)
    anomalies: tuple[str, ...] = ()

    @property
    def is_working(self) -> bool:
        """Whether time counts as work: the clock of the task-level timeout runs."""
        if self.status is Status.PARKED:
            return self.sleep == "asleep" and not self.open
        return self.status in ON_THE_CLOCK

    @property
    def is_waiting(self) -> bool:
        """Whether time counts as waiting for people."""
        if self.status is Status.PARKED:
            return bool(self.open) or not self.sleep
        return self.status in (Status.WAITING, Status.HELD)


def tally_of(state: RunState) -> Tally:
    """The tally of a run of which only the state is known; what it told so far is not counted."""
    progress = state.progress
    exit_ = state.newest_attempt.exit if state.newest_attempt else None
    return Tally(
        agent=state.agent,
        status=state.status,
        since=state.status_since,
        worked_s=0.0 if state.clock_since is not None else state.clock_used_s,
        cost_usd=progress.usage.cost_usd if progress and progress.usage else 0.0,
        open=tuple(request.id for request in state.open_requests),
        sleep=_sleep(state.wake),
        has_crashed=exit_ is not None and exit_.kind in CRASHES,
        used=_used(progress.usage) if progress and progress.usage else (0.0,) * len(USED),
        services=dict(progress.services) if progress else {},
        anomalies=tuple(anomaly.id for anomaly in state.anomalies)[-KEPT_IDS:],
    )


class Ledger:
    """Figures since they were last taken, and the tallies of all runs that are not over."""

    def __init__(
        self,
        tallies: dict[str, Tally] | None = None,
        state_of: Callable[[str], RunState | None] = lambda _run_id: None,
    ) -> None:
        """``state_of`` finds a run that began before the events that are seen."""
        self.tallies = dict(tallies or {})
        self._state_of = state_of
        self._ended: dict[str, Tally] = {}
        self._figures: dict[Key, Figures] = {}
        self._changed: set[str] = set()

    def see(self, recorded: Recorded) -> None:
        """Count one event. Events come in the order of the log, each once."""
        run_id, event, at = recorded.run_id, recorded.event, recorded.at
        if not run_id:
            return
        if isinstance(event, e.RunCreated):
            self.tallies[run_id] = Tally(event.spec.name, Status.QUEUED, at)
            self._of(event.spec.name, at).created += 1
            self._changed.add(run_id)
            return
        tally = self._tally(run_id, event)
        if tally is None:
            return
        if isinstance(event, e.ProgressReported) and not _tells_more(tally, event.progress):
            return
        count = _COUNTS.get(type(event))
        status = TRANSITIONS.get((tally.status, type(event)), tally.status)
        if count is None and status is tally.status:
            return
        self._count_time(tally, at)
        tally.status = status
        if count is not None:
            count(tally, self._of(tally.agent, at), event)
        self._changed.add(run_id)
        if status in FINAL:
            self._end(run_id, tally, at)

    @property
    def counted(self) -> dict[Key, Figures]:
        """What was counted since it was last taken."""
        return self._figures

    def take(self) -> tuple[dict[Key, Figures], dict[str, Tally | None]]:
        """What was counted since the last time, and the tallies that changed (None: gone)."""
        figures, changed = self._figures, self._changed
        self._figures, self._changed = {}, set()
        return figures, {run_id: self.tallies.get(run_id) for run_id in sorted(changed)}

    def standing(self, now: Moment) -> dict[Key, Figures]:
        """Waits for people that go on, as far as they were not counted yet."""
        found: dict[Key, Figures] = {}
        for tally in self.tallies.values():
            if tally.is_waiting:
                for hour, seconds in spread(seconds_between(tally.since, now), now.wall):
                    found.setdefault((tally.agent, hour), Figures()).waited_s += seconds
        return found

    def _tally(self, run_id: str, event: e.Event) -> Tally | None:
        known = self.tallies.get(run_id)
        if known is None and isinstance(event, e.RunReopened):
            known = self._ended.pop(run_id, None)
        if known is None and run_id not in self._ended:
            state = event.state if isinstance(event, e.RunRebuilt) else self._state_of(run_id)
            if state is None or state.status in FINAL:
                return None
            known = tally_of(state)
        if known is not None:
            self.tallies[run_id] = known
        return known

    def _of(self, agent: str, at: Moment) -> Figures:
        key = (agent, int(at.wall // HOUR_S))
        found = self._figures.get(key)
        if found is None:
            found = self._figures[key] = Figures()
        return found

    def _count_time(self, tally: Tally, at: Moment) -> None:
        seconds = seconds_between(tally.since, at)
        if tally.is_working:
            tally.worked_s += seconds
        elif tally.is_waiting:
            for hour, piece in spread(seconds, at.wall):
                self._figures.setdefault((tally.agent, hour), Figures()).waited_s += piece
        tally.since = at

    def _end(self, run_id: str, tally: Tally, at: Moment) -> None:
        figures = self._of(tally.agent, at)
        figures.ended_cost_usd += tally.cost_usd
        tally.cost_usd = 0.0
        tally.open = ()
        if tally.status is Status.SUCCEEDED:
            figures.add_duration(tally.worked_s)
        del self.tallies[run_id]
        self._ended[run_id] = tally
        while len(self._ended) > KEPT_ENDED:
            del self._ended[next(iter(self._ended))]


def spread(seconds: float, end_wall: float) -> Iterator[tuple[int, float]]:
    """A stretch of time that ended then, as seconds in each hour, oldest first."""
    start = end_wall - min(seconds, LONGEST_SPREAD_H * HOUR_S)
    hour = int(start // HOUR_S)
    while start < end_wall:
        until = min(end_wall, (hour + 1) * HOUR_S)
        yield hour, until - start
        start, hour = until, hour + 1


def _report(tally: Tally, figures: Figures, event: e.ProgressReported) -> None:
    progress: Progress = event.progress
    anew = tally.begins_anew
    if progress.usage is not None:
        used = _used(progress.usage)
        more = [_more(old, new, anew) for old, new in zip(tally.used, used, strict=True)]
        figures.input_tokens += int(more[0])
        figures.output_tokens += int(more[1])
        figures.cache_read_tokens += int(more[2])
        figures.cache_write_tokens += int(more[3])
        figures.cost_usd += more[4]
        tally.cost_usd += more[4]
        tally.used = used
    for name, use in progress.services.items():
        old = tally.services.get(name, ServiceUse())
        if use != old:
            more_calls = Calls(
                int(_more(old.calls, use.calls, anew)),
                int(_more(old.retries, use.retries, anew)),
                int(_more(old.failures, use.failures, anew)),
            )
            figures.add_calls(name, more_calls)
            tally.services[name] = use
    tally.begins_anew = False


def _tells_more(tally: Tally, progress: Progress) -> bool:
    """Whether a report counts at all: most of them only move the work on."""
    if tally.begins_anew or (progress.usage and _used(progress.usage) != tally.used):
        return True
    return any(tally.services.get(name) != use for name, use in progress.services.items())


def _used(usage: Usage) -> tuple[float, ...]:
    found: tuple[float, ...] = _READ_USED(usage)
    return found


def _sleep(wake: Wake | None) -> str:
    if wake is None:
        return ""
    return "held" if wake.is_held else "asleep"


def _more(old: float, new: float, is_new_attempt: bool) -> float:
    if new >= old:
        return new - old
    return new if is_new_attempt else 0.0


def _attempt(tally: Tally, figures: Figures, event: e.AttemptStarting) -> None:
    figures.attempts += 1
    figures.recoveries += event.resumed_from is not None and tally.has_crashed
    tally.has_crashed = False
    tally.begins_anew = True


def _exit(tally: Tally, figures: Figures, event: e.AttemptExited) -> None:
    tally.has_crashed = event.exit.kind in CRASHES
    figures.crashes += tally.has_crashed


def _backoff(_tally: Tally, figures: Figures, event: e.BackoffBegan) -> None:
    figures.retries += event.retry > 0


def _parked(tally: Tally, _figures: Figures, event: e.RunParked) -> None:
    tally.sleep = _sleep(event.wake)


def _asked(tally: Tally, figures: Figures, event: e.RequestOpened) -> None:
    figures.asked += 1
    tally.open = (*tally.open, event.request.id)


def _settled(tally: Tally, _figures: Figures, event: e.RequestAnswered | e.RequestClosed) -> None:
    tally.open = tuple(one for one in tally.open if one != event.request_id)


def _flagged(tally: Tally, figures: Figures, event: e.AnomalyFlagged) -> None:
    if not event.is_muted and event.anomaly.id not in tally.anomalies:
        figures.anomalies += 1
        tally.anomalies = (*tally.anomalies, event.anomaly.id)[-KEPT_IDS:]


def _paused(tally: Tally, _figures: Figures, _event: e.RunPaused) -> None:
    tally.sleep = tally.sleep and "held"


def _resumed(tally: Tally, _figures: Figures, _event: e.RunResumed) -> None:
    tally.sleep = tally.sleep and "asleep"


def _one(name: str) -> Callable[[Tally, Figures, Any], None]:
    def count(_tally: Tally, figures: Figures, _event: Any) -> None:
        setattr(figures, name, getattr(figures, name) + 1)

    return count


_COUNTS: dict[type[e.Event], Callable[[Tally, Figures, Any], None]] = {
    e.AttemptStarting: _attempt,
    e.AttemptExited: _exit,
    e.BackoffBegan: _backoff,
    e.RunParked: _parked,
    e.RunPaused: _paused,
    e.RunResumed: _resumed,
    e.RequestOpened: _asked,
    e.RequestAnswered: _settled,
    e.RequestClosed: _settled,
    e.AnomalyFlagged: _flagged,
    e.ProgressReported: _report,
    e.RunSucceeded: _one("succeeded"),
    e.RunFailed: _one("failed"),
    e.RunTimedOut: _one("timed_out"),
    e.RunStopped: _one("stopped"),
    e.RunHeld: _one("held"),
}

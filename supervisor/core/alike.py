"""Agents that crash alike at about the same time: one cause, said once, with one shared backoff.

Usually a service, a network or a disk that they share. Waiting together and coming back spread
spares it a storm of retries. Pure: the engine keeps ``Alike`` and feeds the facts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from supervisor.core.facts import AlikeSeen
from supervisor.core.fold import CRASHES
from supervisor.core.moment import Moment, seconds_between, seconds_until
from supervisor.core.run import Exit, ExitKind, RunState

WINDOW_S = 90.0
"""Crashes further apart are not taken for one; longer than the longest usual backoff, twice."""
MIN_AGENTS = 3
"""Two may be chance."""
KEPT_CRASHES = 256


@dataclass(frozen=True, slots=True)
class Crash:
    """One crash, as far as it can be like another."""

    run_id: str
    agent: str
    at: Moment
    key: str
    """The same for what is taken for the same cause."""
    cause: str
    next_start: Moment | None
    """When it would start again; None when it will not, or has already."""


@dataclass(frozen=True, slots=True)
class Episode:
    """Crashes that were taken for one."""

    key: str
    name: str
    """Names its anomaly."""
    lead: str
    """The run that carries the anomaly."""
    agents: tuple[str, ...]
    until: Moment
    last: Moment
    """The newest crash of it."""


@dataclass(frozen=True, slots=True)
class Alike:
    """What is remembered: bounded, and older than the window forgotten."""

    crashes: tuple[Crash, ...] = ()
    episodes: tuple[Episode, ...] = ()


def crash_of(state: RunState, at: Moment) -> Crash | None:
    """The crash that ``state`` has just had; None when its newest exit was none."""
    newest = state.attempts[-1] if state.attempts else None
    end = newest.exit if newest else None
    if end is None or end.kind not in CRASHES | {ExitKind.TRY_LATER}:
        return None
    return Crash(state.id, state.agent, at, _key(state, end), end.cause, state.next_start)


def _key(state: RunState, end: Exit) -> str:
    declared = state.progress if state.progress_epoch == state.epoch else None
    error = declared.last_error if declared else None
    words = (error.service, error.kind) if error else (None, None)
    return repr((end.kind.value, end.code, end.signal, *words))


def see_crash(known: Alike, crash: Crash) -> tuple[Alike, tuple[tuple[str, AlikeSeen], ...]]:
    """What is remembered after ``crash``, and the facts for the runs it concerns.

    The shared start is that of the latest of the first ones. Whoever joins waits for it too, but
    nobody waits longer because another joined, so a slow series of crashes starves no run.
    """
    now = crash.at
    crashes = [c for c in known.crashes if c.run_id != crash.run_id and _is_recent(c.at, now)]
    crashes = [*crashes, crash][-KEPT_CRASHES:]
    episodes = tuple(e for e in known.episodes if _is_recent(e.last, now))
    same = [c for c in crashes if c.key == crash.key]
    before = next((e for e in episodes if e.key == crash.key), None)
    if before is None:
        agents = tuple(dict.fromkeys(c.agent for c in same))
        if len(agents) < MIN_AGENTS:
            return Alike(tuple(crashes), episodes), ()
        starts = [c.next_start for c in same if c.next_start is not None]
        until = max(starts, key=lambda start: seconds_until(start, now), default=now)
        lead = next((c.run_id for c in same if c.next_start is not None), crash.run_id)
        episode = Episode(crash.key, f"{now.wall:.0f}", lead, agents, until, now)
        told = [c.run_id for c in same]
    else:
        is_over = seconds_until(before.until, now) == 0.0
        episode = replace(
            before,
            agents=tuple(dict.fromkeys((*before.agents, crash.agent))),
            until=(crash.next_start or now) if is_over else before.until,
            last=now,
        )
        told = list(dict.fromkeys((crash.run_id, before.lead)))
    others = tuple(e for e in episodes if e.key != crash.key)
    facts = tuple((run_id, _fact(episode, crash.cause, run_id)) for run_id in told)
    return Alike(tuple(crashes), (*others, episode)), facts


def _fact(episode: Episode, cause: str, run_id: str) -> AlikeSeen:
    return AlikeSeen(episode.name, episode.agents, cause, episode.until, run_id == episode.lead)


def _is_recent(at: Moment, now: Moment) -> bool:
    return seconds_between(at, now) <= WINDOW_S

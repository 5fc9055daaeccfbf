"""What the interface knows: a picture folded from a snapshot, events and samples.

Owns: ``Picture`` and the functions that make the next one. Must never read a clock, await or
draw. The one surprising thing: it uses the engine's own reducer (``core.fold.apply``), so what
is shown is what the engine itself believes, event by event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from supervisor.control.messages import PROTOCOL
from supervisor.core import events as e
from supervisor.core.always import Standing, apply_rule_event
from supervisor.core.events import Recorded
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.record import from_plain, recorded_from_plain
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import FINAL, Request, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.tui.trend import NO_TREND, Trend

NO_RULES = Standing()
HOST_MARK = "/"
"""Between a host and what it has: no name of an agent and no id contains it."""


class GapError(Exception):
    """An event is missing between the picture and what arrived: take a new snapshot."""


class Link(StrEnum):
    """How the connection to the engine stands."""

    CONNECTING = "connecting"
    LIVE = "live"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Sample:
    """What a run's processes use now."""

    cpu_percent: float = 0.0
    """100 is one whole core."""
    rss_bytes: int = 0
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Engine:
    """Who is at the other end."""

    pid: int = 0
    version: str = ""
    directory: str = ""
    storage: str = "ok"
    watch: str = "events"
    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class Host:
    """One of the machines in a picture of several."""

    name: str
    link: Link = Link.CONNECTING
    why: str = ""
    """Why the connection was lost."""
    retry_in_s: int = 0
    engine: Engine = Engine()
    seq: int = 0
    """Of its own log."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything shown, at one event of the log.

    A picture of several machines (``hosts`` is not empty) says ``host/name`` wherever one machine
    says ``name``: agents, run ids, request ids, rule ids. ``split_host`` takes it apart.
    """

    seq: int = 0
    engine: Engine = Engine()
    agents: tuple[AgentSpec, ...] = ()
    runs: Mapping[str, RunState] = field(default_factory=dict)
    """By run id, oldest first."""
    standing: Standing = NO_RULES
    """The rules that approve in the operator's place."""
    samples: Mapping[str, Sample] = field(default_factory=dict)
    trends: Mapping[str, Trend] = field(default_factory=dict)
    """The last minute of each run that lives, made of the samples."""
    problems: tuple[str, ...] = ()
    """Errors of a changed configuration that was not applied."""
    link: Link = Link.CONNECTING
    link_why: str = ""
    """Why it was lost."""
    retry_in_s: int = 0
    """Seconds until it is tried again; 0 while it is being tried."""
    host: str = ""
    """The machine the engine runs on, when it is another one."""
    is_loaded: bool = False
    """A snapshot was received once."""
    agents_stale: bool = False
    """The configuration was applied anew: the list of agents has to be read again."""
    hosts: tuple[Host, ...] = ()
    """The machines this is a picture of, when there are several."""

    def newest_of(self, agent: str) -> RunState | None:
        """The newest run of an agent."""
        found = [state for state in self.runs.values() if state.agent == agent]
        return max(found, key=lambda state: state.id) if found else None


def split_host(name: str) -> tuple[str, str]:
    """The host and the plain name of an agent or an id; the host is empty for one machine."""
    host, _mark, rest = name.rpartition(HOST_MARK)
    return host, rest


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request without an answer, with the run that asks."""

    run: RunState
    request: Request


def from_snapshot(plain: Mapping[str, Any], before: Picture) -> Picture:
    """The picture of a snapshot; RecordError when it does not fit."""
    runs = [from_plain(RunState, item) for item in plain["runs"]]
    return replace(
        before,
        seq=plain["seq"],
        engine=from_plain(Engine, plain.get("engine") or {}),
        agents=tuple(from_plain(AgentSpec, item) for item in plain.get("agents") or ()),
        runs={state.id: state for state in sorted(runs, key=lambda state: state.id)},
        standing=Standing(tuple(from_plain(AlwaysRule, rule) for rule in plain.get("rules") or ())),
        samples=_samples(plain.get("samples") or {}),
        problems=(),
        is_loaded=True,
        agents_stale=False,
    )


def events_from_plain(plain: Mapping[str, Any]) -> list[Recorded]:
    """The entries of an ``events`` notice; RecordError when one does not fit."""
    return [recorded_from_plain(item) for item in plain["events"]]


def fold(picture: Picture, batch: Sequence[Recorded]) -> Picture:
    """The picture after ``batch``; entries already in it are skipped, GapError on a gap."""
    runs = dict(picture.runs)
    seq, problems, agents_stale = picture.seq, picture.problems, picture.agents_stale
    standing = picture.standing
    for recorded in batch:
        if recorded.seq <= seq:
            continue
        if recorded.seq != seq + 1:
            raise GapError(f"event {recorded.seq} after {seq}")
        seq = recorded.seq
        if recorded.run_id:
            before = runs.get(recorded.run_id)
            runs[recorded.run_id] = apply(before, recorded.run_id, recorded.event, recorded.at)
        elif isinstance(recorded.event, e.ConfigRejected):
            problems = recorded.event.problems
        elif isinstance(recorded.event, e.ConfigApplied):
            problems, agents_stale = (), True
        else:
            standing = apply_rule_event(standing, recorded)
    return replace(
        picture,
        seq=seq,
        runs=runs,
        standing=standing,
        problems=problems,
        agents_stale=agents_stale,
    )


def with_samples(picture: Picture, plain: Mapping[str, Any]) -> Picture:
    """The picture with the newest use of processor and memory."""
    samples = _samples(plain.get("samples") or {})
    trends = {
        run_id: picture.trends.get(run_id, NO_TREND).plus(
            sample.cpu_percent, sample.rss_bytes, _tokens(picture.runs.get(run_id))
        )
        for run_id, sample in samples.items()
    }
    return replace(picture, samples=samples, trends=trends)


def moment_from_plain(plain: Any) -> Moment | None:
    """The engine's clock in a notice, where it has one."""
    return from_plain(Moment, plain) if plain else None


def _tokens(state: RunState | None) -> int:
    usage = state.progress.usage if state and state.progress else None
    return usage.input_tokens + usage.output_tokens if usage else 0


def _samples(plain: Mapping[str, Any]) -> dict[str, Sample]:
    return {run_id: from_plain(Sample, item) for run_id, item in plain.items()}


def open_requests(picture: Picture) -> list[OpenRequest]:
    """Requests that wait for the operator, the oldest first."""
    found = [
        OpenRequest(state, request)
        for state in picture.runs.values()
        if state.requests
        for request in state.open_requests
    ]
    return sorted(found, key=lambda item: (item.request.created_at, item.request.id))


@dataclass(frozen=True, slots=True)
class Need:
    """A run that goes no further without the operator."""

    run: RunState
    request: Request | None
    """What it asks; None when it is held without a question."""


def needs(picture: Picture) -> list[Need]:
    """Everything that waits for the operator: questions, then what is held; the oldest first."""
    held = [
        Need(state, None)
        for state in picture.runs.values()
        if state.status is Status.HELD and not state.open_requests
    ]
    held.sort(key=lambda need: (need.run.status_since.wall, need.run.id))
    return [*(Need(item.run, item.request) for item in open_requests(picture)), *held]


def need_after(picture: Picture, last: Need | None) -> Need | None:
    """The next of them after ``last``, the first after the end; None when nothing waits."""
    every = needs(picture)
    places = [at for at, need in enumerate(every) if last is not None and _is_same(need, last)]
    return every[(places[0] + 1) % len(every) if places else 0] if every else None


def _is_same(need: Need, other: Need) -> bool:
    ids = [found.request.id if found.request else "" for found in (need, other)]
    return need.run.id == other.run.id and ids[0] == ids[1]


def find_request(picture: Picture, run_id: str, request_id: str) -> Request | None:
    """A request by its public id; None when the run no longer keeps it."""
    state = picture.runs.get(run_id)
    found = (r for r in state.requests if r.id == request_id) if state else iter(())
    return next(found, None)


def needs_operator(state: RunState) -> bool:
    """Whether the run goes no further without the operator."""
    if state.status is Status.HELD:
        return True
    # Asked of every run again and again: most have no question at all.
    return bool(state.requests) and state.status not in FINAL and bool(state.open_requests)


def shown_runs(picture: Picture, *, older: bool) -> Iterable[RunState]:
    """Runs for the table: the newest of each agent and whatever is not over, or all of them."""
    if older:
        return tuple(picture.runs.values())
    newest = {state.agent: state.id for state in picture.runs.values()}
    return tuple(
        state
        for state in picture.runs.values()
        if state.status not in FINAL or newest[state.agent] == state.id
    )

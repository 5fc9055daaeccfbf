"""Which runs the table shows, in which order and under which headings.

Owns: the orders, the groups, and that an order is kept for a moment: figures change ten times a
second, and a table that jumps as often can neither be read nor be afforded. Must never move a run
without a reason: equal ones stand by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from supervisor.core.eta import estimate
from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, FINAL, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.tui import render, wanted
from supervisor.tui.model import Picture, needs_operator, shown_runs, split_host
from supervisor.tui.rows import HEADING_PREFIX, Heading, Item, Rows
from supervisor.tui.theme import look_of_run
from supervisor.tui.view import Totals, share_of, totals

RESORT_S = 1.0
"""Fewest seconds between two looks at whether the order still holds."""
NEED = "need"
"""The order of a table nobody sorted: who needs the operator, who works, who is over."""
HOST = "host"
"""The order that makes sense only when several machines are shown."""
NO_GROUP = "·"
"""Heading of runs that declare no stage."""


class Grouping(StrEnum):
    """Under which headings the runs stand."""

    NONE = "none"
    HOST = "host"
    AGENT = "agent"
    STAGE = "stage"
    STATE = "state"

    def following(self, *, with_hosts: bool) -> Grouping:
        """The one after it, the first after the last; by host only where there are several."""
        every = [item for item in Grouping if with_hosts or item is not Grouping.HOST]
        return every[(every.index(self) + 1) % len(every)]


Value = Callable[[RunState, Picture, Moment], float | str | None]


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by."""

    words: str
    value: Value
    """What is compared; None stands last, whichever way it is sorted."""
    highest_first: bool = True
    """How it is sorted first: what is most, or what is first by name."""
    up_words: str = "lowest first"
    down_words: str = "highest first"


@dataclass(frozen=True, slots=True)
class Plan:
    """How the operator wants to see the table."""

    text: str = ""
    """The filter, as typed."""
    older: bool = False
    """Finished runs of an agent besides its newest one too."""
    sort: str = NEED
    """A key of ``ORDERS``, or ``NEED``."""
    is_reversed: bool = False
    grouping: Grouping = Grouping.NONE
    folded: frozenset[str] = field(default_factory=frozenset)
    """Keys of headings whose runs are not listed."""

    @property
    def highest_first(self) -> bool:
        """Whether the order goes down."""
        return self.sort != NEED and ORDERS[self.sort].highest_first is not self.is_reversed

    def sorted_by(self, sort: str) -> Plan:
        """By that column; once more turns it round."""
        is_reversed = not self.is_reversed if sort == self.sort and sort != NEED else False
        return replace(self, sort=sort, is_reversed=is_reversed)

    def beside(self, by: int, *, with_hosts: bool) -> Plan:
        """By the column that many to the right; past the ends, by need."""
        every = (NEED, *(name for name in ORDERS if with_hosts or name != HOST))
        place = every.index(self.sort) if self.sort in every else 0
        return replace(self, sort=every[(place + by) % len(every)], is_reversed=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which runs are meant."""

    words: str
    """``all runs``, ``runs that fit "fail"``."""
    runs: tuple[RunState, ...]


def _usage(state: RunState, _picture: Picture, _now: Moment) -> float | None:
    usage = state.progress.usage if state.progress else None
    return usage.input_tokens + usage.output_tokens if usage else None


def _cost(state: RunState, _picture: Picture, _now: Moment) -> float | None:
    usage = state.progress.usage if state.progress else None
    return usage.cost_usd if usage else None


def _eta(state: RunState, _picture: Picture, now: Moment) -> float | None:
    eta = estimate(state, now) if state.status is Status.RUNNING else None
    return eta.left_s if eta else None


def _stage(state: RunState, _picture: Picture, _now: Moment) -> str | None:
    stage = state.progress.stage if state.progress else None
    return f"{stage.index or 0:06} {stage.name.casefold()}" if stage else None


def _step(state: RunState, _picture: Picture, _now: Moment) -> float | None:
    step = state.progress.step if state.progress else None
    return step.completed if step else None


def _cpu(state: RunState, picture: Picture, _now: Moment) -> float | None:
    sample = picture.samples.get(state.id) if state.status in ALIVE else None
    return sample.cpu_percent if sample else None


def _memory(state: RunState, picture: Picture, _now: Moment) -> float | None:
    sample = picture.samples.get(state.id) if state.status in ALIVE else None
    return sample.rss_bytes if sample else None


_PLACE = {status: place for place, status in enumerate(Status)}

ORDERS: dict[str, Order] = {
    "status": Order("state", lambda s, _p, _n: _PLACE[s.status], False, "first to last", "back"),
    HOST: Order("host", lambda s, _p, _n: split_host(s.agent)[0], False, "a to z", "z to a"),
    "agent": Order(
        "agent", lambda s, _p, _n: split_host(s.agent)[1].casefold(), False, "a to z", "z to a"
    ),
    "progress": Order("progress", lambda s, _p, _n: share_of(s)),
    "stage": Order("stage", _stage, False, "first to last", "last to first"),
    "step": Order("steps done", _step),
    "eta": Order("time left", _eta, False, "soonest first", "latest first"),
    "time": Order(
        "time used", lambda s, _p, n: clock_used_s(s, n) if s.started_at is not None else None
    ),
    "retries": Order("retries", lambda s, _p, _n: s.retries),
    "flags": Order("flags", lambda s, _p, _n: s.anomaly_count),
    "cpu": Order("cpu", _cpu),
    "memory": Order("memory", _memory),
    "tokens": Order("tokens", _usage),
    "cost": Order("cost", _cost),
}
"""By the name of a column, in the order of the columns."""


def arrange(picture: Picture, now: Moment, plan: Plan) -> list[Item]:
    """What the table lists, headings included."""
    every = _fitting(picture, plan)
    ordered = _ordered(every, picture, now, plan)
    return list(ordered) if plan.grouping is Grouping.NONE else list(_grouped(ordered, plan))


def matching(picture: Picture, plan: Plan) -> tuple[RunState, ...]:
    """The runs that the filter keeps, folded groups included."""
    return tuple(item for item in _fitting(picture, plan) if isinstance(item, RunState))


def _fitting(picture: Picture, plan: Plan) -> list[RunState | AgentSpec]:
    every, terms = known_items(picture, older=plan.older), wanted.terms(plan.text)
    return [item for item in every if wanted.fits(item, terms)] if terms else every


def known_items(picture: Picture, *, older: bool) -> list[RunState | AgentSpec]:
    """What there is to list: runs, and agents of the configuration that never ran."""
    have_run = {state.agent for state in picture.runs.values()}
    return [
        *shown_runs(picture, older=older),
        *(spec for spec in picture.agents if spec.name not in have_run),
    ]


def _ordered(
    every: Sequence[RunState | AgentSpec], picture: Picture, now: Moment, plan: Plan
) -> list[RunState | AgentSpec]:
    runs = sorted((item for item in every if isinstance(item, RunState)), key=_rank)
    idle = [item for item in every if not isinstance(item, RunState)]
    if plan.sort == NEED:
        return [*runs, *idle]
    value = ORDERS[plan.sort].value
    valued = [(value(state, picture, now), state) for state in runs]
    known = [pair for pair in valued if pair[0] is not None]
    # Stable: equal ones stay in the order of need, whichever way it is turned.
    known.sort(key=lambda pair: pair[0], reverse=plan.highest_first)  # type: ignore[arg-type, return-value]
    unknown = [state for found, state in valued if found is None]
    return [*(state for _, state in known), *unknown, *idle]


def _rank(state: RunState) -> tuple[int, str, str]:
    group = 0 if needs_operator(state) else 1 if state.status not in FINAL else 2
    return group, state.agent, state.id


def _grouped(ordered: Sequence[RunState | AgentSpec], plan: Plan) -> Iterable[Item]:
    places: dict[str, float] = {}
    members: dict[str, list[RunState | AgentSpec]] = {}
    for item in ordered:
        place, label = _group_of(item, plan.grouping)
        places[label] = min(place, places.get(label, place))
        members.setdefault(label, []).append(item)
    for label in sorted(members, key=lambda label: (places[label], label)):
        key = f"{HEADING_PREFIX}{plan.grouping.value}:{label}"
        is_folded = key in plan.folded
        yield Heading(key, label, tuple(members[label]), is_folded)
        if not is_folded:
            yield from members[label]


def _group_of(item: RunState | AgentSpec, grouping: Grouping) -> tuple[float, str]:
    """Where the group stands, and what it is called."""
    if grouping in (Grouping.HOST, Grouping.AGENT):
        name = item.agent if isinstance(item, RunState) else item.name
        return 0.0, split_host(name)[grouping is Grouping.AGENT]
    if isinstance(item, AgentSpec):
        return float("inf"), "idle"
    if grouping is Grouping.STATE:
        asks = 0 if needs_operator(item) else 1
        return asks * 100 + _PLACE[item.status], look_of_run(item).word
    stage = item.progress.stage if item.progress else None
    return (stage.index or 0.0, stage.name) if stage else (1e9, NO_GROUP)


class Arranger:
    """Rows for the table, in an order that is looked at anew once a second at most."""

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._signature: object = None
        self._at: Moment | None = None
        self._items: list[Item] = []
        self.known = 0
        """Runs and agents there are without a filter."""
        self.totals = Totals((), 0, 0.0, 0, 0.0)
        """The line at the top, as old as the order."""

    def rows(self, picture: Picture, now: Moment, plan: Plan) -> Rows:
        """The rows at that instant; who needs the operator moves at once."""
        signature = (
            [state.status for state in picture.runs.values()],
            [len(state.open_requests) for state in picture.runs.values() if state.requests],
            picture.agents,
            picture.samples,
        )
        is_fresh = self._at is not None and 0.0 <= now.mono - self._at.mono < RESORT_S
        if plan != self._plan or signature != self._signature or not is_fresh:
            self._items = arrange(picture, now, plan)
            self.known = len(known_items(picture, older=plan.older))
            self.totals = totals(picture)
            self._plan, self._signature, self._at = plan, signature, now
        runs = picture.runs
        current = [
            runs.get(item.id, item) if isinstance(item, RunState) else item for item in self._items
        ]
        return Rows(picture, now, current)


def plan_words(plan: Plan, shown: int, known: int) -> str:
    """``3 of 50 runs, filter: fail, sorted by cpu, highest first, grouped by stage``."""
    of = (
        f"{shown} of {render.plural(known, 'run')}"
        if shown != known
        else render.plural(known, "run")
    )
    parts = [of]
    if plan.text.strip():
        parts.append(f"filter: {render.clean(plan.text.strip(), 60)}")
    if plan.sort == NEED:
        parts.append("sorted by need")
    else:
        order = ORDERS[plan.sort]
        parts.append(f"sorted by {order.words}")
        parts.append(order.down_words if plan.highest_first else order.up_words)
    if plan.grouping is not Grouping.NONE:
        parts.append(f"grouped by {plan.grouping.value}")
    if plan.older:
        parts.append("older runs too")
    return ", ".join(parts)

"""Rows and totals: what the picture says at one instant, as text that is already clean.

Pure: the instant is an argument, so clocks and estimates can be tested to the second. Must never
invent a figure: what was not declared or cannot be estimated stays empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from supervisor.core.describe import reason_words
from supervisor.core.eta import estimate
from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment, seconds_until
from supervisor.core.progress import Step
from supervisor.core.run import ALIVE, FINAL, Request, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.tui import render
from supervisor.tui.model import (
    Picture,
    Sample,
    needs_operator,
    open_requests,
    shown_runs,
    split_host,
)
from supervisor.tui.theme import Look, look_of, look_of_run

IDLE_PREFIX = "agent:"
"""Row keys of agents that have no run; run ids contain no colon."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    key: str
    run_id: str | None
    agent: str
    look: Look
    needs_me: bool
    share: float | None
    """Of the step being counted, 0 to 1; None when nothing is counted."""
    note: str
    """One honest sentence about now."""
    stage: str = ""
    done: str = ""
    eta: str = ""
    time: str = ""
    retries: str = ""
    flags: str = ""
    cpu: str = ""
    memory: str = ""
    tokens: str = ""
    cost: str = ""
    host: str = ""
    """The machine, where several are shown."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The line at the top."""

    counts: tuple[tuple[Look, int], ...]
    asks: int
    cpu_percent: float
    rss_bytes: int
    cost_usd: float


class Rows(Sequence[Row]):
    """Rows made when they are looked at: of a thousand runs, a screen shows forty."""

    def __init__(
        self, picture: Picture, now: Moment, found: Sequence[RunState | AgentSpec]
    ) -> None:
        self._picture = picture
        self._now = now
        self._found = found
        self._made: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        """One row, or a part of the table that is as lazy as the whole."""
        if isinstance(place, slice):
            return Rows(self._picture, self._now, self._found[place])
        made = self._made.get(place)
        if made is None:
            item = self._found[place]
            if isinstance(item, RunState):
                made = row_of(item, self._picture.samples.get(item.id), self._now)
            else:
                made = idle_row(item)
            self._made[place] = made
        return made

    @property
    def has_hosts(self) -> bool:
        """Whether the rows are of several machines."""
        return bool(self._picture.hosts)

    def key_at(self, place: int) -> str:
        """The key of a row, without making the row."""
        item = self._found[place]
        return item.id if isinstance(item, RunState) else IDLE_PREFIX + item.name

    def place_of(self, key: str | None, fallback: int) -> int:
        """Where the row with ``key`` is now; else the nearest place to ``fallback``."""
        if 0 <= fallback < len(self) and self.key_at(fallback) == key:
            return fallback
        for place in range(len(self) if key is not None else 0):
            if self.key_at(place) == key:
                return place
        return max(0, min(fallback, len(self) - 1))


def rows(picture: Picture, now: Moment, *, older: bool = False, text: str = "") -> Rows:
    """The table: who needs the operator first, then what is not over, then the rest."""
    have_run = {state.agent for state in picture.runs.values()}
    found: list[RunState | AgentSpec] = [
        *sorted(shown_runs(picture, older=older), key=_rank),
        *(spec for spec in picture.agents if spec.name not in have_run),
    ]
    whole = Rows(picture, now, found)
    wanted = text.casefold()
    if not wanted:
        return whole
    kept = [item for item, row in zip(found, whole, strict=True) if wanted in _searchable(row)]
    return Rows(picture, now, kept)


def _rank(state: RunState) -> tuple[int, str, str]:
    group = 0 if needs_operator(state) else 1 if state.status not in FINAL else 2
    return group, state.agent, state.id


def _searchable(row: Row) -> str:
    who = f"{row.host} {row.agent} {row.run_id or ''}"
    return f"{who} {row.look.word} {row.stage} {row.note}".casefold()


def idle_row(spec: AgentSpec) -> Row:
    """An agent of the configuration that has never run."""
    host, agent = split_host(spec.name)
    return Row(
        key=IDLE_PREFIX + spec.name,
        run_id=None,
        agent=render.clean(agent, 64),
        host=render.clean(host, 64),
        look=look_of(None),
        needs_me=False,
        share=None,
        note="never started; s starts it",
    )


def row_of(state: RunState, sample: Sample | None, now: Moment) -> Row:
    """The line of one run."""
    progress, usage = state.progress, state.progress.usage if state.progress else None
    eta = estimate(state, now) if state.status is Status.RUNNING else None
    is_alive = state.status in ALIVE and sample is not None
    host, agent = split_host(state.agent)
    return Row(
        key=state.id,
        run_id=state.id,
        agent=render.clean(agent, 64),
        host=render.clean(host, 64),
        look=look_of_run(state),
        needs_me=needs_operator(state),
        share=share_of(state),
        note=note_of(state, now),
        stage=stage_text(state),
        done=step_text(progress.step, with_unit=False) if progress and progress.step else "",
        eta=render.short_duration(eta.left_s) if eta else "",
        time=_time(state, now),
        retries=f"↻{state.retries}" if state.retries else "",
        flags=f"⚑{state.anomaly_count}" if state.anomaly_count else "",
        cpu=f"{sample.cpu_percent:.0f}%" if is_alive and sample else "",
        memory=render.size(sample.rss_bytes) if is_alive and sample else "",
        tokens=render.count(usage.input_tokens + usage.output_tokens) if usage else "",
        cost=render.cost(usage.cost_usd) if usage and usage.cost_usd else "",
    )


def share_of(state: RunState) -> float | None:
    """How much of the step is completed; 1 for a run that succeeded."""
    if state.status is Status.SUCCEEDED:
        return 1.0
    step = state.progress.step if state.progress else None
    if step is None or step.completed is None or not step.total:
        return None
    return max(0.0, min(1.0, step.completed / step.total))


def _time(state: RunState, now: Moment) -> str:
    if state.started_at is None:
        return ""
    used = render.short_duration(clock_used_s(state, now))
    limit = state.spec.timeout_s
    return f"{used}/{render.short_duration(limit)}" if limit is not None else used


def stage_text(state: RunState) -> str:
    """``extract 2/4``; empty when no stage is declared."""
    stage = state.progress.stage if state.progress else None
    if stage is None:
        return ""
    name = render.clean(stage.name, 60)
    return f"{name} {stage.index}/{stage.total}" if stage.index and stage.total else name


def step_text(step: Step, *, with_unit: bool = True) -> str:
    """``47 of 100 documents``, or ``47/100`` without the unit."""
    if step.completed is None:
        return render.clean(step.name or "", 60)
    unit = f" {render.clean(step.unit, 30)}" if with_unit and step.unit else ""
    done = render.amount(step.completed)
    if not step.total:
        return f"{done}{unit}"
    between = " of " if with_unit else "/"
    return f"{done}{between}{render.amount(step.total)}{unit}"


def note_of(state: RunState, now: Moment) -> str:
    """What happens now, or what it ended with, in one sentence."""
    if state.status is Status.BACKOFF:
        return retry_text(state, now)
    if state.open_requests and state.status not in FINAL:
        first = state.open_requests[0]
        waited = render.duration(now.wall - first.created_at)
        return f"since {waited}: {render.clean(first.title, 120)}"
    if state.status is Status.RUNNING:
        return working_text(state)
    return render.clean(reason_words(state, now), 200)


def working_text(state: RunState) -> str:
    """``extract: 47 of 100 documents``, as far as it is declared."""
    progress = state.progress
    if progress is None:
        return "no progress reported yet"
    step = step_text(progress.step) if progress.step else ""
    stage = render.clean(progress.stage.name, 60) if progress.stage else ""
    stale = f" (stale: {render.clean(state.stale, 80)})" if state.stale else ""
    return (
        ": ".join(part for part in (stage, step) if part) or render.clean(progress.status, 60)
    ) + stale


def retry_text(state: RunState, now: Moment) -> str:
    """``next try in 12 s, 3 of 5 (exit status 3)``."""
    wait = seconds_until(state.next_start, now) if state.next_start else 0.0
    when = f"next try in {render.duration(wait)}" if wait >= 1 else "next try now"
    tries = f", {state.retries_in_row} of {state.spec.retry.max_retries}"
    return f"{when}{tries if state.retries_in_row else ''}: {render.clean(state.reason, 120)}"


def eta_text(state: RunState, now: Moment) -> str:
    """``eta 3 min (at 12 documents/min)``; empty when nothing honest can be said."""
    eta = estimate(state, now) if state.status is Status.RUNNING else None
    if eta is None:
        return ""
    basis = eta.basis if eta.basis.startswith("the ") else f"at {eta.basis}"
    return f"eta {render.duration(eta.left_s)} ({render.clean(basis, 60)})"


def expiry_text(request: Request, now: Moment) -> str:
    """What happens to a request when nobody answers."""
    if request.expires_at is None:
        return "no time limit"
    left = request.expires_at - now.wall
    then = {
        "default": "then its default is taken",
        "deny": "then it is denied",
    }.get(request.on_timeout, "and stays open after that")
    when = f"{render.duration(left)} left" if left > 0 else "its time is over"
    return f"{when}, {then}"


def totals(picture: Picture) -> Totals:
    """Counts by look over what the table shows, and what it all uses."""
    shown = shown_runs(picture, older=False)
    order = {status: place for place, status in enumerate(Status)}
    counted = Counter(map(look_of_run, sorted(shown, key=lambda state: order[state.status])))
    usages = [state.progress.usage for state in shown if state.progress]
    return Totals(
        counts=tuple(counted.items()),
        asks=len(open_requests(picture)),
        cpu_percent=sum(sample.cpu_percent for sample in picture.samples.values()),
        rss_bytes=sum(sample.rss_bytes for sample in picture.samples.values()),
        cost_usd=sum(usage.cost_usd for usage in usages if usage),
    )

"""The rows of the table: runs, agents that never ran, headings; as text that is already clean.

Pure. Owns that a row is only made when it is looked at: of a thousand runs a screen shows forty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from supervisor.core.eta import estimate
from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.tui import keys, render, view
from supervisor.tui.model import Picture, Sample, needs_operator, split_host
from supervisor.tui.theme import TEXT, Look, look_of, look_of_run
from supervisor.tui.trend import NO_TREND, Trend

IDLE_PREFIX = "agent:"
"""Row keys of agents that have no run; run ids contain no colon."""
HEADING_PREFIX = "group:"
"""Row keys of headings."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A line above the runs of one group."""

    key: str
    label: str
    """As an agent may have written it: cleaned where it is shown."""
    members: tuple[RunState | AgentSpec, ...]
    is_folded: bool


Item = RunState | AgentSpec | Heading


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
    beside: str = ""
    """The same where stage and step have columns of their own."""
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
    is_late: bool = False
    """Little is left of its time limit."""
    trend: Trend = NO_TREND
    is_heading: bool = False
    host: str = ""
    """The machine, where several are shown."""


class Rows(Sequence[Row]):
    """Rows made when they are looked at: of a thousand runs, a screen shows forty."""

    def __init__(self, picture: Picture, now: Moment, found: Sequence[Item]) -> None:
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
                trend = self._picture.trends.get(item.id, NO_TREND)
                made = row_of(item, self._picture.samples.get(item.id), self._now, trend)
            elif isinstance(item, Heading):
                made = heading_row(item, self._picture)
            else:
                made = idle_row(item)
            self._made[place] = made
        return made

    def heading_at(self, place: int) -> Heading | None:
        """The heading in that row, if it is one."""
        item = self._found[place] if 0 <= place < len(self._found) else None
        return item if isinstance(item, Heading) else None

    def heading_over(self, place: int) -> Heading | None:
        """The heading that row stands under, or is."""
        above = (self.heading_at(at) for at in range(min(place, len(self) - 1), -1, -1))
        return next((heading for heading in above if heading is not None), None)

    @property
    def run_count(self) -> int:
        """Runs and agents, those under folded headings too."""
        return sum(
            (len(item.members) if item.is_folded else 0) if isinstance(item, Heading) else 1
            for item in self._found
        )

    @property
    def has_hosts(self) -> bool:
        """Whether the rows are of several machines."""
        return bool(self._picture.hosts)

    def key_at(self, place: int) -> str:
        """The key of a row, without making the row."""
        item = self._found[place]
        if isinstance(item, RunState):
            return item.id
        return item.key if isinstance(item, Heading) else IDLE_PREFIX + item.name

    def place_of(self, key: str | None, fallback: int) -> int:
        """Where the row with ``key`` is now; else the nearest place to ``fallback``."""
        if 0 <= fallback < len(self) and self.key_at(fallback) == key:
            return fallback
        for place in range(len(self) if key is not None else 0):
            if self.key_at(place) == key:
                return place
        return max(0, min(fallback, len(self) - 1))


def heading_row(heading: Heading, picture: Picture) -> Row:
    """The line of a group: how many, in which states, and what they use together."""
    runs = [item for item in heading.members if isinstance(item, RunState)]
    alive = [run.id for run in runs if run.status in ALIVE]
    samples = [picture.samples[run_id] for run_id in alive if run_id in picture.samples]
    usages = [run.progress.usage for run in runs if run.progress and run.progress.usage]
    tokens = sum(usage.input_tokens + usage.output_tokens for usage in usages)
    cost_usd = sum(usage.cost_usd for usage in usages)
    counts = Counter(look_of_run(run) for run in runs)
    # Grouped by state, the heading says it already.
    told = [] if [look.word for look in counts] == [heading.label] else counts.most_common()
    words = [f"{look.glyph} {number} {look.word}" for look, number in told]
    return Row(
        key=heading.key,
        run_id=None,
        agent=f"{render.clean(heading.label, 64)}  {len(heading.members)}",
        look=Look("▸" if heading.is_folded else "▾", "", TEXT, ""),
        needs_me=any(map(needs_operator, runs)) and heading.is_folded,
        share=None,
        note="   ".join(words),
        retries=_marked("↻", sum(run.retries for run in runs)),
        flags=_marked("⚑", sum(run.anomaly_count for run in runs)),
        cpu=f"{sum(sample.cpu_percent for sample in samples):.0f}%" if samples else "",
        memory=render.size(sum(sample.rss_bytes for sample in samples)) if samples else "",
        tokens=render.count(tokens) if tokens else "",
        cost=render.cost(cost_usd) if cost_usd else "",
        is_heading=True,
    )


def _marked(mark: str, number: int) -> str:
    return f"{mark}{number}" if number else ""


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
        note=f"never started; {keys.hint('run.start')} starts it",
    )


def row_of(state: RunState, sample: Sample | None, now: Moment, trend: Trend = NO_TREND) -> Row:
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
        share=view.share_of(state),
        note=view.note_of(state, now),
        beside=view.beside_of(state, now),
        stage=view.stage_text(state),
        done=view.done_text(progress.step) if progress and progress.step else "",
        eta=view.short_eta(eta) if eta else "",
        time=view.time_text(state, now),
        retries=_marked("↻", state.retries),
        flags=_marked("⚑", state.anomaly_count),
        cpu=f"{sample.cpu_percent:.0f}%" if is_alive and sample else "",
        memory=render.size(sample.rss_bytes) if is_alive and sample else "",
        tokens=render.count(usage.input_tokens + usage.output_tokens) if usage else "",
        cost=render.cost(usage.cost_usd) if usage and usage.cost_usd else "",
        is_late=bool(view.late_text(state, now)),
        trend=trend if is_alive else NO_TREND,
    )

"""The figures of this project: counted as events are stored, kept in ``state.db``.

Owns what was counted and not stored yet. Everything here is derived: where the tables are missing
the log is folded again, a page at a time beside the work, and nothing ever waits for it. A disk
that takes nothing costs no figure, only memory: counting goes on.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from supervisor.config.defaults import (
    METRICS_DAYS_AFTER_H,
    METRICS_FLUSH_INTERVAL_S,
    METRICS_RETENTION_H,
)
from supervisor.core.events import Recorded
from supervisor.core.facts import Fact, Noticed
from supervisor.core.figures import HOUR_S, Figures, merged
from supervisor.core.metrics import Key, Ledger
from supervisor.core.metrics_report import Piece
from supervisor.core.moment import Moment
from supervisor.core.record import RecordError, canonical, from_plain
from supervisor.core.run import Anomaly
from supervisor.core.spikes import Book, Terms, Watched, see
from supervisor.engine.runs import Runs
from supervisor.engine.specs import Specs
from supervisor.store import reading
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.metrics_table import Addition, MetricsTable

SPIKE = "retry-spike"
"""Kind of the anomaly."""
PAGE = 1_000
"""Events read at once while counting catches up: some 20 ms of a thread."""
PAGE_PAUSE_S = 0.02
"""Between two pages, so that a log of a month is read beside the work and not before it."""


@dataclass(frozen=True, slots=True)
class _Flown:
    """What was handed to the tables last."""

    seq: int
    figures: dict[Key, Figures]


class Metrics:
    """One per engine; ``recover`` before anything is seen, then ``follow`` as a round."""

    def __init__(
        self,
        log: SqliteEventLog,
        runs: Runs,
        clock: Callable[[], Moment],
        specs: Specs,
        feed: Callable[[str, Fact], object],
    ) -> None:
        self._specs = specs
        self._feed = feed
        self._book: Book = {}
        """What is usual of each agent."""
        self._log = log
        self._runs = runs
        self._clock = clock
        self._table = MetricsTable(log.database)
        self._ledger = Ledger(state_of=runs.published_state)
        self._seq = 0
        self._is_live = False
        """Whether ``see`` counts; until then the stored log is read up to its end."""
        self._flown = _Flown(0, {})
        self.since: float | None = None
        """Unix seconds of the first event counted; None before there was one."""
        self.totals: dict[str, Figures] = {}
        """Everything ever counted, by agent."""

    @property
    def is_behind(self) -> bool:
        """Whether stored events are not counted yet."""
        return not self._is_live

    async def recover(self) -> None:
        """Go on from what is stored, or begin anew when there is nothing of use."""
        kept = await self._table.load()
        if kept is None or kept.seq > self._log.last_seq:
            await self._table.reset()
            return
        self._seq, self.since = kept.seq, kept.since
        self._book = _book_of(kept.record)
        self._ledger = Ledger(kept.tallies, self._runs.published_state)
        self.totals = await self._table.totals()
        if self._log.durable_seq - self._seq <= PAGE:
            await self._catch_up()

    def see(self, recorded: Recorded) -> None:
        """Count a stored event, in the order of the log."""
        if self._is_live and recorded.seq > self._seq:
            self._count(recorded)

    async def follow(self) -> None:
        """Catch up, then store what was counted again and again."""
        await self._catch_up()
        while True:
            await self.flush()
            await self._compact()
            window_s = self._specs.metrics.spike_window
            await asyncio.sleep(min(METRICS_FLUSH_INTERVAL_S, max(1.0, window_s / 4)))

    async def flush(self) -> None:
        """Store what was counted; waits as long as nothing can be stored."""
        figures, tallies = self._ledger.take()
        if not figures and not tallies and self._seq == self._flown.seq:
            return
        lately: dict[str, Figures] = {}
        for (agent, _hour), more in figures.items():
            self.totals.setdefault(agent, Figures()).add(more)
            lately.setdefault(agent, Figures()).add(more)
        if self._is_live:
            self._look_for_spikes(lately)
        self._flown = _Flown(self._seq, figures)
        records = {run_id: canonical(t) if t else None for run_id, t in tallies.items()}
        addition = Addition(self._seq, self.since, canonical(self._book), figures, records)
        was_there = await self._table.add(addition)
        if not was_there and self._ledger.tallies:
            await self._store_all()

    async def pieces(self, first: int, end: int, agent: str = "") -> list[Piece]:
        """Figures of the hours [first, end), those of this moment and of open waits included."""
        seq, pieces = await self._table.span(first, end, agent)
        unstored = [self._ledger.counted, self._ledger.standing(self._clock())]
        if self._flown.seq > seq:
            unstored.append(self._flown.figures)
        for figures in unstored:
            pieces += [
                Piece(name, hour, 1, merged([more]))  # A copy: they are added up in a thread.
                for (name, hour), more in figures.items()
                if first <= hour < end and agent in ("", name)
            ]
        return pieces

    def total_of_all_time(self) -> dict[str, Figures]:
        """By agent, with what is not stored yet and with open waits up to now."""
        found: dict[str, Figures] = {}
        for agent, figures in self.totals.items():
            found.setdefault(agent, Figures()).add(figures)
        for pieces in (self._ledger.counted, self._ledger.standing(self._clock())):
            for (agent, _hour), figures in pieces.items():
                found.setdefault(agent, Figures()).add(figures)
        return found

    def _count(self, recorded: Recorded) -> None:
        self._seq = recorded.seq
        if self.since is None:
            self.since = recorded.at.wall
        self._ledger.see(recorded)

    async def _catch_up(self) -> None:
        """Read the stored log up to its end; from then on ``see`` counts."""
        while not self._is_live:
            if self._seq >= self._runs.published_seq:
                self._is_live = True
                return
            read = partial(reading.history, since=self._seq, limit=PAGE)
            page = await self._log.database.read_aside(read)
            for recorded in page:
                self._count(recorded)
            if not page:  # Only what holds the place of events that were given up.
                self._seq = min(self._seq + PAGE, self._runs.published_seq)
            if len(page) == PAGE:
                await self.flush()
                await asyncio.sleep(PAGE_PAUSE_S)

    def _look_for_spikes(self, lately: dict[str, Figures]) -> None:
        """Flag what is unusual on the newest living run of the agent."""
        settings, now = self._specs.metrics, self._clock().wall
        terms = Terms(settings.spike_window, settings.spike_factor, settings.spike_minimum)
        for agent, figures in lately.items():
            for spike in see(self._book, agent, figures, now, terms):
                living = [state.id for state in self._runs.active() if state.agent == agent]
                if living:
                    name = f"{SPIKE}:{spike.key}"
                    words = spike.message
                    anomaly = Anomaly(name, SPIKE, "warning", words, now, "longwatch")
                    self._feed(max(living), Noticed(anomaly))

    async def _store_all(self) -> None:
        """The file is a new one: it has to hold every tally."""
        records: dict[str, str | None] = {
            run_id: canonical(tally) for run_id, tally in self._ledger.tallies.items()
        }
        await self._table.add(Addition(self._seq, self.since, canonical(self._book), {}, records))

    async def _compact(self) -> None:
        now_h = int(self._clock().wall // HOUR_S)
        await self._table.compact(now_h - METRICS_DAYS_AFTER_H, now_h - METRICS_RETENTION_H)


def _book_of(record: str) -> Book:
    """What is usual, as it was stored; anything else is no history yet."""
    try:
        return {
            agent: {what: from_plain(Watched, one) for what, one in found.items()}
            for agent, found in json.loads(record).items()
        }
    except (RecordError, ValueError, AttributeError):
        return {}

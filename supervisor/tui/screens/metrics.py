"""What came of the work: completions, durations, retries, waiting, tokens and money over time."""

from __future__ import annotations

import time
from typing import Any

from textual.app import ComposeResult
from textual.containers import Container

from supervisor.core.text import safe_text
from supervisor.tui import keys, metric_plots, place_keys, plots, render
from supervisor.tui.metric_plots import PERIODS
from supervisor.tui.model import HOST_MARK
from supervisor.tui.render import Part, line
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.theme import ASK, MUTED, STRONG, TEXT
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines

REFRESH_S = 5.0
"""The newest hour grows before one's eyes."""
DAYS_REFRESH_S = 60.0
"""Days move slowly, and a month of many agents is a second of work for the engine."""
WIDE_CELLS = 120
"""From here on three plots stand side by side."""
GAP_CELLS = 2


class MetricsScreen(PlaceScreen):
    """Six plots; the keys choose whose, and how far back."""

    CSS_PATH = "metrics.tcss"
    SCOPE = place_keys.METRICS
    BINDINGS = keys.bindings(SCOPE)
    REFRESH_S = REFRESH_S

    def __init__(self, agent: str | None = None) -> None:
        """``agent``: whose to begin with; None is all of them."""
        super().__init__()
        self._agent = agent
        self._period = 0
        self._said: dict[str, Any] | None = None
        self._starts: list[float] = []
        self._loaded_at = 0.0
        """Unix seconds when the engine was asked last."""
        self._words = OneLine(id="words")
        self._plots = [Lines(id=f"plot-{number}", classes="plot") for number in range(6)]

    def body(self) -> ComposeResult:
        """The period in words, and the plots."""
        yield self._words
        yield Container(*self._plots, id="plots")

    def _load_in_view(self) -> None:
        is_due = self._now is None or self._now.wall - self._loaded_at >= DAYS_REFRESH_S
        if is_due or PERIODS[self._period].by == "hour":
            super()._load_in_view()

    def load(self) -> None:
        """Ask for the chosen period of the chosen agent."""
        if self._now is None:
            return
        self._loaded_at = self._now.wall
        period, now = PERIODS[self._period], self._now.wall
        offset = float(time.localtime(now).tm_gmtoff)
        starts = metric_plots.starts_of(period, now, offset)
        host, agent = self._of_whom()
        params: dict[str, Any] = {"since": starts[0], "by": [period.by], "utc_offset_s": offset}
        if agent:
            params["agent"] = agent
        if host:
            params["host"] = host
        wanted = (self._agent, self._period)
        self.ask("metrics", lambda said: self._take(wanted, starts, said), **params)

    def _take(self, wanted: tuple[str | None, int], starts: list[float], said: Any) -> None:
        if wanted == (self._agent, self._period):  # Another choice may have been made meanwhile.
            self._said, self._starts = said, starts
            self.draw()

    def _of_whom(self) -> tuple[str, str]:
        """Machine and agent that are asked about; of several machines the first to begin with."""
        hosts = [host.name for host in self._picture.hosts]
        if not hosts:
            return "", self._agent or ""
        chosen = self._agent or hosts[0] + HOST_MARK
        host, _, agent = chosen.partition(HOST_MARK)
        return host, agent

    def _choices(self) -> list[str | None]:
        """All, then each agent; where there are several machines, all of each of them."""
        names = {spec.name for spec in self._picture.agents}
        names |= {state.agent for state in self._picture.runs.values()}
        everything: list[str | None] = [host.name + HOST_MARK for host in self._picture.hosts]
        return [*(everything or [None]), *sorted(names)]

    def draw(self) -> None:
        """Head, words and plots."""
        self.set_class(self.size.width >= WIDE_CELLS, "-wide")
        period = PERIODS[self._period]
        host, agent = self._of_whom()
        whose = safe_text(agent, limit=60) if agent else "all agents"
        where = f" on {safe_text(host, limit=60)}" if host else ""
        head = [(" metrics", STRONG), (f"   {whose}{where}", TEXT)]
        self._head.set_content(line(*head, (f"   the last {period.name}", MUTED), self._warning()))
        if self._said is None:
            self._words.set_content(line(("  asking the engine …", MUTED)))
            return
        self._draw_words(self._said["total"])
        buckets = metric_plots.by_bucket(self._said["rows"], self._starts)
        for widget, plot in zip(
            self._plots, metric_plots.plots_of(buckets, self._said["total"]), strict=True
        ):
            size = (widget.size.width - GAP_CELLS, widget.size.height)
            widget.set_lines(plots.draw(plot, self._starts, size) if size[1] > 0 else [])

    def _warning(self) -> Part:
        said = self._said
        if said is None:
            return "", ""
        if said.get("is_behind"):
            return "   ▲ the log is still being counted", ASK
        known = said.get("known_since")
        if self._starts and known is not None and known > self._starts[1]:
            return f"   counted since {time.strftime('%b %d %H:%M', time.localtime(known))}", MUTED
        return "", ""

    def _draw_words(self, total: dict[str, Any]) -> None:
        parts: list[Part] = []
        room = self.size.width - 2
        for piece in metric_plots.words_of(total):
            cells = sum(render.cells(text) for text, _ in piece) + 3
            if cells > room:
                break
            room -= cells
            parts += [("   " if parts else " ", ""), *piece]
        self._words.set_content(line(*parts))

    def action_period(self) -> None:
        """The next longer period, then the shortest again."""
        self._period = (self._period + 1) % len(PERIODS)
        self._changed()

    def action_agent(self, by: int) -> None:
        """The next agent, or the one before; after the last one all of them."""
        choices = self._choices()
        if not choices:
            return
        at = choices.index(self._agent) if self._agent in choices else 0
        self._agent = choices[(at + by) % len(choices)]
        self._changed()

    def _changed(self) -> None:
        self.say()
        self.draw()
        self.load()

"""The dashboard as it was: read only, stepped through by event, by minute, by what matters.

What is shown comes from the engine's fold of its log up to a moment; this screen changes nothing,
and none of the keys that act on runs work here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from textual.app import ComposeResult
from textual.geometry import Size
from textual.widgets import Input

from supervisor.config.when import FORMS, WhenError, parse_when
from supervisor.core.describe import describe
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.record import RecordError, from_plain, recorded_from_plain
from supervisor.tui import event_rows, keys, model, place_keys, render
from supervisor.tui.arrange import Plan, arrange
from supervisor.tui.model import Picture
from supervisor.tui.render import line
from supervisor.tui.rows import Rows
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.theme import ASK_BADGE, BAD, FAINT, MUTED, STRONG, TEXT
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.detail import Detail
from supervisor.tui.widgets.run_table import RunTable


class PastScreen(PlaceScreen):
    """Table and detail pane of a moment."""

    CSS_PATH = "past.tcss"
    SCOPE = place_keys.PAST
    BINDINGS = keys.bindings(SCOPE)
    AUTO_FOCUS = ""
    IS_PAST = True

    def __init__(self, seq: int | None, wall: float | None, host: str = "") -> None:
        """As of an event, else as of a Unix time; neither: a minute ago."""
        super().__init__()
        self._host = host
        self._start: dict[str, Any] | None = {"seq": seq} if seq is not None else None
        if wall is not None:
            self._start = {"at": wall}
        self._then = Picture()
        self._moment: Moment | None = None
        self._drawn: tuple[Picture, Size] | None = None
        """What stands below the head: it does not change while time goes on."""
        self._event: Recorded | None = None
        self._event_agent = ""
        self._ends = (0, 0)
        self._unknown = 0
        self._is_busy = False
        self._what = OneLine(id="what")
        self._table = RunTable(id="runs")
        self._detail = Detail(id="detail")
        self._go = Input(placeholder=f"go to: {FORMS}", id="go")

    def body(self) -> ComposeResult:
        """What happened last, the table, the marked run."""
        yield self._what
        yield self._table
        yield self._go
        yield self._detail

    def load(self) -> None:
        """The moment that was asked for."""
        if self._moment is None:
            self._see(**(self._start or {"at": self.now_wall() - 60.0}))

    def _see(self, **place: Any) -> None:
        """Ask for another moment; one question at a time, so held keys cost one answer each."""
        if self._is_busy:
            return
        self._is_busy = True
        self.ask("past", self._take, **place, **self.where())

    def refused(self, words: str) -> None:
        """Say it and stay where it is."""
        self._is_busy = False
        super().refused(words)

    def _take(self, said: Mapping[str, Any]) -> None:
        self._is_busy = False
        try:
            self._then = model.from_snapshot(said, Picture(link=model.Link.LIVE))
            self._moment = from_plain(Moment, said["now"])
            self._event = recorded_from_plain(said["event"])
        except (RecordError, KeyError) as error:
            self.refused(f"cannot be read: {error}")
            return
        self._event_agent = str(said.get("agent") or "")
        self._ends = int(said.get("first", 0)), int(said.get("last", 0))
        self._unknown = int(said.get("unknown", 0))
        self.say()
        self.draw()
        if self._start is not None:
            self._start = None
            self._table.select(self._event.run_id)

    def draw(self) -> None:
        """Banner, table and detail."""
        now, event = self._moment, self._event
        if now is None or event is None:
            self._head.set_content(line((" asking the engine …", MUTED)))
            return
        self._draw_head(now, event)
        drawn = (self._then, self.size)
        if self._drawn is not None and drawn[0] is self._drawn[0] and drawn[1] == self._drawn[1]:
            return
        self._drawn = drawn
        glyph, style = event_rows.look_of(event.event)
        who = render.clean(self._event_agent or ("engine" if not event.run_id else "?"), 40)
        words = (f"{glyph} {describe(event.event)}", style)
        unknown = f"   ({self._unknown} older runs are forgotten)" if self._unknown else ""
        self._what.set_content(line((f" {who}  ", STRONG), words, (unknown, FAINT)))
        self._table.set_rows(Rows(self._then, now, arrange(self._then, now, Plan())))
        self._draw_detail()

    def _draw_head(self, now: Moment, event: Recorded) -> None:
        when = time.strftime("%a %Y-%m-%d %H:%M:%S", time.localtime(now.wall))
        ago = render.duration(self.now_wall() - now.wall)
        parts = [
            (" ◀ THE PAST ", ASK_BADGE),
            (f"  {when}", STRONG),
            (f"  {ago} ago", TEXT),
            (f"   event {event.seq:,} of {self._ends[1]:,}", MUTED),
            ("   read only", MUTED),
        ]
        self._head.set_content(line(*parts, self.machine_part()))

    def _draw_detail(self) -> None:
        row, now = self._table.selected, self._moment
        if row is None or now is None:
            self._detail.show(None, None, now or Moment(0.0, 0.0, ""))
        elif row.run_id is None:
            self._detail.show_idle(row.agent, "it had not run yet")
        else:
            self._detail.show(self._then.runs.get(row.run_id), None, now)

    def on_run_table_selected(self) -> None:
        """Another run is marked."""
        self._draw_detail()

    # -- stepping -------------------------------------------------------------------------------

    def action_step(self, by: int) -> None:
        """To the next event, or the one before."""
        if self._event is None:
            return
        if by < 0:
            self._see(seq=max(0, self._event.seq - 1))
        else:
            self._find(after=self._event.seq)

    def action_minutes(self, by: int) -> None:
        """So many minutes on."""
        if self._moment is not None:
            self._see(at=min(self._moment.wall + 60.0 * by, self.now_wall()))

    def action_stop_at(self, by: int) -> None:
        """To where something happened that matters, forward or back."""
        if self._event is None:
            return
        if by < 0:
            self._find(before=self._event.seq, interesting=True)
        else:
            self._find(after=self._event.seq, interesting=True)

    def _find(self, **place: Any) -> None:
        """Look for an event, then go there."""
        if self._is_busy:
            return
        self._is_busy = True
        interesting = bool(place.get("interesting"))

        def taken(page: Mapping[str, Any]) -> None:
            self._is_busy = False
            events = page.get("events") or ()
            if events:
                self._see(seq=events[0]["seq"])
            elif page.get("next") is not None:
                way = "before" if "before" in place else "after"
                self._find(**{way: page["next"]}, interesting=interesting)
            else:
                back = "before" in place
                self.say((f" nothing {'earlier' if back else 'later'} that fits", MUTED))

        self.ask("events", taken, **place, limit=1, **self.where())

    def action_go_to(self) -> None:
        """Open the field for a time."""
        self._go.display = True
        self._go.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go there."""
        self._close_input()
        if not event.value.strip():
            return
        try:
            self._see(**parse_when(event.value, self.now_wall()).params())
        except WhenError as error:
            self.say((f" {render.clean(error)}", BAD))

    def _close_input(self) -> None:
        self._go.display = False
        self.set_focus(None)

    # -- moving in the table --------------------------------------------------------------------

    def action_up(self) -> None:
        """One run up."""
        self._table.move(-1)

    def action_down(self) -> None:
        """One run down."""
        self._table.move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._table.move(-self._table.page)

    def action_page_down(self) -> None:
        """One page down."""
        self._table.move(self._table.page)

    def action_top(self) -> None:
        """The first run."""
        self._table.move_to(0)

    def action_bottom(self) -> None:
        """The last run."""
        self._table.move_to(len(self._table.rows) - 1)

    def action_back(self) -> None:
        """Close the field, else back to now."""
        if self._go.display:
            self._close_input()
        else:
            self.dismiss()

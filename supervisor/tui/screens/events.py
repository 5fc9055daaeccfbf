"""Everything that happened: a page of the event log at a time, filtered where the log is.

A log of a million events is never loaded: the window holds some hundred around what is looked at,
and more is asked for when the mark comes near an end of it.
"""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.widgets import Input

from supervisor.config.when import FORMS, WhenError, parse_when
from supervisor.core.event_kinds import GROUPS
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.tui import event_rows, keys, place_keys, render
from supervisor.tui.event_rows import Window
from supervisor.tui.model import Picture
from supervisor.tui.render import line
from supervisor.tui.screens.past import PastScreen
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.theme import ASK, BAD, MUTED, RUN, STRONG, TEXT
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines

PAGE = 300
"""Events asked for at once."""
MARGIN = 60
"""Marked this near to an end of what is loaded, more of it is asked for."""
ENOUGH = 60
"""With fewer events than this, a search goes on by itself."""


class EventsScreen(PlaceScreen):
    """The list of events, the marked one in full below."""

    CSS_PATH = "events.tcss"
    SCOPE = place_keys.EVENTS
    BINDINGS = keys.bindings(SCOPE)
    AUTO_FOCUS = ""

    def __init__(self, run_id: str | None = None, agent: str | None = None) -> None:
        """``run_id``: only of this run, until the operator wants all."""
        super().__init__()
        self._run = run_id
        self._run_agent = agent or ""
        self._text = ""
        self._kinds: tuple[str, ...] = ()
        self._window = Window()
        self._follows = True
        self._asked = 0
        """Counts questions: an answer to an older one is passed over."""
        self._is_busy = False
        self._is_loaded = False
        self._drawn: Window | None = None
        """What the list holds: a thousand lines are made anew only when there are others."""
        self._made: event_rows.Made = {}
        self._may_ask_newer = False
        """Once for each picture: what is told may not be stored yet, and is asked for again."""
        self._looked_back_to: int | None = None
        self._groups = OneLine(id="groups")
        self._detail = Lines(id="detail-lines")
        self._input = Input(placeholder="find: words, or an agent's name", id="find")
        self._go = Input(placeholder=f"go to: {FORMS}", id="go")

    def body(self) -> ComposeResult:
        """Groups, list, the marked event."""
        yield self._groups
        yield self._list
        yield self._input
        yield self._go
        yield self._detail

    # -- asking ---------------------------------------------------------------------------------

    def _wanted(self) -> dict[str, Any]:
        wanted = {"run": self._run, "kinds": list(self._kinds), "text": self._text}
        return {**{name: value for name, value in wanted.items() if value}, **self.where()}

    def _page(self, taken: Any, **place: Any) -> None:
        self._asked += 1
        self._is_busy = True
        number = self._asked

        def guarded(said: dict[str, Any]) -> None:
            if number == self._asked:
                self._is_busy = False
                taken(said)
                self.draw()

        self.ask("events", guarded, **self._wanted(), **place, limit=PAGE)

    def load(self) -> None:
        """From the end, anew."""
        self._follows = True
        self._looked_back_to = None
        self._made.clear()  # Another machine numbers its own events.
        self._page(self._take_newest)

    def _take_newest(self, page: dict[str, Any]) -> None:
        self._is_loaded = True
        self._window = event_rows.newest(page)
        self._list.chosen = str(self._window.events[-1].seq) if self._window.events else None
        self._search_on()

    def _take_older(self, page: dict[str, Any]) -> None:
        self._window = event_rows.with_older(self._window, page)
        if self._list.chosen is None and self._window.events:
            self._list.chosen = str(self._window.events[-1].seq)
        self._search_on()

    def _search_on(self) -> None:
        """Go on looking back until there is a screenful, a bounded look after the other."""
        older = self._window.older
        self._looked_back_to = older
        if older is not None and len(self._window.events) < ENOUGH:
            self._page(self._take_older, before=older)

    def _take_newer(self, page: dict[str, Any]) -> None:
        self._window = event_rows.with_newer(self._window, page)
        if self._follows and self._window.events:
            self._list.chosen = str(self._window.events[-1].seq)

    def refused(self, words: str) -> None:
        """Say it; the next picture tries again."""
        super().refused(words)
        self._is_busy = False

    def _ask_for_more(self) -> None:
        """When the mark comes near an end of what is loaded."""
        if self._is_busy or not self._is_loaded:
            return
        window = self._window
        seqs = [recorded.seq for recorded in window.events]
        place = seqs.index(int(self._list.chosen)) if self._list.chosen else 0
        if place < MARGIN and window.older is not None:
            self._page(self._take_older, before=window.older)
        elif place >= len(seqs) - MARGIN and self._may_have_newer():
            if window.newer is None and not self._may_ask_newer:
                return
            self._may_ask_newer = False
            self._page(self._take_newer, after=self._newest_looked_at())

    def _may_have_newer(self) -> bool:
        if self.host_seq() > self._window.last:
            return True
        return self._window.newer is not None

    def _newest_looked_at(self) -> int:
        if self._window.newer is not None:
            return self._window.newer
        # All up to there was looked at already, whether it fitted or not.
        return self._window.last

    # -- drawing --------------------------------------------------------------------------------

    def show(self, picture: Picture, now: Moment) -> None:
        """A new picture: there may be newer events."""
        self._may_ask_newer = True
        super().show(picture, now)

    def draw(self) -> None:
        """Head, groups, list and detail."""
        self._draw_head()
        self._groups.set_content(event_rows.kind_parts(self._kinds, self.size.width))
        if self._window is not self._drawn or not self._window.events:
            self._fill()
        self._draw_detail()
        self._ask_for_more()

    def _fill(self) -> None:
        self._drawn = self._window
        rows = list(event_rows.rows(self._window, self._made))
        if not rows:
            is_asking = self._is_busy or not self._is_loaded
            words = "  asking the engine …" if is_asking else "  no event fits"
            rows = [("", line((words, MUTED)))]
        self._list.fill(rows)
        if self._list.chosen is not None:
            self._list.choose(self._list.chosen)

    def _draw_head(self) -> None:
        window = self._window
        state = ("   live", RUN) if self._follows else ("   stands still", ASK)
        parts = [(" events", STRONG), (f"   {window.last:,}", TEXT), state]
        if self._run:
            parts.append((f"   only {render.clean(self._run_agent, 40)} {self._run[-4:]}", ASK))
        if self._text:
            parts.append((f"   with {render.clean(self._text, 40)!r}", ASK))
        if self._is_busy and self._looked_back_to and self._text:
            parts.append((f"   looking … back to event {self._looked_back_to:,}", MUTED))
        if window.first > 1:
            parts.append((f"   begins with event {window.first:,}", MUTED))
        self._head.set_content(line(*parts, self.machine_part()))

    def marked(self) -> Recorded | None:
        """The event under the mark."""
        key = self._list.chosen
        return next((item for item in self._window.events if str(item.seq) == key), None)

    def _draw_detail(self) -> None:
        recorded = self.marked()
        width = max(30, self._detail.size.width - 1)
        lines = event_rows.detail(self._window, recorded, width) if recorded else []
        self._detail.set_lines(lines)
        self._detail.scroll_to(y=0, animate=False)
        self._detail.refresh()

    def on_pick_list_chosen(self) -> None:
        """Another event is marked."""
        events = self._window.events
        is_last = bool(events) and str(events[-1].seq) == self._list.chosen
        self._follows = is_last and not self._may_have_newer()
        self._draw_head()
        self._draw_detail()
        self._ask_for_more()

    # -- actions --------------------------------------------------------------------------------

    def action_option(self, number: int) -> None:
        """Show this group (0 is the tenth), or no longer this group alone."""
        group = list(GROUPS)[number - 1]
        others = tuple(item for item in self._kinds if item != group)
        self._kinds = others if group in self._kinds else (*others, group)
        self.load()

    def action_one_run(self) -> None:
        """Only what happened to the run of the marked event; again for all."""
        recorded = self.marked()
        if self._run is not None:
            self._run = None
        elif recorded is not None and recorded.run_id:
            self._run = self.qualified(recorded.run_id)
            self._run_agent = event_rows.agent_of(self._window, recorded)
        else:
            self.say((" this event is of no run", MUTED))
            return
        self.load()

    def action_find(self) -> None:
        """Open the search."""
        self._input.display = True
        self._input.focus()

    def action_go_to(self) -> None:
        """Open the field for a time."""
        self._go.display = True
        self._go.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for it, or go there."""
        self._close_inputs()
        if event.input is self._input:
            self._text = event.value.strip()
            self.load()
        elif event.value.strip():
            self._jump(event.value)

    def _close_inputs(self) -> None:
        self._input.display = self._go.display = False
        self.set_focus(None)

    def _jump(self, text: str) -> None:
        try:
            when = parse_when(text, self.now_wall())
        except WhenError as error:
            self.say((f" {render.clean(error)}", BAD))
            return
        self._follows = False
        before = {"before": when.seq + 1} if when.seq is not None else {"before_at": when.wall}

        def taken(page: dict[str, Any]) -> None:
            self._window = event_rows.newest(page)
            events = self._window.events
            self._list.chosen = str(events[-1].seq) if events else None
            newer = events[-1].seq if events else 0
            self._page(self._take_newer, after=newer)

        self._page(taken, **before)

    def action_past(self) -> None:
        """The dashboard as it was after the marked event."""
        recorded = self.marked()
        if recorded is not None:
            self.app.push_screen(PastScreen(recorded.seq, None, self.where().get("host", "")))

    def action_bottom(self) -> None:
        """The end of the log, whatever is loaded."""
        if self._window.newer is not None:
            self.load()
        else:
            super().action_bottom()

    def action_back(self) -> None:
        """Close a field, then what is looked for, then the screen."""
        if self._input.display or self._go.display:
            self._close_inputs()
        elif self._text:
            self._text, self._input.value = "", ""
            self.load()
        else:
            self.dismiss()

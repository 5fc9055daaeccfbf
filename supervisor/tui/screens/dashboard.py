"""The first screen: what runs, how far is it, what needs me."""

from __future__ import annotations

from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import Input

from supervisor.core.moment import Moment
from supervisor.core.run import RunState
from supervisor.tui import arrange, keys, render, rows
from supervisor.tui.arrange import Arranger, Plan, Scope
from supervisor.tui.messages import LogWanted
from supervisor.tui.model import Link, Picture, open_requests
from supervisor.tui.render import Part, line
from supervisor.tui.rows import Rows
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.tail import Tail
from supervisor.tui.theme import FAINT, KEY, MUTED, STRONG, TEXT
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine, TopBar, link_banner
from supervisor.tui.widgets.detail import Detail
from supervisor.tui.widgets.inbox import Inbox
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.run_table import RunTable

WIDE_CELLS = 280
"""From this width on the detail pane stands beside the table, which keeps all its columns."""
TALL_LINES = 34
"""From this height on the detail pane takes half of it, with the log."""
REST_S = 0.06
"""Seconds the cursor rests before the pane follows: held down, a key only moves the cursor."""
MANY_ROWS = 12
"""With more rows than this, a tall screen gives the table more than the detail pane."""
SHORT_LINES = 18
"""Below this height there is no room for a detail pane."""

FILTER_HINT = "filter: words, agent:x, state:failed, stage:x, why:x, -state:done"


class Dashboard(PictureScreen):
    """Table of runs, inbox and detail pane."""

    BINDINGS = keys.bindings(keys.RUNS, keys.RUN)
    AUTO_FOCUS = "RunTable"

    def __init__(self) -> None:
        super().__init__()
        self._picture = Picture()
        self._now: Moment | None = None
        self._plan = Plan()
        self._arranger = Arranger()
        self._wants_pane = True
        self._rest: Timer | None = None
        self._how = OneLine(id="how")
        self._top = TopBar(id="top")
        self._link = Banner(id="link")
        self._inbox = Inbox(id="inbox")
        self._table = RunTable(id="runs")
        self._filter = Input(
            placeholder="filter: words, agent:x, state:failed, stage:x, why:x, -state:done",
            id="filter",
        )
        self._empty = Lines(id="empty")
        self._detail = Detail(id="detail")
        self._told = Banner(id="told")

    def compose(self) -> ComposeResult:
        """Top bar, inbox, table and detail, keys."""
        yield self._top
        yield self._link
        yield self._inbox
        with Container(id="body"):
            with Vertical(id="left"):
                yield self._how
                yield self._table
                yield self._empty
                yield self._filter
            yield self._detail
        yield self._told
        yield KeyBar(keys.RUNS, id="keys")

    @property
    def run_id(self) -> str | None:
        """The run under the cursor."""
        row = self._table.selected
        return row.run_id if row else None

    @property
    def agent(self) -> str | None:
        """The agent under the cursor, by its name in the configuration."""
        row = self._table.selected
        if row is None:
            return None
        if row.is_heading:
            return None
        state = self._picture.runs.get(row.run_id or "")
        return state.agent if state else row.key.removeprefix(rows.IDLE_PREFIX)

    def scope(self) -> Scope:
        """The runs that a verb for many means: the group of the cursor, what fits, or all."""
        row = self._table.selected
        heading = self._table.rows.heading_at(self._table.cursor)
        if heading is not None and row is not None:
            runs = tuple(item for item in heading.members if isinstance(item, RunState))
            return Scope(f"the group {render.clean(heading.label, 40)!r}", runs)
        found = arrange.matching(self._picture, self._plan)
        if not self._plan.text.strip():
            return Scope("all runs", found)
        return Scope(f"the runs that fit {render.clean(self._plan.text.strip(), 40)!r}", found)

    def show(self, picture: Picture, now: Moment) -> None:
        """Draw this picture at that instant."""
        self._picture, self._now = picture, now
        self._link.say(*link_banner(picture))
        self._inbox.show(open_requests(picture), now)
        found = self._arranger.rows(picture, now, self._plan)
        self._top.show(picture, self._arranger.totals)
        is_empty = not found
        self._empty.display, self._table.display = is_empty, not is_empty
        self._detail.display = self._has_pane(is_empty=is_empty)
        self.set_class(len(found) > MANY_ROWS, "-many")
        if is_empty:
            self._empty.set_lines(empty_lines(picture, self._plan.text))
        self._say_how(found)
        self._table.set_rows(found)
        if self._rest is None:
            self._show_detail()

    def _has_pane(self, *, is_empty: bool) -> bool:
        return self._wants_pane and not is_empty and not self.has_class("-short")

    def _say_how(self, found: Rows) -> None:
        """What is sorted, filtered and grouped, in words."""
        known = self._arranger.known if self._plan.text.strip() else found.run_count
        words = arrange.plan_words(self._plan, found.run_count, known)
        is_plain = self._plan == Plan(folded=self._plan.folded)
        self._how.set_content(line((f"  {words}", FAINT if is_plain else TEXT)))
        sort = "" if self._plan.sort == arrange.NEED else self._plan.sort
        self._table.show_sorted(sort, highest_first=self._plan.highest_first)

    def _replan(self, plan: Plan) -> None:
        """See the table another way from now on; the cursor stays with its run."""
        self._plan = plan
        if self._now is not None:
            self.show(self._picture, self._now)

    def show_log(self, tail: Tail | None) -> None:
        """Draw the end of the selected run's log."""
        if tail is None or tail.run_id == self.run_id:
            self._detail.show_log(tail)

    def say(self, *parts: Part) -> None:
        """One line above the keys."""
        self._told.say(*parts)

    def select(self, key: str) -> None:
        """Put the cursor on this run, also where a filter or a fold hides it."""
        if self._selected_after(key) != key:
            self._filter.value, self._filter.display = "", False
            self._replan(replace(self._plan, text="", folded=frozenset()))
            self._table.select(key)

    def _selected_after(self, key: str) -> str | None:
        self._table.select(key)
        return self._table.selected.key if self._table.selected else None

    def _show_detail(self) -> None:
        row = self._table.selected
        if row is None or self._now is None:
            return
        if row.is_heading:
            heading = self._table.rows.heading_at(self._table.cursor)
            self._detail.show_group(row.agent, heading.members if heading else (), self._now)
            return
        if row.run_id is None:
            specs = [spec for spec in self._picture.agents if spec.name == self.agent]
            command = " ".join(render.clean(part) for part in specs[0].command) if specs else ""
            self._detail.show_idle(row.agent, command)
            return
        state = self._picture.runs.get(row.run_id)
        self._detail.show(state, self._picture.samples.get(row.run_id), self._now)

    def _want_log(self) -> None:
        is_seen = self._detail.display and self._detail.has_log
        self.post_message(LogWanted(self.run_id if is_seen else None))

    def on_run_table_selected(self, _event: RunTable.Selected) -> None:
        """Another run is selected; the pane follows once the cursor rests."""
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(REST_S, self._follow_cursor)

    def _follow_cursor(self) -> None:
        self._rest = None
        self._detail.show_log(None)
        self._show_detail()
        self._want_log()

    def on_run_table_opened(self) -> None:
        """A run was clicked twice."""
        self.action_open()

    def on_screen_resume(self) -> None:
        """Back on top: follow the selected run's log again."""
        self._want_log()

    def on_resize(self, event: Resize) -> None:
        """Beside each other, below each other, or the table alone."""
        self.set_class(event.size.width >= WIDE_CELLS, "-wide")
        self.set_class(event.size.height < SHORT_LINES, "-short")
        self.set_class(event.size.height >= TALL_LINES, "-tall")
        if self._now is not None:
            self.show(self._picture, self._now)
        self.call_after_refresh(self._want_log)

    def on_run_table_sort_wanted(self, event: RunTable.SortWanted) -> None:
        """The heading of a column was clicked; once more turns it round."""
        self._replan(self._plan.sorted_by(event.column))

    def on_input_changed(self, _event: Input.Changed) -> None:
        """Filter while typing."""
        self._replan(replace(self._plan, text=self._filter.value))

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Keep the filter, back to the table."""
        self.set_focus(self._table)
        self._filter.display = bool(self._filter.value)

    def action_filter(self) -> None:
        """Open the filter."""
        self._filter.display = True
        # At once: what is typed right behind the key belongs into the field.
        self.set_focus(self._filter)

    def action_clear(self) -> None:
        """Close the filter."""
        self._filter.value = ""
        self._filter.display = False
        self.set_focus(self._table)
        self._replan(replace(self._plan, text=""))

    def action_sort(self, by: int) -> None:
        """By the column to the right (1) or to the left (-1)."""
        self._replan(self._plan.beside(by, with_hosts=bool(self._picture.hosts)))

    def action_turn(self) -> None:
        """The other way round."""
        self._replan(self._plan.sorted_by(self._plan.sort))

    def action_group(self) -> None:
        """Under headings of agent, stage, state (of several machines, host), or none."""
        wanted = self._plan.grouping.following(with_hosts=bool(self._picture.hosts))
        self._replan(replace(self._plan, grouping=wanted))

    def action_fold(self) -> None:
        """Fold the group of the cursor, or unfold it."""
        heading = self._table.rows.heading_over(self._table.cursor)
        if heading is None:
            return
        self._replan(replace(self._plan, folded=self._plan.folded ^ {heading.key}))
        self._table.select(heading.key)

    def action_open(self) -> None:
        """Open the run, or unfold the group."""
        row = self._table.selected
        if row is not None and row.is_heading:
            self.action_fold()
        else:
            self.app.call_later(self.app.run_action, "app.open_run")

    def action_pane(self) -> None:
        """Show or hide the detail pane."""
        self._wants_pane = not self._wants_pane
        if self._now is not None:
            self.show(self._picture, self._now)
        self.call_after_refresh(self._want_log)

    def action_older(self) -> None:
        """Show or hide older finished runs."""
        self._replan(replace(self._plan, older=not self._plan.older))

    def action_up(self) -> None:
        """One up."""
        self._table.move(-1)

    def action_down(self) -> None:
        """One down."""
        self._table.move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._table.move(-self._table.page)

    def action_page_down(self) -> None:
        """One page down."""
        self._table.move(self._table.page)

    def action_top(self) -> None:
        """To the first."""
        self._table.move_to(0)

    def action_bottom(self) -> None:
        """To the last."""
        self._table.move_to(len(self._table.rows) - 1)


def empty_lines(picture: Picture, wanted: str) -> list[Content]:
    """What to say when there is no row: why, and what to do next."""
    if wanted:
        return [
            render.BLANK,
            line(("  nothing matches ", TEXT), (render.clean(wanted), STRONG)),
            line(("  ", ""), ("Esc", KEY), (" shows all runs again", MUTED)),
        ]
    if not picture.is_loaded:
        word = "connecting to the engine …" if picture.link is not Link.LOST else "no engine yet"
        return [render.BLANK, line((f"  {word}", MUTED))]
    return [
        render.BLANK,
        line(("  Nothing runs here yet.", STRONG)),
        render.BLANK,
        line(("  Describe an agent in config.toml (it is picked up by itself):", TEXT)),
        render.BLANK,
        line(("    [agents.my-agent]", MUTED)),
        line(('    command = ["{python}", "my_agent.py"]', MUTED)),
        render.BLANK,
        line(("  ", ""), ("longwatch init --demo", KEY), ("  writes one to start from", MUTED)),
        line(("  ", ""), ("?", KEY), ("  shows every key", MUTED)),
    ]

"""One run on the whole screen: everything known of it, in panes.

Owns: what each pane shows of the picture, when the engine is asked for what no event tells (the
journal, whether copies of checkpoints are whole), and the two things that can be changed here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual.app import ComposeResult

from supervisor.core.moment import Moment, seconds_between
from supervisor.core.run import FINAL, RunState
from supervisor.tui import keys, render, run_places, run_plans, run_rows, story, view
from supervisor.tui.actions import Plan
from supervisor.tui.messages import CallWanted, PlanWanted
from supervisor.tui.model import Picture, open_requests
from supervisor.tui.render import Part
from supervisor.tui.run_places import CHECKPOINTS, FLAGS, JOURNAL, LOG, PANES
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.tail import Tail
from supervisor.tui.theme import ASK, BAD, MUTED
from supervisor.tui.widgets.bars import Banner, KeyBar, TopBar, link_banner
from supervisor.tui.widgets.board import Board
from supervisor.tui.widgets.inbox import Inbox
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.pick_list import PickList
from supervisor.tui.widgets.run_panes import RunPanes, counts

STEPS_SHOWN = 200
"""Newest durable steps; the rest is for ``longwatch journal`` and jq."""
COPIES_AGAIN_S = 10.0
"""Between two looks at the copies of checkpoints: the engine computes their hashes."""
STEPS_AGAIN_S = 2.0
STEPS_A_SECOND = 1000
"""Between two looks at the journal of a run that goes on, the engine reads the whole file: 2 s, and
a second for each so many steps."""
HEAD_MOST = 5
"""Lines of the head on a small screen."""


class RunScreen(PictureScreen):
    """Head, panes, keys."""

    CSS_PATH = "run.tcss"
    BINDINGS = keys.bindings(keys.OPEN_RUN, keys.RUN)
    AUTO_FOCUS = ""

    def __init__(self, run_id: str, agent: str) -> None:
        super().__init__()
        self._run_id = run_id
        self._agent = agent
        self._picture = Picture()
        self._now: Moment | None = None
        self._state: RunState | None = None
        self._drawn: tuple[object, object, int] = (None, None, 0)
        """The run, its sample and the second of what is on screen: other runs change nothing."""
        self._reports: dict[str, Mapping[str, Any]] = {}
        """What the engine answered last, by method."""
        self._asked: dict[str, tuple[object, Moment]] = {}
        """By method: about what it was asked last, and when."""
        self._top = TopBar(id="top")
        self._link = Banner(id="link")
        self._inbox = Inbox(id="inbox")
        self._head = Lines(id="run-head")
        self._board = Board(run_id, id="board")
        self._panes = RunPanes(self._board)
        self._told = Banner(id="told")
        self._keys = KeyBar(keys.OPEN_RUN, id="keys")

    def compose(self) -> ComposeResult:
        """Top bar, inbox, the run, keys."""
        yield self._top
        yield self._link
        yield self._inbox
        yield self._head
        yield self._board
        yield self._told
        yield self._keys

    @property
    def run_id(self) -> str | None:
        """This run."""
        return self._run_id

    @property
    def agent(self) -> str | None:
        """Its agent."""
        return self._agent

    # -- drawing ------------------------------------------------------------------------------

    def show(self, picture: Picture, now: Moment) -> None:
        """Draw the run in this picture; one that left the picture keeps its last look."""
        self._picture, self._now = picture, now
        self._top.show(picture, view.totals(picture))
        self._link.say(*link_banner(picture))
        self._inbox.show(open_requests(picture), now)
        state = self._state = picture.runs.get(self._run_id, self._state)
        sample, second = picture.samples.get(self._run_id), int(now.wall)
        before = self._drawn
        if state is not before[0] or sample is not before[1] or second != before[2]:
            self._drawn = (state, sample, second)
            self._draw()

    def show_log(self, tail: Tail | None) -> None:
        """Draw what is loaded of its log."""
        self._board.log_pane.show(tail)

    def say(self, *parts: Part) -> None:
        """One line above the keys."""
        self._told.say(*parts)

    def _draw(self) -> None:
        state, now = self._state, self._now
        if state is None or now is None:
            return
        sample = self._picture.samples.get(self._run_id)
        width = max(20, self.size.width - 3)
        head = story.head_lines(state, sample, now, width)
        if self.size.height < run_places.LARGE[1]:
            head = head[:HEAD_MOST]
        self._head.styles.height = len(head)
        self._head.set_lines(head)
        self._fill(state, now)
        lists = self._board.lists
        needed = {name: len(pane.lines) for name, pane in lists.items()}
        self._board.need(needed, counts(state))
        self._load(state, now)

    def _fill(self, state: RunState, now: Moment) -> None:
        self._panes.fill(self._picture, state, now, self._reports)

    def on_board_turned(self) -> None:
        """Other panes: draw them, and let the keys mean the marked one."""
        self._keys.offer(_footer(self._board.marked))
        self._draw()
        self.call_after_refresh(self._draw)  # Only then is it known how wide each is.

    def on_pick_list_chosen(self) -> None:
        """The marked one is shown whole."""
        if self._state is not None and self._now is not None:
            self._fill(self._state, self._now)

    def on_resize(self) -> None:
        """Draw in the new width."""
        self.call_after_refresh(self._draw)

    def on_screen_resume(self) -> None:
        """On top: follow the log."""
        self.post_message(self._board.log_pane.wish())

    # -- what no event tells ------------------------------------------------------------------

    def _load(self, state: RunState, now: Moment) -> None:
        """Ask for what is in view and may have changed since it was asked for last."""
        shown = self._board.shown
        if CHECKPOINTS in shown:
            hashes = [kept.sha256 for kept in state.checkpoints]
            self._ask("checkpoints", hashes, now, COPIES_AGAIN_S)
        if JOURNAL in shown:
            about = (state.status, state.attempt, state.progress, state.newest_generation)
            total = self._reports.get("journal", {}).get("total", 0)
            again_s = max(STEPS_AGAIN_S, total / STEPS_A_SECOND)
            self._ask("journal", about, now, again_s, last=STEPS_SHOWN)

    def _ask(self, method: str, about: object, now: Moment, again_s: float, **more: Any) -> None:
        before = self._asked.get(method)
        if before is not None:
            is_soon = 0 <= seconds_between(before[1], now) < again_s
            is_over = self._state is not None and self._state.status in FINAL
            if before[0] == about or (is_soon and not is_over):
                return
        self._asked[method] = (about, now)
        self.post_message(
            CallWanted(method, self._taker(method), self._refused, run=self._run_id, **more)
        )

    def _taker(self, method: str) -> Callable[[Any], None]:
        def taken(said: Any) -> None:
            if self.is_mounted:
                self._reports[method] = said
                self._draw()

        return taken

    def _refused(self, words: str) -> None:
        if self.is_mounted:
            self.say((f" ✗ {render.clean(words)}", BAD))

    def _reload(self) -> None:
        self._asked.clear()
        self._draw()

    # -- keys ---------------------------------------------------------------------------------

    def _mark(self, name: str) -> None:
        """The keys mean that pane: at once, because the next key may be there already."""
        self._board.mark(name)
        self.set_focus(self._board.log_pane if name == LOG else None)

    def action_option(self, digit: int) -> None:
        """To the pane of that digit."""
        self._mark(PANES[digit - 1])

    def action_pane(self, by: int) -> None:
        """To the next pane or the one before."""
        self._mark(PANES[(PANES.index(self._board.marked) + by) % len(PANES)])

    def on_board_pointed(self, message: Board.Pointed) -> None:
        """To the pane that was clicked."""
        self._mark(message.name)

    def on_log_pane_passed(self) -> None:
        """Tab in a log of one half."""
        self.action_pane(1)

    def action_zoom(self) -> None:
        """All the room for the marked pane, or for all again."""
        self._board.zoom(on=not self._board.is_zoomed)

    def action_search(self) -> None:
        """Search in the log."""
        self._mark(LOG)
        self._board.log_pane.action_search()

    def action_error(self, direction: int) -> None:
        """To an error in the log."""
        self._mark(LOG)
        self._board.log_pane.action_error(direction)

    def on_log_pane_left(self) -> None:
        """Back, out of the log."""
        self.action_back()

    def action_back(self) -> None:
        """All panes again, else back to the table."""
        if self._board.is_zoomed:
            self._board.zoom(on=False)
        else:
            self.dismiss()

    def action_roll_back(self) -> None:
        """Resume from the marked checkpoint, once confirmed."""
        key = self._picked(CHECKPOINTS, "open-run.rollback")
        if key is not None and self._state is not None:
            self._do(run_plans.plan_rollback(self._state, int(key)))

    def action_mute(self) -> None:
        """The marked kind is no problem here, once confirmed; or is one again."""
        key = self._picked(FLAGS, "open-run.mute")
        kind = run_rows.kind_of(self._state, key) if self._state is not None else None
        if kind is not None and self._state is not None:
            self._do(run_plans.plan_mute(self._state, kind))

    def _picked(self, pane: str, again: str) -> str | None:
        """What is marked in that pane, once it is the pane the keys mean."""
        if self._board.marked != pane:
            self._mark(pane)
            self.say((f" mark one with j and k, then {keys.hint(again)} again", ASK))
            return None
        found = self._board.lists[pane]
        key = found.chosen if isinstance(found, PickList) else None
        if key is None:
            self.say((" there is nothing to mark", MUTED))
        return key

    def _do(self, plan: Plan | str) -> None:
        if isinstance(plan, str):
            self.say((f" {plan}", ASK))
        else:
            self.post_message(PlanWanted(plan, self._reload))

    @property
    def _list(self) -> Lines:
        return self._board.lists.get(self._board.marked, self._head)

    def _move(self, by: int) -> None:
        pane = self._list
        if isinstance(pane, PickList):
            pane.move(by)
        else:
            pane.scroll_relative(y=by, animate=False)

    def action_up(self) -> None:
        """One line up."""
        self._move(-1)

    def action_down(self) -> None:
        """One line down."""
        self._move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._move(-max(1, self._list.size.height - 1))

    def action_page_down(self) -> None:
        """One page down."""
        self._move(max(1, self._list.size.height - 1))

    def action_top(self) -> None:
        """The first line."""
        pane = self._list
        if isinstance(pane, PickList):
            pane.move_to(0)
        else:
            pane.scroll_home(animate=False)

    def action_bottom(self) -> None:
        """The last line."""
        pane = self._list
        if isinstance(pane, PickList):
            pane.move_to(-1)
        else:
            pane.scroll_end(animate=False)


def _footer(marked: str) -> list[keys.Key]:
    """The keys of that pane first."""
    if marked == LOG:
        return keys.in_footer(keys.LOG)
    own = {CHECKPOINTS: "open-run.rollback", FLAGS: "open-run.mute"}.get(marked)
    first = [key for key in keys.of_scope(keys.OPEN_RUN) if key.id == own]
    return [*first, *keys.in_footer(keys.OPEN_RUN)]

"""What is approved for good, and ending it: one rule after the other, each told whole."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.content import Content
from textual.strip import Strip
from textual.visual import Visual

from supervisor.core.always import is_holding
from supervisor.core.moment import Moment
from supervisor.core.rule import AlwaysRule
from supervisor.tui import keys, render, standing
from supervisor.tui.messages import RevokeWanted
from supervisor.tui.model import Picture
from supervisor.tui.render import Part, line
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.theme import MUTED, STRONG
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine
from supervisor.tui.widgets.lines import Lines


class Rules(Lines):
    """Every rule whole, one of them marked."""

    DEFAULT_CSS = """
    Rules { padding: 1 1 0 1; & > .rules--chosen { background: $lw-cursor; } }
    """
    COMPONENT_CLASSES = {"rules--chosen"}  # noqa: RUF012  Textual's API

    def __init__(self) -> None:
        super().__init__(id="rules")
        self._owner: list[str] = []
        self.chosen: str | None = None
        """Id of the marked rule: it stays the same one when others come and go."""

    def fill(self, rules: list[AlwaysRule], now: float) -> None:
        """Tell these."""
        width = max(40, self.room)
        lines: list[Content] = []
        self._owner = []
        for rule in rules:
            told = standing.rule_lines(rule, now, width)
            lines += told
            self._owner += [rule.id] * len(told)
        if self.chosen not in self._owner:
            self.chosen = rules[0].id if rules else None
        self.set_lines(lines or [line((" nothing is approved always", MUTED))])
        self.refresh()

    def move(self, by: int) -> None:
        """Mark another one and bring it into view."""
        ids = list(dict.fromkeys(self._owner))
        if not ids or self.chosen is None:
            return
        place = max(0, min(len(ids) - 1, ids.index(self.chosen) + by))
        self.chosen = ids[place]
        self.scroll_to(y=self._owner.index(self.chosen), animate=False)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """One row; those of the marked rule stand out."""
        row = self.scroll_offset.y + y
        if row >= len(self._owner) or self._owner[row] != self.chosen:
            return super().render_line(y)
        style = self.visual_style + self.get_visual_style("rules--chosen")
        return Visual.to_strips(self, self.lines[row], self.room, 1, style, pad=True)[0]


class ApprovalsScreen(PictureScreen):
    """The list; it changes as rules come and go."""

    CSS_PATH = "approvals.tcss"
    BINDINGS = keys.bindings(keys.APPROVALS)

    def __init__(self) -> None:
        super().__init__()
        self._rules: list[AlwaysRule] = []
        self._list = Rules()
        self._state = Banner(id="state")

    def compose(self) -> ComposeResult:
        """A heading, the rules, the keys."""
        head = OneLine(id="top")
        words = "each for one agent and exactly one action"
        head.set_content(line((" approved always", STRONG), (f"   {words}", MUTED)))
        yield head
        yield self._list
        yield self._state
        yield KeyBar(keys.APPROVALS, id="keys")

    def show(self, picture: Picture, now: Moment) -> None:
        """Draw the rules that hold now, the newest first."""
        held = [rule for rule in picture.standing.rules if is_holding(rule, now.wall)]
        self._rules = held[::-1]
        self._list.fill(self._rules, now.wall)

    def say(self, *parts: Part) -> None:
        """One line on what became of the last action."""
        self._state.say(*parts)

    def action_up(self) -> None:
        """The rule above."""
        self._list.move(-1)

    def action_down(self) -> None:
        """The rule below."""
        self._list.move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._list.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """One page down."""
        self._list.scroll_page_down(animate=False)

    def action_revoke(self) -> None:
        """End the marked rule, once confirmed."""
        rule = next((rule for rule in self._rules if rule.id == self._list.chosen), None)
        if rule is None:
            self.say((f" {render.clean('there is nothing to revoke')}", MUTED))
        else:
            self.post_message(RevokeWanted(rule))

    def action_back(self) -> None:
        """Back."""
        self.dismiss()

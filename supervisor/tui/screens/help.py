"""Every key, made from the table."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from supervisor.tui import keys, render
from supervisor.tui.render import fit, line
from supervisor.tui.theme import ASK, KEY, MUTED, STRONG, TEXT
from supervisor.tui.widgets.bars import KeyBar
from supervisor.tui.widgets.lines import Lines

KEY_CELLS = 12


class HelpScreen(ModalScreen[None]):
    """The keys by scope; what works here first."""

    CSS_PATH = "help.tcss"
    BINDINGS = keys.bindings(keys.HELP)
    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__()
        self._lines = Lines(id="help-lines")

    def compose(self) -> ComposeResult:
        """A card with the keys."""
        with Vertical(id="help-card") as card:
            card.border_title = "keys"
            yield self._lines
            yield KeyBar(keys.HELP)

    def on_mount(self) -> None:
        """Fill it."""
        self._lines.set_lines(help_lines())

    def action_up(self) -> None:
        """One line up."""
        self._lines.scroll_up(animate=False)

    def action_down(self) -> None:
        """One line down."""
        self._lines.scroll_down(animate=False)

    def action_page_up(self) -> None:
        """One page up."""
        self._lines.scroll_page_up(animate=False)

    def action_page_down(self) -> None:
        """One page down."""
        self._lines.scroll_page_down(animate=False)

    def action_back(self) -> None:
        """Close."""
        self.dismiss()


def help_lines() -> list[Content]:
    """The table of keys as lines."""
    lines: list[Content] = [
        line(("Leaving is safe: agents belong to the engine, not to this window.", TEXT)),
        line((keys.VIM_WORDS, TEXT)),
    ]
    for scope, title in keys.SCOPES.items():
        lines += [render.BLANK, line((title, STRONG))]
        for key in keys.of_scope(scope):
            asks = (" (asks first)", ASK) if key.asks else ("", "")
            lines.append(line((fit(keys.shown(key), KEY_CELLS), KEY), (key.tooltip, MUTED), asks))
    return lines

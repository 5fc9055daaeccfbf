"""What is done to many runs at once: the choice, then everything it touches, then yes or no.

Owns: that nothing is said yes to before all of it was in view. Must never change what it came up
with: runs and requests that appear meanwhile are not meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from supervisor.core.moment import Moment
from supervisor.tui import keys, many, render
from supervisor.tui.arming import Arming
from supervisor.tui.arrange import Scope
from supervisor.tui.many import Alike, Sweep
from supervisor.tui.messages import Decision
from supervisor.tui.render import line
from supervisor.tui.theme import ASK, FAINT, STRONG, TEXT
from supervisor.tui.widgets.bars import KeyBar, OneLine
from supervisor.tui.widgets.lines import Lines

CARD_CELLS = 100
"""Most cells of the card; ``many.tcss`` says the same."""
CHROME_CELLS = 8
"""Border, padding and scrollbar."""
CHROME_LINES = 8
"""Lines of a card that are not its body."""


class MenuScreen(ModalScreen[Sweep | Alike]):
    """Which verb, or which question; the number decides, and nothing is done yet."""

    CSS_PATH = "many.tcss"
    BINDINGS = keys.bindings(keys.MENU)
    ALLOW_SELECT = False

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self._scope = scope
        self._lines = Lines(id="many-menu")

    def compose(self) -> ComposeResult:
        """A card with the choices."""
        with Vertical(id="many-card") as card:
            card.border_title = "many at once"
            yield self._lines
            yield KeyBar(keys.MENU)

    def on_resize(self) -> None:
        """Fit the titles."""
        width = min(CARD_CELLS, self.size.width) - CHROME_CELLS
        shown = many.menu_lines(self._scope, width)
        self._lines.styles.height = min(len(shown) + 1, max(3, self.size.height - CHROME_LINES))
        self._lines.set_lines(shown)

    def action_option(self, number: int) -> None:
        """The verb or the question of that number, if there is one for any run."""
        place = number - many.FIRST_DIGIT
        if place < len(many.VERBS):
            wanted = many.sweep(many.VERBS[place].name, self._scope)
            if wanted.runs:
                self.dismiss(wanted)
            return
        sets = many.alike(self._scope)
        place -= len(many.VERBS)
        if place < len(sets):
            self.dismiss(sets[place])

    def action_back(self) -> None:
        """Nothing is done."""
        self.dismiss(None)


class WholeCard(ModalScreen[Decision]):
    """A card whose yes counts once its last line was in view."""

    CSS_PATH = "many.tcss"
    ALLOW_SELECT = False
    SCOPE = keys.SWEEP

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._arming = Arming(clock)
        self._seen = False
        self._head = OneLine(id="many-head")
        self._body = Lines(id="many-body")
        self._body.tells_moves = True
        self._hint = OneLine(id="many-hint")

    def compose(self) -> ComposeResult:
        """The question, everything it touches, and the ways to answer."""
        with Vertical(id="many-card") as card:
            card.border_title = "sure?"
            yield self._head
            yield self._body
            yield self._hint
            bar = KeyBar(self.SCOPE)
            bar.offer(self.offered())
            yield bar

    def head(self) -> Content:
        """The question."""
        raise NotImplementedError

    def body(self, width: int) -> list[Content]:
        """Everything it touches."""
        raise NotImplementedError

    def offered(self) -> list[keys.Key]:
        """The keys of the footer."""
        return keys.in_footer(self.SCOPE)

    def on_mount(self) -> None:
        """Keys typed before it was seen do nothing."""
        self._head.set_content(self.head())
        self._arming.disarm()

    def on_resize(self) -> None:
        """Wrap to the new width, then look whether all of it is in view."""
        shown = self.body(max(20, min(CARD_CELLS, self.size.width) - CHROME_CELLS))
        self._body.styles.height = min(len(shown), max(3, self.size.height - CHROME_LINES))
        self._body.set_lines(shown)
        self.call_after_refresh(self._look)

    def rearm(self) -> None:
        """The terminal got the focus: keys are dead for a moment."""
        self._arming.disarm()

    def on_lines_moved(self) -> None:
        """Other lines are in view."""
        self._look()

    def _look(self) -> None:
        body = self._body
        if not self._seen and body.lines and body.size.height > 0 and body.is_at_end:
            self._seen = True
            self._arming.disarm()
        below = len(body.lines) - body.scroll_offset.y - body.size.height
        more = f" ▼ {render.plural(max(1, below), 'more line')} below: read to the end first"
        self._hint.set_content(line() if self._seen else line((more, ASK)))

    def may(self, *, consent: bool = True) -> bool:
        """Whether a key pressed now counts."""
        return self._arming.is_armed() and (self._seen or not consent)

    def action_down(self) -> None:
        """One line down."""
        self._scroll(1)

    def action_up(self) -> None:
        """One line up."""
        self._scroll(-1)

    def action_page_down(self) -> None:
        """One page down."""
        self._scroll(max(1, self._body.size.height - 1))

    def action_page_up(self) -> None:
        """One page up."""
        self._scroll(min(-1, 1 - self._body.size.height))

    def action_bottom(self) -> None:
        """To the end."""
        self._scroll(len(self._body.lines))

    def _scroll(self, lines: int) -> None:
        self._body.scroll_to(y=self._body.scroll_offset.y + lines, animate=False, immediate=True)
        self.call_after_refresh(self._look)

    def action_no(self) -> None:
        """Leave everything as it is."""
        self.dismiss(None)


class SweepScreen(WholeCard):
    """A verb, and every run it will be sent to."""

    BINDINGS = keys.bindings(keys.SWEEP)

    def __init__(self, wanted: Sweep, now: Moment, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._wanted = wanted
        self._now = now

    def head(self) -> Content:
        """``Pause: 12 runs   of all runs``."""
        count = render.plural(len(self._wanted.runs), "run")
        what = f"{self._wanted.verb.label.capitalize()}: {count}"
        return line((what, STRONG), (f"   of {self._wanted.scope_words}", FAINT))

    def body(self, _width: int) -> list[Content]:
        """One line a run."""
        return many.sweep_lines(self._wanted, self._now)

    def action_yes(self) -> None:
        """Do it, if all of it can have been read."""
        if self.may():
            self.dismiss(Decision(allow=True))


class AlikeScreen(WholeCard):
    """One question that several runs ask in the same words, answered for all of them."""

    SCOPE = keys.ALIKE
    BINDINGS = keys.bindings(keys.ALIKE)

    def __init__(self, wanted: Alike, now: Moment, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self._wanted = wanted
        self._now = now

    def head(self) -> Content:
        """Who asks what."""
        count = render.plural(len(self._wanted.items), "run")
        return line(("◆ ", ASK), (count, STRONG), (" ask exactly this; each is answered", TEXT))

    def body(self, width: int) -> list[Content]:
        """The action whole, then everyone who asks."""
        return many.alike_lines(self._wanted, self._now, width)

    def offered(self) -> list[keys.Key]:
        """Yes or a number, as the question wants."""
        is_choice = self._kind == "choose"
        left_out = "yes" if is_choice else keys.OPTION
        return [key for key in keys.in_footer(keys.ALIKE) if key.action != left_out]

    @property
    def _kind(self) -> str:
        return self._wanted.items[0].request.kind

    @property
    def _options(self) -> Sequence[str]:
        return self._wanted.items[0].request.options

    def action_yes(self) -> None:
        """Approve for all of them."""
        if self._kind == "approve" and self.may():
            self.dismiss(Decision(allow=True))

    def action_deny(self) -> None:
        """Deny for all of them."""
        if self.may(consent=False):
            self.dismiss(Decision(allow=False))

    def action_option(self, number: int) -> None:
        """Choose for all of them."""
        if self._kind == "choose" and number <= len(self._options) and self.may():
            self.dismiss(Decision(option=self._options[number - 1]))

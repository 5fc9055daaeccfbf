"""The log of one run as a part of a screen: followed, searched, with a jump to errors.

Owns: which streams are shown, where a search stands, and the keys of a log while it has the
focus. Must never read a file: it says which log is wanted and is given its windows.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.events import Resize
from textual.message import Message
from textual.widgets import Input

from supervisor.core.mistakes import is_error_line
from supervisor.tui import keys, render
from supervisor.tui.messages import LogWanted
from supervisor.tui.render import Part, line
from supervisor.tui.tail import Tail, Want
from supervisor.tui.theme import ASK, MUTED, RUN, STRONG
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.log_view import LogView

STREAMS: dict[tuple[str, ...], str] = {
    ("out",): "output",
    ("err",): "errors",
    ("out", "err"): "output and errors",
}
"""What the key changes between. Nobody knows which of two files was written first: both stand
beside each other, they are never mixed."""
BESIDE_CELLS = 160
"""Width from which on both stand beside each other, below it above each other."""
ASIDE_CELLS = 20
ERRORS = "\0errors"
"""What is looked for when it is no text; nobody can type it."""


class LogPane(Vertical, can_focus=True):
    """One stream of one run, or both."""

    DEFAULT_CSS = """
    LogPane > #logs { height: 1fr; }
    LogPane.-both.-beside > #logs { layout: horizontal; }
    LogPane LogView { padding: 0 0 0 1; height: 1fr; width: 1fr; }
    LogPane.-both LogView { border-top: solid $lw-line; }
    LogPane.-both LogView.-active { border-top: solid $lw-key; }
    LogPane > #search {
        display: none;
        height: 1;
        border: none;
        padding: 0 1;
        background: $lw-cursor;
    }
    """
    BINDINGS = keys.bindings(keys.LOG)

    class Moved(Message):
        """What the head says is different now."""

    class Left(Message):
        """The key to go back, with nothing here to go back from."""

    class Passed(Message):
        """The key for the other half, with only one there."""

    def __init__(
        self,
        run_id: str,
        *,
        has_head: bool = False,
        id: str | None = None,  # noqa: A002
    ) -> None:
        """``has_head``: say within the pane what is shown and what a search found."""
        super().__init__(id=id)
        self._run_id = run_id
        self._head_line = OneLine(id="log-head")
        self._head_line.display = has_head
        self._streams: tuple[str, ...] = ("out",)
        self._active = "out"
        self._found = ""
        self._seeking: tuple[str, int] | None = None
        """What is looked for in parts of the file not read yet (text or errors), and whither."""
        self._views = {"out": LogView(id="log"), "err": LogView(id="log-err")}
        self._search = Input(placeholder="search in the log", id="search")

    def compose(self) -> ComposeResult:
        """What is shown, the log, and the search below it."""
        yield self._head_line
        yield Container(*self._views.values(), id="logs")
        yield self._search

    @property
    def _view(self) -> LogView:
        """The one that keys mean."""
        return self._views[self._active]

    def wish(self) -> LogWanted:
        """What has to be followed; the screen asks for it, which may be there before this is."""
        return LogWanted(self._run_id, *self._streams)

    def show(self, tail: Tail | None) -> None:
        """Draw what is loaded of the log."""
        if tail is None or tail.run_id != self._run_id or tail.stream not in self._streams:
            return
        view = self._views[tail.stream]
        before = view.line_count
        shift = tail.shift
        view.show(tail)
        if self._seeking is not None and tail.stream == self._active:
            self._go_on_seeking(tail, shift, before)
        self._tell()

    def _tell(self) -> None:
        self._head_line.set_content(line((" ", ""), *self.head))
        self.post_message(self.Moved())

    @property
    def head(self) -> list[Part]:
        """What is shown, where in it, and what the search found."""
        following = ("following", RUN) if self._view.is_following else ("stands still", ASK)
        tail = self._view.tail
        size = tail.size if tail else 0
        where = ""
        if tail is not None and size and not self._view.is_following:
            where = f" at {int(100 * tail.where[1] / size)}%" if not tail.is_at_end else ""
        both = len(self._streams) > 1
        named = f", keys move the {STREAMS[(self._active,)]}" if both else ""
        return [
            (f"{STREAMS[self._streams]}{named}", MUTED if self._active == "out" else ASK),
            ("   ", ""),
            following,
            (where, MUTED),
            (self._found, STRONG),
            ("" if self._view.is_wrapped else "   not wrapped", MUTED),
            (f"   {render.size(size)}", MUTED),
        ]

    def on_mount(self) -> None:
        """Only the output at first."""
        self._arrange()

    def on_resize(self, event: Resize) -> None:
        """Beside each other, or above each other."""
        self.set_class(event.size.width >= BESIDE_CELLS, "-beside")

    def _arrange(self) -> None:
        for stream, view in self._views.items():
            view.display = stream in self._streams
            view.set_class(stream == self._active and len(self._streams) > 1, "-active")
        self.set_class(len(self._streams) > 1, "-both")

    # -- searching ----------------------------------------------------------------------------

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Search for what was typed, from here backwards: what is new is at the end."""
        self._search.display = False
        self.focus()
        for view in self._views.values():
            view.needle = event.value
            view.refresh()
        self._found = ""
        if event.value:
            self._seek(event.value, -1, here=True)
        self._tell()

    def _seek(self, what: str, direction: int, *, here: bool = False) -> None:
        """Go to the next line that fits, reading on through the file as far as it takes."""
        view = self._view
        at = view.current
        if at is None:
            at = view.line_count if view.is_following or direction < 0 else view.top_line
        begin = at if here else at + direction
        self._seeking = (what, direction)
        self._look(begin)

    def _look(self, begin: int) -> None:
        """Jump to the next line of the window that fits; else have more of the file read."""
        if self._seeking is None:
            return
        what, direction = self._seeking
        fits = is_error_line if what == ERRORS else self._view.matches
        place = self._view.find(fits, begin, direction)
        tail = self._view.tail
        if place is not None:
            self._seeking = None
            self._found = self._counted(what, place)
            self._view.jump(place)
        elif tail is not None and tail.ask(Want.LATER if direction > 0 else Want.EARLIER):
            self._view.follow(on=False)
            share = 100 * tail.where[0] // max(1, tail.size)
            self._found = f"   searching, at {share}% (Esc ends it)"
        else:
            where = "below" if direction > 0 else "above"
            self._found = f"   no {self._named(what)} {where}"
            self._seeking = None
        self._tell()

    def _counted(self, what: str, place: int) -> str:
        """Which of how many it is, in the part of the file that is loaded."""
        view = self._view
        fits = is_error_line if what == ERRORS else view.matches
        found = [at for at in range(view.line_count) if fits(view.line_at(at).text)]
        word = "error" if what == ERRORS else "match"
        tail = view.tail
        is_whole = tail is not None and not tail.is_cut and tail.is_at_end
        return f"   {word} {found.index(place) + 1} of {len(found)}{'' if is_whole else ' near'}"

    def _named(self, what: str) -> str:
        word = "error" if what == ERRORS else "match"
        return word if self._view.current is None else f"further {word}"

    def _go_on_seeking(self, tail: Tail, shift: int, before: int) -> None:
        if tail.want is not Want.NEWER or self._seeking is None:
            return  # It has not been read yet.
        self._look(shift - 1 if self._seeking[1] < 0 else before + min(0, shift))

    def action_search(self) -> None:
        """Open the search."""
        self._search.display = True
        self._search.focus()

    def action_next(self) -> None:
        """Next match."""
        self._again(1)

    def action_previous(self) -> None:
        """Previous match."""
        self._again(-1)

    def _again(self, direction: int) -> None:
        if self._view.needle:
            self._seek(self._view.needle, direction)

    def action_error(self, direction: int) -> None:
        """To the next line that tells of an error, or the one before."""
        self._seek(ERRORS, direction)

    # -- looking ------------------------------------------------------------------------------

    def action_follow(self) -> None:
        """Follow the end, or stop following it."""
        self._view.follow(on=not self._view.is_following)
        self._tell()

    def action_wrap(self) -> None:
        """Long lines on several rows, or cut at the edge."""
        for view in self._views.values():
            view.wrap(on=not view.is_wrapped)
        self._tell()

    def action_aside(self, direction: int) -> None:
        """To the right or the left, while nothing is wrapped."""
        self._view.aside(direction * ASIDE_CELLS)

    def action_stream(self) -> None:
        """Output, errors, or both."""
        every = list(STREAMS)
        self._streams = every[(every.index(self._streams) + 1) % len(every)]
        self._active = self._streams[0]
        self._found, self._seeking = "", None
        for view in self._views.values():
            view.show(None)
            view.follow(on=True)
        self._arrange()
        self._tell()
        self.post_message(self.wish())

    def action_other(self) -> None:
        """While both are shown: the keys mean the other one."""
        if len(self._streams) == 1:
            self.post_message(self.Passed())
        else:
            self._active = "err" if self._active == "out" else "out"
            self._seeking = None
            self._arrange()
            self._tell()

    def _move(self, rows: int) -> None:
        self._view.move(rows)
        self._tell()

    def action_up(self) -> None:
        """One line up."""
        self._move(-1)

    def action_down(self) -> None:
        """One line down."""
        self._move(1)

    def action_page_up(self) -> None:
        """One page up."""
        self._move(1 - self._view.size.height)

    def action_page_down(self) -> None:
        """One page down."""
        self._move(self._view.size.height - 1)

    def action_top(self) -> None:
        """To the first line there is here; once more reads on before it."""
        self._move(-self._view.scroll_offset.y - 1)

    def action_bottom(self) -> None:
        """To the end, and follow it."""
        self._view.follow(on=True)
        self._tell()

    def action_back(self) -> None:
        """Close the search or end it, else say that it is left."""
        if self._search.display:
            self._search.display = False
            self.focus()
        elif self._seeking is not None:
            self._seeking, self._found = None, "   the search was ended"
            self._tell()
        else:
            self.post_message(self.Left())

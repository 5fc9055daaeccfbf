"""Where a request is answered, by its kind: options, a line, a text, a form; nothing to approve.

Owns what was chosen or typed. Must never send, nor decide when an answer counts: that is the
screen's. One object for all kinds, so that the screen has one way to ask.
"""

from __future__ import annotations

from textual.app import App
from textual.widget import Widget
from textual.widgets import Input

from supervisor.core.edited import is_json, json_problem, proposed_text
from supervisor.core.run import Request
from supervisor.tui.draft import Draft
from supervisor.tui.messages import Decision
from supervisor.tui.widgets.edit_area import EditArea, write_in_editor
from supervisor.tui.widgets.form import Form
from supervisor.tui.widgets.options import Options

DIGITS = 9


class AnswerPlace:
    """The widgets of one kind, and what is in them."""

    def __init__(self, request: Request) -> None:
        self._request = request
        kind = request.kind
        self._draft = Draft(_proposed(request))
        self._options = Options(request) if kind == "choose" else None
        self._form = Form(request) if kind == "form" else None
        self._area = EditArea(self._draft.shown) if kind == "edit" else None
        self._input: Input | None = None
        if kind == "text":
            self._input = Input(self._draft.shown, placeholder="your answer", id="answer")
        if self._options is not None:
            self._options.tells_moves = True

    def widgets(self) -> list[Widget]:
        """What the card shows below the question; empty for an approval."""
        all_of_them = (self._options, self._input, self._area, self._form)
        return [widget for widget in all_of_them if widget is not None]

    def take_focus(self) -> bool:
        """Whether there is somewhere to type; the focus is there then."""
        typed_in = self._input or self._area
        if self._form is not None:
            self._form.take_focus()
        elif typed_in is not None:
            typed_in.focus()
        return self._form is not None or typed_in is not None

    @property
    def is_seen_whole(self) -> bool:
        """Whether the end of it is in view."""
        parts = (self._options, self._area, self._form)
        return all(p is None or (p.size.height > 0 and p.is_at_end) for p in parts)

    # -- its size -----------------------------------------------------------------------------

    def least_lines(self, height: int) -> int:
        """What it needs of a screen of that height, whatever the question says."""
        if self._options is not None:
            return min(len(self._request.options) + 1, height // 3)
        return height // 3 if self._area is not None or self._form is not None else 0

    def fit(self, width: int, room: int) -> None:
        """Take what the question left: so many lines, of so many cells."""
        if self._options is not None:
            self._options.fill(width)
        elif self._area is not None:
            self._area.styles.height = max(3, room)
        elif self._form is not None:
            self._form.styles.max_height = max(4, room)

    # -- keys ---------------------------------------------------------------------------------

    def choose(self, number: int) -> bool:
        """Choose by number, from 1; whether that alone is meant as the answer."""
        if self._form is not None:
            if self._form.focused_pick is not None:
                self._form.focused_pick[1].choose(number - 1)
            return False
        if self._options is None or not 1 <= number <= len(self._request.options):
            return False
        self._options.choose(number - 1)
        return len(self._request.options) <= DIGITS

    def move(self, by: int, *, is_read: bool) -> bool:
        """Another option, once the question ``is_read`` to its end; whether there was one."""
        if self._form is not None and self._form.focused_pick is not None:
            self._form.focused_pick[1].move(by)
            return True
        if self._options is not None and is_read:
            self._options.move(by)
            return True
        return False

    def say_truth(self, *, yes: bool) -> bool:
        """A field's yes or no; whether the key was meant for a field."""
        return self._form is not None and self._form.say_truth(yes=yes)

    def page(self, by: int) -> bool:
        """A page up (-1) or down (1) of what is written or chosen; whether there was one."""
        part = self._options or self._area or self._form
        if part is None or (by < 0 and part.scroll_offset.y == 0):
            return False
        if self._area is not None and self._area.has_focus:
            self._area.action_cursor_page_up() if by < 0 else self._area.action_cursor_page_down()
        else:
            part.scroll_relative(y=by * max(1, part.size.height - 1), animate=False)
        return True

    def to_end(self) -> None:
        """To the end."""
        for part in (self._options, self._form):
            if part is not None:
                part.scroll_end(animate=False)

    # -- what is in it ------------------------------------------------------------------------

    @property
    def has_choice(self) -> bool:
        """Whether an option is highlighted."""
        return self._options is not None and self._options.chosen is not None

    def given(self) -> Decision | str | None:
        """The answer as it stands; a text says why it is none, None: nothing was chosen yet."""
        if self._options is not None:
            chosen = self._options.chosen
            return None if chosen is None else Decision(option=self._request.options[chosen])
        if self._form is not None:
            values = self._form.values()
            return "see beside the field" if values is None else Decision(fields=values)
        if self._input is None and self._area is None:
            return None
        text = self.typed
        problem = json_problem(text) if self.is_code else None
        return f"not JSON: {problem}" if problem else Decision(text=text)

    @property
    def typed(self) -> str:
        """The text, exact: what was left alone is as the agent wrote it."""
        shown = self._area.text if self._area is not None else ""
        return self._draft.exact(self._input.value if self._input is not None else shown)

    @property
    def is_code(self) -> bool:
        """Whether what is edited is JSON."""
        return self._request.kind == "edit" and is_json(self._request.action)

    @property
    def has_text(self) -> bool:
        """Whether an editor can be used."""
        return self._input is not None or self._area is not None

    def edit_in(self, app: App[int]) -> None:
        """Take what the operator's own editor makes of the text; UserError: it is as it was."""
        edited = write_in_editor(app, self.typed, ".json" if self.is_code else ".txt")
        self._draft = Draft(edited)
        if self._area is not None:
            self._area.load_text(self._draft.shown)
        elif self._input is not None:
            self._input.value = self._draft.shown


def _proposed(request: Request) -> str:
    """The text to start from: what is to be edited, else the stated default."""
    proposed = proposed_text(request.action) if request.kind == "edit" else ""
    if not proposed and request.kind in ("text", "edit") and isinstance(request.default, str):
        return request.default
    return proposed

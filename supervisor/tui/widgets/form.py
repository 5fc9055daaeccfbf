"""The fields of a form: a label and a field each, and what is wrong beside it.

Owns what is typed until it is sent. What a value means and whether it fits is decided in
``core.form``. Must never send: a form goes out by the screen's own key or button alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, TextArea

from supervisor.core.form import FormField, check_values, field_words, form_fields, value_of
from supervisor.core.run import Request
from supervisor.core.text import visible_text
from supervisor.tui import render
from supervisor.tui.draft import Draft
from supervisor.tui.render import line
from supervisor.tui.theme import ASK, BAD, MUTED, STRONG
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.pick import Pick

TRUTH = ("yes", "no")
LINES_BELOW = 4
"""Of the card below the fields; nearer to the edge of the screen they would be cut off."""


class FieldBox(Vertical):
    """One field: its label, where it is filled in, and its problem."""

    DEFAULT_CSS = """
    FieldBox {
        height: auto;
        margin-bottom: 1;
        & Input { height: 1; border: none; padding: 0 1; background: $lw-cursor; }
        & TextArea { height: 4; border: none; padding: 0 1; background: $lw-cursor; }
        & Input:focus, & TextArea:focus, & Pick:focus { background: $lw-track; }
        & .problem { display: none; }
        &.-wrong .problem { display: block; }
    }
    """

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.field = field
        default = field.default
        self._draft = Draft(default if isinstance(default, str) else "")
        self._problem = OneLine(classes="problem")
        self.widget: Widget = self._made()

    def _made(self) -> Widget:
        field = self.field
        if field.kind == "boolean":
            return Pick(TRUTH, chosen={True: 0, False: 1}.get(field.default))
        if field.kind == "choice":
            chosen = field.options.index(field.default) if field.default is not None else None
            return Pick(field.options, chosen=chosen)
        if field.is_multiline and field.kind == "text":
            area = TextArea(self._draft.shown, soft_wrap=True)
            area.cursor_blink = False
            area.tab_behavior = "focus"
            return area
        shown = self._draft.shown
        if field.kind == "number" and field.default is not None:
            shown = f"{field.default}"
        typed = Input(shown, select_on_focus=False)
        typed.cursor_blink = False
        return typed

    def compose(self) -> ComposeResult:
        """Label, field, problem."""
        label = OneLine()
        must = ("  *", ASK) if self.field.is_required else ("", "")
        words = f"  {self.field.name}: {field_words(self.field)}"
        label.set_content(line((visible_text(self.field.label), STRONG), must, (words, MUTED)))
        yield label
        yield self.widget
        yield self._problem

    def say(self, problem: str | None) -> None:
        """Show what is wrong here; None: nothing is."""
        self.set_class(problem is not None, "-wrong")
        if problem is not None:
            self._problem.set_content(line((f"▲ {render.clean(problem)}", BAD)))

    def value(self) -> Any:
        """What is filled in; ValueError says what was expected. None is no value."""
        widget, field = self.widget, self.field
        if isinstance(widget, Pick):
            if widget.chosen is None:
                return None
            return widget.chosen == 0 if field.kind == "boolean" else field.options[widget.chosen]
        assert isinstance(widget, Input | TextArea)
        typed = widget.value if isinstance(widget, Input) else widget.text
        if field.kind != "text":
            return value_of(field, typed)
        if not typed and field.default is None:
            return None
        return value_of(field, self._draft.exact(typed))

    def shown_value(self) -> str:
        """What is in it, for an error."""
        widget = self.widget
        if isinstance(widget, Input):
            return ascii(widget.value[:60])
        return "nothing"


class Form(VerticalScroll, can_focus=False):
    """All fields of a request, in the order they were declared."""

    DEFAULT_CSS = """
    Form { height: auto; margin-top: 1; scrollbar-size-vertical: 1; }
    """

    def __init__(self, request: Request) -> None:
        super().__init__(id="form")
        self._boxes = [FieldBox(field) for field in form_fields(request.action)]

    def compose(self) -> ComposeResult:
        """A box for each field."""
        yield from self._boxes

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other fields are in view: perhaps all of them have been now."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(Lines.Moved())

    def take_focus(self) -> None:
        """Begin with the first field."""
        if self._boxes:
            self._boxes[0].widget.focus()

    @property
    def is_at_end(self) -> bool:
        """Whether the last field is in view: as it was laid out, never as it will be."""
        last, own = self._boxes[-1].widget.region, self.region
        is_within = last.height > 0 and last.bottom <= own.bottom and last.y >= own.y
        return is_within and own.bottom <= self.screen.size.height - LINES_BELOW

    @property
    def focused_pick(self) -> tuple[FormField, Pick] | None:
        """The field with the focus, if it is one to pick from."""
        for box in self._boxes:
            if isinstance(box.widget, Pick) and box.widget.has_focus:
                return box.field, box.widget
        return None

    def say_truth(self, *, yes: bool) -> bool:
        """The focused field's yes or no; whether it is one to pick from, where y and n are its."""
        found = self.focused_pick
        if found is not None and found[0].kind == "boolean":
            found[1].choose(0 if yes else 1)
        return found is not None

    def values(self) -> dict[str, Any] | None:
        """What is filled in; None when something does not fit, which is said beside it."""
        given: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for box in self._boxes:
            try:
                given[box.field.name] = box.value()
            except ValueError as error:
                wrong[box.field.name] = f"found {box.shown_value()}, expected {error}"
        _values, problems = check_values([box.field for box in self._boxes], given)
        for problem in problems:
            text = f"found {problem.found}, expected {problem.expected}"
            wrong.setdefault(problem.field, text)
        for box in self._boxes:
            box.say(wrong.get(box.field.name))
        if not wrong:
            return given
        first = next(self._wrong(wrong))
        first.widget.focus()
        first.scroll_visible(animate=False)
        return None

    def _wrong(self, wrong: dict[str, str]) -> Iterator[FieldBox]:
        return (box for box in self._boxes if box.field.name in wrong)

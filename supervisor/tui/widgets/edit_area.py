"""Where a proposed text is changed, and the way out to the operator's own editor."""

from __future__ import annotations

from textual.app import App, SuspendNotSupported
from textual.widgets import TextArea

from supervisor.errors import UserError
from supervisor.tui.editor import edit_text
from supervisor.tui.widgets.lines import Lines

LINES_BELOW = 4
"""Of the card below the text; nearer to the edge of the screen it would be cut off."""


class EditArea(TextArea):
    """A text field that says when other lines of it come into view."""

    def __init__(self, text: str) -> None:
        super().__init__(text, soft_wrap=True, id="answer-area")
        self.cursor_blink = False
        self.tab_behavior = "focus"

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell the screen."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(Lines.Moved())

    @property
    def is_at_end(self) -> bool:
        """Whether the last line is in view."""
        is_in_view = self.region.bottom <= self.screen.size.height - LINES_BELOW
        return (
            is_in_view and self.scroll_offset.y + self.size.height >= self.wrapped_document.height
        )


def write_in_editor(app: App[int], text: str, suffix: str) -> str:
    """``text`` as the editor leaves it; the interface waits, and comes back as it was.

    UserError says why there is nothing. The loop stands still meanwhile: the engine does not mind,
    and what happens is caught up with afterwards.
    """
    outcome: str | UserError
    try:
        with app.suspend():
            # Nothing may be raised in here: the interface would not come back.
            try:
                outcome = edit_text(text, suffix=suffix)
            except UserError as error:
                outcome = error
    except SuspendNotSupported as error:
        raise UserError("an editor cannot be opened here") from error
    if isinstance(outcome, UserError):
        raise outcome
    return outcome

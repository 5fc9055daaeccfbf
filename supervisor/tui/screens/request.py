"""One request, frozen as it was when it came up, answered in place.

Owns: when an answer may be given. Must never show another request than the one it opened with,
nor let a key decide that was pressed before the whole text was seen. Escape is no answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from supervisor.core.moment import Moment
from supervisor.core.run import Request, RequestState, RunState
from supervisor.errors import UserError
from supervisor.tui import keys, question, render, story
from supervisor.tui.arming import Arming
from supervisor.tui.messages import AnswerWanted, Decision
from supervisor.tui.model import Link, Picture, find_request, open_requests
from supervisor.tui.render import Part, line
from supervisor.tui.screens.always import AlwaysScreen
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.theme import ASK, BAD, BAD_BADGE, MUTED, TEXT
from supervisor.tui.widgets.answer_place import AnswerPlace
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine
from supervisor.tui.widgets.lines import Lines

CLOSED_CODES = frozenset({"conflict", "expired", "unknown_request", "hash_mismatch"})
"""Refusals after which no other answer can be right either."""
CARD_SHARE = 0.92
"""Most of the height that the card takes."""
CHROME_LINES = 10
"""Lines of the card that are not the body."""
WANTED_KEYS = {
    "approve": ("allow", "deny", "always", "comment"),
    "choose": ("option", "deny", "comment"),
    "text": ("send", "refuse", "editor"),
    "edit": ("send", "refuse", "editor"),
    "form": ("send", "refuse"),
}
TYPED = frozenset({"text", "edit", "form"})
"""Kinds in which a letter is something typed, so that only other keys decide."""


class RequestScreen(PictureScreen, ModalScreen[None]):
    """The request that was open when this came up, and no other."""

    CSS_PATH = "request.tcss"
    BINDINGS = keys.bindings(keys.REQUEST)
    # Before the style sheet hides the comment, Textual would focus it, and a key pressed once too
    # often would be written into what nobody sees.
    AUTO_FOCUS = ""

    def __init__(self, run: RunState, request: Request, clock: Callable[[], float]) -> None:
        super().__init__()
        self._run = run
        self._request = request
        self._clock = clock
        self._arming = Arming(clock)
        self._seen = False
        self._sent = False
        self._is_over = False
        self._now: Moment | None = None
        self._who = OneLine(id="who")
        self._clock_line = OneLine(id="clock")
        self._body = Lines(id="body-lines")
        self._place = AnswerPlace(request)
        self._body.tells_moves = True
        self._comment = Input(placeholder="comment for the agent (optional)", id="comment")
        self._hint = OneLine(id="hint")
        self._state = Banner(id="state")
        self._deny = Button("Deny  n", id="deny", compact=True)
        self._allow = Button("Approve  y", id="allow", compact=True, disabled=True)
        if request.kind in TYPED:
            self._deny = Button("Deny  Ctrl+N", id="deny", compact=True)
            self._allow = Button("Send  Ctrl+S", id="allow", compact=True, disabled=True)
        for button in (self._deny, self._allow):
            button.active_effect_duration = 0  # Else a second Enter within 0.2 s is swallowed.

    # -- what it looks like -------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """A card: who, since when, exactly what, and the ways to answer."""
        with Vertical(id="card"):
            yield self._who
            yield self._clock_line
            yield self._body
            yield from self._place.widgets()
            yield self._comment
            yield self._state
            yield self._hint
            with Horizontal(id="buttons"):
                yield self._deny
                if self._request.kind in ("approve", "edit", "form"):
                    yield self._allow
            yield KeyBar(keys.REQUEST, id="keys")

    def on_mount(self) -> None:
        """The focus is on no, or where text is typed."""
        self._who.set_content(question.title_line(self._run, self._request))
        self.query_one(KeyBar).offer(self._offered())
        if not self._place.take_focus():
            self._deny.focus()
        self._arming.disarm()

    def on_resize(self) -> None:
        """Wrap to the new width; then look whether all of it is in view."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        width = max(20, self._body.size.width - 1)
        lines = question.body_lines(self._run, self._request, width)
        most = int(self.size.height * CARD_SHARE) - CHROME_LINES - 2 * self._comment.display
        used = max(3, min(len(lines), most - self._place.least_lines(self.size.height)))
        self._body.styles.height = used
        self._body.set_lines(lines)
        self._body.refresh()
        self._place.fit(width, most - used)
        self.call_after_refresh(self._look)

    def _offered(self) -> list[keys.Key]:
        wanted = WANTED_KEYS.get(self._request.kind, ())
        return [
            key
            for key in keys.in_footer(keys.REQUEST)
            if key.action in wanted or key.id in ("request.page-down", "request.leave-open")
        ]

    def show(self, picture: Picture, now: Moment) -> None:
        """Clocks go on; the request stays. Tell what became of it elsewhere."""
        self._now = now
        others = len(open_requests(picture)) - 1
        clock = question.clock_line(self._request, now)
        if others > 0 and not self._is_over:
            clock = clock.append(line((f"   {others} more open", MUTED)))
        self._clock_line.set_content(clock)
        self._look()
        if self._sent or self._is_over:
            return
        current = find_request(picture, self._run.id, self._request.id)
        if current is None and picture.is_loaded:
            self._close_with("closed", "its run is no longer known to the engine")
        elif current is not None and current.sha256 != self._request.sha256:
            self._close_with("changed", "it is not what is shown here any more")
        elif current is not None and current.state is RequestState.ANSWERED:
            self._close_with("already answered", story.answered_text(current))
        elif current is not None and current.state is not RequestState.OPEN:
            self._close_with(current.state.value, current.closed_why or "no answer is taken")
        elif picture.link is Link.LOST:
            self._state.say((" the engine is lost; an answer cannot be given now", BAD))
        else:
            self._state.say()

    def _close_with(self, what: str, why: str) -> None:
        self._is_over = True
        self._deny.disabled = self._allow.disabled = True
        self._state.say((f" {what} ", BAD_BADGE), (f" {render.clean(why)}", TEXT))
        self._hint.set_content(line((" nothing left to decide here; Esc goes back", MUTED)))

    # -- when an answer counts ----------------------------------------------------------------

    def _look(self) -> None:
        """Note when the end of the text has been in view; only then can it be approved."""
        if not self._seen and self._body.lines:
            body = self._body
            if body.size.height > 0 and body.is_at_end and self._place.is_seen_whole:
                self._seen = True
                self._arming.disarm()
        if self._is_over:
            return
        self._allow.disabled = not self._seen
        if not self._seen:
            below = len(self._body.lines) - self._body.scroll_offset.y - self._body.size.height
            more = render.plural(below, "more line") if below > 0 else "more"
            self._hint.set_content(line((f" ▼ {more} below: read to the end first", ASK)))
        else:
            self._hint.set_content(line())

    def on_lines_moved(self) -> None:
        """Other lines are in view."""
        self._look()

    def _may(self, *, consent: bool) -> bool:
        """Whether an answer given now counts; says why when not."""
        if self._is_over or self._sent:
            return False
        if not self._arming.is_armed():
            self._hint.set_content(
                line((" keys wake up a moment after a question appears: press again", ASK))
            )
            return False
        if consent and not self._seen:
            self._look()
            return False
        return True

    def on_descendant_focus(self, _event: DescendantFocus) -> None:
        """The focus moved: keys are dead for a moment."""
        self._arming.disarm()

    def rearm(self) -> None:
        """The terminal got the focus: keys are dead for a moment."""
        self._arming.disarm()

    def _decide(self, decision: Decision) -> None:
        self._sent = True
        self._state.say((" sending the answer …", MUTED))
        self.post_message(AnswerWanted(self._run.id, self._request, decision))

    def refused(self, what: str, code: str, fix: str) -> None:
        """The engine did not take the answer: say so; try again only where that can help."""
        self._sent = False
        if code in CLOSED_CODES:
            self._close_with(code.replace("_", " "), what)
            return
        self._state.say((" not answered ", BAD_BADGE), (f" {render.clean(f'{what} {fix}')}", TEXT))
        self._arming.disarm()

    @property
    def _said(self) -> str | None:
        # A comment that was never opened was never seen: it is not sent.
        return (self._comment.value.strip() or None) if self._comment.display else None

    # -- keys ---------------------------------------------------------------------------------

    def action_allow(self) -> None:
        """Approve what is shown; in a field of yes and no it is the field's yes."""
        if self._place.say_truth(yes=True):
            return
        if self._request.kind == "approve" and self._may(consent=True):
            self._decide(Decision(allow=True, comment=self._said))

    def action_deny(self) -> None:
        """Deny; in a field of yes and no it is the field's no."""
        if not self._place.say_truth(yes=False):
            self.action_refuse()

    def action_refuse(self) -> None:
        """Deny, wherever the focus is."""
        if self._may(consent=False):
            self._decide(Decision(allow=False, comment=self._said))

    def action_always(self) -> None:
        """Ask whether this approval is to stand for good."""
        if self._request.kind == "approve" and self._now and self._may(consent=True):
            asked = AlwaysScreen(self._run, self._request, self._clock, self._now.wall)
            self.app.push_screen(asked, self._allow_for)

    def _allow_for(self, seconds: float | None) -> None:
        """The confirmation had dead keys of its own; here only what happened meanwhile counts."""
        self._arming.disarm()
        if seconds is not None and not self._is_over and not self._sent:
            self._decide(Decision(allow=True, comment=self._said, always_s=seconds))

    def action_option(self, number: int) -> None:
        """Choose by number; with more than nine options it only highlights, Enter sends."""
        if self._place.choose(number):
            self.action_send()

    def action_send(self) -> None:
        """Send the text, the form, or the highlighted option."""
        if not self._may(consent=True):
            return
        given = self._place.given()
        if isinstance(given, str):
            self._state.say((" not sent ", BAD_BADGE), (f" {render.clean(given)}", TEXT))
        elif given is not None:
            self._decide(replace(given, comment=self._said))

    def action_editor(self) -> None:
        """The text in the operator's own editor; what comes back is sent from here, or not."""
        if not self._place.has_text or self._is_over or self._sent:
            return
        try:
            if self.app.is_web:
                raise UserError("a browser has no editor", fix="Change the text right here")
            self._place.edit_in(self.app)
        except UserError as error:
            self._state.say((" as it was ", BAD_BADGE), (f" {render.clean(error)}", TEXT))
        else:
            self._state.say((" back from your editor: Ctrl+S sends it", MUTED))
        self._arming.disarm()

    def action_comment(self) -> None:
        """Open the comment."""
        self._comment.display = True
        self._comment.focus()
        self._fill()

    def action_up(self) -> None:
        """One line or option up."""
        self._step(-1)

    def action_down(self) -> None:
        """One line or option down."""
        self._step(1)

    def _step(self, by: int) -> None:
        if self._place.move(by, is_read=self._body.is_at_end):
            self._look()
        else:
            self._scroll(by)

    def action_page_up(self) -> None:
        """One page up: of what is written, then of the question."""
        if not self._place.page(-1):
            self._scroll(1 - self._body.size.height)

    def action_page_down(self) -> None:
        """One page down: of the question, then of what is written."""
        if self._body.is_at_end:
            self._place.page(1)
            self.call_after_refresh(self._look)
        else:
            self._scroll(max(1, self._body.size.height - 1))

    def action_space(self) -> None:
        """The next word of a field to pick from, else one page down."""
        if not self._place.move(1, is_read=False):
            self.action_page_down()

    def action_bottom(self) -> None:
        """To the end."""
        self._scroll(len(self._body.lines))
        self._place.to_end()

    def _scroll(self, lines: int) -> None:
        self._body.scroll_to(y=self._body.scroll_offset.y + lines, animate=False, immediate=True)
        self.call_after_refresh(self._look)

    def action_leave_open(self) -> None:
        """Out of the comment, or back; the request stays open."""
        if self.focused is self._comment:
            self._deny.focus()
        else:
            self.dismiss()

    # -- buttons and fields -------------------------------------------------------------------

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Enter on a button; on a choice Enter sends the highlighted option."""
        event.stop()
        if event.button is self._allow and self._request.kind == "approve":
            self.action_allow()
        elif event.button is self._allow or self._place.has_choice:
            self.action_send()
        else:
            self.action_refuse()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the answer sends it; in the comment it goes back to the decision."""
        event.stop()
        if event.input is self._comment:
            self._deny.focus()
        elif self._request.kind == "form":
            self.focus_next()  # Enter goes on; a form is sent by its own key alone.
        else:
            self.action_send()

    def say(self, *parts: Part) -> None:
        """One line on what became of the last action."""
        self._state.say(*parts)

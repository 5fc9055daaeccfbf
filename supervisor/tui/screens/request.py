"""One request, frozen as it was when it came up, answered in place.

Owns: when an answer may be given. Must never show another request than the one it opened with,
nor let a key decide that was pressed before the whole text was seen. Escape is no answer.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus
from textual.screen import ModalScreen
from textual.widgets import Button, Input, TextArea

from supervisor.core.moment import Moment
from supervisor.core.run import Request, RequestState, RunState
from supervisor.core.text import safe_text
from supervisor.tui import keys, question, render, story
from supervisor.tui.arming import Arming
from supervisor.tui.messages import AnswerWanted, Decision
from supervisor.tui.model import Link, Picture, find_request, open_requests
from supervisor.tui.render import Part, line
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.theme import ASK, BAD, BAD_BADGE, MUTED, TEXT
from supervisor.tui.widgets.bars import Banner, KeyBar, OneLine
from supervisor.tui.widgets.lines import Lines
from supervisor.tui.widgets.options import Options

CLOSED_CODES = frozenset({"conflict", "expired", "unknown_request", "hash_mismatch"})
"""Refusals after which no other answer can be right either."""
CARD_SHARE = 0.92
"""Most of the height that the card takes."""
CHROME_LINES = 10
"""Lines of the card that are not the body."""
WANTED_KEYS = {
    "approve": ("allow", "deny", "comment"),
    "choose": ("option", "deny", "comment"),
    "text": ("send", "request.refuse"),
    "edit": ("send", "request.refuse"),
}


class RequestScreen(PictureScreen, ModalScreen[None]):
    """The request that was open when this came up, and no other."""

    CSS_PATH = "request.tcss"
    BINDINGS = keys.bindings(keys.REQUEST)

    def __init__(self, run: RunState, request: Request, clock: Callable[[], float]) -> None:
        super().__init__()
        self._run = run
        self._request = request
        self._arming = Arming(clock)
        self._seen = False
        self._sent = False
        self._is_over = False
        self._now: Moment | None = None
        self._who = OneLine(id="who")
        self._clock_line = OneLine(id="clock")
        self._body = Lines(id="body-lines")
        self._options = Options(request)
        self._body.tells_moves = self._options.tells_moves = True
        self._comment = Input(placeholder="comment for the agent (optional)", id="comment")
        self._hint = OneLine(id="hint")
        self._state = Banner(id="state")
        self._deny = Button("Deny  n", id="deny", compact=True)
        self._allow = Button("Approve  y", id="allow", compact=True, disabled=True)
        for button in (self._deny, self._allow):
            button.active_effect_duration = 0  # Else a second Enter within 0.2 s is swallowed.

    # -- what it looks like -------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """A card: who, since when, exactly what, and the ways to answer."""
        kind = self._request.kind
        with Vertical(id="card"):
            yield self._who
            yield self._clock_line
            yield self._body
            if kind == "choose":
                yield self._options
            elif kind == "text":
                yield Input(self._draft(), placeholder="your answer", id="answer")
            elif kind == "edit":
                area = TextArea(self._draft(), soft_wrap=True, id="answer-area")
                area.cursor_blink = False
                yield area
            yield self._comment
            yield self._state
            yield self._hint
            with Horizontal(id="buttons"):
                yield self._deny
                if kind == "approve":
                    yield self._allow
            yield KeyBar(keys.REQUEST, id="keys")

    def on_mount(self) -> None:
        """The focus is on no, or where text is typed."""
        self._who.set_content(question.title_line(self._run, self._request))
        self.query_one(KeyBar).offer(self._offered())
        if self._request.kind == "text":
            self.query_one("#answer").focus()
        elif self._request.kind == "edit":
            self.query_one("#answer-area").focus()
        else:
            self._deny.focus()
        self._arming.disarm()

    def on_resize(self) -> None:
        """Wrap to the new width; then look whether all of it is in view."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        width = max(20, self._body.size.width - 1)
        lines = question.body_lines(self._run, self._request, width)
        self._body.styles.height = max(3, min(len(lines), self._body_room()))
        self._body.set_lines(lines)
        self._body.refresh()
        if self._request.kind == "choose":
            self._options.fill(width)
        self.call_after_refresh(self._look)

    def _body_room(self) -> int:
        """Lines the body may take, so that every way to answer stays in view."""
        others = CHROME_LINES + 2 * self._comment.display
        if self._request.kind == "choose":
            others += min(len(self._request.options) + 1, self.size.height // 3)
        elif self._request.kind == "edit":
            others += self.size.height // 3
        return int(self.size.height * CARD_SHARE) - others

    def _offered(self) -> list[keys.Key]:
        wanted = WANTED_KEYS.get(self._request.kind, ())
        return [
            key
            for key in keys.in_footer(keys.REQUEST)
            if key.id in wanted
            or (key.action in wanted and key.id != "request.refuse")
            or key.id in ("request.page-down", "request.leave-open")
        ]

    def _draft(self) -> str:
        """The text to start from: the stated default, or what is to be edited."""
        request = self._request
        draft = request.default
        if draft is None and request.kind == "edit":
            action = request.action
            draft = action.get("text") if isinstance(action, dict) else action
        multiline = request.kind == "edit"
        return safe_text(draft, keep_newlines=multiline) if isinstance(draft, str) else ""

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
            ends = [self._body, self._options] if self._request.kind == "choose" else [self._body]
            if all(part.size.height > 0 and part.is_at_end for part in ends):
                self._seen = True
                self._arming.disarm()
        if self._is_over:
            return
        self._allow.disabled = not self._seen
        if not self._seen:
            below = len(self._body.lines) - self._body.scroll_offset.y - self._body.size.height
            more = render.plural(max(1, below), "more line")
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
        return self._comment.value.strip() or None

    # -- keys ---------------------------------------------------------------------------------

    def action_allow(self) -> None:
        """Approve what is shown."""
        if self._request.kind == "approve" and self._may(consent=True):
            self._decide(Decision(allow=True, comment=self._said))

    def action_deny(self) -> None:
        """Deny."""
        if self._may(consent=False):
            self._decide(Decision(allow=False, comment=self._said))

    def action_option(self, number: int) -> None:
        """Choose by number; with more than nine options it only highlights, Enter sends."""
        options = self._request.options
        if self._request.kind != "choose" or not 1 <= number <= len(options):
            return
        self._options.choose(number - 1)
        if len(options) <= 9 and self._may(consent=True):
            self._decide(Decision(option=options[number - 1], comment=self._said))

    def action_send(self) -> None:
        """Send the text, or the highlighted option."""
        kind = self._request.kind
        if kind == "choose":
            chosen = self._options.chosen
            if chosen is not None and self._may(consent=True):
                option = self._request.options[chosen]
                self._decide(Decision(option=option, comment=self._said))
        elif kind in ("text", "edit") and self._may(consent=True):
            self._decide(Decision(text=self._typed(), comment=self._said))

    def _typed(self) -> str:
        if self._request.kind == "edit":
            return self.query_one("#answer-area", TextArea).text
        return self.query_one("#answer", Input).value

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
        if self._request.kind == "choose" and self._body.is_at_end:
            self._options.move(by)
            self._look()
        else:
            self._scroll(by)

    def action_page_up(self) -> None:
        """One page up."""
        self._scroll(1 - self._body.size.height)

    def action_page_down(self) -> None:
        """One page down."""
        self._scroll(max(1, self._body.size.height - 1))

    def action_bottom(self) -> None:
        """To the end."""
        self._scroll(len(self._body.lines))
        self._options.scroll_end(animate=False)

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
        if event.button is self._allow:
            self.action_allow()
        elif self._request.kind == "choose" and self._options.chosen is not None:
            self.action_send()
        else:
            self.action_deny()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in the answer sends it; in the comment it goes back to the decision."""
        event.stop()
        if event.input is self._comment:
            self._deny.focus()
        else:
            self.action_send()

    def say(self, *parts: Part) -> None:
        """One line on what became of the last action."""
        self._state.say(*parts)

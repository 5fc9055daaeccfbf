"""Every open question of every run, answered without entering an agent.

Owns: the order (what a yes would risk, then who waits longest) and which question the keys mean.
The rules are those of a request that stands alone (``screens/request.py``): frozen as it was
marked, keys dead for a moment after anything appeared, a yes only once all of it was in view. What
is typed (a text, a form, a comment) is typed there: Enter opens it and leads back here.
"""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.risk import Level, risk_of
from supervisor.core.run import Request, RequestState
from supervisor.tui import keys, place_keys, question, render, story
from supervisor.tui.arming import Arming
from supervisor.tui.messages import AnswerWanted, Decision, RequestWanted
from supervisor.tui.model import Link, OpenRequest, Picture, find_request, open_requests
from supervisor.tui.render import Part, line
from supervisor.tui.screens.always import AlwaysScreen
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.theme import ASK, BAD, DONE, FAINT, MUTED, STRONG, TEXT
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines

LOOKS = {Level.HIGH: ("▲", "high", BAD), Level.MEDIUM: ("◆", "medium", ASK),
         Level.LOW: ("·", "low", MUTED)}  # fmt: skip
"""A mark, a word and a colour: none of them says it alone."""
BESIDE_CELLS = 110
"""From this width on the list stands beside the question."""
LIST_SHARE = 0.42
AGENT_CELLS = 18
IN_PLACE = frozenset({"approve", "choose"})
"""Kinds that a single key answers."""


class InboxScreen(PlaceScreen):
    """The list, and the marked question whole."""

    CSS_PATH = "inbox.tcss"
    SCOPE = place_keys.INBOX
    BINDINGS = keys.bindings(SCOPE)

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._arming = Arming(clock)
        self._by_age = False
        self._items: dict[str, OpenRequest] = {}
        """By key; each as it was when it was first seen here, until it is closed or changed."""
        self._sent: set[str] = set()
        self._seen = False
        """Whether the end of the marked one has been in view."""
        self._shown: tuple[str, str, int] | None = None
        """Key, hash and width of what the body shows."""
        self._columns = OneLine(id="columns")
        self._left = Vertical(id="questions")
        self._who = OneLine(id="who")
        self._wait = OneLine(id="clock")
        self._risk = OneLine(id="risk")
        self._body = Lines(id="question-lines")
        self._body.tells_moves = True
        self._hint = OneLine(id="hint")

    def body(self) -> ComposeResult:
        """List and question, beside each other where there is room."""
        with Vertical(id="halves"):
            with self._left:
                yield self._columns
                yield self._list
            with Vertical(id="question"):
                yield self._who
                yield self._wait
                yield self._risk
                yield self._body
                yield self._hint

    def on_resize(self) -> None:
        """Beside or below."""
        self.set_class(self.size.width >= BESIDE_CELLS, "-beside")
        super().on_resize()

    # -- what is shown ------------------------------------------------------------------------

    def show(self, picture: Picture, now: Moment) -> None:
        """A new picture: what was answered elsewhere is said, what is new takes its place."""
        there = {_key(item): item for item in open_requests(picture)}
        for key, item in self._items.items():
            current = there.get(key)
            if current is None and picture.is_loaded and key not in self._sent:
                self._tell_closed(item, picture)
            elif current is not None and current.request.sha256 == item.request.sha256:
                there[key] = OpenRequest(current.run, item.request)
        self._sent &= set(there)
        self._items = there
        super().show(picture, now)

    def _tell_closed(self, item: OpenRequest, picture: Picture) -> None:
        current = find_request(picture, item.run.id, item.request.id)
        if current is None:
            why = "its run is no longer known"
        elif current.state is RequestState.ANSWERED:
            why = f"answered elsewhere: {story.answered_text(current)}"
        else:
            why = f"{current.state.value}: {current.closed_why or 'no answer is taken'}"
        self.say((f" {item.request.id} {render.clean(why, 200)}", ASK))

    def draw(self) -> None:
        """Fill list and question."""
        waiting = self._in_order()
        width = self._list.size.width or self.size.width
        self._columns.set_content(_heading(width))
        rows = [(key, self._row(item, width)) for key, item in waiting]
        self._list.fill(rows or [("", Content(""))])
        used = min(max(1, len(rows)), max(3, self.size.height // 3))
        self._left.styles.height = "1fr" if self.has_class("-beside") else used + 1
        high = sum(risk_of(item.request).level is Level.HIGH for _, item in waiting)
        order = "oldest first" if self._by_age else "by risk, then age"
        risky = (f"   {high} of high risk", BAD) if high else ("", "")
        told = render.plural(len(waiting), "question") if waiting else "nothing waits for you"
        self._head.set_content(
            line((" inbox", STRONG), (f"   {told}", ASK if waiting else DONE), risky,
                 (f"   {order}" if waiting else "", MUTED))
        )  # fmt: skip
        self._draw_question()

    def _in_order(self) -> list[tuple[str, OpenRequest]]:
        def rank(entry: tuple[str, OpenRequest]) -> tuple[float, float, str]:
            request = entry[1].request
            level = 0 if self._by_age else -risk_of(request).level
            return level, request.created_at, request.id

        return sorted(self._items.items(), key=rank)

    def _row(self, item: OpenRequest, width: int) -> Content:
        request, now = item.request, self._now
        mark, word, style = LOOKS[risk_of(request).level]
        waited = render.duration(now.wall - request.created_at) if now else ""
        parts: list[Part] = [
            (f" {mark} {word:<7}", style),
            (f"{waited:>10}  ", MUTED),
            (render.fit(render.clean(item.run.agent, 60), AGENT_CELLS) + " ", STRONG),
        ]
        room = width - sum(len(text) for text, _ in parts) - 1
        return line(*parts, (render.fit(render.clean(request.title, 300), max(8, room)), TEXT))

    def _draw_question(self) -> None:
        item = self._marked()
        width = max(20, self._body.size.width - 1)
        shown = None if item is None else (_key(item), item.request.sha256, width)
        if shown != self._shown:
            is_other = self._shown is None or shown is None or shown[:2] != self._shown[:2]
            self._shown = shown
            self._fill_body(item, width)
            if is_other:
                self._seen = False
                self._arming.disarm()
                self._body.scroll_to(y=0, animate=False, immediate=True)
            self.call_after_refresh(self._look)
        if item is None:
            self._who.set_content(line((" all quiet", STRONG)))
            self._wait.set_content(line((" what your agents ask comes up here by itself", MUTED)))
            self._risk.set_content(line())
            self._hint.set_content(line())
        else:
            risk = risk_of(item.request)
            mark, word, style = LOOKS[risk.level]
            self._who.set_content(question.title_line(item.run, item.request))
            self._wait.set_content(
                question.clock_line(item.request, self._now) if self._now else line()
            )
            self._risk.set_content(line((f"{mark} {word} risk", style), (f"   {risk.why}", MUTED)))
            self._look()

    def _fill_body(self, item: OpenRequest | None, width: int) -> None:
        lines: list[Content] = []
        if item is not None:
            lines = question.body_lines(item.run, item.request, width)
            if item.request.kind == "choose":
                count = len(item.request.options)
                lines += [question.option_line(item.request, n, width) for n in range(count)]
            elif item.request.kind == "edit":
                lines += question.proposed_lines(item.request, width)
        self._body.set_lines(lines)
        self._body.refresh()

    def _marked(self) -> OpenRequest | None:
        return self._items.get(self._list.chosen or "")

    # -- when an answer counts ----------------------------------------------------------------

    def _look(self) -> None:
        item = self._marked()
        if item is None or self._shown is None:
            return
        if not self._seen and self._body.size.height > 0 and self._body.is_at_end:
            self._seen = True
            self._arming.disarm()
        if not self._seen:
            below = len(self._body.lines) - self._body.scroll_offset.y - self._body.size.height
            words = f" ▼ {render.plural(below, 'more line')} below: read to the end first (space)"
            self._hint.set_content(line((words, ASK)))
        else:
            self._hint.set_content(_hint_of(item.request))

    def _may(self, *, consent: bool) -> OpenRequest | None:
        """The marked one, if an answer given now counts; says why when not."""
        item = self._marked()
        if item is None or _key(item) in self._sent:
            return None
        if self._picture.link is not Link.LIVE:
            self.say((" the engine is lost; an answer cannot be given now", BAD))
            return None
        if not self._arming.is_armed():
            self.say((" keys wake up a moment after a question appears: press again", ASK))
            return None
        if consent and not self._seen:
            self._look()
            return None
        return item

    def _decide(self, item: OpenRequest, decision: Decision) -> None:
        self._sent.add(_key(item))
        self._arming.disarm()
        self.say((" sending the answer …", MUTED))
        self.post_message(AnswerWanted(item.run.id, item.request, decision))

    def answer_refused(self, request: Request, words: str) -> None:
        """The engine did not take it; the question is open again if it still is."""
        self._sent = {key for key in self._sent if not key.endswith(f" {request.id}")}
        self._arming.disarm()
        self.say((f" {request.id} not answered: {render.clean(words)}", BAD))

    def rearm(self) -> None:
        """The terminal got the focus: keys are dead for a moment."""
        self._arming.disarm()

    # -- keys ---------------------------------------------------------------------------------

    def on_pick_list_chosen(self) -> None:
        """Another one is marked."""
        self._draw_question()

    def on_lines_moved(self) -> None:
        """Other lines are in view."""
        self._look()

    def on_screen_resume(self) -> None:
        """Back from a question of its own: keys are dead for a moment."""
        self._arming.disarm()
        super().on_screen_resume()

    def action_allow(self) -> None:
        """Approve what is shown."""
        item = self._marked()
        if item is not None and item.request.kind != "approve":
            self.action_open()
        elif item := self._may(consent=True):
            self._decide(item, Decision(allow=True))

    def action_deny(self) -> None:
        """Deny it."""
        if item := self._may(consent=False):
            self._decide(item, Decision(allow=False))

    def action_option(self, number: int) -> None:
        """Choose by number."""
        item = self._marked()
        if item is None or item.request.kind != "choose":
            return
        options = item.request.options
        if len(options) > 9:
            self.action_open()  # A two-digit number is no single key.
        elif number <= len(options) and (item := self._may(consent=True)):
            self._decide(item, Decision(option=options[number - 1]))

    def action_always(self) -> None:
        """Ask whether this approval is to stand for good."""
        item = self._marked()
        if item is None or item.request.kind != "approve" or self._now is None:
            return
        if item := self._may(consent=True):
            asked = AlwaysScreen(item.run, item.request, self._clock, self._now.wall)
            self.app.push_screen(asked, lambda seconds: self._allow_for(item, seconds))

    def _allow_for(self, item: OpenRequest, seconds: float | None) -> None:
        self._arming.disarm()
        if seconds is not None and _key(item) in self._items and _key(item) not in self._sent:
            self._decide(item, Decision(allow=True, always_s=seconds))

    def action_open(self) -> None:
        """The question by itself: where a text, a form or a comment is typed."""
        if (item := self._marked()) and _key(item) not in self._sent:
            self.post_message(RequestWanted(item.run.id, item.request.id))

    def action_order(self) -> None:
        """By risk, or by age."""
        self._by_age = not self._by_age
        self.draw()

    def action_read_on(self) -> None:
        """One page down in the question."""
        self._scroll(max(1, self._body.size.height - 1))

    def action_read_back(self) -> None:
        """One page up in it."""
        self._scroll(1 - self._body.size.height)

    def _scroll(self, lines: int) -> None:
        self._body.scroll_to(y=self._body.scroll_offset.y + lines, animate=False, immediate=True)
        self.call_after_refresh(self._look)

    @property
    def run_id(self) -> str | None:
        """The run whose question is marked."""
        item = self._marked()
        return item.run.id if item else None

    @property
    def agent(self) -> str | None:
        """Its agent."""
        item = self._marked()
        return item.run.agent if item else None


def _key(item: OpenRequest) -> str:
    return f"{item.run.id} {item.request.id}"


def _heading(width: int) -> Content:
    words = f" {'RISK':<9}{'WAITS':>10}  {'AGENT':<{AGENT_CELLS}} QUESTION"
    return line((render.fit(words, width), FAINT))


def _hint_of(request: Request) -> Content:
    """Which keys answer it."""
    if request.kind == "approve":
        words = " y approves exactly this, n denies; Enter to add a comment"
    elif request.kind == "choose":
        words = " its number chooses, n denies"
        if len(request.options) > 9:
            words = " Enter to choose, n denies"
    else:
        words = " Enter to answer it, n denies"
    return line((words, MUTED))

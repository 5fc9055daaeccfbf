"""What the plain line mode says, and how it understands a line. Pure: no terminal, no engine.

A screen reader reads every line aloud, so a line is a sentence that stands alone, and a counter
that merely moves is said when it passes a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from supervisor.cli.follow import is_worth_a_line
from supervisor.core import events as e
from supervisor.core.describe import describe, progress_words, reason_words, waiting_words
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress
from supervisor.core.run import Request, RunState, Status
from supervisor.core.text import safe_text, visible_text

QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Command:
    """One thing that may be typed."""

    name: str
    takes: str
    """What follows it, as the help writes it."""
    does: str


COMMANDS: tuple[Command, ...] = (
    Command("status", "[NAME]", "where each run stands, or one of them"),
    Command("questions", "", "what waits for you"),
    Command("answer", "[NUMBER]", "read that question whole and answer it; the oldest without one"),
    Command("why", "NAME", "why a run is as it is, and what next"),
    Command("log", "NAME [LINES]", "the end of what it wrote, 10 lines without a number"),
    Command("start", "NAME", "start an agent, or continue its run"),
    Command("stop", "NAME", "stop a run; it keeps its checkpoint; asks first"),
    Command("restart", "NAME", "end the attempt and start the next one; asks first"),
    Command("pause", "NAME", "hold a run still"),
    Command("resume", "NAME", "let a paused run go on"),
    Command("help", "", "these commands"),
    Command("quit", "", "leave; the agents go on"),
)
NAMES = {command.name: command for command in COMMANDS}


def help_lines() -> list[str]:
    """The commands, a sentence each."""
    return [f"{f'{command.name} {command.takes}'.strip()}: {command.does}." for command in COMMANDS]


@dataclass(slots=True)
class Numbers:
    """Questions by a number that stays the same for as long as this session lasts."""

    _ids: list[str] = field(default_factory=list)

    def of(self, request_id: str) -> int:
        """Its number, the next one when it was not seen before."""
        if request_id not in self._ids:
            self._ids.append(request_id)
        return self._ids.index(request_id) + 1

    def find(self, word: str, requests: list[tuple[RunState, Request]]) -> Request | None:
        """The open question meant by a number or an id; without a word the oldest."""
        for _state, request in requests:
            if word in ("", str(self.of(request.id))) or word.upper() == request.id.upper():
                return request
        return None


@dataclass(slots=True)
class Announcer:
    """Sentences for events; remembers what was last said of each run's progress."""

    numbers: Numbers
    _said: dict[str, tuple[str | None, int]] = field(default_factory=dict)

    def sentence(self, recorded: Recorded, state: RunState | None) -> str | None:
        """What to say of an event; None when it is worth no words."""
        event = recorded.event
        if state is None:
            return sentence_of("Longwatch", describe(event)) if _is_ours(event) else None
        who = safe_text(state.agent, limit=80)
        if isinstance(event, e.ProgressReported):
            return self._progress(who, event.progress, state, recorded.at)
        if isinstance(event, e.RequestOpened):
            return self.question(state, event.request)
        if isinstance(event, e.RequestReminded):
            number = self.numbers.of(event.request_id)
            return f"{who} still waits for question {number}. To answer, type: answer {number}"
        if isinstance(event, e.RequestAnswered | e.RequestClosed):
            number = self.numbers.of(event.request_id)
            return sentence_of(f"Question {number} of {who}", describe(event))
        return sentence_of(who, describe(event)) if is_worth_a_line(event, state) else None

    def question(self, state: RunState, request: Request) -> str:
        """That somebody asks, and how to answer."""
        number = self.numbers.of(request.id)
        title = visible_text(request.title, limit=300)
        who = safe_text(state.agent, limit=80)
        return f"Question {number}, {who} asks: {title} To answer, type: answer {number}"

    def _progress(self, who: str, progress: Progress, state: RunState, now: Moment) -> str | None:
        stage = progress.stage.name if progress.stage else None
        passed = (stage, _quarter(progress))
        if self._said.get(state.id) == passed:
            return None
        self._said[state.id] = passed
        words = progress_words(state, now)
        return sentence_of(who, words) if words else None


def _quarter(progress: Progress) -> int:
    step = progress.step
    if step is None or step.completed is None or not step.total:
        return 0
    return int(max(0.0, min(1.0, step.completed / step.total)) * QUARTERS)


def _is_ours(event: e.Event) -> bool:
    return isinstance(event, e.ConfigRejected | e.ConfigApplied | e.HistoryLost | e.EngineStopping)


def sentence_of(who: str, words: str) -> str:
    """``who: words.`` in one line."""
    text = f"{who}: {safe_text(words)}"
    return text if text.endswith((".", "!", "?")) else f"{text}."


def standing(state: RunState, now: Moment) -> str:
    """Where one run stands, as a sentence."""
    parts = [f"{safe_text(state.agent, limit=80)} is {state.status}"]
    done = progress_words(state, now)
    if done:
        parts.append(done)
    if state.status is not Status.RUNNING and (why := reason_words(state, now)):
        parts.append(why)
    return sentence_of(parts[0], ", ".join(parts[1:])) if parts[1:] else f"{parts[0]}."


def waiting(number: int, state: RunState, request: Request, now: Moment) -> str:
    """An open question and how long it has waited."""
    title = visible_text(request.title, limit=300)
    who = safe_text(state.agent, limit=80)
    return sentence_of(f"Question {number}, {who} asks", f"{title} {waiting_words(request, now)}")

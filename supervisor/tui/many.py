"""What may be done to many runs at once, told in full before it is done.

Pure. Owns which runs a verb concerns and which requests are the same. Must never mean a run that
was not listed: what is sent names every run, and every answer carries its own request's hash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.run import RunState, Status
from supervisor.tui import question, render, view
from supervisor.tui.arrange import Scope
from supervisor.tui.model import OpenRequest, Picture, shown_runs, split_host
from supervisor.tui.render import Part, line
from supervisor.tui.theme import ASK, BAD, DONE, FAINT, KEY, MUTED, STRONG, TEXT, look_of_run

ANSWERED_TOGETHER = frozenset({"approve", "choose"})
"""Kinds that one key answers; what is typed is typed for each."""
FIRST_DIGIT = 1
LAST_DIGIT = 9


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing to do to many runs."""

    name: str
    """The method of the control socket."""
    label: str
    which: str
    """Whom it concerns, in words."""
    done: str
    concerns: Callable[[RunState], bool]
    tell: Callable[[RunState], str]
    """What it means for one run."""


def _can_pause(state: RunState) -> bool:
    is_asleep = state.wake is not None and not state.wake.is_held
    return state.status in (Status.RUNNING, Status.WAITING) or is_asleep


def _can_resume(state: RunState) -> bool:
    return state.status is Status.PAUSED or (state.wake is not None and state.wake.is_held)


def _has_failed(state: RunState) -> bool:
    return state.status in (Status.FAILED, Status.TIMED_OUT, Status.HELD)


def _restart_words(state: RunState) -> str:
    if state.checkpoint is None:
        return "begins anew: it has no checkpoint"
    return f"goes on from checkpoint {state.checkpoint.generation}"


VERBS: tuple[Verb, ...] = (
    Verb("pause", "pause", "working or asleep", "paused", _can_pause, lambda _s: "holds still"),
    Verb("resume", "resume", "paused", "go on", _can_resume, lambda _s: "goes on"),
    Verb(
        "restart",
        "restart failed",
        "failed, timed out or held",
        "restart",
        _has_failed,
        _restart_words,
    ),
)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A verb and the runs it was shown for."""

    verb: Verb
    scope_words: str
    runs: tuple[RunState, ...]

    @property
    def params(self) -> Mapping[str, Any]:
        """Of the control call: every run by its id; one that has moved on is passed over."""
        return {"names": [state.id for state in self.runs], "all": False, "lenient": True}


@dataclass(frozen=True, slots=True)
class Alike:
    """Open requests that are the same: kind and hash, which covers title, action and options."""

    items: tuple[OpenRequest, ...]
    """At least two, the oldest first."""


def everything(picture: Picture) -> Scope:
    """Every run of the table."""
    return Scope("all runs", tuple(shown_runs(picture, older=False)))


def sweep(name: str, scope: Scope) -> Sweep:
    """The verb of that name on what it concerns there."""
    verb = next(verb for verb in VERBS if verb.name == name)
    found = sorted((s for s in scope.runs if verb.concerns(s)), key=lambda s: (s.agent, s.id))
    return Sweep(verb, scope.words, tuple(found))


def alike(scope: Scope) -> list[Alike]:
    """Requests asked by several runs that one key can answer, the most asked first."""
    found: dict[tuple[str, str], list[OpenRequest]] = {}
    for state in scope.runs:
        for request in state.open_requests:
            if request.kind in ANSWERED_TOGETHER:
                key = (request.kind, request.sha256)
                found.setdefault(key, []).append(OpenRequest(state, request))
    sets = [
        Alike(tuple(sorted(items, key=lambda item: (item.request.created_at, item.request.id))))
        for items in found.values()
        if len(items) > 1
    ]
    return sorted(sets, key=lambda found: -len(found.items))


def host_of(state: RunState) -> str:
    """The machine of a run, where several are shown."""
    return split_host(state.id)[0]


# -- in words ---------------------------------------------------------------------------------


def menu_lines(scope: Scope, width: int) -> list[Content]:
    """What can be done, each by its number."""
    lines = [line(("for ", MUTED), (scope.words, STRONG)), render.BLANK]
    for number, verb in enumerate(VERBS, start=FIRST_DIGIT):
        count = len(sweep(verb.name, scope).runs)
        style = TEXT if count else FAINT
        which = f"{render.plural(count, 'run')} {verb.which}" if count else f"no run {verb.which}"
        lines.append(
            line((f"{number}  ", KEY), (render.fit(verb.label, 16), style), (which, style))
        )
    sets = alike(scope)
    if not sets:
        lines.append(line(("   ", ""), ("no question is asked by more than one run", FAINT)))
    for number, found in enumerate(sets, start=FIRST_DIGIT + len(VERBS)):
        if number > LAST_DIGIT:
            more = len(sets) - (number - FIRST_DIGIT - len(VERBS))
            lines.append(line((f"   and {more} more, once these are answered", MUTED)))
            break
        head = f"{len(found.items)} × "
        title = render.clean(found.items[0].request.title, 200)
        lines.append(
            line(
                (f"{number}  ", KEY),
                (render.fit("answer", 16), ASK),
                (head, STRONG),
                (render.fit(title, max(8, width - 19 - len(head))).rstrip(), TEXT),
            )
        )
    return lines


def sweep_lines(wanted: Sweep, now: Moment) -> list[Content]:
    """Every run it touches, with what it does now and what it will mean."""
    lines = []
    for state in wanted.runs:
        look = look_of_run(state)
        lines.append(
            line(
                (render.fit(f"{look.glyph} {look.word}", 12), look.style),
                (render.clean(state.agent, 64), STRONG),
                (f"  {state.id[-4:]}", FAINT),
                (f"  {wanted.verb.tell(state)}", TEXT),
                (f"  ({view.note_of(state, now)})", MUTED),
            )
        )
    return lines


def alike_lines(wanted: Alike, now: Moment, width: int) -> list[Content]:
    """The question whole, once, then everyone who asks it."""
    first = wanted.items[0]
    explanations = {item.request.explanation for item in wanted.items}
    lines = question.body_lines(first.run, first.request, width)
    if first.request.kind == "choose":
        places = range(len(first.request.options))
        lines += [question.option_line(first.request, place, width) for place in places]
    lines += [render.BLANK, line((f"asked by {render.plural(len(wanted.items), 'run')}", STRONG))]
    if len({item.run.spec.cwd for item in wanted.items}) > 1:
        lines.append(line(("they work in different folders, each named below", f"bold {ASK}")))
    for item in wanted.items:
        waited = render.duration(now.wall - item.request.created_at)
        lines.append(
            line(
                ("◆ ", ASK),
                (render.clean(item.run.agent, 64), STRONG),
                (f"  {item.request.id}  waiting for {waited}", MUTED),
            )
        )
        pieces = render.chop(render.clean(item.run.spec.cwd, 4096), max(10, width - 5))
        lines += [line((f"  in {piece}", TEXT)) for piece in pieces]
        if len(explanations) > 1 and item.request.explanation and item is not first:
            said = item.request.explanation
            lines += question.agent_lines(said, width, MUTED, gutter="┆ ")
    return lines


def swept_words(wanted: Sweep, done: int | None) -> Part:
    """What became of it; None is a number nobody knows (several machines)."""
    asked = len(wanted.runs)
    if done is None or done == asked:
        return (f" ✓ {render.plural(asked, 'run')}: {wanted.verb.done}", DONE)
    rest = f"{asked - done} had moved on meanwhile"
    return (f" ✓ {done} of {render.plural(asked, 'run')}: {wanted.verb.done}; {rest}", ASK)


def answered_words(word: str, done: int, refused: Sequence[str]) -> Part:
    """What became of many answers; ``refused`` has a phrase for each that was not taken."""
    if not refused:
        return (f" ✓ {render.plural(done, 'request')} {word}", DONE)
    why = render.clean(refused[0], 120)
    return (f" {done} {word}, {len(refused)} not: {why}", BAD)

"""Tasks in lines: one for each in the list, and everything about the marked one.

Pure. The list is a page that the engine made; how many there are is told by the queue's counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from supervisor.core.run import RunState
from supervisor.tui import keys, render
from supervisor.tui.render import Part, fit, line
from supervisor.tui.theme import ASK, BAD, DONE, FAINT, MUTED, RETRY, RUN, STRONG, TEXT, look_of_run

LOOKS: dict[str, tuple[str, str, str]] = {
    "leased": ("▶", "running", RUN),
    "ready": ("·", "waiting", TEXT),
    "delayed": ("◌", "later", RETRY),
    "dead": ("✗", "dead", BAD),
    "done": ("✓", "done", DONE),
}
"""Glyph, word and style by state."""


@dataclass(frozen=True, slots=True)
class View:
    """Which tasks are listed."""

    title: str
    states: tuple[str, ...]
    count: tuple[str, ...]
    """Whose counts say how many there are."""
    newest_first: bool = False


_NAMES = re.compile(r'"[^"]{0,80}": ?')
_JSON_MARKS = str.maketrans("", "", '{}[]"')

VIEWS: tuple[View, ...] = (
    View("not done", ("leased", "dead", "delayed", "ready"),
         ("leased", "dead", "delayed", "ready")),
    View("running", ("leased",), ("leased",)),
    View("waiting", ("ready",), ("ready",)),
    View("later", ("delayed",), ("delayed",)),
    View("dead", ("dead",), ("dead",), newest_first=True),
    View("done", ("done",), ("done",), newest_first=True),
)  # fmt: skip
"""By the digit that chooses it, from 1."""
WIDE_CELLS = 110
"""Below this width the views have no counts: those stand in the table above."""
PAGE = 100
"""Tasks of one state that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task of one machine, as its engine tells of it."""

    host: str
    view: Mapping[str, Any]

    @property
    def id(self) -> str:
        """As that machine knows it."""
        return str(self.view["id"])

    @property
    def run_id(self) -> str:
        """Of its run in the picture."""
        return f"{self.host}/{self.id}" if self.host else self.id

    @property
    def state(self) -> str:
        """A key of ``LOOKS``."""
        return str(self.view.get("state"))

    def about(self) -> str:
        """What it is, in a few words: its key, else how its payload begins."""
        if key := self.view.get("key"):
            return render.clean(key, 200)
        begins = str(self.view.get("about") or "")
        # The beginning of JSON text in a narrow column: what differs are the values.
        values = _NAMES.sub("", begins.replace(',"', ', "'))
        return render.clean(values, 200).translate(_JSON_MARKS)


def heading(width: int, *, of_one: bool) -> Content:
    """The titles of the columns of ``row``."""
    about, queue = _room(width, of_one=of_one)
    name = f"{fit('QUEUE', queue)} " if queue else ""
    words = f" {fit('STATE', 10)} {fit('TASK', 6)} {name}{fit('WHAT', about)}"
    return line((f"{words} {fit('TRY', 5)} {fit('AGE', 6, right=True)}  WHO, WHY", FAINT)).truncate(
        width
    )


def _room(width: int, *, of_one: bool) -> tuple[int, int]:
    """Cells of what it is about, and of the queue, which needs none where there is only one."""
    queue = 0 if of_one else 18 if width < 110 else 26
    left = width - 10 - 6 - queue - 5 - 6 - 8
    return max(10, left * 11 // 20), queue


def row(task: Task, run: RunState | None, now_wall: float, width: int, *, of_one: bool) -> Content:
    """One task in one line; ``of_one``: all are of one queue, which needs no telling."""
    glyph, word, style = LOOKS.get(task.state, ("?", task.state, MUTED))
    about, queue = _room(width, of_one=of_one)
    view = task.view
    age = render.short_duration(now_wall - float(view.get("submitted_at") or now_wall))
    name = render.clean(view.get("queue"), 80)
    return line(
        (f" {glyph} {fit(word, 8)} ", style),
        (fit(task.id[-6:], 6) + " ", FAINT),
        (fit(render.middle(name, queue), queue) + " " if queue else "", MUTED),
        (fit(task.about(), about) + " ", TEXT),
        (fit(f"{view.get('deliveries', 0)}/{view.get('max_deliveries', 0)}", 5) + " ", MUTED),
        (fit(age, 6, right=True) + "  ", MUTED),
        *_why(task, run, now_wall),
    )


def _why(task: Task, run: RunState | None, now_wall: float) -> list[Part]:
    """Who has it, when it is delivered again, or why it is dead."""
    view, problem = task.view, render.clean(task.view.get("problem") or "", 200)
    if task.state == "leased":
        return [(f"{holder(task)} ", MUTED), *_run_words(run)]
    if task.state == "delayed":
        due = render.short_duration(float(view.get("due_in_s") or 0))
        return [(f"in {due}  ", RETRY), (problem, MUTED)]
    if task.state == "done":
        ended = now_wall - float(view.get("finished_at") or now_wall)
        return [(f"{render.short_duration(ended)} ago", MUTED)]
    return [(problem, BAD if task.state == "dead" else MUTED)]


def holder(task: Task) -> str:
    """The machine whose worker has it."""
    host, _, _ = str(task.view.get("worker") or "").partition(":")
    return render.clean(host, 40) if host else "nobody"


def _run_words(run: RunState | None) -> list[Part]:
    if run is None:
        return []
    look = look_of_run(run)
    stage = run.progress.stage.name if run.progress and run.progress.stage else ""
    newest = run.newest_attempt
    pid = f"pid {newest.pid} " if newest is not None and newest.pid else ""
    words: list[Part] = [(pid, FAINT), (f"{look.glyph} {look.word} ", look.style)]
    return [*words, (render.clean(stage, 60), MUTED)]


def more_line(view: View, listed: int, known: int) -> Content | None:
    """What of it is not on this page."""
    if listed >= known:
        return None
    if len(view.states) > 1:
        words = f"{render.amount(known - listed)} more: 2 to 6 show one state, a page at a time"
    else:
        words = f"{keys.hint('queue.next')} shows the next page of {render.amount(known)}"
    return line((f"   … {words}", MUTED))


def detail(
    task: Task, run: RunState | None, told: Mapping[str, Any] | None, width: int
) -> list[Content]:
    """Everything about one task; ``told`` is the engine's answer with payload and result."""
    view = task.view
    glyph, word, style = LOOKS.get(task.state, ("?", task.state, MUTED))
    head = [(f"{glyph} {word}", style), (f"  {task.id}", STRONG)]
    tries = f"{view.get('deliveries', 0)} of {view.get('max_deliveries', 0)}"
    lines = [
        line(*head, (f"  {render.clean(view.get('queue'), 80)}", TEXT)),
        line(
            (f"delivery {tries}, priority {view.get('priority')}, submitted ", MUTED),
            (render.clock(float(view.get("submitted_at") or 0)), TEXT),
            (f"  key {render.clean(view['key'], 100)}" if view.get("key") else "", MUTED),
        ),
    ]
    if task.state == "leased":
        lines.append(line(("held by  ", FAINT), (render.clean(view.get("worker"), 200), TEXT)))
    if run is not None:
        opens = f"  {keys.hint('queue.open')} opens its run" if task.state != "ready" else ""
        lines.append(line(("run      ", FAINT), *_run_words(run), (opens, FAINT)))
    if view.get("problem"):
        lines.append(line(("problem  ", FAINT), (render.clean(view["problem"], 600), BAD)))
    for name in ("payload", "result"):
        if told is not None and told.get(name) is not None:
            text = render.clean(json.dumps(told[name], ensure_ascii=False), 2000)
            lines.append(line((fit(name, 9), FAINT), (text, TEXT)))
    return [part for whole in lines for part in render.wrap(whole, width)]


def tabs(chosen: int, counts: Mapping[str, int], text: str, of_what: str, width: int) -> Content:
    """The views with their digits and counts; the chosen one stands out."""
    parts: list[Part] = [(f" {of_what}", TEXT)]
    for place, view in enumerate(VIEWS):
        number = sum(counts.get(field, 0) for field in view.count)
        style = STRONG if place == chosen else MUTED
        mark = "▸" if place == chosen else " "
        count = f" {render.count(number)}" if width >= WIDE_CELLS else ""
        parts.append((f" {mark}{place + 1} {view.title}{count}", style))
    if text:
        parts.insert(1, (f" with {render.clean(text, 40)!r}", ASK))
    return line(*parts)


def sums(queues: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Counts by state over these queues."""
    return {state: sum(int(queue.get(state) or 0) for queue in queues) for state in LOOKS}

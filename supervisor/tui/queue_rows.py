"""Pools and pipelines in lines: workers, what waits where, and which stage holds up the others.

Pure. The counts are the engine's: a list of tasks is never counted here. A pipeline is drawn as
its stages one below the other, joined by a line, each with a bar of what waits before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textual.content import Content

from supervisor.core.text import safe_text
from supervisor.tui import render
from supervisor.tui.render import Part, fit, line
from supervisor.tui.theme import (
    ASK,
    BAD,
    BAR_ASK,
    BAR_BAD,
    BAR_RUN,
    DONE,
    FAINT,
    MUTED,
    RETRY,
    RUN,
    STRONG,
    TEXT,
)

ALL = "*"
"""Key of the line for all queues."""
DOTS = 6
"""Workers that are drawn one by one; more are only counted."""
WIDE_CELLS = 110
"""From here on there is room for what is done a minute, and longer bars."""
TROUBLE_AT = 2
"""Tasks that wait for each worker before a stage is said to hold up the others."""
PACE_S = 60.0
"""The pace is that of the last minute, as far as it was watched."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue of one machine, as its engine tells of it."""

    host: str
    view: Mapping[str, Any]
    pace: float | None = None
    """Tasks that ended in a minute; None when it was not watched long enough."""

    @property
    def name(self) -> str:
        """As in config.toml."""
        return str(self.view["name"])

    @property
    def key(self) -> str:
        """Unlike that of every other, on all machines."""
        return f"{self.host}/{self.name}"

    @property
    def pipeline(self) -> str:
        """Of a stage; empty for a pool of its own."""
        return str(self.view.get("pipeline") or "")

    @property
    def title(self) -> str:
        """The stage, or the queue."""
        return self.name.removeprefix(f"{self.pipeline}.") if self.pipeline else self.name

    def number(self, field: str) -> int:
        """A count, by its name in the engine's answer."""
        return int(self.view.get(field) or 0)

    @property
    def waiting(self) -> int:
        """Tasks that a free worker would take now."""
        return self.number("ready")

    @property
    def trouble(self) -> str:
        """Why what waits here is worked on by nobody; empty when it is."""
        if nobody := self.view.get("nobody"):
            return f"waiting and nobody can run this: {render.clean(nobody, 120)}"
        if self.waiting and not self.number("workers") and not self.view.get("hosts"):
            return "waiting and nobody runs this: it has no workers"
        return ""


def bottlenecks(queues: Iterable[Queue]) -> set[str]:
    """Keys of the stages that hold up their pipeline: most waits there for each worker.

    One a pipeline at most, and only when there is something behind the workers it has.
    """
    worst: dict[tuple[str, str], tuple[float, str]] = {}
    for queue in queues:
        workers = max(1, queue.number("workers"))
        load = queue.waiting / workers
        place = (queue.host, queue.pipeline)
        if queue.pipeline and load >= TROUBLE_AT and load > worst.get(place, (0.0, ""))[0]:
            worst[place] = (load, queue.key)
    return {key for _, key in worst.values()}


def pace_of(samples: Sequence[tuple[float, int]]) -> float | None:
    """Tasks a minute, of (monotonic seconds, how many have ended); None for too short a time."""
    if not samples or samples[-1][0] - samples[0][0] < 5:
        return None
    (start, first), (end, last) = samples[0], samples[-1]
    return max(0.0, (last - first) / (end - start) * 60)


def heading(width: int) -> Content:
    """The titles of the columns of ``row``."""
    name, bar = _room(width)
    pace = (
        f"{fit('PACE', 9, right=True)}{fit('LEFT', 8, right=True)}" if width >= WIDE_CELLS else ""
    )
    words = (
        f"   {fit('QUEUE', name)} {fit('WORKERS', 12)} {fit('WAITING', bar + 7)}"
        f"{fit('OLDEST', 7, right=True)}{fit('RUN', 5, right=True)}{fit('LATER', 7, right=True)}"
        f"{fit('DONE', 7, right=True)}{fit('DEAD', 6, right=True)}{pace}"
    )
    return line((words, FAINT)).truncate(width)


def rows(queues: Sequence[Queue], width: int) -> list[tuple[str, Content]]:
    """All of them with their keys: pools, then each pipeline under its name."""
    most = max((queue.waiting for queue in queues), default=0)
    slow = bottlenecks(queues)
    shown = [(ALL, _all_line(queues, width))]
    group: tuple[str, str] | None = None
    for place, queue in enumerate(queues):
        mine = (queue.host, queue.pipeline)
        if mine != group and queue.pipeline:
            shown.append(("", _pipeline_line(queue)))
        group = mine
        behind = queues[place + 1] if place + 1 < len(queues) else None
        is_last = behind is None or (behind.host, behind.pipeline) != mine
        lead = "" if not queue.pipeline else "└▸ " if is_last else "├▸ "
        shown.append((queue.key, row(queue, lead, most, width, is_slow=queue.key in slow)))
        rail = "│  " if lead and not is_last else ""
        if note := _note(queue, is_slow=queue.key in slow):
            shown.append((queue.key, line((f"   {rail}", FAINT), (f"   {note[0]}", note[1]))))
    return shown


def _note(queue: Queue, *, is_slow: bool) -> Part | None:
    if queue.trouble:
        return (f"▲ {queue.trouble}", BAD)
    if is_slow:
        wait = f"{render.amount(queue.waiting)} wait for {_workers(queue)}"
        return (f"◆ bottleneck: {wait}", ASK)
    if hosts := queue.view.get("hosts"):
        named = ", ".join(render.clean(host, 30) for host in hosts[:4])
        return (f"worked on by {named}", MUTED)
    return None


def _workers(queue: Queue) -> str:
    return render.plural(queue.number("workers"), "worker")


def _room(width: int) -> tuple[int, int]:
    """Cells of the name and of the bar."""
    is_wide = width >= WIDE_CELLS
    left = width - 3 - 1 - 12 - 1 - 7 - 7 - 5 - 7 - 7 - 6 - (17 if is_wide else 0)
    name = min(40, max(14, left * 2 // 3))
    return name, max(4, min(40, left - name - 1))


def _all_line(queues: Sequence[Queue], width: int) -> Content:
    name, bar = _room(width)
    sums = {field: sum(queue.number(field) for queue in queues) for field in _COUNTS}
    parts: list[Part] = [
        (f" ≡ {fit('all queues', name)} ", STRONG),
        (fit(f"{sums['busy']} of {sums['workers']}", 12) + " ", TEXT),
        (" " * bar + fit(_some(sums["ready"]), 7, right=True), TEXT),
        (" " * 7, ""),
    ]
    return line(*parts, *_tail(sums))


_COUNTS = ("workers", "busy", "ready", "leased", "delayed", "done", "dead")


def _pipeline_line(queue: Queue) -> Content:
    return line((f"   {render.clean(queue.pipeline, 80)}", STRONG), ("  pipeline", FAINT))


def row(queue: Queue, lead: str, most: int, width: int, *, is_slow: bool) -> Content:
    """One queue in one line; ``most`` is what waits in the fullest of all."""
    name, bar = _room(width)
    glyph, style = _mark(queue, is_slow=is_slow)
    join = " ⋈" if queue.view.get("join") else ""
    waits = BAR_BAD if queue.trouble else BAR_ASK if is_slow else BAR_RUN
    oldest = queue.view.get("oldest_s")
    age = render.short_duration(float(oldest)) if oldest is not None else ""
    return line(
        (f" {glyph} ", style),
        (lead, FAINT),
        (fit(safe_text(queue.title, limit=80) + join, name - len(lead)) + " ", TEXT),
        *_dots(queue),
        (" ", ""),
        *render.bar(queue.waiting / most if most else 0.0, bar, waits),
        (fit(_some(queue.waiting), 7, right=True), style if queue.waiting else MUTED),
        (fit(age, 7, right=True), MUTED),
        *_tail({field: queue.number(field) for field in _COUNTS}),
        *(_pace(queue) if width >= WIDE_CELLS else ()),
    )


def _mark(queue: Queue, *, is_slow: bool) -> Part:
    if queue.trouble:
        return ("▲", BAD)
    if is_slow:
        return ("◆", ASK)
    return ("▶", RUN) if queue.number("leased") else ("·", MUTED)


def _dots(queue: Queue) -> list[Part]:
    """``3/3 ●●●``: those that work, then those that are free; 12 cells."""
    busy, workers = queue.number("busy"), queue.number("workers")
    words = f"{busy}/{workers} "
    if max(busy, workers) > DOTS:
        return [(fit(words, 12), TEXT if workers else MUTED)]
    free = max(0, workers - busy)
    rest = 12 - len(words) - busy - free
    return [
        (words, TEXT if workers else MUTED),
        ("●" * busy, RUN),
        ("○" * free + " " * rest, FAINT),
    ]


def _tail(counts: Mapping[str, int]) -> list[Part]:
    return [
        (fit(_some(counts["leased"]), 5, right=True), RUN),
        (fit(_some(counts["delayed"]), 7, right=True), RETRY),
        (fit(_some(counts["done"]), 7, right=True), DONE),
        (fit(_some(counts["dead"]), 6, right=True), BAD),
    ]


def _pace(queue: Queue) -> list[Part]:
    """What is done a minute, and when what is there would be through."""
    if not queue.pace:
        return [(" " * 17, "")]
    left = sum(queue.number(field) for field in ("ready", "delayed", "leased"))
    until = render.short_duration(left / queue.pace * 60) if left else ""
    pace = f"{queue.pace:.0f}/min" if queue.pace >= 9.5 else f"{queue.pace:.1f}/min"
    return [(fit(pace, 9, right=True), MUTED), (fit(until, 8, right=True), MUTED)]


def _some(number: int) -> str:
    return render.count(number) if number else ""

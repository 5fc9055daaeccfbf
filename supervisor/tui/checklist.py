"""Stages as a checklist with durations, and attempts with how each began and ended.

Pure: state, instant and width in, ``Content`` lines out. Must never claim what nobody saw: a
stage that went by between two reports has no time, and says so.
"""

from __future__ import annotations

from textual.content import Content

from supervisor.core.moment import Moment
from supervisor.core.run import ALIVE, Attempt, ExitKind, RunState, Status
from supervisor.core.stage_times import StageTime, seconds_in
from supervisor.tui import render, view
from supervisor.tui.life_line import life_lines
from supervisor.tui.render import Part, line
from supervisor.tui.theme import DONE, FAINT, MUTED, RETRY, RUN, STRONG, TEXT, look_of_run

UNSEEN = "–"
NOTE = f"{UNSEEN} passed unseen between two reports"
CALM = frozenset({ExitKind.DONE, ExitKind.PARKED, ExitKind.STOPPED})
"""Ends of an attempt that are nothing to look into."""
OUTPUT_SHOWN = 12
"""Lines of what an attempt wrote last."""


def checklist_lines(state: RunState, now: Moment, width: int) -> list[Content]:
    """Done, now, next and later, each with the time it took or takes."""
    names, is_declared = _names(state)
    if not names:
        return [line(("no stages declared", FAINT))]
    current = _current(state, names)
    is_over = state.status is Status.SUCCEEDED
    lines: list[Content] = []
    has_unseen = False
    for place, name in enumerate(names):
        is_done = is_over or (current is not None and place < current)
        seconds = seconds_in(state.stage_times, name, now)
        spent = "" if seconds is None else _spent(state, name, seconds)
        if is_done:
            has_unseen = has_unseen or seconds is None
            head: list[Part] = [("✓ ", DONE), (render.clean(name, 60), MUTED)]
            lines.append(_row(head, (spent or UNSEEN, MUTED if spent else FAINT), width))
        elif place == current:
            lines.append(_row(_now(state, name), (spent, STRONG), width))
        else:
            is_next = place == (-1 if current is None else current) + 1
            word = "  next" if is_next else ""
            head = [("▷ " if is_next else "○ ", MUTED if is_next else FAINT)]
            head += [(render.clean(name, 60), MUTED if is_next else FAINT), (word, FAINT)]
            lines.append(_row(head, (spent, FAINT), width))
    if not is_declared:
        lines.append(line(("as they came: the agent declares no list", FAINT)))
    if has_unseen:
        lines += render.wrap(line((NOTE, FAINT)), width)
    return lines


def _names(state: RunState) -> tuple[tuple[str, ...], bool]:
    """The stages, and whether the agent said which there are."""
    declared = state.progress.stages if state.progress else ()
    if declared:
        return declared, True
    return tuple(known.name for known in state.stage_times), False


def _current(state: RunState, names: tuple[str, ...]) -> int | None:
    stage = state.progress.stage if state.progress else None
    if stage is None:
        return None
    if stage.name in names:
        return names.index(stage.name)
    index = stage.index
    return index - 1 if index is not None and 1 <= index <= len(names) else None


def _now(state: RunState, name: str) -> list[Part]:
    look = look_of_run(state)
    step = state.progress.step if state.progress else None
    parts: list[Part] = [(f"{look.glyph} ", look.style), (render.clean(name, 60), STRONG)]
    if step is not None:
        parts.append((f"  {view.step_text(step)}", MUTED))
    return parts


def _spent(state: RunState, name: str, seconds: float) -> str:
    known: StageTime | None = next((k for k in state.stage_times if k.name == name), None)
    again = f", {known.entered}×" if known is not None and known.entered > 1 else ""
    return f"{render.duration(seconds)}{again}"


def _row(head: list[Part], end: Part, width: int) -> Content:
    """``head`` on the left and ``end`` at the right edge; the head gives way."""
    room = max(8, width) - render.cells(end[0]) - 1
    left = line(*head)
    if render.cells(left.plain) > room:
        left = left.truncate(room, ellipsis=True)
    gap = " " * max(1, width - render.cells(left.plain) - render.cells(end[0]))
    return left.append(line((gap, ""), end))


def attempt_lines(state: RunState, now: Moment, width: int) -> list[Content]:
    """Every attempt that is kept, the newest first: when, how long, from where, how it ended."""
    lines = life_lines(state, now, width)
    if state.status is Status.BACKOFF:
        lines += render.wrap(line(("◌ ", RETRY), (view.retry_text(state, now), RETRY)), width)
    for attempt in reversed(state.attempts):
        lines += _attempt(state, attempt, now, width)
    earlier = state.attempts[0].number - 1 if state.attempts else 0
    if earlier > 0:
        where = f"longwatch events --run {state.id[-4:]}"
        lines.append(line((f"{render.plural(earlier, 'earlier attempt')}: {where}", FAINT)))
    return lines or [line(("no attempt yet", FAINT))]


def _attempt(state: RunState, attempt: Attempt, now: Moment, width: int) -> list[Content]:
    end = attempt.exit
    is_newest = attempt is state.attempts[-1]
    number = render.fit(f"{attempt.number}", len(str(state.attempt)), right=True)
    if end is None:
        is_there = is_newest and state.status in ALIVE
        style = look_of_run(state).style if is_there else MUTED
        glyph = look_of_run(state).glyph if is_there else "○"
        spent = now.wall - attempt.started_at if is_there else None
        words = f"alive, pid {attempt.pid}" if is_there and attempt.pid else "is starting"
        if not is_there:
            words = "how it ended is not known"
    else:
        style = MUTED if end.kind in CALM else RETRY
        glyph = "✓" if end.kind is ExitKind.DONE else "○" if end.kind in CALM else "✗"
        spent = end.at - attempt.started_at if end.at >= attempt.started_at else None
        words = render.clean(end.cause, 160)
    length = render.duration(spent) if spent is not None else UNSEEN
    head: list[Part] = [
        (f"{glyph} ", style),
        (number, STRONG if is_newest else TEXT),
        (f"  {render.clock(attempt.started_at)}  ", FAINT),
        (render.fit(length, 9), TEXT),
        (" ", ""),
        (_origin(state, attempt), MUTED if attempt.resumed_from is None else RUN),
    ]
    told = line(("    ", ""), (words, style))
    one = line(*head, ("  ", ""), (words, style))
    is_short = render.cells(one.plain) <= width
    lines = [one] if is_short else [line(*head), *_indented(told, width)]
    if end is not None and end.kind not in CALM:
        for said in end.output[-OUTPUT_SHOWN:]:
            lines.append(line(("    │ ", FAINT), (render.clean(said, 300), MUTED)))
    return lines


def _indented(content: Content, width: int) -> list[Content]:
    first, *rest = render.wrap(content, width)
    return [first, *(line(("    ", "")).append(part) for part in rest)]


def _origin(state: RunState, attempt: Attempt) -> str:
    """What it resumed from, and the agent's own count of it, where that is still kept."""
    generation = attempt.resumed_from
    if generation is None:
        return "from the beginning"
    kept = next((c for c in state.checkpoints if c.generation == generation), None)
    if kept is None:
        return f"from checkpoint {generation}"
    ago = render.duration(attempt.started_at - kept.at)
    return f"from checkpoint {generation} ({ago} old)"

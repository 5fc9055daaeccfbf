"""What of the event log is worth telling a person who is not looking, and in which words. Pure.

Owns the kinds of notices and their texts. Who gets one, and when, is ``core.outbox``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from supervisor.core import events as e
from supervisor.core.events import Recorded
from supervisor.core.progress import Progress
from supervisor.core.run import Anomaly, RequestState, RunState, Status
from supervisor.core.text import safe_text

MAX_BODY = 1_500
"""Characters; what a chat or a telephone shows of a message without unfolding it."""
MAX_TITLE = 120
_NUMBERS = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
SEVERITIES = ("info", "warning", "error")


class Kind(StrEnum):
    """What a notice is about; the words of ``[notify] on``."""

    STARTED = "started"
    COMPLETED = "completed"
    FAILED = "failed"
    """Failed, timed out, or held for a decision."""
    NEEDS_INPUT = "needs-input"
    ANOMALY = "anomaly"
    MILESTONE = "milestone"
    """A stage is done, or so many more items are."""
    STATUS = "status"
    """Where everything stands, again and again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell."""

    kind: Kind
    agent: str
    """Empty for what is about all of them."""
    run_id: str
    title: str
    body: str
    severity: str
    at: float
    """Unix seconds of what happened."""
    key: str
    """Two with the same key tell the same thing."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a run's milestones were told."""

    stage: str = ""
    items: int = 0
    """Completed items, in whole steps of the milestone."""


def notice_of(recorded: Recorded, agent: str, *, milestone_every: int, mark: Mark) -> Notice | None:
    """What ``recorded`` tells, if anything."""
    event, run_id, at = recorded.event, recorded.run_id, recorded.at.wall
    told = _told(event, recorded.seq, milestone_every, mark)
    if told is None:
        return None
    kind, severity, words, body, key = told
    title = safe_text(f"{agent} {words}", limit=MAX_TITLE)
    text = safe_text(body, limit=MAX_BODY, keep_newlines=True)
    return Notice(kind, agent, run_id, title, text, severity, at, f"{run_id}:{key}")


_Told = tuple[Kind, str, str, str, str]
"""Kind, severity, words of the title, body, key within the run."""


def _told(event: e.Event, seq: int, milestone_every: int, mark: Mark) -> _Told | None:
    match event:
        case e.AttemptStarting(epoch=epoch, number=1, cause=cause):
            return Kind.STARTED, "info", "started", cause, f"started:{epoch}"
        case e.RunSucceeded(reason=reason):
            return Kind.COMPLETED, "info", "is done", reason, f"completed:{seq}"
        case e.RunFailed(reason=reason):
            return Kind.FAILED, "error", "failed", reason, f"failed:{seq}"
        case e.RunTimedOut(reason=reason):
            return Kind.FAILED, "error", "ran out of time", reason, f"failed:{seq}"
        case e.RunHeld(reason=reason):
            return Kind.FAILED, "error", "is held and waits for your choice", reason, f"held:{seq}"
        case e.RequestOpened(request=request):
            body = _asked(request.kind, request.id, request.options)
            return Kind.NEEDS_INPUT, "warning", f"asks: {request.title}", body, f"ask:{request.id}"
        case e.RequestReminded(request_id=request_id, number=number, title=title):
            waited = f"asked {event.waited_s / 60:.0f} min ago: longwatch answer {request_id} …"
            key = f"remind:{request_id}:{number}"
            return Kind.NEEDS_INPUT, "warning", f"still asks: {title}", waited, key
        case e.AnomalyFlagged(is_muted=True):
            return None
        case e.AnomalyFlagged(anomaly=anomaly):
            severity = anomaly.severity if anomaly.severity in SEVERITIES else "warning"
            # A second strike is an error and news, however lately the first one was told.
            key = f"anomaly:{anomaly.kind}:{severity}:{_finding(anomaly)}"
            return Kind.ANOMALY, severity, anomaly.kind, anomaly.message, key
        case e.ProgressReported(progress=progress):
            return _milestone(progress, milestone_every, mark)
        case _:
            return None


def _finding(anomaly: Anomaly) -> str:
    """What of ours is found: two services' retries are two things, however the numbers move.

    What an agent flags is told apart by its kind alone: it may flag a thousand files.
    """
    return _NUMBERS.sub("#", anomaly.message)[:MAX_TITLE] if anomaly.source == "longwatch" else ""


def _asked(kind: str, request_id: str, options: Iterable[str]) -> str:
    ways = {
        "approve": "--allow | --deny",
        "choose": " | ".join(f"--option {number}" for number, _ in enumerate(options, 1)),
        "text": "--text TEXT",
        "form": "--fields FILE",
    }
    return f"answer with: longwatch answer {request_id} {ways.get(kind, '--edit FILE')}"


def _milestone(progress: Progress, every: int, mark: Mark) -> _Told | None:
    now = mark_of(progress, every)
    if _is_back(progress, mark):
        return None
    if mark.stage and now.stage != mark.stage:
        words = f"finished {mark.stage}, is in {now.stage or 'its next stage'}"
        return Kind.MILESTONE, "info", words, _where(progress), f"stage:{now.stage}"
    if now.items > mark.items and progress.step is not None:
        step = progress.step
        total = f" of {step.total:g}" if step.total else ""
        words = f"has done {now.items}{total} {step.unit or 'items'}"
        return Kind.MILESTONE, "info", words, _where(progress), f"items:{now.stage}:{now.items}"
    return None


def _is_back(progress: Progress, mark: Mark) -> bool:
    """Whether it is in a stage before that of ``mark``: a resumed run comes by its old ones."""
    order, stage = progress.stages, progress.stage
    if stage is None or mark.stage not in order or stage.name not in order:
        return False
    return order.index(stage.name) < order.index(mark.stage)


def mark_of(progress: Progress, every: int) -> Mark:
    """The milestone that ``progress`` has passed last."""
    done = progress.step.completed or 0.0 if progress.step is not None else 0.0
    items = int(done // every) * every if every > 0 and done < 1e15 else 0
    return Mark(progress.stage.name if progress.stage is not None else "", items)


def _where(progress: Progress) -> str:
    stage, step = progress.stage, progress.step
    parts = []
    if stage is not None:
        place = f" ({stage.index} of {stage.total})" if stage.index and stage.total else ""
        parts.append(f"stage {stage.name}{place}")
    if step is not None and step.completed is not None:
        total = f" of {step.total:g}" if step.total else ""
        parts.append(f"{step.completed:g}{total} {step.unit or ''}".rstrip())
    return ", ".join(parts)


def moved_mark(event: e.Event, every: int, mark: Mark) -> Mark:
    """``mark`` after ``event``: a counter that began again is followed down, a stage is not."""
    if not isinstance(event, e.ProgressReported) or _is_back(event.progress, mark):
        return mark
    return mark_of(event.progress, every)


def status_notice(states: Mapping[str, RunState], now: float) -> Notice | None:
    """Where everything stands; None when nothing goes on."""
    lines, waiting = [], 0
    for state in sorted(states.values(), key=lambda state: state.agent):
        if state.status in (Status.SUCCEEDED, Status.FAILED, Status.STOPPED, Status.TIMED_OUT):
            continue
        open_requests = [r for r in state.requests if r.state is RequestState.OPEN]
        waiting += bool(open_requests)
        place = _where(state.progress) if state.progress is not None else ""
        asks = f"; waits for your answer to {open_requests[0].id}" if open_requests else ""
        lines.append(f"{state.agent}: {state.status}{f', {place}' if place else ''}{asks}")
    if not lines:
        return None
    title = f"{len(lines)} runs{f', {waiting} need you' if waiting else ''}"
    body = safe_text("\n".join(lines), limit=MAX_BODY, keep_newlines=True)
    return Notice(Kind.STATUS, "", "", title, body, "info", now, "status")


_FIRST = {Kind.NEEDS_INPUT: 0, Kind.FAILED: 1, Kind.ANOMALY: 2}
"""The order of a digest; the rest follows as it came."""


def digest(notices: Iterable[tuple[Notice, int]]) -> Notice:
    """Several as one: the worst severity, the newest time, one line each with its count.

    What asks for somebody comes first, and is what the message is about: a telephone shows a title.
    """
    told = sorted(notices, key=lambda one: _FIRST.get(one[0].kind, len(_FIRST)))
    first, count = told[0]
    if len(told) == 1:
        return first if count == 1 else replace(first, title=f"{first.title} ({count} times)")
    lines = []
    for notice, count in told:
        lines.append(f"{notice.title}{f' ({count} times)' if count > 1 else ''}")
        if notice.kind in (Kind.NEEDS_INPUT, Kind.FAILED, Kind.ANOMALY) and notice.body:
            lines.append(f"  {notice.body.splitlines()[0]}")
    agents = sorted({notice.agent for notice, _ in told if notice.agent})
    severity = max((notice.severity for notice, _ in told), key=SEVERITIES.index)
    body = safe_text("\n".join(lines), limit=MAX_BODY, keep_newlines=True)
    asking = sorted({n.agent for n, _ in told if n.kind is Kind.NEEDS_INPUT})
    needs = f"{', '.join(asking)} needs you: " if asking else ""
    news = f"{len(told)} news of {', '.join(agents) or 'longwatch'}"
    title = safe_text(f"{needs}{news}", limit=MAX_TITLE)
    at = max(notice.at for notice, _ in told)
    return Notice(first.kind, "", "", title, body, severity, at, "digest")

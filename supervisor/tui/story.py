"""One run told in lines: its facts and its timeline.

Pure: state, instant and width in, ``Content`` lines out. Must never ask the engine for more; what
the state keeps (20 attempts, 50 anomalies, 3 checkpoints) is the story.
"""

from __future__ import annotations

from typing import Protocol

from textual.content import Content

from supervisor.core.answer_words import answer_details, answer_words
from supervisor.core.describe import reason_words
from supervisor.core.due import stall_left_s, task_left_s
from supervisor.core.eta import estimates
from supervisor.core.fold import attempt_used_s, clock_used_s
from supervisor.core.moment import Moment, seconds_between
from supervisor.core.mute import is_muted
from supervisor.core.run import ALIVE, FINAL, Attempt, Request, RequestState, RunState, Status
from supervisor.tui import render, theme, view
from supervisor.tui.model import Sample
from supervisor.tui.render import Part, line
from supervisor.tui.theme import BAD, DONE, FAINT, MUTED, RETRY, RUN, STRONG, TEXT, look_of_run

BAR_MAX = 60
"""Cells; a longer bar is no easier to read."""
SHOWN_DETAILS = 10
"""Lines of a form's values or of a change that the timeline shows; `longwatch why` has all."""
SEPARATOR: Part = ("  ·  ", FAINT)


class _Tell(Protocol):
    """Collects one line of the timeline: an instant and its pieces."""

    def __call__(self, at: float, *parts: Part) -> None: ...


def head_lines(state: RunState, sample: Sample | None, now: Moment, width: int) -> list[Content]:
    """Who it is, what it does now and how far it is."""
    look = look_of_run(state)
    who: list[Part] = [
        (f"{look.glyph} {look.word}", f"bold {look.style}"),
        ("  ", ""),
        (render.clean(state.agent, 64), STRONG),
        (f"  {state.id[-4:]}", FAINT),
    ]
    if state.attempt:
        pid = f", pid {state.pid}" if state.pid else ""
        who.append((f"  attempt {state.attempt}{pid}", MUTED))
    since = render.duration(seconds_between(state.status_since, now))
    who.append((f"  {look.word} for {since}" if state.status not in FINAL else "", MUTED))
    lines = [line(*who), *render.wrap(_now_line(state, now), width)]
    lines += _bar_lines(state, width)
    lines += _fact_lines(state, sample, now, width)
    return lines


def one_line(state: RunState, now: Moment) -> Content:
    """State, agent and what happens now."""
    look = look_of_run(state)
    return line(
        (f"{look.glyph} {look.word}  ", look.style),
        (render.clean(state.agent, 64), STRONG),
        (f"  {view.note_of(state, now)}", MUTED),
    )


def _now_line(state: RunState, now: Moment) -> Content:
    parts: list[Part] = []
    stage = state.progress.stage if state.progress else None
    if stage is not None:
        place = f"stage {stage.index} of {stage.total}: " if stage.index and stage.total else ""
        parts.append((f"{place}{render.clean(stage.name, 60)}", TEXT))
    step = view.step_text(state.progress.step) if state.progress and state.progress.step else ""
    parts += _joined(parts, step, TEXT)
    parts += _joined(parts, view.eta_text(state, now), RUN)
    if state.status is Status.BACKOFF:
        parts += _joined(parts, view.retry_text(state, now), RETRY)
    elif state.open_requests and state.status not in FINAL:
        waited = render.duration(now.wall - state.open_requests[0].created_at)
        title = render.clean(state.open_requests[0].title, 120)
        parts += _joined(parts, f"waiting for you since {waited}: {title}", theme.ASK)
    elif state.status is not Status.RUNNING or not parts:
        why = render.clean(reason_words(state, now), 200)
        parts += _joined(parts, why, look_of_run(state).style)
    if state.stale:
        parts += _joined(parts, f"stale: {render.clean(state.stale, 120)}", BAD)
    return line(*parts)


def _joined(before: list[Part], text: str, style: str) -> list[Part]:
    if not text:
        return []
    return [SEPARATOR, (text, style)] if before else [(text, style)]


def _bar_lines(state: RunState, width: int) -> list[Content]:
    share = view.share_of(state)
    if share is None:
        return []
    parts = render.bar(share, min(BAR_MAX, max(10, width - 6)), look_of_run(state).bar)
    return [line(*parts, (f" {int(share * 100):3}%", STRONG))]


def _fact_lines(state: RunState, sample: Sample | None, now: Moment, width: int) -> list[Content]:
    """Label and value pairs, as many on a line as fit."""
    lines: list[Content] = []
    parts: list[Part] = []
    used = 0
    for label, value, style in _facts(state, sample, now):
        cells = len(label) + len(value) + 4
        if parts and used + cells > width:
            lines.append(line(*parts))
            parts, used = [], 0
        parts += [(f"{label} ", MUTED), (value, style), ("   ", "")]
        used += cells
    return [*lines, line(*parts)] if parts else lines


def _facts(state: RunState, sample: Sample | None, now: Moment) -> list[tuple[str, str, str]]:
    facts: list[tuple[str, str, str]] = []
    left = task_left_s(state, now)
    used = render.duration(clock_used_s(state, now))
    if state.started_at is not None:
        if left is None:
            facts.append(("time", used, TEXT))
        else:
            style = BAD if left < 0.1 * (state.spec.timeout_s or 0) else TEXT
            over = state.status in FINAL
            rest = "" if over else f", {render.duration(left)} left"
            facts.append(
                ("time", f"{used} of {render.duration(state.spec.timeout_s or 0)}{rest}", style)
            )
    facts += _clock_facts(state, now)
    if state.status is Status.RUNNING:
        facts += [("else", view.other_eta(eta), TEXT) for eta in estimates(state, now)[1:]]
    checkpoint = state.checkpoint
    if checkpoint is not None:
        ago = render.duration(now.wall - checkpoint.at)
        facts.append(("checkpoint", f"{checkpoint.generation}, {ago} ago", TEXT))
    facts.append(("retries", str(state.retries), RETRY if state.retries else TEXT))
    if state.recoveries:
        facts.append(("resumed after a crash", render.plural(state.recoveries, "time"), TEXT))
    if state.anomaly_count:
        facts.append(("flags", f"⚑{state.anomaly_count}", theme.ASK))
    if sample is not None and state.pid:
        facts.append(("cpu", f"{sample.cpu_percent:.0f}%", TEXT))
        facts.append(("memory", render.size(sample.rss_bytes), TEXT))
    return facts + _use_facts(state)


def _clock_facts(state: RunState, now: Moment) -> list[tuple[str, str, str]]:
    """The other clocks that run: this attempt's limit, and silence until it counts as a stall."""
    facts: list[tuple[str, str, str]] = []
    limit = state.spec.attempt_timeout_s
    if limit is not None and state.status in ALIVE:
        used = attempt_used_s(state, now)
        left = f"{render.duration(used)} of {render.duration(limit)}"
        facts.append(("attempt", left, BAD if used > 0.9 * limit else TEXT))
    stall = stall_left_s(state, now)
    if stall is not None:
        is_near = stall < 0.5 * (state.spec.stall_timeout_s or 0)
        facts.append(("stalls in", render.duration(stall), BAD if is_near else TEXT))
    return facts


def _use_facts(state: RunState) -> list[tuple[str, str, str]]:
    facts: list[tuple[str, str, str]] = []
    usage = state.progress.usage if state.progress else None
    if usage is not None:
        tokens = f"{render.count(usage.input_tokens)} in, {render.count(usage.output_tokens)} out"
        facts.append(("tokens", tokens, TEXT))
        facts.append(("cost", render.cost(usage.cost_usd), TEXT))
    services = state.progress.services if state.progress else {}
    for name, use in list(services.items())[:4]:
        calls = f"{render.plural(use.calls, 'call')}, {use.retries} retried"
        if use.breaker and use.breaker != "closed":
            calls += f", breaker {render.clean(use.breaker, 20)}"
        facts.append((render.clean(name, 24), calls, RETRY if use.retries else TEXT))
    return facts


def timeline_lines(state: RunState, limit: int = 40) -> list[Content]:
    """What happened, the newest first; at most ``limit`` lines."""
    moments: list[tuple[float, int, list[Part]]] = []

    def tell(at: float, *parts: Part) -> None:
        moments.append((at, len(moments), list(parts)))

    tell(state.created_at, ("○ ", MUTED), ("created", MUTED))
    for attempt in state.attempts:
        _tell_attempt(tell, attempt)
    for checkpoint in state.checkpoints:
        what = f"checkpoint {checkpoint.generation}, {render.size(checkpoint.size_bytes)}"
        tell(checkpoint.at, ("▪ ", DONE), (what, MUTED))
    for request in state.requests:
        _tell_request(tell, request)
    for anomaly in state.anomalies:
        is_quiet = is_muted(state.muted, anomaly.kind)
        style = MUTED if is_quiet else theme.SEVERITY.get(anomaly.severity, theme.ASK)
        flag = (f"{'◌' if is_quiet else '⚑'} {render.clean(anomaly.kind, 40)}: ", style)
        tell(anomaly.at, flag, (render.clean(anomaly.message, 200), TEXT))
    for said in state.said:
        kind = (f"› {render.clean(said.kind, 40)}: ", RUN)
        tell(said.at, kind, (render.clean(said.text, 200), TEXT))
    if state.ended_at is not None:
        look = look_of_run(state)
        reason = render.clean(state.reason, 200)
        tell(state.ended_at, (f"{look.glyph} ", look.style), (f"{look.word}: {reason}", look.style))
    moments.sort(key=lambda item: (item[0], item[1]), reverse=True)
    return [line((f"{render.clock(at)} ", FAINT), *parts) for at, _, parts in moments[:limit]]


def _tell_attempt(tell: _Tell, attempt: Attempt) -> None:
    start = (
        f"from checkpoint {attempt.resumed_from}" if attempt.resumed_from else "from the beginning"
    )
    tell(attempt.started_at, ("● ", RUN), (f"attempt {attempt.number} {start}", TEXT))
    if attempt.exit is not None:
        kind = attempt.exit.kind.value
        is_calm = kind in ("done", "parked", "stopped")
        style = MUTED if is_calm else RETRY
        cause = render.clean(attempt.exit.cause, 160)
        tell(attempt.exit.at, ("○ " if is_calm else "✗ ", style), (cause, style))


def _tell_request(tell: _Tell, request: Request) -> None:
    title = render.clean(request.title, 120)
    tell(request.created_at, ("◆ ", theme.ASK), (f"asked {request.id}: {title}", TEXT))
    answer = request.answer
    if answer is not None:
        # Newest first: what belongs below a line has to be told before it.
        for below in reversed(answer_details(answer)[:SHOWN_DETAILS]):
            style = {"+": DONE, "-": BAD}.get(below[:1], MUTED)
            tell(answer.at, ("    ", ""), (below, style))
        tell(answer.at, ("◇ ", DONE), (answered_text(request), TEXT))
    elif request.state is not RequestState.OPEN:
        why = render.clean(request.closed_why or request.state.value, 120)
        tell(request.created_at, ("◇ ", MUTED), (f"{request.id} closed: {why}", MUTED))


def answered_text(request: Request) -> str:
    """``7F3K-1 approved by cli``: how a request was answered, in one phrase."""
    answer = request.answer
    if answer is None:
        return f"{request.id} {request.state.value}"
    if answer.allow is False:
        what = "denied"
    elif answer.option is not None:
        what = f"answered {render.clean(answer.option, 60)!r}"
    elif answer.difference or answer.fields is not None:
        what = f"answered: {answer_words(answer)},"
    elif answer.text is not None:
        what = "answered"
    else:
        what = "approved"
    return f"{request.id} {what} by {render.clean(answer.by, 40)}"

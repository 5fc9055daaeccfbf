"""Phrases and totals: what the picture says at one instant, as text that is already clean.

Pure: the instant is an argument, so clocks and estimates can be tested to the second. Must never
invent a figure: what was not declared or cannot be estimated stays empty.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass

from supervisor.control.greeting import difference
from supervisor.control.messages import PROTOCOL
from supervisor.core.describe import reason_words
from supervisor.core.due import keeper_deadline, stall_left_s
from supervisor.core.eta import Eta, estimate
from supervisor.core.fold import clock_used_s
from supervisor.core.moment import Moment, seconds_until
from supervisor.core.progress import Step
from supervisor.core.progress_text import unmoved_words
from supervisor.core.run import FINAL, Request, RunState, Status
from supervisor.tui import render
from supervisor.tui.model import Host, Picture, open_requests, shown_runs
from supervisor.tui.theme import Look, look_of_run

QUIET_SHARE = 0.25
"""From this share of the stall timeout on, a run that reports nothing new is said to be quiet."""
DONE_CELLS = 9
"""Cells of the column of steps done."""
LATE_SHARE = 0.1
"""Below this share of its time limit, what is left of it is said."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The line at the top."""

    counts: tuple[tuple[Look, int], ...]
    asks: int
    cpu_percent: float
    rss_bytes: int
    cost_usd: float


def share_of(state: RunState) -> float | None:
    """How much of the step is completed; 1 for a run that succeeded."""
    if state.status is Status.SUCCEEDED:
        return 1.0
    step = state.progress.step if state.progress else None
    if step is None or step.completed is None or not step.total:
        return None
    return max(0.0, min(1.0, step.completed / step.total))


def time_text(state: RunState, now: Moment) -> str:
    """``24m/2h``: used of the limit; empty before its first attempt."""
    if state.started_at is None:
        return ""
    used = render.short_duration(clock_used_s(state, now))
    limit = state.spec.timeout_s
    return f"{used}/{render.short_duration(limit)}" if limit is not None else used


def stage_text(state: RunState) -> str:
    """``extract 2/4``; empty when no stage is declared."""
    stage = state.progress.stage if state.progress else None
    if stage is None:
        return ""
    name = render.clean(stage.name, 60)
    return f"{name} {stage.index}/{stage.total}" if stage.index and stage.total else name


def step_text(step: Step, *, with_unit: bool = True) -> str:
    """``47 of 100 documents``, or ``47/100`` without the unit."""
    if step.completed is None:
        return render.clean(step.name or "", 60)
    unit = f" {render.clean(step.unit, 30)}" if with_unit and step.unit else ""
    done = render.amount(step.completed)
    if not step.total:
        return f"{done}{unit}"
    between = " of " if with_unit else "/"
    return f"{done}{between}{render.amount(step.total)}{unit}"


def done_text(step: Step) -> str:
    """``47/100``, and ``9.4k/12.0k`` where whole figures would not fit a column."""
    whole = step_text(step, with_unit=False)
    if step.completed is None or len(whole) <= DONE_CELLS:
        return whole
    done = render.count(step.completed)
    return f"{done}/{render.count(step.total)}" if step.total else done


def note_of(state: RunState, now: Moment) -> str:
    """What happens now, or what it ended with, in one sentence."""
    if state.status is Status.BACKOFF:
        return retry_text(state, now)
    if state.open_requests and state.status not in FINAL:
        first = state.open_requests[0]
        waited = render.duration(now.wall - first.created_at)
        return f"since {waited}: {render.clean(first.title, 120)}"
    if state.status is Status.RUNNING:
        return "  ·  ".join(part for part in (working_text(state), beside_of(state, now)) if part)
    return render.clean(reason_words(state, now), 200)


def beside_of(state: RunState, now: Moment) -> str:
    """What there is to say besides stage and step: the clocks that run out, the pace."""
    if state.status is not Status.RUNNING:
        return note_of(state, now)
    eta = estimate(state, now)
    pace = _basis_text(eta) if eta else ""
    return ", ".join(part for part in (late_text(state, now), quiet_text(state, now), pace) if part)


def quiet_text(state: RunState, now: Moment) -> str:
    """``quiet 4 min, stalls in 6 min``; empty while it reports often enough."""
    left, limit = stall_left_s(state, now), state.spec.stall_timeout_s
    if limit is None and (still := unmoved_words(state, now)):
        return still
    if left is None or limit is None or limit - left < QUIET_SHARE * limit:
        return ""
    return f"quiet {render.duration(limit - left)}, stalls in {render.duration(left)}"


def late_text(state: RunState, now: Moment) -> str:
    """``time limit in 5 min``; empty while there is plenty, and when the clock stands."""
    deadline = keeper_deadline(state, now)
    limits = {"task": state.spec.timeout_s, "attempt": state.spec.attempt_timeout_s}
    limit = limits.get(deadline.kind) if deadline else None
    if deadline is None or limit is None or deadline.in_s >= LATE_SHARE * limit:
        return ""
    word = "time limit" if deadline.kind == "task" else "limit of this attempt"
    return f"{word} in {render.duration(deadline.in_s)}"


def held_text(state: RunState) -> str:
    """What a run that is held without a question waits for."""
    name, why = render.clean(state.agent, 64), render.clean(state.reason, 120)
    return f"{name} is held: {why}; r starts it again, x ends it"


def working_text(state: RunState) -> str:
    """``extract: 47 of 100 documents``, as far as it is declared."""
    progress = state.progress
    if progress is None:
        return "no progress reported yet"
    step = step_text(progress.step) if progress.step else ""
    stage = render.clean(progress.stage.name, 60) if progress.stage else ""
    stale = f" (stale: {render.clean(state.stale, 80)})" if state.stale else ""
    return (
        ": ".join(part for part in (stage, step) if part) or render.clean(progress.status, 60)
    ) + stale


def retry_text(state: RunState, now: Moment) -> str:
    """``next try in 12 s, 3 of 5 (exit status 3)``."""
    wait = seconds_until(state.next_start, now) if state.next_start else 0.0
    when = f"next try in {render.duration(wait)}" if wait >= 1 else "next try now"
    tries = f", {state.retries_in_row} of {state.spec.retry.max_retries}"
    return f"{when}{tries if state.retries_in_row else ''}: {render.clean(state.reason, 120)}"


def eta_text(state: RunState, now: Moment) -> str:
    """``eta 3 min (at 12 documents/min)``; empty when nothing honest can be said."""
    eta = estimate(state, now) if state.status is Status.RUNNING else None
    if eta is None:
        return ""
    return f"eta {render.duration(eta.left_s)} ({_basis_text(eta)})"


def other_eta(eta: Eta) -> str:
    """An estimate on another basis than the one that is shown."""
    return f"{render.duration(eta.left_s)} left ({_basis_text(eta)})"


def short_eta(eta: Eta) -> str:
    """``12m``; ``~12m`` where earlier runs are all there is to go by."""
    return f"{'~' if eta.low_s is not None else ''}{render.short_duration(eta.left_s)}"


def _basis_text(eta: Eta) -> str:
    """``at 12 documents/min``, or whose word it is."""
    if eta.low_s is not None and eta.high_s is not None:
        low, high = render.duration(eta.low_s), render.duration(eta.high_s)
        return f"{low} to {high}, by {render.clean(eta.basis, 40)}"
    basis = eta.basis if eta.basis.startswith("the ") else f"at {eta.basis}"
    return render.clean(basis, 60)


def expiry_text(request: Request, now: Moment) -> str:
    """What happens to a request when nobody answers."""
    if request.expires_at is None:
        return "no time limit"
    left = request.expires_at - now.wall
    then = {
        "default": "then its default is taken",
        "deny": "then it is denied",
    }.get(request.on_timeout, "and stays open after that")
    when = f"{render.duration(left)} left" if left > 0 else "its time is over"
    return f"{when}, {then}"


def other_protocol_text(host: Host) -> str:
    """What follows when that engine speaks another protocol than we do; empty when not."""
    if host.engine.protocol == PROTOCOL:
        return ""
    return difference(asdict(host.engine), render.clean(host.name, 30))


def totals(picture: Picture) -> Totals:
    """Counts by look over what the table shows, and what it all uses."""
    shown = shown_runs(picture, older=False)
    order = {status: place for place, status in enumerate(Status)}
    counted = Counter(map(look_of_run, sorted(shown, key=lambda state: order[state.status])))
    usages = [state.progress.usage for state in shown if state.progress]
    return Totals(
        counts=tuple(counted.items()),
        asks=len(open_requests(picture)),
        cpu_percent=sum(sample.cpu_percent for sample in picture.samples.values()),
        rss_bytes=sum(sample.rss_bytes for sample in picture.samples.values()),
        cost_usd=sum(usage.cost_usd for usage in usages if usage),
    )

"""Why a run is where it is: the rule, the figures and the events behind it, and what comes next.

Pure text, cleaned. One list for ``longwatch why``, the plain mode and the interface.
"""

from __future__ import annotations

from supervisor.core.answer_words import answered_lines
from supervisor.core.describe import duration, eta_words, next_words, reason_words, waiting_words
from supervisor.core.due import keeper_deadline, stall_left_s, task_left_s
from supervisor.core.eta import estimates
from supervisor.core.fold import is_on_the_clock
from supervisor.core.moment import Moment
from supervisor.core.mute import is_muted
from supervisor.core.progress_text import progress_sentence, unmoved_words
from supervisor.core.run import FINAL, RunState, Status
from supervisor.core.text import safe_text


def reasons_of(state: RunState, now: Moment) -> list[str]:
    """Sentences, most important first."""
    since = duration(max(0.0, now.wall - state.status_since.wall))
    reason = reason_words(state, now)
    lines = [f"{safe_text(state.agent)} is {state.status} since {since}: {reason}"]
    if (coming := next_words(state, now)) and coming != reason:
        lines.append(f"next: {coming}")
    lines += _how_far(state, now)
    for request in state.open_requests[:3]:
        lines.append(f"{safe_text(request.id)}: {waiting_words(request, now)}")
    lines += _clocks(state, now)
    policy = state.spec.retry
    lines.append(
        f"retries since the last checkpoint: {state.retries_in_row} of {policy.max_retries}; "
        f"crash loop at {policy.crash_loop_deaths} crashes within "
        f"{duration(policy.crash_loop_window_s)}, now {len(state.deaths)}"
    )
    for attempt in state.attempts[-3:]:
        how = safe_text(attempt.exit.cause) if attempt.exit else "still there"
        resumed = (
            "from nothing"
            if attempt.resumed_from is None
            else f"from checkpoint {attempt.resumed_from}"
        )
        lines.append(f"attempt {attempt.number} ({resumed}): {how}")
    newest = state.newest_attempt
    if newest is not None and newest.exit is not None and newest.exit.output:
        lines.append("it wrote last:")
        lines += [f"  {safe_text(line, limit=300)}" for line in newest.exit.output]
    answered = [r for r in state.requests if r.answer is not None]
    for request in answered[-3:]:
        lines += answered_lines(request)
    for anomaly in [a for a in state.anomalies if not is_muted(state.muted, a.kind)][-3:]:
        message = safe_text(anomaly.message, limit=300)
        lines.append(f"{safe_text(anomaly.severity)}: {safe_text(anomaly.kind)}: {message}")
    for known in state.muted:
        said = f"{safe_text(known.kind)} (muted by {safe_text(known.by, limit=60)})"
        lines.append(f"no problem for this agent: {said}")
    return lines


def _how_far(state: RunState, now: Moment) -> list[str]:
    lines = [progress_sentence(state), unmoved_words(state, now)]
    if state.status is Status.RUNNING:
        lines += [eta_words(eta) for eta in estimates(state, now)]
    return [line for line in lines if line]


def _clocks(state: RunState, now: Moment) -> list[str]:
    lines = []
    due = keeper_deadline(state, now)
    if due is not None:
        lines.append(f"the {due.kind} limit ends it in {duration(due.in_s)}")
    elif (left := task_left_s(state, now)) is not None and is_on_the_clock(state):
        lines.append(f"the task's time runs on while it sleeps and ends in {duration(left)}")
    elif left is not None and state.status not in FINAL:
        lines.append(f"the task's clock stands with {duration(left)} left")
    if (stall := stall_left_s(state, now)) is not None:
        lines.append(f"without new progress it counts as stalled in {duration(stall)}")
    return lines

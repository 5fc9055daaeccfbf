"""Events and states in words: the one wording that the command line, the log and the TUI share.

Pure text, no colour, cleaned: what an agent wrote comes out of ``safe_text`` here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from supervisor.core import events as e
from supervisor.core.agent_events import SAID_WORDS
from supervisor.core.answer_words import answer_details, answer_words
from supervisor.core.eta import Eta, estimate
from supervisor.core.events import Event
from supervisor.core.moment import Moment, seconds_until
from supervisor.core.mute_events import AnomalyMuted, AnomalyUnmuted
from supervisor.core.notify_events import NOTIFY_WORDS
from supervisor.core.progress import Progress, Step
from supervisor.core.run import Request, RunState, Status, Wake
from supervisor.core.task_words import TASK_WORDS
from supervisor.core.text import safe_text, visible_text
from supervisor.core.times import clock_text, utc_text

NOT_A_NUMBER = "?"
MAX_HINT_OPTION = 60
"""Characters of an option that a hint spells out."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_PLAIN_WORD = re.compile("[A-Za-z0-9_.,:/-]+")
_NOT_PLAIN = re.compile("[^\n -~]")


def duration(seconds: float) -> str:
    """``850 ms``, ``42 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``; ``?`` for no number."""
    if not math.isfinite(seconds):
        return NOT_A_NUMBER
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds > 0 else "0 s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f} s" if seconds < 9.95 and seconds != whole else f"{whole} s"
    for unit, name, smaller, smaller_name in (
        (_DAY, "d", _HOUR, "h"),
        (_HOUR, "h", _MINUTE, "min"),
        (_MINUTE, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


def number(value: float) -> str:
    """A count without a needless decimal point; ``?`` for what is no number."""
    if not math.isfinite(value):
        return NOT_A_NUMBER
    return f"{value:.0f}" if value == int(value) else f"{value:.1f}"


def step_words(step: Step | None) -> str:
    """``47 of 100 documents``; empty when the agent said nothing countable."""
    if step is None:
        return ""
    unit = f" {visible_text(step.unit, limit=40)}" if step.unit else ""
    if step.completed is not None and step.total is not None:
        return f"{number(step.completed)} of {number(step.total)}{unit}"
    if step.completed is not None:
        return f"{number(step.completed)}{unit}"
    return visible_text(step.name or "", limit=60)


def stage_words(progress: Progress | None) -> str:
    """``extract (2 of 5)``; empty without a stage."""
    if progress is None or progress.stage is None:
        return ""
    stage = progress.stage
    name = visible_text(stage.name, limit=60)
    return f"{name} ({stage.index} of {stage.total})" if stage.index and stage.total else name


def progress_words(state: RunState, now: Moment) -> str:
    """Stage, step and honest ETA in one phrase."""
    if state.progress is None:
        return ""
    parts = [stage_words(state.progress), step_words(state.progress.step)]
    eta = estimate(state, now) if state.status is Status.RUNNING else None
    if eta is not None:
        parts.append(eta_words(eta))
    return ", ".join(part for part in parts if part)


def eta_words(eta: Eta) -> str:
    """``12 min left (8 min to 25 min; 14 earlier runs)``: an estimate with its basis."""
    basis = safe_text(eta.basis, limit=40)
    if eta.low_s is not None and eta.high_s is not None:
        basis = f"{duration(eta.low_s)} to {duration(eta.high_s)}; {basis}"
    return f"{duration(eta.left_s)} left ({basis})"


def reason_words(state: RunState, now: Moment) -> str:
    """Why the run is in its status; of one that sleeps with the time by the reader's own clock."""
    if state.wake is None:
        return safe_text(state.reason, limit=500)
    why = f": {visible_text(state.wake.reason, limit=200)}" if state.wake.reason else ""
    if state.wake.is_held:
        return f"paused while sleeping until {_when(state.wake, now)}{why}"
    if state.wake.service:
        service = safe_text(state.wake.service, limit=80)
        return f"waiting for {service}, until {_when(state.wake, now)} at most{why}"
    return f"sleeping until {_when(state.wake, now)}{why}"


def _when(wake: Wake, now: Moment) -> str:
    left_s = wake.at - now.wall
    return f"{clock_text(wake.at, now.wall)} ({f'in {duration(left_s)}' if left_s > 0 else 'now'})"


def next_words(state: RunState, now: Moment) -> str:
    """What happens next by itself, or what the operator has to do; empty when nothing."""
    if state.wake is not None and state.wake.is_held:
        return f"longwatch resume {safe_text(state.agent, limit=80)}, then: wakes as planned"
    if state.status is Status.BACKOFF and state.next_start is not None:
        left = duration(seconds_until(state.next_start, now))
        policy = state.spec.retry
        return f"next try in {left}, {state.retries_in_row} of {policy.max_retries}"
    if state.open_requests and state.status in (Status.WAITING, Status.PARKED):
        request = state.open_requests[0]
        waits = duration(max(0.0, now.wall - request.created_at))
        wakes = f"; wakes at {_when(state.wake, now)} without it" if state.wake else ""
        return f"waiting for you since {waits}: {visible_text(request.title, limit=120)}{wakes}"
    if state.wake is not None:
        return reason_words(state, now)
    if state.status is Status.HELD:
        name = safe_text(state.agent, limit=80)
        back = f", longwatch checkpoints {name} --rollback N" if state.checkpoint else ""
        return f"longwatch restart {name}{back}, or longwatch stop {name}"
    return ""


def waiting_words(request: Request, now: Moment) -> str:
    """``waiting since 2 h, reminded 3 times``, and what becomes of it when nobody answers."""
    words = f"waiting since {duration(max(0.0, now.wall - request.created_at))}"
    if request.reminded:
        words += f", reminded {request.reminded} time{'s' if request.reminded > 1 else ''}"
    if request.expires_at is None:
        return words
    until = clock_text(request.expires_at, now.wall)
    if request.expires_at <= now.wall:
        return f"{words}; its time to answer ended at {until}"
    return f"{words}; until {until}, {_after_expiry(request)}"


def _after_expiry(request: Request) -> str:
    if request.on_timeout == "park":
        return "and it stays open after that"
    is_consent = request.kind == "approve" and request.default is True
    is_default = request.on_timeout == "default" and not is_consent
    return "then its default is taken" if is_default else "then it is denied"


def redacted_words(count: int) -> str:
    """What is said of a question whose secrets are not shown."""
    what = "1 secret is" if count == 1 else f"{count} secrets are"
    return f"{what} not shown: a mark stands for it, and the hash covers what the agent wrote"


def answer_hint(request: Request, program: str = "longwatch") -> str:
    """The command that answers a request from another shell; ``program`` reaches the engine."""
    choice = {
        "approve": "--allow | --deny",
        "choose": " | ".join(f"--option{_shell_word(option)}" for option in request.options),
        "edit": "--edit [FILE]",
        "form": "--field NAME=VALUE … | --fields FILE",
    }.get(request.kind, "--text TEXT")
    return f"{program} answer {safe_text(request.id, limit=80)} {choice}"


def _shell_word(option: str) -> str:
    """An option as it is typed: people paste the hint, so it must be one word to any shell."""
    if len(option) > MAX_HINT_OPTION or safe_text(option) != option:
        return " OPTION"  # What cannot be shown whole cannot be pasted either.
    joint = "=" if option.startswith("-") else " "
    if _PLAIN_WORD.fullmatch(option):
        return joint + option
    return joint + "'" + option.replace("'", "'\\''") + "'"


def exact_json(value: Any) -> str:
    """A JSON value, indented, in which every character can be told from every other.

    What ``safe_text`` would change is a JSON escape here, so that the text still reads back as
    exactly ``value``: an approval is bound to it.
    """
    shown = _NOT_PLAIN.sub(_exactly, json.dumps(value, indent=2, ensure_ascii=False))
    if safe_text(shown, keep_newlines=True) == shown:
        return shown
    # Marks in a pile: each alone is fine, all of them together are not.
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f")


def _exactly(match: re.Match[str]) -> str:
    character = match.group()
    if safe_text("a" + character) == "a" + character:
        return character
    return "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]


def describe(event: Event) -> str:
    """One line for people."""
    words = _WORDS.get(type(event))
    return words(event) if words else type(event).__name__


def _started(event: e.AttemptStarted) -> str:
    verb = "found alive" if event.adopted else "started"
    return f"{verb}, pid {event.pid}"


def _starting(event: e.AttemptStarting) -> str:
    resumed = f", from checkpoint {event.resumed_from}" if event.resumed_from is not None else ""
    return f"attempt {event.number} starting{resumed} ({safe_text(event.cause, limit=160)})"


def _backoff(event: e.BackoffBegan) -> str:
    count = f", {event.retry} of {event.max_retries}" if event.retry else ""
    return f"next try in {duration(event.delay_s)}{count} ({safe_text(event.reason, limit=160)})"


def _progress(event: e.ProgressReported) -> str:
    progress = event.progress
    parts = [stage_words(progress), step_words(progress.step)]
    return ", ".join(part for part in parts if part) or safe_text(progress.status, limit=80)


def _opened(event: e.RequestOpened) -> str:
    asked = event.request
    return f"asks {safe_text(asked.id, limit=80)}: {visible_text(asked.title, limit=200)}"


def _reminded(event: e.RequestReminded) -> str:
    which, title = safe_text(event.request_id, limit=80), visible_text(event.title, limit=200)
    over = "its time to answer is over, it stays open; " if event.is_overdue else ""
    return f"{which} still waits for you, {over}since {duration(event.waited_s)}: {title}"


def _answered(event: e.RequestAnswered) -> str:
    who, which = safe_text(event.answer.by, limit=120), safe_text(event.request_id, limit=80)
    return f"{which} answered: {answer_words(event.answer)} (by {who})"


def _rule_set(event: e.AlwaysRuleSet) -> str:
    rule = event.rule
    until = utc_text(rule.expires_at)
    title = visible_text(rule.title, limit=120)
    return (
        f"{safe_text(rule.id, limit=20)} allows {safe_text(rule.agent, limit=80)} always, until "
        f"{until}: {title} ({safe_text(rule.sha256[:12])}, by {safe_text(rule.set_by, limit=60)})"
    )


def details(event: Event) -> list[str]:
    """Lines that belong under the line of an event: what an answer filled in or changed."""
    return answer_details(event.answer) if isinstance(event, e.RequestAnswered) else []


def _withheld(count: int) -> str:
    return f" (and {count} more since the last one told)" if count else ""


def _closed(event: e.RequestClosed) -> str:
    how = "expired" if event.expired else "withdrawn"
    return f"{safe_text(event.request_id, limit=80)} {how}: {safe_text(event.why, limit=120)}"


def _checkpoint(event: e.CheckpointRecorded) -> str:
    kept = event.checkpoint
    digest = safe_text(kept.sha256[:12])
    return f"checkpoint {kept.generation} kept ({kept.size_bytes} bytes, {digest})"


def _anomaly(event: e.AnomalyFlagged) -> str:
    anomaly = event.anomaly
    kind, message = safe_text(anomaly.kind, limit=40), safe_text(anomaly.message, limit=240)
    severity = "muted" if event.is_muted else safe_text(anomaly.severity, limit=16)
    return f"{severity}: {kind}: {message}"


def _muted(event: AnomalyMuted) -> str:
    kind, by = safe_text(event.mute.kind, limit=80), safe_text(event.mute.by, limit=60)
    return f"{kind} is no problem for this agent (by {by})"


def _with_reason(verb: str) -> Callable[[Any], str]:
    def words(event: Any) -> str:
        reason = safe_text(event.reason, limit=240)
        return f"{verb}: {reason}" if reason else verb

    return words


_WORDS: dict[type[Event], Callable[[Any], str]] = {
    e.RunCreated: lambda event: f"created ({safe_text(event.reason, limit=120)})",
    e.RunRebuilt: _with_reason("rebuilt"),
    e.SpecChanged: lambda _event: "settings changed in config.toml",
    e.AttemptStarting: _starting,
    e.AttemptStarted: _started,
    e.AttemptExited: lambda event: f"ended: {safe_text(event.exit.cause, limit=240)}",
    e.WaitBegan: _with_reason("waiting"),
    e.WaitEnded: _with_reason("goes on"),
    e.RunParked: _with_reason("parked"),
    e.BackoffBegan: _backoff,
    e.BackoffMoved: lambda event: (
        f"next try in {duration(event.delay_s)} ({safe_text(event.reason, limit=160)})"
    ),
    e.WakeMoved: _with_reason("wakes sooner"),
    e.AttemptEnding: _with_reason("ending"),
    e.RunPaused: lambda event: f"paused by {safe_text(event.by, limit=60)}",
    e.RunResumed: lambda event: f"resumed by {safe_text(event.by, limit=60)}",
    e.RunRequeued: _with_reason("queued again"),
    e.RunReopened: _with_reason("reopened"),
    e.RunSucceeded: _with_reason("succeeded"),
    e.RunFailed: _with_reason("failed"),
    e.RunTimedOut: _with_reason("timed out"),
    e.RunHeld: _with_reason("held for you"),
    e.RunStopped: _with_reason("stopped"),
    e.ProgressReported: _progress,
    e.ProgressRejected: lambda event: (
        f"progress.json: {safe_text(event.problem, limit=240)}{_withheld(event.withheld)}"
    ),
    e.CheckpointRecorded: _checkpoint,
    e.CheckpointRejected: lambda event: (
        f"checkpoint refused: {safe_text(event.problem, limit=240)}{_withheld(event.withheld)}"
    ),
    e.CheckpointRolledBack: lambda event: f"rolled back to checkpoint {event.generation}",
    e.JournalTruncated: lambda event: (
        f"journal cut before step {event.step} by {safe_text(event.by, limit=60)}: "
        f"{event.dropped} run again, kept in {safe_text(event.kept, limit=60)}"
    ),
    e.RequestOpened: _opened,
    e.RequestReminded: _reminded,
    e.RequestAskedAgain: lambda event: f"asks {safe_text(event.request_id, limit=80)} again",
    e.RequestAnswered: _answered,
    e.RequestClosed: _closed,
    e.AlwaysRuleSet: _rule_set,
    e.AlwaysRuleRevoked: lambda event: (
        f"{safe_text(event.rule_id, limit=20)} revoked by {safe_text(event.by, limit=60)}"
    ),
    e.AlwaysRulesCarried: lambda event: (
        f"{len(event.rules)} approvals for good go on ({safe_text(event.why, limit=120)})"
    ),
    e.AnomalyFlagged: _anomaly,
    AnomalyMuted: _muted,
    AnomalyUnmuted: lambda event: (
        f"{safe_text(event.kind, limit=80)} flags its runs again "
        f"(by {safe_text(event.by, limit=60)})"
    ),
    e.EngineStarted: lambda event: (
        f"engine {safe_text(event.version, limit=40)} started, pid {event.pid}"
    ),
    e.EngineStopping: lambda event: f"engine leaving (asked by {safe_text(event.by, limit=60)})",
    e.HistoryLost: lambda event: (
        f"history lost: {safe_text(event.problem, limit=240)}; {event.runs} runs go on"
        + (f"; the file is now {safe_text(event.set_aside, limit=200)}" if event.set_aside else "")
    ),
    e.EventsLost: lambda event: (
        f"{event.count} events of {duration(event.until - event.since)} given up before anybody "
        f"saw them, between {event.first_seq} and {event.last_seq}: "
        f"{safe_text(event.reason, limit=240)}"
    ),
    e.HistoryForgotten: lambda event: (
        f"{event.count} events up to {event.up_to} and {event.runs} finished runs forgotten (age)"
    ),
    e.BreakerReset: lambda event: (
        f"breaker of {safe_text(event.service, limit=80)} reset by "
        f"{safe_text(event.by, limit=60)}, it was {safe_text(event.was, limit=40)}"
    ),
    e.ConfigApplied: lambda event: (
        f"configuration applied: {safe_text(', '.join(event.agents), limit=240)}"
    ),
    **SAID_WORDS,
    **TASK_WORDS,
    **NOTIFY_WORDS,
    e.ConfigRejected: lambda event: f"configuration refused: {len(event.problems)} problems",
}

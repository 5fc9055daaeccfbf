"""Runs and requests as the JSON that scripts rely on (``status --json``, ``requests --json``).

A contract: keys are added, never renamed or dropped. Times are RFC 3339 in UTC, durations seconds.
Text an agent wrote is cleaned, except what an answer has to match exactly: a request's ``action``,
``options`` and ``default``, which are passed on raw. They are for programs; no surface shows them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from supervisor.core.answer_words import answer_words
from supervisor.core.describe import reason_words
from supervisor.core.due import task_left_s
from supervisor.core.eta import Eta, estimate, estimates
from supervisor.core.fold import is_on_the_clock
from supervisor.core.moment import Moment, seconds_until
from supervisor.core.mute import is_muted
from supervisor.core.progress_text import progress_sentence, unmoved_words
from supervisor.core.record import to_plain
from supervisor.core.risk import risk_of
from supervisor.core.run import ALIVE, FINAL, Anomaly, Request, RunState, Wake
from supervisor.core.stage_times import seconds_in
from supervisor.core.task import TaskRef
from supervisor.core.text import safe_text
from supervisor.core.times import LAST_SECOND


def rfc3339(unix_seconds: float | None) -> str | None:
    """A time for JSON; None for None and for what no calendar can show."""
    if unix_seconds is None or not 0 <= unix_seconds <= LAST_SECOND:
        return None
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds")


def _eta(eta: Eta) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "seconds": round(eta.left_s, 1),
        "basis": safe_text(eta.basis, limit=80),
    }
    if eta.low_s is not None and eta.high_s is not None:
        plain |= {"low_seconds": round(eta.low_s, 1), "high_seconds": round(eta.high_s, 1)}
    return plain


def run_report(state: RunState, now: Moment) -> dict[str, Any]:
    """One entry of ``status --json``."""
    progress, newest, eta = state.progress, state.newest_attempt, estimate(state, now)
    return {
        "id": state.id,
        "agent": safe_text(state.agent, limit=80),
        "status": state.status.value,
        "reason": reason_words(state, now),
        "attempt": state.attempt,
        "retries": state.retries,
        "epoch": state.epoch,
        "pid": state.pid if state.status in ALIVE else None,
        "stage": _cleaned(to_plain(progress.stage)) if progress and progress.stage else None,
        "stages": _cleaned(list(progress.stages)) if progress else [],
        "step": _cleaned(to_plain(progress.step)) if progress and progress.step else None,
        "declared_status": safe_text(progress.status, limit=80) if progress else None,
        "stale": safe_text(state.stale, limit=300) if state.stale else None,
        "eta": _eta(eta) if eta else None,
        "etas": [_eta(one) for one in estimates(state, now)] if state.status in ALIVE else [],
        "progress_text": progress_sentence(state),
        "unmoved": unmoved_words(state, now) or None,
        "checkpoint": _checkpoint(state, now),
        "anomalies": [_anomaly(state, anomaly) for anomaly in state.anomalies],
        "anomaly_count": state.anomaly_count,
        "muted": [_cleaned(to_plain(mute)) for mute in state.muted],
        "stage_seconds": {
            safe_text(known.name, limit=80): round(
                seconds_in(state.stage_times, known.name, now) or 0.0, 1
            )
            for known in state.stage_times
        },
        "usage": _cleaned(to_plain(progress.usage)) if progress and progress.usage else None,
        "services": _cleaned(to_plain(progress.services)) if progress else {},
        "requests": [request_report(state, request) for request in state.open_requests],
        "answers": [_answer(request) for request in state.requests if request.answer][-5:],
        "recoveries": state.recoveries,
        "created_at": rfc3339(state.created_at),
        "started_at": rfc3339(state.started_at),
        "ended_at": rfc3339(state.ended_at),
        "elapsed_seconds": _elapsed_s(state, now),
        "deadline": rfc3339(_deadline(state, now)),
        "next_start_at": rfc3339(_next_start_at(state, now)),
        "wake": _wake(state.wake) if state.wake else None,
        "task": _task(state.task) if state.task else None,
        "exit": _exit(newest.exit) if newest and newest.exit else None,
    }


def request_report(state: RunState, request: Request) -> dict[str, Any]:
    """One entry of ``requests --json``."""
    risk = risk_of(request)
    return {
        "id": request.id,
        "run": state.id,
        "agent": safe_text(state.agent, limit=80),
        "kind": request.kind,
        "title": safe_text(request.title),
        "action": request.action,
        "options": list(request.options),
        "redacted": request.redacted,
        "hash": request.sha256,
        "created_at": rfc3339(request.created_at),
        "expires_at": rfc3339(request.expires_at),
        "explanation": safe_text(request.explanation, keep_newlines=True)
        if request.explanation
        else None,
        "default": request.default,
        "state": request.state.value,
        "waiting_since": rfc3339(request.created_at),
        "reminded": request.reminded,
        "overdue": request.is_overdue,
        "risk": {"level": risk.word, "why": risk.why},
    }


def _answer(request: Request) -> dict[str, Any]:
    """How a request was answered, and which rule stood in for the operator."""
    answer = request.answer
    assert answer is not None
    return {
        "id": request.id,
        "title": safe_text(request.title),
        "answer": answer_words(answer),
        "by": safe_text(answer.by, limit=200),
        "rule": answer.rule_id,
        "at": rfc3339(answer.at),
    }


def _elapsed_s(state: RunState, now: Moment) -> float | None:
    if state.started_at is None:
        return None
    end = state.ended_at if state.status in FINAL and state.ended_at else now.wall
    return round(max(0.0, end - state.started_at), 3)


def _deadline(state: RunState, now: Moment) -> float | None:
    """When the task's time is used up if the clock goes on; None while it stands."""
    left_s = task_left_s(state, now)
    return now.wall + left_s if left_s is not None and is_on_the_clock(state) else None


def _next_start_at(state: RunState, now: Moment) -> float | None:
    if state.wake is not None:
        return None if state.wake.is_held else state.wake.at
    return now.wall + seconds_until(state.next_start, now) if state.next_start else None


def _wake(wake: Wake) -> dict[str, Any]:
    return {
        "at": rfc3339(wake.at),
        "reason": safe_text(wake.reason, limit=200),
        "held": wake.is_held,
        "service": safe_text(wake.service, limit=80) or None,
    }


def _checkpoint(state: RunState, now: Moment) -> dict[str, Any] | None:
    kept = state.checkpoint
    if kept is None:
        return None
    return {
        "generation": kept.generation,
        "sha256": kept.sha256,
        "age_seconds": round(max(0.0, now.wall - kept.at), 3),
        "size_bytes": kept.size_bytes,
    }


def _anomaly(state: RunState, anomaly: Anomaly) -> dict[str, Any]:
    return {
        "id": safe_text(anomaly.id, limit=120),
        "time": rfc3339(anomaly.at),
        "kind": safe_text(anomaly.kind, limit=80),
        "severity": safe_text(anomaly.severity, limit=20),
        "message": safe_text(anomaly.message, limit=1000),
        "source": safe_text(anomaly.source, limit=20),
        "muted": is_muted(state.muted, anomaly.kind),
    }


def _exit(end: Any) -> dict[str, Any]:
    return {
        "code": end.code,
        "signal": end.signal,
        "kind": end.kind.value,
        "cause": safe_text(end.cause, limit=300),
        "output": [safe_text(line, limit=300) for line in end.output],
        "at": rfc3339(end.at),
    }


def _cleaned(plain: Any) -> Any:
    if isinstance(plain, str):
        return safe_text(plain, limit=200)
    if isinstance(plain, list):
        return [_cleaned(item) for item in plain]
    if isinstance(plain, dict):
        return {safe_text(key, limit=80): _cleaned(item) for key, item in plain.items()}
    return plain


def _task(task: TaskRef) -> dict[str, Any]:
    """The task of a run; its id is the run's."""
    return {
        "queue": safe_text(task.queue, limit=200),
        "delivery": task.delivery,
        "max_deliveries": task.max_deliveries,
        "outcome": safe_text(task.outcome, limit=40) or None,
    }

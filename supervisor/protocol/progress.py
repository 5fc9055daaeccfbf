"""``progress.json``: what an agent says of its own work, cleaned and bounded for the core.

Nothing it says is believed beyond its type: counts that contradict each other are shown as
unknown, lists keep their newest entries, every text is cleaned for a terminal.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal, NamedTuple

from supervisor.core.progress import LastError, ModelUse, Progress, ServiceUse, Stage, Step, Usage
from supervisor.core.run import Anomaly
from supervisor.core.text import safe_text
from supervisor.protocol.lenient import (
    AgentModel,
    Amount,
    Count,
    Label,
    Name,
    Position,
    Prose,
    Time,
    problem_texts,
    validate,
)
from supervisor.protocol.problem import Problem, shown

MAX_STAGES = 100
MAX_ANOMALIES = 50
MAX_ERRORS = 50
MAX_SERVICES = 50
MAX_MODELS = 50
ID_LIMIT = 64
"""Characters of an anomaly's own id; a longer one is replaced by its hash."""
NAME_LIMIT = 80
"""Characters of a service's name."""


class StageModel(AgentModel):
    """The named part of the work that it is in."""

    name: Name
    index: Position | None = None
    """1-based, at most ``total``."""
    total: Position | None = None


class StepModel(AgentModel):
    """Progress within the stage."""

    name: Name | None = None
    completed: Amount | None = None
    """At most ``total``."""
    total: Amount | None = None
    unit: Label | None = None


class AnomalyModel(AgentModel):
    """Something unexpected, handled or not."""

    id: str | None = None
    """The same id again renews an anomaly instead of adding one."""
    time: Time | None = None
    kind: Label | None = None
    severity: Literal["info", "warning", "error"] | None = None
    message: Prose


class ErrorModel(AgentModel):
    """An error that the agent met; the last one decides whether a failed attempt is retried."""

    time: Time | None = None
    service: Label | None = None
    kind: Label | None = None
    status_code: Count | None = None
    retryable: bool | None = None
    message: Prose


class ModelUseModel(AgentModel):
    """Tokens and cost of one model."""

    input_tokens: Count | None = None
    output_tokens: Count | None = None
    cache_read_tokens: Count | None = None
    cache_write_tokens: Count | None = None
    cost_usd: Amount | None = None


class UsageModel(ModelUseModel):
    """Model tokens and cost, summed over the run."""

    model: Label | None = None
    models: dict[str, ModelUseModel | None] | None = None
    """The same by model."""
    context_tokens: Count | None = None
    """In the model's context after the newest call; no sum."""
    context_limit: Count | None = None
    """What fits into it."""


class ServiceModel(AgentModel):
    """Calls to one external service."""

    calls: Count | None = None
    retries: Count | None = None
    failures: Count | None = None
    breaker: Label | None = None


class ProgressFile(AgentModel):
    """progress.json, version 1. Only ``status`` is required; ``null`` means absent."""

    status: Name
    """One word or line for people; ``done`` counts when nobody saw the exit."""
    stage: StageModel | None = None
    stages: list[Name | None] | None = None
    """Names of all stages, in order."""
    step: StepModel | None = None
    completed_steps: Count | None = None
    estimated_completion: Time | None = None
    anomalies: list[AnomalyModel | None] | None = None
    """Oldest first; the newest 50 count."""
    errors: list[ErrorModel | None] | None = None
    """Oldest first; the newest 50 count."""
    usage: UsageModel | None = None
    services: dict[str, ServiceModel | None] | None = None
    updated_at: Time | None = None


class ProgressReport(NamedTuple):
    """What a progress file comes to."""

    progress: Progress
    anomalies: list[Anomaly]
    """As declared by the agent; their ids start with ``agent:``, so none passes for ours."""
    problems: tuple[str, ...]
    """Fields that were left out, each named; printable ASCII."""


def progress_from_json(value: Any, *, seen_at: float = 0.0) -> ProgressReport | Problem:
    """``value`` (the object in the file) as the core knows it; a Problem refuses the whole file.

    ``seen_at`` (Unix seconds) dates anomalies without a time. Never raises.
    """
    problems: list[Problem] = []
    checked = validate(ProgressFile, _bounded(value, problems))
    if isinstance(checked, Problem):
        return checked
    model, dropped = checked
    problems += dropped
    if not model.status.strip():
        return Problem("schema", "status", shown(model.status), "a word for people")
    progress = Progress(
        status=model.status,
        stage=_stage(model.stage, problems),
        stages=tuple(name for name in model.stages or () if name is not None),
        step=_step(model.step, problems),
        completed_steps=model.completed_steps,
        estimated_completion=model.estimated_completion,
        usage=_usage(model.usage),
        services=_services(model.services),
        last_error=_last_error(model.errors),
        updated_at=model.updated_at,
    )
    at = model.updated_at if model.updated_at is not None else seen_at
    anomalies = [_anomaly(item, at) for item in model.anomalies or () if item is not None]
    return ProgressReport(progress, anomalies, problem_texts(problems))


_NEWEST = {"anomalies": MAX_ANOMALIES, "errors": MAX_ERRORS}


def _bounded(value: Any, problems: list[Problem]) -> Any:
    """Long lists cut before any entry is looked at; the newest of a list are its last."""
    if not isinstance(value, dict):
        return value
    cut: dict[str, Any] = {}
    for name, limit in _NEWEST.items():
        entries = value.get(name)
        if isinstance(entries, list) and len(entries) > limit:
            cut[name] = entries[-limit:]
    stages, services = value.get("stages"), value.get("services")
    if isinstance(stages, list) and len(stages) > MAX_STAGES:
        cut["stages"] = stages[:MAX_STAGES]
        problems.append(_too_many("stages", len(stages), MAX_STAGES))
    if isinstance(services, dict) and len(services) > MAX_SERVICES:
        cut["services"] = dict(list(services.items())[:MAX_SERVICES])
        problems.append(_too_many("services", len(services), MAX_SERVICES))
    return {**value, **cut} if cut else value


def _too_many(field: str, count: int, limit: int) -> Problem:
    return Problem("too-many", field, f"{count} entries", f"at most {limit}")


def _stage(model: StageModel | None, problems: list[Problem]) -> Stage | None:
    if model is None:
        return None
    index, total = model.index, model.total
    if index is not None and total is not None and index > total:
        problems.append(Problem("schema", "stage.index", f"{index} of {total}", "at most total"))
        index = None
    return Stage(model.name, index, total)


def _step(model: StepModel | None, problems: list[Problem]) -> Step | None:
    if model is None:
        return None
    completed, total = model.completed, model.total
    if completed is not None and total is not None and completed > total:
        found = f"{completed:g} of {total:g}"
        problems.append(Problem("schema", "step.completed", found, "at most total"))
        completed = None
    return Step(model.name, completed, total, model.unit)


def _usage(model: UsageModel | None) -> Usage | None:
    if model is None:
        return None
    return Usage(
        model.input_tokens or 0,
        model.output_tokens or 0,
        model.cache_read_tokens or 0,
        model.cost_usd or 0.0,
        model.model,
        model.cache_write_tokens or 0,
        {
            safe_text(name, limit=NAME_LIMIT): _model_use(item)
            for name, item in list((model.models or {}).items())[:MAX_MODELS]
            if item is not None
        },
        model.context_tokens or 0,
        model.context_limit or 0,
    )


def _model_use(model: ModelUseModel) -> ModelUse:
    return ModelUse(
        model.input_tokens or 0,
        model.output_tokens or 0,
        model.cache_read_tokens or 0,
        model.cache_write_tokens or 0,
        model.cost_usd or 0.0,
    )


def _services(models: dict[str, ServiceModel | None] | None) -> dict[str, ServiceUse]:
    return {
        safe_text(name, limit=NAME_LIMIT): ServiceUse(
            item.calls or 0, item.retries or 0, item.failures or 0, item.breaker
        )
        for name, item in (models or {}).items()
        if item is not None
    }


def _last_error(models: list[ErrorModel | None] | None) -> LastError | None:
    """The newest entry only: when that one is unusable, an older one must not speak for it."""
    newest = models[-1] if models else None
    if newest is None:
        return None
    return LastError(
        newest.message, newest.kind, newest.service, newest.status_code, newest.retryable
    )


def _anomaly(model: AnomalyModel, at: float) -> Anomaly:
    kind = model.kind or "agent"
    stated = model.id if model.id else f"{kind}\0{model.message}\0{model.time}"
    identity = safe_text(stated)
    if not model.id or identity != stated or len(stated) > ID_LIMIT:
        identity = hashlib.sha256(stated.encode(errors="replace")).hexdigest()[:16]
    when = model.time if model.time is not None else at
    severity = model.severity or "warning"
    return Anomaly(f"agent:{identity}", kind, severity, model.message, when, "agent")

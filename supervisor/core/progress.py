"""What an agent says of its work: the last good ``progress.json``, cleaned and bounded."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stage:
    """A named part of the work, as the agent declared it."""

    name: str
    index: int | None = None
    """1-based position."""
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """Progress within the stage, as the agent declared it."""

    name: str | None = None
    completed: float | None = None
    total: float | None = None
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class ModelUse:
    """Tokens and cost of one model."""

    input_tokens: int = 0
    """Without those read from or written to a cache."""
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Model tokens and cost, as the agent declared them, summed over the run."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cost_usd: float = 0.0
    model: str | None = None
    """The last one that was asked."""
    cache_write_tokens: int = 0
    models: dict[str, ModelUse] = field(default_factory=dict)
    """The same by model, where the agent says it."""
    context_tokens: int = 0
    """In the model's context now; no sum."""
    context_limit: int = 0
    """What fits into it; 0 when nobody said."""


@dataclass(frozen=True, slots=True)
class ServiceUse:
    """Calls to one external service, as the agent declared them."""

    calls: int = 0
    retries: int = 0
    failures: int = 0
    breaker: str | None = None


@dataclass(frozen=True, slots=True)
class LastError:
    """The newest entry of the agent's own ``errors``."""

    message: str
    kind: str | None = None
    service: str | None = None
    status_code: int | None = None
    retryable: bool | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The last good ``progress.json``, already cleaned for display."""

    status: str
    stage: Stage | None = None
    stages: tuple[str, ...] = ()
    step: Step | None = None
    completed_steps: int | None = None
    estimated_completion: float | None = None
    """Unix seconds."""
    usage: Usage | None = None
    services: dict[str, ServiceUse] = field(default_factory=dict)
    last_error: LastError | None = None
    updated_at: float | None = None
    """Unix seconds, the agent's word."""


def has_moved(old: Progress | None, new: Progress) -> bool:
    """Whether the work got anywhere, as opposed to a rewritten time or counter."""
    if old is None:
        return True
    return (old.status, old.stage, old.step, old.completed_steps) != (
        new.status,
        new.stage,
        new.step,
        new.completed_steps,
    )


def counts_anew(old: Progress | None, new: Progress) -> bool:
    """Whether the step counter began again, so that the pace so far says nothing."""
    if old is None or old.step is None or new.step is None:
        return True
    if old.stage != new.stage or (old.step.name, old.step.total) != (new.step.name, new.step.total):
        return True
    return (new.step.completed or 0.0) < (old.step.completed or 0.0)

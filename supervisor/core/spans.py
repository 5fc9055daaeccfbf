"""What a run's trace is made of: spans that have ended, and what of one is still open.

Pure data. A run is a trace: its id *is* the run's (a ULID has 128 bits), and a span's id follows
from the run and the span's key. So a span that is sent twice is the same span to whoever gets it.
Attributes hold names and numbers, never what an agent wrote in prose or asked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from supervisor.core.ids import is_run_id, number_of
from supervisor.core.progress import ModelUse, ServiceUse

RUN_KEY = "run"
MAX_MARKS = 100
"""Events within a span; the rest are counted in ``dropped``."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened within a span."""

    name: str
    at: float
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a run's life that is over."""

    run_id: str
    key: str
    """Names the span within its run."""
    parent: str
    """Key of the span it is part of; empty for the run's own."""
    name: str
    start: float
    """Unix seconds, like ``end``."""
    end: float
    attributes: dict[str, Any] = field(default_factory=dict)
    """Values are texts, numbers and truths."""
    is_call: bool = False
    """Whether it went to a service outside."""
    error: str = ""
    """Why it counts as failed; empty when it does not."""
    marks: tuple[Mark, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """A durable step, as its line in the journal tells it."""

    line: int
    name: str
    """Cleaned."""
    occurrence: int
    at: float
    """When it had ended, Unix seconds."""
    took_s: float
    has_failed: bool


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A question without an answer."""

    kind: str
    asked_at: float


@dataclass(slots=True)
class OpenTrace:
    """The part of a run's trace that has not ended."""

    agent: str
    since: float
    """Unix seconds since which the run, or its continuation, goes on."""
    round: int = 1
    """Goes up when somebody continues a run that was over."""
    attempt: int = 0
    """Number of the attempt that lives; 0 without one."""
    attempt_since: float = 0.0
    epoch: int = 0
    pid: int = 0
    resumed_from: int = 0
    """Checkpoint generation; 0 is a start from nothing."""
    stage: str = ""
    stage_since: float = 0.0
    stages: int = 0
    """How many this attempt went through, so that each has a key of its own."""
    told_at: float = 0.0
    """When it last reported progress: what it tells next began after that."""
    reports: int = 0
    models: dict[str, ModelUse] = field(default_factory=dict)
    """What it had used by then, by model; under its name alone where it says no models."""
    services: dict[str, ServiceUse] = field(default_factory=dict)
    requests: dict[str, OpenRequest] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    dropped: int = 0
    input_tokens: int = 0
    """Since the run or its continuation began, with cached ones, like the three below."""
    output_tokens: int = 0
    cost_usd: float = 0.0
    retries: int = 0

    @property
    def run_key(self) -> str:
        """Key of the run's own span."""
        return RUN_KEY if self.round == 1 else f"{RUN_KEY}-{self.round}"

    @property
    def attempt_key(self) -> str:
        """Key of the attempt's span, of the run's where there is none."""
        return f"attempt-{self.attempt}" if self.attempt else self.run_key

    def mark(self, name: str, at: float, **attributes: Any) -> None:
        """Note something that happened in the attempt."""
        if len(self.marks) < MAX_MARKS:
            self.marks = (*self.marks, Mark(name, at, attributes))
        else:
            self.dropped += 1


def trace_id(run_id: str) -> int:
    """128 bits, the same for a run for ever, never 0."""
    number = number_of(run_id) if is_run_id(run_id) else _hashed(run_id, 16)
    return number or 1


def span_id(run_id: str, key: str) -> int:
    """64 bits, the same for a span for ever, never 0."""
    return _hashed(f"{run_id}/{key}", 8) or 1


def _hashed(text: str, size: int) -> int:
    return int.from_bytes(sha256(text.encode()).digest()[:size], "big")

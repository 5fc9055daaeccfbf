"""What the core asks the engine to do, after the events that decided it are stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from supervisor.core.run import Request


class Effect:
    """Base of all effects. Each may be carried out twice without harm."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Spawn(Effect):
    """Start the attempt of this epoch, from this checkpoint generation."""

    epoch: int
    resumed_from: int | None
    is_retry: bool = False
    """It has waited already, with a jitter of its own, and need not wait for others."""


@dataclass(frozen=True, slots=True)
class EndAttempt(Effect):
    """Stop signal, grace, then SIGKILL to everything of the attempt."""

    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class HoldStill(Effect):
    """SIGSTOP (or with ``still`` False SIGCONT) to everything of the attempt."""

    epoch: int
    still: bool


@dataclass(frozen=True, slots=True)
class DeliverAnswer(Effect):
    """Write the answer file of an answered or expired request."""

    request: Request


@dataclass(frozen=True, slots=True)
class WithdrawAnswer(Effect):
    """Remove the answer file of a request that is over: another one is asked under its name."""

    file_id: str


@dataclass(frozen=True, slots=True)
class AskOperator(Effect):
    """Open a question of our own on the run; see ``core.own_questions``."""

    file_id: str
    title: str
    action: dict[str, Any]
    """JSON: what a yes allows."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a wish was not granted; nothing changed."""

    code: str
    """unknown_request | conflict | expired | hash_mismatch | refused"""
    what: str
    fix: str = ""
    why: str = ""
    """One line for each thing that is wrong, where there may be several."""

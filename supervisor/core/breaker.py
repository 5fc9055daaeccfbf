"""A circuit breaker as a pure state machine, shared by every process that calls the service.

``closed`` counts outcomes over a window; too many failures open it; after the cool-down exactly
one caller probes in ``half-open``, and its outcome closes or opens it again. A service that asks
for patience (``retry-after``) blocks without being broken. The pattern is M. Nygard's (Release
It!, 2007), the failure rate over a window that of resilience4j. Times are seconds of one clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

BUCKETS = 10
"""Parts of the window: an outcome is forgotten with its part, so up to a tenth early."""


class BreakerState(StrEnum):
    """Whether calls go out."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When it opens, and for how long."""

    failure_rate: float
    """Part of the calls in the window that has to fail, above 0 and at most 1."""
    minimum_calls: int
    """Calls in the window below which nothing is concluded."""
    window_s: float
    """Length of the window."""
    cool_down_s: float
    """From opening to the probe."""
    probe_s: float
    """After which a probe without an outcome counts as dead, and another one may begin."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The state of one service's breaker."""

    state: BreakerState = BreakerState.CLOSED
    until: float = 0.0
    """Open: when the cool-down is over. Half-open: when the probe counts as dead."""
    probe: str = ""
    """Half-open: who probes."""
    generation: int = 0
    """Goes up with every move; an outcome counts for the generation it was admitted in."""
    buckets: tuple[tuple[int, int, int], ...] = ()
    """(number of the bucket, calls, failures) within the window, oldest first."""
    blocked_until: float = 0.0
    """The service asked for patience until then; it is not broken."""
    why: str = ""
    """What the last failure or the patience was about, for people."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a call may go out."""

    is_allowed: bool
    generation: int
    is_probe: bool = False
    until: float = 0.0
    """When to ask again, where it may not."""
    why: str = ""


def admit(
    breaker: Breaker, policy: BreakerPolicy, now: float, caller: str
) -> tuple[Breaker, Admission]:
    """Whether ``caller`` (a name no other call has) may call, and the state after saying so."""
    if breaker.state is BreakerState.CLOSED:
        if breaker.blocked_until > now:
            return breaker, _refuse(breaker, breaker.blocked_until)
        return breaker, Admission(True, breaker.generation)
    if now < breaker.until:
        return breaker, _refuse(breaker, breaker.until)
    probing = replace(
        breaker,
        state=BreakerState.HALF_OPEN,
        until=now + policy.probe_s,
        probe=caller,
        generation=breaker.generation + 1,
    )
    return probing, Admission(True, probing.generation, is_probe=True)


def record(
    breaker: Breaker, policy: BreakerPolicy, now: float, admission: Admission, failure: str | None
) -> Breaker:
    """The state after an admitted call ended; ``failure`` says what failed, None that it worked.

    What was admitted before the last move says nothing about the service now and is passed over.
    """
    if admission.generation != breaker.generation:
        return breaker
    if admission.is_probe:
        return _open(breaker, policy, now, failure) if failure else _close(breaker)
    oldest = _bucket(policy, now) - BUCKETS
    kept = [bucket for bucket in breaker.buckets if bucket[0] > oldest]
    number, calls, failures = kept.pop() if kept else (_bucket(policy, now), 0, 0)
    if number != _bucket(policy, now):
        kept.append((number, calls, failures))
        number, calls, failures = _bucket(policy, now), 0, 0
    kept.append((number, calls + 1, failures + (failure is not None)))
    counted = replace(breaker, buckets=tuple(kept), why=failure or breaker.why)
    calls, failures = sum(b[1] for b in kept), sum(b[2] for b in kept)
    if failure and calls >= policy.minimum_calls and failures >= policy.failure_rate * calls:
        return _open(counted, policy, now, failure)
    return counted


def give_back(breaker: Breaker, now: float, admission: Admission) -> Breaker:
    """A probe ended without telling anything (cancelled): another one may begin at once."""
    if not admission.is_probe or admission.generation != breaker.generation:
        return breaker
    return replace(breaker, state=BreakerState.OPEN, until=now, probe="")


def block(breaker: Breaker, until: float, why: str) -> Breaker:
    """The service asks every caller to wait until then; a longer wait is never shortened."""
    if until <= breaker.blocked_until:
        return breaker
    return replace(breaker, blocked_until=until, why=why)


def reset(breaker: Breaker) -> Breaker:
    """Closed by a person, who knows better: failures and asked patience are forgotten."""
    return Breaker(generation=breaker.generation + 1)


def outcomes(breaker: Breaker, policy: BreakerPolicy, now: float) -> tuple[int, int]:
    """Calls and failures within the window; of one that is not closed there are none."""
    oldest = _bucket(policy, now) - BUCKETS
    kept = [bucket for bucket in breaker.buckets if bucket[0] > oldest]
    return sum(bucket[1] for bucket in kept), sum(bucket[2] for bucket in kept)


def _refuse(breaker: Breaker, until: float) -> Admission:
    return Admission(False, breaker.generation, until=until, why=breaker.why)


def _open(breaker: Breaker, policy: BreakerPolicy, now: float, why: str) -> Breaker:
    return Breaker(
        BreakerState.OPEN,
        until=now + policy.cool_down_s,
        generation=breaker.generation + 1,
        blocked_until=breaker.blocked_until,
        why=why,
    )


def _close(breaker: Breaker) -> Breaker:
    return Breaker(generation=breaker.generation + 1, blocked_until=breaker.blocked_until)


def _bucket(policy: BreakerPolicy, now: float) -> int:
    return int(now / policy.window_s * BUCKETS)

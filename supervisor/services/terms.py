"""With what a service is called (limits, breaker), kept beside its state for people to see.

Callers of several projects share one state, and none knows the settings of another: each stores
those it calls with, and the last one shows. Must never decide anything.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass, field
from typing import Any

from supervisor.core.breaker import Breaker, BreakerPolicy, BreakerState, outcomes
from supervisor.core.moment import Moment

SCHEMA = """CREATE TABLE IF NOT EXISTS terms (
    name TEXT PRIMARY KEY, told TEXT NOT NULL) WITHOUT ROWID"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What all callers together may use; None is no limit."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    burst_s: float = 10.0
    """What may go out at once after a quiet time, in seconds' worth of the rate."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a caller calls with."""

    policy: BreakerPolicy | None = None
    limits: Limits = field(default_factory=Limits)
    is_told: bool = False
    """Stored, so that nothing is written while nothing changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceView:
    """How one service stands, for people."""

    name: str
    state: BreakerState
    wait_s: float
    """Until calls go out again, or a probe may; 0 is now."""
    blocked_s: float
    """How long the service asked to be left alone."""
    why: str
    """What the last failure was about; empty when none is known."""
    calls: int
    failures: int
    """Of those calls, within the window of the breaker."""
    policy: BreakerPolicy | None
    """None: no call of this version has ended yet."""
    limits: Limits
    requests_ahead_s: float
    """Seconds' worth of the limit that is taken already; the burst is free."""
    tokens_ahead_s: float


def view(
    name: str, breaker: Breaker, dues: tuple[float, float], terms: Terms | None, now: Moment
) -> ServiceView:
    """``dues`` are the arrival times of ``core.rate`` for requests and tokens."""
    policy = terms.policy if terms else None
    blocked_s = max(0.0, breaker.blocked_until - now.mono)
    is_closed = breaker.state is BreakerState.CLOSED
    calls, failures = outcomes(breaker, policy, now.mono) if policy else (0, 0)
    return ServiceView(
        name=name,
        state=breaker.state,
        wait_s=blocked_s if is_closed else max(0.0, breaker.until - now.mono),
        blocked_s=blocked_s,
        why=breaker.why,
        calls=calls,
        failures=failures,
        policy=policy,
        limits=terms.limits if terms else Limits(),
        requests_ahead_s=max(0.0, dues[0] - now.mono),
        tokens_ahead_s=max(0.0, dues[1] - now.mono),
    )


def write_terms(connection: sqlite3.Connection, name: str, terms: Terms) -> None:
    """Store the terms of a service."""
    plain = {
        "policy": asdict(terms.policy) if terms.policy else None,
        "limits": asdict(terms.limits),
    }
    connection.execute("INSERT OR REPLACE INTO terms VALUES (?, ?)", (name, json.dumps(plain)))


def read_terms(connection: sqlite3.Connection) -> dict[str, Terms]:
    """All stored terms by service; without those that this version cannot read."""
    found: dict[str, Terms] = {}
    for name, told in connection.execute("SELECT name, told FROM terms"):
        try:
            plain: dict[str, Any] = json.loads(told)
            policy = BreakerPolicy(**plain["policy"]) if plain["policy"] else None
            if policy is not None and not policy.window_s > 0:
                continue
            found[name] = Terms(policy, Limits(**plain["limits"]))
        except (ValueError, TypeError, KeyError):
            continue
    return found

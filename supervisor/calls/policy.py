"""How one call is carried out: turn, attempt, classification, retry; for plain and async callables.

``tenacity`` drives the loop. What it asks is answered here from the settings, the shared state
and the run's deadline, the same way for every kind of service.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from supervisor.agent.current import current_agent
from supervisor.calls import reporting
from supervisor.calls.faults import CallError, CircuitOpenError, fault_of
from supervisor.calls.settings import ALWAYS_RETRIED, ServiceSettings
from supervisor.core.breaker import Admission, BreakerState
from supervisor.core.call_faults import CallFault, FaultKind
from supervisor.services.shared import SharedServices, Standing

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")

PARKS_FROM_S = 5.0
"""Below this, leaving the machine and coming back costs more than it saves."""
POLL_S = 0.25
"""Between looks at a breaker that another process is probing."""
_rng = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Terms:
    """Of one call."""

    tokens: float = 0.0
    """Estimated, for the shared limit."""
    waits_when_open: bool = True
    """Wait in place while the breaker is open; without it CircuitOpenError is raised."""
    parks: bool = False
    """The caller leaves the machine for a long wait: it is raised, not waited for."""
    retried_kinds: frozenset[FaultKind] | None = None
    """Only these, for what may not be repeated; None is all that are worth it."""


class Calls:
    """The calls of this process to one service."""

    def __init__(self, settings: ServiceSettings, shared: SharedServices) -> None:
        self.settings = settings
        self.shared = shared
        self._known_state = "closed"

    @property
    def name(self) -> str:
        """Of the service."""
        return self.settings.name

    def standing(self) -> Standing:
        """How the service stands for everybody on this machine."""
        return self.shared.standing(self.name)

    def run(self, attempt: Callable[[], T], terms: Terms) -> T:
        """The result of ``attempt``, tried as often as the settings say. Raises CallError."""
        from tenacity import Retrying

        call = _Call(self, terms)
        try:
            result: T = Retrying(**call.hooks(), sleep=time.sleep)(call.once, attempt)
            return result
        except Exception as error:
            raise call.final(error) from error

    async def run_async(self, attempt: Callable[[], Awaitable[T]], terms: Terms) -> T:
        """The same for a coroutine function."""
        from tenacity import AsyncRetrying

        call = _Call(self, terms)
        try:
            return await AsyncRetrying(**call.hooks(), sleep=asyncio.sleep)(
                call.once_async, attempt
            )
        except Exception as error:
            raise call.final(error) from error

    def say_state(self, state: str, why: str) -> None:
        """Report a move of the breaker that this process had not heard of."""
        if state != self._known_state:
            self._known_state = state
            reporting.breaker_moved(self.name, state, why)


class _Call:
    """One call over all its attempts."""

    def __init__(self, calls: Calls, terms: Terms) -> None:
        self._calls = calls
        self._settings = calls.settings
        self._shared = calls.shared
        self._terms = terms
        self._caller = f"{os.getpid()}-{uuid.uuid4().hex}"
        self._tries = 0
        self._turn = Admission(True, 0)
        self._deadline = _deadline()

    # -- one attempt ------------------------------------------------------------------------

    def once(self, attempt: Callable[[], T]) -> T:
        """Wait for the turn and try."""
        for wait_s in self._approach():
            time.sleep(wait_s)
        try:
            result = attempt()
        except BaseException as error:
            self._failed(error)
            raise
        self._worked()
        return result

    async def once_async(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The same without blocking."""
        for wait_s in self._approach():
            await asyncio.sleep(wait_s)
        try:
            result = await attempt()
        except BaseException as error:
            self._failed(error)
            raise
        self._worked()
        return result

    def _approach(self) -> Iterator[float]:
        """Waits until it is this call's turn; raises CircuitOpenError, or CallError."""
        has_waited = False
        while True:
            admission = self._shared.admit(self._calls.name, self._settings.breaker, self._caller)
            if self._shared.problem is not None:
                reporting.not_shared(self._calls.name, self._shared.problem)
            if admission.is_allowed and (admission.is_probe or not has_waited):
                break
            if admission.is_allowed:
                # Those who waited come back one by one: a service just recovered bears no rush.
                has_waited = False
                yield _rng.random() * self._settings.spread_seconds
            else:
                has_waited = True
                yield self._refused()
        self._turn = admission
        if admission.is_probe:
            self._calls.say_state("half-open", admission.why)
        wait_s = self._shared.reserve(self._calls.name, self._settings.limits, self._terms.tokens)
        if self._is_past(wait_s):
            self._shared.give_back(self._calls.name, admission)
            fault = CallFault(FaultKind.RATE_LIMITED, f"our own limit, for {wait_s:.0f} s")
            raise CallError(self._calls.name, fault, self._tries)
        yield wait_s
        if self._tries == 0:
            reporting.began(self._calls.name)
        self._tries += 1

    def _refused(self) -> float:
        """Seconds until asking again."""
        standing = self._calls.standing()
        self._calls.say_state(str(standing.state), standing.why)
        is_broken = standing.state is not BreakerState.CLOSED
        gives_up = is_broken and not self._terms.waits_when_open
        leaves = self._terms.parks and standing.wait_s >= PARKS_FROM_S
        if gives_up or leaves or self._is_past(standing.wait_s):
            raise CircuitOpenError(self._calls.name, standing.wait_s, standing.why)
        longest = POLL_S if standing.state is BreakerState.HALF_OPEN else 1.0
        return max(0.001, min(standing.wait_s, longest))

    def _worked(self) -> None:
        name, policy = self._calls.name, self._settings.breaker
        standing = self._shared.record(name, policy, self._turn, None)
        self._calls.say_state(str(standing.state), standing.why)

    def _failed(self, error: BaseException) -> None:
        name, policy = self._calls.name, self._settings.breaker
        fault = fault_of(error) if isinstance(error, Exception) else None
        if fault is None or fault.kind is FaultKind.UNKNOWN:
            self._shared.give_back(name, self._turn)
            return
        if fault.is_outage:
            why = f"{fault.kind}: {fault.message}"
            standing = self._shared.record(name, policy, self._turn, why)
            self._calls.say_state(str(standing.state), standing.why)
        elif fault.kind is not FaultKind.RATE_LIMITED or self._turn.is_probe:
            self._worked()  # a refusal is an answer too
        if fault.kind is FaultKind.RATE_LIMITED and fault.wait_s:
            self._shared.block(name, fault.wait_s, "rate limited")

    # -- what tenacity asks -------------------------------------------------------------------

    def hooks(self) -> dict[str, Any]:
        """The answers, as arguments of tenacity's loops."""
        from tenacity import retry_if_exception

        return {
            "retry": retry_if_exception(self._is_retryable),
            "wait": self._wait_s,
            "stop": self._is_over,
            "before_sleep": self._say,
            "reraise": True,
        }

    def _is_retryable(self, error: BaseException) -> bool:
        if isinstance(error, CallError) or not isinstance(error, Exception):
            return False
        fault = fault_of(error)
        if self._terms.retried_kinds is not None and fault.kind not in self._terms.retried_kinds:
            return False
        listed = self._settings.retry.retryable_status_codes
        if fault.status is not None and fault.status >= 400:
            is_listed = fault.status in listed or fault.status in ALWAYS_RETRIED
            return is_listed and fault.kind is not FaultKind.CREDIT
        return fault.is_retryable

    def _wait_s(self, state: RetryCallState) -> float:
        own = self._settings.retry.delay_s(state.attempt_number, _rng.random())
        fault = fault_of(_error_of(state))
        if fault.wait_s is None:
            return own
        # Later than asked, never sooner, and not all in the same moment.
        spread = 1.0 + self._settings.retry.jitter_fraction * _rng.random()
        return max(own, fault.wait_s * spread)

    def _is_over(self, state: RetryCallState) -> bool:
        is_used_up = state.attempt_number > self._settings.retry.max_retries
        is_long = self._terms.parks and state.upcoming_sleep >= PARKS_FROM_S
        asked = fault_of(_error_of(state)).wait_s is not None
        return is_used_up or self._is_past(state.upcoming_sleep) or (is_long and asked)

    def _say(self, state: RetryCallState) -> None:
        reporting.backing_off(
            self._calls.name,
            fault_of(_error_of(state)),
            state.upcoming_sleep,
            state.attempt_number,
            self._settings.retry.max_retries,
        )

    # -- the end ------------------------------------------------------------------------------

    def final(self, error: Exception) -> Exception:
        """What the caller gets: a CallError, or its own exception when it tells of no service."""
        if isinstance(error, CallError):
            return error  # nothing was sent
        fault = fault_of(error)
        if fault.kind is FaultKind.UNKNOWN:
            return error
        failure = CallError(self._calls.name, fault, self._tries)
        reporting.failed(failure)
        return failure

    def _is_past(self, wait_s: float) -> bool:
        return self._deadline is not None and time.time() + wait_s >= self._deadline


def _error_of(state: RetryCallState) -> BaseException:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if error is not None else RuntimeError("no outcome")


def _deadline() -> float | None:
    """Unix seconds at which the run ends anyway."""
    if agent := current_agent():
        return agent.deadline
    return None

"""What an agent's calls look like from outside: counters, anomalies, usage and cost.

Goes to the agent of this process, which writes it into ``progress.json``; in a program without
one it goes nowhere. Nothing here changes what a call does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from supervisor.agent.current import current_agent
from supervisor.calls.prices import cost_usd, find_price
from supervisor.calls.settings import price_table
from supervisor.core.call_faults import CallFault, FaultKind

if TYPE_CHECKING:
    from supervisor.calls.faults import CallError


@dataclass(frozen=True, slots=True)
class Used:
    """What one answered call used."""

    model: str
    input_tokens: int = 0
    """Without the cached ones."""
    output_tokens: int = 0
    cache_read: int = 0
    cache_write: int = 0


def began(service: str) -> None:
    """A call goes out for the first time."""
    if agent := current_agent():
        agent.service(service, calls=1)


def backing_off(service: str, fault: CallFault, wait_s: float, retry: int, of: int) -> None:
    """The call goes out again after ``wait_s``."""
    if not (agent := current_agent()):
        return
    agent.service(service, retries=1)
    if fault.kind is FaultKind.RATE_LIMITED:
        message = f"{service}: rate limited, backing off {_span(wait_s)}"
    else:
        message = f"{service}: {fault.kind}, retry {retry} of {of} in {_span(wait_s)}"
    agent.anomaly("service-retry", message)


def failed(error: CallError) -> None:
    """A call failed for good."""
    if not (agent := current_agent()):
        return
    agent.service(error.service, failures=1)
    agent.error(
        str(error),
        kind=str(error.kind),
        service=error.service,
        status_code=error.status_code,
        retryable=error.retryable,
    )


def breaker_moved(service: str, state: str, why: str) -> None:
    """The shared breaker of ``service`` is in another state than this process last knew."""
    if not (agent := current_agent()):
        return
    agent.service(service, breaker=state)
    words = {
        "open": f"{service}: circuit open, nothing is sent for a while ({why})",
        "half-open": f"{service}: circuit half-open, one probe goes out",
        "closed": f"{service}: circuit closed, the service works again",
    }
    agent.anomaly("circuit-breaker", words[state], "info" if state == "closed" else "warning")


def not_shared(service: str, problem: str) -> None:
    """The shared file cannot be used: this process calls as if it were alone."""
    if agent := current_agent():
        words = f"{service}: breaker and rates are not shared with other agents: {problem}"
        agent.anomaly("services-not-shared", words)


def fell_back(service: str, to: str, why: str) -> None:
    """Another one than asked for answers."""
    if agent := current_agent():
        agent.anomaly("service-fallback", f"{service}: answered by {to} because of {why}")


def used(amount: Used) -> None:
    """Add tokens and their cost to the run's sums; says once which model has no price."""
    if not (agent := current_agent()):
        return
    price = find_price(price_table(), amount.model)
    cost = 0.0
    if price is None:
        agent.anomaly(
            "price-unknown",
            f'no price is known for {amount.model}: add [prices."{amount.model}"] to config.toml',
            "info",
        )
    else:
        cost = cost_usd(
            price,
            input_tokens=amount.input_tokens,
            output_tokens=amount.output_tokens,
            cache_read=amount.cache_read,
            cache_write=amount.cache_write,
        )
    agent.usage(
        input_tokens=amount.input_tokens,
        output_tokens=amount.output_tokens,
        cache_read_tokens=amount.cache_read,
        cache_write_tokens=amount.cache_write,
        cost_usd=cost,
        model=amount.model,
    )


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"

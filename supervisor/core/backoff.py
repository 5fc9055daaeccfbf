"""Exponential backoff with jitter: ``min(max, base * factor ** (retry - 1))``, then ± jitter."""

from __future__ import annotations

from supervisor.core.spec import RetryPolicy


def decide_delay_s(policy: RetryPolicy, retry: int, random_unit: float) -> float:
    """Seconds before retry number ``retry`` (from 1); ``random_unit`` is uniform in [0, 1).

    The exponent is bounded so that a run with thousands of retries cannot overflow a float.
    """
    exponent = min(max(retry, 1) - 1, 64)
    wait = min(policy.max_delay_s, policy.base_delay_s * policy.exponential_base**exponent)
    return wait * (1.0 + policy.jitter_fraction * (2.0 * random_unit - 1.0))

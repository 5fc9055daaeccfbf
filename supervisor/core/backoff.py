"""Exponential backoff with jitter: ``min(max, base * factor ** (retry - 1))``, then ± jitter."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.core.spec import RetryPolicy


@dataclass(frozen=True, slots=True)
class Exponential:
    """The numbers of one backoff."""

    base_s: float
    factor: float
    max_s: float
    """Upper bound of one wait, before jitter."""
    jitter: float
    """Half width as a fraction of the wait."""

    def delay_s(self, retry: int, random_unit: float) -> float:
        """Seconds before retry number ``retry`` (from 1); ``random_unit`` is uniform in [0, 1).

        The exponent is bounded so that thousands of retries cannot overflow a float.
        """
        exponent = min(max(retry, 1) - 1, 64)
        wait = min(self.max_s, self.base_s * self.factor**exponent)
        return wait * (1.0 + self.jitter * (2.0 * random_unit - 1.0))


def decide_delay_s(policy: RetryPolicy, retry: int, random_unit: float) -> float:
    """Seconds before retry number ``retry`` of a run."""
    wave = Exponential(
        policy.base_delay_s, policy.exponential_base, policy.max_delay_s, policy.jitter_fraction
    )
    return wave.delay_s(retry, random_unit)

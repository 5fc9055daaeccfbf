"""A breaker closed by hand, and what is counted for people."""

from __future__ import annotations

from supervisor.core.breaker import (
    Breaker,
    BreakerPolicy,
    BreakerState,
    admit,
    block,
    outcomes,
    record,
    reset,
)

POLICY = BreakerPolicy(
    failure_rate=0.5, minimum_calls=2, window_s=60.0, cool_down_s=30.0, probe_s=10.0
)


def opened(now: float = 100.0) -> Breaker:
    breaker = Breaker()
    for _ in range(2):
        breaker, admission = admit(breaker, POLICY, now, "a")
        breaker = record(breaker, POLICY, now, admission, "refused")
    assert breaker.state is BreakerState.OPEN
    return breaker


def test_after_a_reset_every_caller_is_let_through_at_once() -> None:
    closed = reset(opened())
    for caller in ("a", "b"):
        assert admit(closed, POLICY, 101.0, caller)[1].is_allowed


def test_a_reset_also_forgets_the_patience_that_a_service_asked_for() -> None:
    held_off = block(Breaker(), 500.0, "rate limited")
    assert not admit(held_off, POLICY, 101.0, "a")[1].is_allowed
    assert admit(reset(held_off), POLICY, 101.0, "a")[1].is_allowed


def test_a_probe_that_was_under_way_says_nothing_about_a_breaker_that_was_reset() -> None:
    probing, admission = admit(opened(), POLICY, 131.0, "a")
    assert admission.is_probe
    closed = reset(probing)
    assert record(closed, POLICY, 132.0, admission, "refused") == closed


def test_outcomes_count_what_is_within_the_window_and_nothing_older() -> None:
    breaker = Breaker()
    # Most calls work, so that it stays closed.
    for now, failure in ((100.0, None), (101.0, None), (130.0, "refused"), (150.0, None)):
        breaker, admission = admit(breaker, POLICY, now, "a")
        breaker = record(breaker, POLICY, now, admission, failure)
    assert outcomes(breaker, POLICY, 155.0) == (4, 1)
    assert outcomes(breaker, POLICY, 175.0) == (2, 1)
    assert outcomes(breaker, POLICY, 1000.0) == (0, 0)

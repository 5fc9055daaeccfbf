"""The circuit breaker, the shared rate and who is woken when a service is back: pure decisions."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.breaker import (
    Admission,
    Breaker,
    BreakerPolicy,
    BreakerState,
    admit,
    block,
    give_back,
    record,
)
from supervisor.core.call_faults import EXIT_STATUS, RETRYABLE, FaultKind, kind_of_response
from supervisor.core.rate import correct, reserve

POLICY = BreakerPolicy(
    failure_rate=0.5, minimum_calls=4, window_s=60.0, cool_down_s=30.0, probe_s=100.0
)


def after(breaker: Breaker, now: float, *outcomes: str | None) -> Breaker:
    """The breaker after admitted calls with these outcomes."""
    for outcome in outcomes:
        breaker, admission = admit(breaker, POLICY, now, "me")
        assert admission.is_allowed
        breaker = record(breaker, POLICY, now, admission, outcome)
    return breaker


def test_it_opens_at_the_failure_rate_and_not_below_the_minimum_of_calls() -> None:
    assert after(Breaker(), 0.0, "down", "down", "down").state is BreakerState.CLOSED
    assert after(Breaker(), 0.0, None, "down", None, None).state is BreakerState.CLOSED
    opened = after(Breaker(), 0.0, None, "down", None, "down")
    assert opened.state is BreakerState.OPEN and opened.until == 30.0


def test_failures_outside_the_window_are_forgotten() -> None:
    old = after(Breaker(), 0.0, "down", "down", "down")
    assert after(old, 61.0, "down").state is BreakerState.CLOSED


def test_after_the_cool_down_exactly_one_probes() -> None:
    opened = after(Breaker(), 0.0, *["down"] * 4)
    assert not admit(opened, POLICY, 29.9, "a")[1].is_allowed
    probing, probe = admit(opened, POLICY, 30.0, "a")
    assert probe.is_allowed and probe.is_probe
    for caller in "bcd":
        assert not admit(probing, POLICY, 31.0, caller)[1].is_allowed
    assert record(probing, POLICY, 32.0, probe, None).state is BreakerState.CLOSED
    again = record(probing, POLICY, 32.0, probe, "down")
    assert again.state is BreakerState.OPEN and again.until == 62.0


def test_a_probe_that_died_is_replaced_and_a_cancelled_one_given_back() -> None:
    opened = after(Breaker(), 0.0, *["down"] * 4)
    probing, first = admit(opened, POLICY, 30.0, "a")
    assert not admit(probing, POLICY, 129.0, "b")[1].is_allowed
    second_probing, second = admit(probing, POLICY, 130.0, "b")
    assert second.is_probe
    late = record(second_probing, POLICY, 131.0, first, None)
    assert late == second_probing  # the dead one's word does not count any more
    assert admit(give_back(second_probing, 131.0, second), POLICY, 131.0, "c")[1].is_probe


def test_outcomes_of_calls_from_before_the_opening_change_nothing() -> None:
    _, slow = admit(Breaker(), POLICY, 0.0, "slow")
    opened = after(Breaker(), 0.0, *["down"] * 4)
    assert record(opened, POLICY, 5.0, slow, None) == opened


def test_patience_asked_for_blocks_without_breaking_and_is_never_shortened() -> None:
    blocked = block(block(Breaker(), 50.0, "rate limited"), 20.0, "again")
    refused = admit(blocked, POLICY, 10.0, "a")[1]
    assert not refused.is_allowed and refused.until == 50.0 and refused.why == "rate limited"
    assert admit(blocked, POLICY, 50.0, "a")[1].is_allowed


@given(st.lists(st.tuples(st.floats(0, 20), st.booleans(), st.integers(0, 4)), max_size=80))
def test_never_two_probes_at_once_whatever_happens(steps: list[tuple[float, bool, int]]) -> None:
    breaker, now = Breaker(), 0.0
    flying: list[Admission] = []
    for passed, worked, chosen in steps:
        now += passed
        breaker, admission = admit(breaker, POLICY, now, str(chosen))
        if admission.is_allowed:
            flying.append(admission)
        live = [a for a in flying if a.is_probe and a.generation == breaker.generation]
        assert len(live) <= 1
        if flying and chosen:
            ended = flying.pop(chosen % len(flying))
            breaker = record(breaker, POLICY, now, ended, None if worked else "down")


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0.1, 10)), max_size=60))
def test_no_window_gets_more_than_rate_and_burst(steps: list[tuple[float, float]]) -> None:
    due, now, used = 0.0, 1000.0, []
    for passed, cost in steps:
        now += passed
        due, wait = reserve(due, now, cost, 60.0, 10.0)
        used.append((now + wait, cost))
    used.sort()
    for begin, _ in used:
        taken = sum(cost for at, cost in used if begin <= at < begin + 60)
        assert taken <= 60 + 10 + 10 + 1e-6  # a minute's worth, the burst, one large cost


def test_a_correction_moves_the_next_turn() -> None:
    due, _ = reserve(0.0, 0.0, 10, 60.0, 0.0)
    assert correct(due, 5, 60.0) == due + 5
    assert correct(due, -5, 60.0) == due - 5


@pytest.mark.parametrize(
    ("status", "codes", "message", "kind"),
    [
        (429, ("rate_limit_error",), "", FaultKind.RATE_LIMITED),
        (429, ("insufficient_quota",), "", FaultKind.CREDIT),
        (529, (), "", FaultKind.OVERLOADED),
        (200, ("overloaded_error",), "", FaultKind.OVERLOADED),
        (200, ("api_error",), "", FaultKind.SERVER_ERROR),
        (400, ("invalid_request_error",), "prompt is too long: 5", FaultKind.CONTEXT_OVERFLOW),
        (400, ("context_length_exceeded",), "", FaultKind.CONTEXT_OVERFLOW),
        (400, (), "Your credit balance is too low", FaultKind.CREDIT),
        (400, (), "something else", FaultKind.BAD_REQUEST),
        (599, (), "", FaultKind.SERVER_ERROR),
        (401, ("api_error",), "", FaultKind.AUTHENTICATION),
    ],
)
def test_an_error_is_told_by_its_status_then_its_type(
    status: int, codes: tuple[str, ...], message: str, kind: FaultKind
) -> None:
    assert kind_of_response(status, codes, message) is kind


def test_every_kind_is_either_worth_a_retry_or_has_a_permanent_exit() -> None:
    permanent = set(FaultKind) - RETRYABLE - {FaultKind.UNKNOWN}
    assert set(EXIT_STATUS) == permanent
    assert all(64 <= code <= 78 and code != 75 for code in EXIT_STATUS.values())


def test_a_whole_outage_lets_one_probe_a_cool_down_through() -> None:
    rng = random.Random(7)
    breaker, probes = after(Breaker(), 0.0, *["down"] * 4), []
    for tick in range(3000):  # five minutes, twenty callers in random order
        now = tick / 10
        for caller in rng.sample(range(20), 20):
            breaker, admission = admit(breaker, POLICY, now, str(caller))
            if admission.is_allowed:
                probes.append(now)
                breaker = record(breaker, POLICY, now, admission, "down")
    assert probes == [30.0 * n for n in range(1, 10)]
    assert replace(breaker).state is BreakerState.OPEN

"""Waits between attempts: exact without jitter, bounded with it, never overflowing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import events as e
from supervisor.core.backoff import decide_delay_s
from tests.core.builders import Story, a_policy, a_spec


@pytest.mark.parametrize(
    ("retry", "seconds"),
    [(1, 0.5), (2, 1.0), (3, 2.0), (4, 4.0), (5, 8.0), (6, 16.0), (7, 30.0), (8, 30.0), (9999, 30)],
)
def test_waits_double_up_to_the_longest(retry: int, seconds: float) -> None:
    assert decide_delay_s(a_policy(), retry, 0.5) == seconds


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 1.6), (0.5, 2.0), (0.75, 2.2)])
def test_jitter_is_a_fraction_to_either_side(draw: float, seconds: float) -> None:
    policy = a_policy(jitter_fraction=0.2)
    assert decide_delay_s(policy, 3, draw) == pytest.approx(seconds)


def test_a_base_of_zero_restarts_at_once() -> None:
    assert decide_delay_s(a_policy(base_delay_s=0.0, jitter_fraction=1.0), 50, 0.9) == 0.0


def test_a_factor_of_one_waits_the_same_every_time() -> None:
    policy = a_policy(exponential_base=1.0)
    assert [decide_delay_s(policy, retry, 0.5) for retry in (1, 2, 60)] == [0.5, 0.5, 0.5]


@given(
    base=st.floats(0, 1e9),
    longest=st.floats(0, 1e9),
    factor=st.floats(1, 100),
    jitter=st.floats(0, 1),
    retry=st.integers(-5, 10**9),
    draw=st.floats(0, 1, exclude_max=True),
)
def test_no_wait_is_negative_or_longer_than_the_longest_and_its_jitter(
    base: float, longest: float, factor: float, jitter: float, retry: int, draw: float
) -> None:
    policy = a_policy(
        base_delay_s=base, max_delay_s=longest, exponential_base=factor, jitter_fraction=jitter
    )
    wait = decide_delay_s(policy, retry, draw)
    assert math.isfinite(wait)
    assert 0.0 <= wait <= min(longest, max(longest, base)) * (1 + jitter) * (1 + 1e-9)


def test_the_documented_waits_follow_one_another_and_then_the_run_fails() -> None:
    story = Story(a_spec(retry={"crash_loop_deaths": 99})).start()
    for _ in range(5):
        story.exits(1)
        story.next_attempt()
    story.exits(1)
    waits = [event.delay_s for event in story.recorded(e.BackoffBegan)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert story.state.reason == "exit status 1; 5 retries without a new checkpoint"
    assert (story.state.status, story.state.retries) == ("failed", 5)


def test_a_checkpoint_that_moves_forward_starts_the_count_again() -> None:
    story = Story(a_spec(retry={"max_retries": 2, "crash_loop_deaths": 99})).start()
    for number in range(1, 8):
        story.exits(1)
        story.next_attempt()
        story.checkpoints(number)
    story.exits(1)
    assert {event.retry for event in story.recorded(e.BackoffBegan)} == {1}
    assert (story.state.status, story.state.retries_in_row) == ("backoff", 1)
    assert story.state.retries == 8


def test_the_start_is_not_before_the_stored_instant_and_exactly_then() -> None:
    story = Story().start()
    story.exits(1)
    story.wait(0.499)
    assert story.tick().events == ()
    story.wait(0.001)
    story.tick()
    assert story.state.status == "starting"

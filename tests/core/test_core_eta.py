"""Estimates: nothing from nothing, and never an error from what an agent says."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import facts as f
from supervisor.core.eta import estimate
from supervisor.core.progress import Progress, Step
from tests.core.builders import Story, counting


def _after(seconds: float, completed: float, total: float | None = 100.0) -> Story:
    story = Story().start()
    story.feed(f.ProgressSeen(counting(0, total)))
    story.wait(seconds).feed(f.ProgressSeen(counting(completed, total)))
    return story


def test_the_pace_of_this_attempt_gives_the_time_left() -> None:
    story = _after(10, 20)
    eta = estimate(story.state, story.now)
    assert eta is not None
    assert (eta.left_s, eta.basis) == (40.0, "2 pages/s")


def test_the_estimate_goes_down_while_nothing_new_is_reported_and_never_below_zero() -> None:
    story = _after(10, 20).wait(15)
    eta = estimate(story.state, story.now)
    assert eta is not None and eta.left_s == 25.0
    eta = estimate(story.state, story.wait(1000).now)
    assert eta is not None and eta.left_s == 0.0


@pytest.mark.parametrize(
    ("completed", "total", "seconds", "basis"),
    [(30, 100, 60, "30 pages/min"), (3, 100, 3600, "3 pages/h")],
)
def test_a_slow_pace_is_said_in_a_unit_that_can_be_read(
    completed: float, total: float, seconds: float, basis: str
) -> None:
    story = _after(seconds, completed, total)
    eta = estimate(story.state, story.now)
    assert eta is not None and eta.basis == basis


@pytest.mark.parametrize(
    ("seconds", "completed", "total"),
    [
        (1.9, 20, 100),  # too short to tell
        (10, 1, 100),  # too little to tell
        (10, 0, 100),
        (10, 20, None),
        (10, 20, 0),
        (10, 12, 10),
        (10, -5, 10),
        (10, 20, -100),
        (1e12, 5e-320, 1e-319),
    ],
)
def test_nothing_honest_can_be_said(seconds: float, completed: float, total: float | None) -> None:
    story = _after(seconds, completed, total)
    assert estimate(story.state, story.now) is None


def test_a_first_report_says_nothing_of_the_pace() -> None:
    story = Story().start()
    story.feed(f.ProgressSeen(counting(90)))
    assert estimate(story.state, story.wait(100).now) is None
    assert estimate(Story().state, story.now) is None


def test_work_that_a_checkpoint_gave_for_nothing_is_no_pace() -> None:
    story = _after(10, 50)
    story.exits(1)
    story.next_attempt()
    story.feed(f.ProgressSeen(counting(50, updated_at=1.0)))
    story.feed(f.ProgressSeen(counting(51)))
    story.wait(10).feed(f.ProgressSeen(counting(61)))
    eta = estimate(story.state, story.now)
    assert eta is not None and eta.basis == "1 pages/s"


def test_a_counter_that_begins_again_begins_a_new_pace() -> None:
    story = _after(10, 90)
    story.feed(f.ProgressSeen(counting(0)))
    assert estimate(story.state, story.now) is None
    story.wait(10).feed(f.ProgressSeen(counting(10)))
    eta = estimate(story.state, story.now)
    assert eta is not None and eta.left_s == 90.0


def test_the_agents_own_estimate_is_taken_at_its_word_and_called_so() -> None:
    story = Story().start()
    story.feed(f.ProgressSeen(counting(1, estimated_completion=story.now.wall + 90.0)))
    eta = estimate(story.state, story.now)
    assert eta is not None and (eta.left_s, eta.basis) == (90.0, "the agent's word")
    eta = estimate(story.state, story.wait(100).now)
    assert eta is not None and eta.left_s == 0.0


numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(first=numbers, completed=numbers, total=numbers, seconds=st.floats(0, 1e12))
def test_no_number_of_an_agent_breaks_the_estimate(
    first: float | None, completed: float | None, total: float | None, seconds: float
) -> None:
    story = Story().start()
    for value in (first, completed):
        story.feed(f.ProgressSeen(Progress("working", step=Step("s", value, total))))
        story.wait(seconds)
    eta = estimate(story.state, story.now)
    assert eta is None or (math.isfinite(eta.left_s) and eta.left_s >= 0.0)

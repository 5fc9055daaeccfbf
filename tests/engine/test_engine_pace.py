"""Starts are spaced when many come at once, and never when one comes alone."""

from __future__ import annotations

import random
from itertools import pairwise

from supervisor.config.defaults import START_BURST, START_STAGGER_S
from supervisor.engine.pace import Pace


def paced(count: int, seed: int = 1) -> list[float]:
    pace = Pace(lambda: 100.0, random.Random(seed).random)
    return [pace.book() for _ in range(count)]


def test_starts_that_come_one_by_one_never_wait() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0], random.Random(1).random)
    for _ in range(1000):
        assert pace.book() == 0.0
        now[0] += 2 * START_STAGGER_S


def test_a_few_at_once_do_not_wait_either() -> None:
    assert paced(START_BURST // 2) == [0.0] * (START_BURST // 2)


def test_a_thousand_at_once_are_spread_in_order_and_are_all_started_well_within_20_s() -> None:
    waits = paced(1000)
    assert waits == sorted(waits)
    assert 5.0 < waits[-1] < 15.0


def test_the_spacing_is_irregular() -> None:
    waits = [wait for wait in paced(200) if wait]
    gaps = {round(after - before, 6) for before, after in pairwise(waits)}
    assert len(gaps) > 100
    assert all(0.5 * START_STAGGER_S <= gap <= 1.5 * START_STAGGER_S for gap in gaps)


def test_after_a_quiet_time_a_burst_is_free_again() -> None:
    now = [0.0]
    pace = Pace(lambda: now[0], random.Random(1).random)
    assert [pace.book() for _ in range(100)][-1] > 0.0
    now[0] += 100 * 2 * START_STAGGER_S
    assert pace.book() == 0.0

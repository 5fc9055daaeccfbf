"""A sample of L1: each durable writer killed at system calls, and refused by the disk."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import kill_points
import pytest

WITH_STRACE = kill_points.why_not()
KILLS_EACH = 2
REFUSALS_EACH = 1
PROMISING = ("atomic", "answer", "kept", "checkpoint", "step", "request", "store")


@pytest.fixture(autouse=True)
def _strace() -> None:
    if WITH_STRACE is not None:
        pytest.skip(WITH_STRACE)


def sample(subject: str) -> Iterator[kill_points.Point]:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    everything = list(kill_points.points(subject, "signal=KILL"))
    assert len(everything) >= 4 * kill_points.ROUNDS, "the part under test was not traced"
    yield from rng.sample(everything, KILLS_EACH)
    fallible = [point for point in everything if point.call != "close"]
    for point in rng.sample(fallible, REFUSALS_EACH):
        fault = rng.choice(("error=EIO", "error=ENOSPC"))
        yield kill_points.Point(subject, point.call, point.when, fault)


@pytest.mark.parametrize("subject", sorted(kill_points._CHECKS))
def test_a_writer_that_dies_or_is_refused_leaves_the_old_value_or_the_new_one(
    subject: str,
) -> None:
    problems = [kill_points.try_point(point) for point in sample(subject)]
    assert [text for text in problems if text] == []


@pytest.mark.parametrize("subject", PROMISING)
def test_what_is_promised_is_synced_first(subject: str) -> None:
    assert kill_points.unsynced(subject) == []

"""A sample of L1: 300 system calls at which the durable writers die, or the disk refuses them."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import kill_points
import pytest
from writers import ROUNDS

WITH_STRACE = kill_points.why_not()
KILLS_EACH = 20
REFUSALS_EACH = 8
"""28 points for each of eleven writers."""
PROMISING = ("atomic", "answer", "kept", "identity", "checkpoint", "step", "request", "store")


@pytest.fixture(scope="module", autouse=True)
def _strace() -> None:
    if WITH_STRACE is not None:
        pytest.skip(WITH_STRACE)


@pytest.fixture(scope="module")
def forge() -> Iterator[kill_points.Forge]:
    made = kill_points.Forge()
    try:
        yield made
    finally:
        made.end()


def sample(forge: kill_points.Forge, subject: str) -> list[kill_points.Point]:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    kills = list(forge.points(subject, kill_points.KILL))
    assert len(kills) > 4 * ROUNDS, "the part under test was not traced"
    # Refused four times in a row, the store waits for seconds: that is for the long version.
    refusals = list(forge.points(subject, rng.choice(kill_points.FAULTS[1:3])))
    return [
        *rng.sample(kills, min(len(kills), KILLS_EACH)),
        *rng.sample(refusals, min(len(refusals), REFUSALS_EACH)),
    ]


@pytest.mark.parametrize("subject", sorted(kill_points.CHECKS))
def test_a_writer_that_dies_or_is_refused_leaves_the_old_value_or_the_new_one(
    forge: kill_points.Forge, subject: str
) -> None:
    points = sample(forge, subject)
    tried = [kill_points.try_point(forge, point) for point in points]
    assert [problem for _, problem in tried if problem] == []
    hits = sum(is_hit for is_hit, _ in tried)
    # The keeper waits for real processes: how often it is woken is not the same in every life.
    assert hits >= len(points) * (0.7 if subject == "keeper" else 1.0), "not injected"


@pytest.mark.parametrize("subject", PROMISING)
def test_what_is_promised_is_synced_first(forge: kill_points.Forge, subject: str) -> None:
    assert kill_points.unsynced(forge, subject) == []

"""A sample of L2: a hundred kills of everything; the long version is ``random_kills.py``."""

from __future__ import annotations

import os
import random

import pytest
from random_kills import run_sessions

KILLS = 100
EACH = 50
"""Two projects side by side: most of a session is waiting for engines that start."""
WORKERS = 3


@pytest.mark.timeout(400)
def test_a_hundred_random_kills_of_everything_break_no_promise() -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"LONGWATCH_SEED={seed}")
    outcomes = run_sessions(
        KILLS, seed, each=EACH, jobs=KILLS // EACH, seconds=600, workers=WORKERS, keep=False
    )
    assert [violation for outcome in outcomes for violation in outcome.violations] == []
    assert sum(outcome.kills.total() for outcome in outcomes) >= KILLS
    for outcome in outcomes:
        assert outcome.seen_events > EACH, "no client saw what happened"

"""A sample of L2: some twenty kills of everything; the long version is ``random_kills.py``."""

from __future__ import annotations

import os
import random

import pytest
from random_kills import run_session

KILLS = 20


@pytest.mark.timeout(300)
def test_random_kills_of_everything_break_no_promise() -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"again: LONGWATCH_SEED={seed}, or")
    print(f"python tests/faults/random_kills.py --kills {KILLS} --seed {seed} --workers 3")
    outcome = run_session(seed, KILLS, workers=3)
    print("\n".join(outcome.lines()))
    assert outcome.violations == []
    assert outcome.seen_events > KILLS, "no client saw what happened"

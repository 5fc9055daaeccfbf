"""The L0 simulation: thousands of worlds full of faults, and the seeds that once failed."""

from __future__ import annotations

import pytest

from tests.core.simulation.__main__ import main, run_seeds
from tests.core.simulation.world import run_world

SAMPLE = 2000
PARTS = 4
"""Parts of the sample, so that several test workers can share it."""

CORPUS = {
    3009: "two reboots while an attempt was starting",
    2370: "an answer given by default, forgotten by a crash",
    12937: "a stop of a paused run that was past its deadline",
}
"""Seeds that once failed, and what happens in them."""


@pytest.mark.parametrize("part", range(PARTS))
def test_no_world_of_the_sample_breaks_a_rule(part: int) -> None:
    each = SAMPLE // PARTS
    counts, failures = run_seeds(part * each, each)
    assert not failures, "\n".join(
        f"python -m tests.core.simulation --seeds 1 --start {seed}\n{story}"
        for seed, story in failures[:3]
    )
    # A sample in which nothing happens would show nothing.
    assert counts["events"] > 5 * each and counts["engine deaths"] > each / 2
    for end in ("succeeded", "failed", "timed_out", "stopped", "held", "parked", "waiting"):
        assert counts[end] > 0, f"no world of this part came to be {end}"


@pytest.mark.parametrize("seed", CORPUS, ids=lambda seed: f"{seed}: {CORPUS[seed]}")
def test_a_seed_that_once_failed_still_holds(seed: int) -> None:
    run_world(seed)


def test_one_seed_is_one_story() -> None:
    first, second = run_world(11), run_world(11)
    assert first.disk.log == second.disk.log


def test_a_failing_seed_prints_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(seed: int) -> None:
        raise AssertionError(f"planted in {seed}")

    monkeypatch.setattr("tests.core.simulation.__main__.run_world", broken)
    assert main(["--seeds", "2", "--start", "40"]) == 1
    printed = capsys.readouterr().out
    assert "python -m tests.core.simulation --seeds 1 --start 41" in printed
    assert "2 seeds, 2 violations" in printed

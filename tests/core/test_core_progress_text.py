"""Progress in people's words, and time left by what earlier runs took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.core import facts as f
from supervisor.core.describe import eta_words, progress_words
from supervisor.core.eta import estimate, estimates
from supervisor.core.progress import Progress, Stage, Step
from supervisor.core.progress_text import progress_sentence, unmoved_words
from supervisor.core.report import run_report
from supervisor.core.run import Anomaly
from supervisor.core.why import reasons_of
from tests.core.builders import Story

STAGES = ("research", "writing", "review")


def at(stage: int, completed: float, total: float, unit: str = "sections") -> Progress:
    return Progress(
        status="running",
        stage=Stage(STAGES[stage - 1], stage, len(STAGES)),
        stages=STAGES,
        step=Step(completed=completed, total=total, unit=unit),
    )


def with_past(*seconds: float) -> Story:
    story = Story().start()
    story.state = replace(story.state, past=seconds)
    return story


def test_a_stage_and_its_step_are_a_sentence() -> None:
    story = Story().start()
    assert progress_sentence(story.state) == ""
    story.feed(f.ProgressSeen(at(1, 47, 100, "documents")))
    assert progress_sentence(story.state) == "Research: 47 of 100 documents (47 %)."
    story.feed(f.ProgressSeen(at(2, 3, 6)))
    assert progress_sentence(story.state) == "Research complete. Writing: 3 of 6 sections (50 %)."
    assert progress_sentence(story.state) in reasons_of(story.state, story.now)
    assert run_report(story.state, story.now)["progress_text"].startswith("Research complete.")


def test_a_stage_that_was_never_declared_in_a_list_is_known_by_having_been_left() -> None:
    story = Story().start()
    for name in ("look", "think"):
        story.feed(f.ProgressSeen(Progress(status="running", stage=Stage(name))))
        story.wait(5)
    assert progress_sentence(story.state) == "Look complete. Think."


def test_twelve_of_ten_is_no_percentage() -> None:
    story = Story().start()
    story.feed(f.ProgressSeen(at(1, 12, 10)))
    assert "%" not in progress_sentence(story.state)


def test_what_it_says_is_held_against_what_moves() -> None:
    story = Story().start()
    story.feed(f.ProgressSeen(at(1, 60, 100)))
    assert unmoved_words(story.wait(599).state, story.now) == ""
    assert unmoved_words(story.wait(721).state, story.now) == (
        "says 60 %, but no progress for 22 min"
    )
    flagged = Anomaly("stalled:1", "stalled", "warning", "…", story.now.wall, "longwatch")
    story.feed(f.Noticed(flagged))
    assert unmoved_words(story.state, story.now) == "says 60 %, but nothing has changed for 22 min"
    story.feed(f.ProgressSeen(at(1, 61, 100)))
    assert unmoved_words(story.state, story.now) == ""


def test_earlier_runs_give_the_median_and_the_range_of_what_is_left() -> None:
    story = with_past(600, 900, 1500).wait(120)
    eta = estimate(story.state, story.now)
    assert eta is not None
    assert (eta.left_s, eta.low_s, eta.high_s) == (780, 480, 1380)
    assert eta_words(eta) == "13 min left (8 min to 23 min; 3 earlier runs)"
    story.feed(f.ProgressSeen(at(1, 0, 6)))
    assert progress_words(story.state, story.now).endswith(
        "13 min left (8 min to 23 min; 3 earlier runs)"
    )
    assert run_report(story.state, story.now)["eta"] == {
        "seconds": 780.0, "basis": "3 earlier runs", "low_seconds": 480.0, "high_seconds": 1380.0,
    }  # fmt: skip


def test_runs_that_took_less_than_this_one_has_lasted_do_not_count() -> None:
    story = with_past(600, 900, 1500).wait(1000)
    eta = estimate(story.state, story.now)
    assert eta is not None and (eta.left_s, eta.low_s) == (500, 500)
    assert estimate(story.wait(1000).state, story.now) is None


def test_two_runs_are_no_history_and_many_leave_out_the_odd_ones() -> None:
    assert estimate(with_past(600, 900).state, Story().now) is None
    story = with_past(1, *[100.0] * 9, 99_999)
    eta = estimate(story.state, story.now)
    assert eta is not None and eta.high_s is not None and eta.high_s < 20_000


@pytest.mark.parametrize(("stage", "first"), [(1, "3 earlier runs"), (3, "2 sections/s")])
def test_the_pace_of_a_step_goes_first_only_where_its_end_is_the_end(
    stage: int, first: str
) -> None:
    story = with_past(600, 900, 1500)
    story.feed(f.ProgressSeen(at(stage, 0, 100)))
    story.wait(10).feed(f.ProgressSeen(at(stage, 20, 100)))
    found = estimates(story.state, story.now)
    assert found[0].basis == first and len(found) == 2


def test_the_agents_own_word_is_the_only_one() -> None:
    story = with_past(600, 900, 1500)
    told = replace(at(1, 0, 6), estimated_completion=story.now.wall + 42)
    story.feed(f.ProgressSeen(told))
    assert [(eta.left_s, eta.basis) for eta in estimates(story.state, story.now)] == [
        (42, "the agent's word")
    ]

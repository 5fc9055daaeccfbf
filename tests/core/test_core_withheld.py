"""A file that cannot be used is told once a minute, whatever it does in between."""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.facts import Fact
from supervisor.core.withheld import REJECTION_INTERVAL_S, is_withheld
from tests.core.builders import SHA, Story, a_spec, counting


def feed(story: Story, fact: Fact) -> bool:
    """Whether it was left untold."""
    decision = story.feed(fact)
    return is_withheld(decision.state, fact, decision.events)


def test_a_progress_file_that_alternates_is_told_once_a_minute_with_a_count() -> None:
    story = Story(a_spec()).start()
    withheld = 0
    for turn in range(200):
        withheld += feed(story, f.ProgressBad(f"torn at {turn}", withheld))
        if withheld and len(story.recorded(e.ProgressRejected)) == 2:
            break
        story.feed(f.ProgressSeen(counting(turn)))
        assert story.state.stale is None, "a good one is not taken"
        story.wait(1.0)
    first, second = story.recorded(e.ProgressRejected)
    assert (first.problem, first.withheld) == ("torn at 0", 0)
    assert second.problem == f"torn at {REJECTION_INTERVAL_S:.0f}"
    assert second.withheld == withheld == 59
    assert story.state.stale == second.problem
    assert len(story.recorded(e.ProgressReported)) == 60


def test_a_problem_that_stays_is_no_second_one() -> None:
    story = Story(a_spec()).start()
    assert not feed(story, f.ProgressBad("torn"))
    assert not feed(story, f.ProgressBad("torn"))
    assert len(story.recorded(e.ProgressRejected)) == 1


def test_checkpoints_that_are_refused_are_told_once_a_minute_apart_from_progress() -> None:
    story = Story(a_spec()).start()
    assert not feed(story, f.ProgressBad("torn"))
    assert not feed(story, f.CheckpointBad("torn"))
    assert feed(story, f.CheckpointBad("flipped"))
    story.checkpoints(1)
    other = SHA.replace("a", "c")
    assert feed(story, f.CheckpointSeen(other, 10, story.state.epoch + 1, 2))
    assert len(story.recorded(e.CheckpointRejected)) == 1
    story.wait(REJECTION_INTERVAL_S)
    assert not feed(story, f.CheckpointBad("again", withheld=2))
    assert story.recorded(e.CheckpointRejected)[-1] == e.CheckpointRejected("again", 2)


def test_fields_that_have_to_be_left_out_of_every_report_are_no_event_each_time() -> None:
    story = Story(a_spec()).start()
    for turn in range(50):
        story.feed(f.ProgressSeen(counting(turn), problems=("step.total: '50%'",)))
        assert story.state.stale == "step.total: '50%'"
        story.wait(0.5)
    assert len(story.recorded(e.ProgressRejected)) == 1

"""How long a run was in each stage: only what was seen, only while a process lives."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core import facts as f
from supervisor.core.progress import Progress, Stage
from supervisor.core.report import run_report
from supervisor.core.stage_times import KEPT_STAGES, seconds_in
from tests.core.builders import Story, counting


def reports(story: Story, stage: str, completed: float = 0.0) -> None:
    progress = replace(counting(completed), stage=Stage(stage), stages=("read", "write", "send"))
    story.feed(f.ProgressSeen(progress))


def seconds(story: Story, stage: str) -> float | None:
    return seconds_in(story.state.stage_times, stage, story.now)


def test_each_stage_counts_while_the_run_says_it_is_in_it() -> None:
    story = Story().start()
    reports(story, "read")
    story.wait(30)
    reports(story, "read", 5)
    story.wait(10)
    reports(story, "write")
    story.wait(7)
    assert seconds(story, "read") == 40
    assert seconds(story, "write") == 7
    assert seconds(story, "send") is None, "never seen: nothing is claimed"
    assert run_report(story.state, story.now)["stage_seconds"] == {"read": 40.0, "write": 7.0}


def test_time_between_two_attempts_is_in_no_stage() -> None:
    story = Story().start()
    reports(story, "read")
    story.wait(20)
    story.exits(1)
    story.wait(0.5)
    assert seconds(story, "read") == 20
    story.next_attempt()
    story.wait(100)
    assert seconds(story, "read") == 20, "the new attempt has not said yet where it is"
    reports(story, "read", 1)
    story.wait(5)
    assert seconds(story, "read") == 25
    assert story.state.stage_times[0].entered == 2


def test_a_stage_that_is_entered_again_goes_on_counting() -> None:
    story = Story().start()
    for stage in ("read", "write", "read", "write"):
        reports(story, stage)
        story.wait(10)
    assert (seconds(story, "read"), seconds(story, "write")) == (20, 20)
    assert [known.name for known in story.state.stage_times] == ["read", "write"]


def test_the_times_stand_once_the_run_is_over() -> None:
    story = Story().start()
    reports(story, "read")
    story.wait(12)
    story.exits(0)
    story.wait(1000)
    assert seconds(story, "read") == 12


def test_an_agent_that_invents_stages_without_end_costs_no_memory_without_end() -> None:
    story = Story().start()
    for number in range(5 * KEPT_STAGES):
        story.feed(f.ProgressSeen(Progress(status="x", stage=Stage(f"stage {number}"))))
        story.wait(1)
    assert len(story.state.stage_times) == KEPT_STAGES
    assert seconds(story, f"stage {5 * KEPT_STAGES - 1}") == 1


def test_a_clock_that_was_set_back_takes_no_time_away() -> None:
    story = Story().start()
    reports(story, "read")
    story.wait(10)
    story.now = replace(story.now, wall=story.now.wall - 3600)
    assert seconds(story, "read") == 10

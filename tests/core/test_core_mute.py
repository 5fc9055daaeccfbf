"""A kind of anomaly that is no problem for an agent: no flag, nobody told, still in the log."""

from __future__ import annotations

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.describe import describe
from supervisor.core.events import Recorded
from supervisor.core.mute import MAX_MUTES
from supervisor.core.notices import Mark, notice_of
from supervisor.core.report import run_report
from supervisor.core.run import Anomaly, Status
from supervisor.core.why import reasons_of
from tests.core.builders import Story, story_in


def flagged(story: Story, kind: str, number: int = 1) -> None:
    story.feed(f.Noticed(Anomaly(f"{kind}-{number}", kind, "warning", "hm", 1.0, "agent")))


def mute(story: Story, kind: str, *, is_muted: bool = True) -> None:
    story.feed(f.MuteWanted(kind, is_muted, "kim", story.now.wall))


def told_of(story: Story) -> list[str]:
    """Kinds of anomalies that a notification would tell."""
    found = story.recorded(e.AnomalyFlagged)
    notices = [
        notice_of(Recorded(seq, story.now, "", event), "reader", milestone_every=0, mark=Mark())
        for seq, event in enumerate(found)
    ]
    return [notice.title for notice in notices if notice is not None]


def test_a_muted_kind_flags_the_run_no_more_and_others_still_do() -> None:
    story = story_in(Status.RUNNING)
    flagged(story, "retry-spike")
    flagged(story, "slow")
    assert story.state.anomaly_count == 2
    mute(story, "retry-spike")
    assert story.state.anomaly_count == 1
    flagged(story, "retry-spike", 2)
    assert story.state.anomaly_count == 1
    flagged(story, "slow", 2)
    assert story.state.anomaly_count == 2
    assert "retry-spike" in " ".join(a.kind for a in story.state.anomalies), "the log still has it"
    told = [describe(event) for event in story.recorded(e.AnomalyFlagged)]
    assert told == [
        "warning: retry-spike: hm", "warning: slow: hm", "muted: retry-spike: hm",
        "warning: slow: hm",
    ]  # fmt: skip
    assert told_of(story) == ["reader retry-spike", "reader slow", "reader slow"]


def test_unmuting_counts_the_flags_that_are_still_kept_again() -> None:
    story = story_in(Status.RUNNING)
    mute(story, "slow")
    flagged(story, "slow")
    flagged(story, "slow", 2)
    assert story.state.anomaly_count == 0
    mute(story, "slow", is_muted=False)
    assert story.state.anomaly_count == 2 and not story.state.muted


def test_saying_it_twice_is_no_second_event() -> None:
    story = story_in(Status.RUNNING)
    mute(story, "slow")
    mute(story, "slow")
    assert len(story.last.events) == 0
    mute(story, "other", is_muted=False)
    assert len(story.last.events) == 0 and story.last.refusal is None


def test_a_run_that_is_over_can_be_muted_too() -> None:
    story = story_in(Status.FAILED)
    flagged(story, "slow")
    mute(story, "slow")
    assert story.state.anomaly_count == 0 and story.state.status is Status.FAILED


def test_too_many_kinds_are_refused_with_what_to_do() -> None:
    story = story_in(Status.RUNNING)
    for number in range(MAX_MUTES):
        mute(story, f"kind-{number}")
    mute(story, "one-more")
    assert story.last.refusal is not None
    assert "50 kinds" in story.last.refusal.what and "Unmute" in story.last.refusal.fix
    assert len(story.state.muted) == MAX_MUTES


def test_report_and_why_say_what_is_muted_and_by_whom() -> None:
    story = story_in(Status.RUNNING)
    flagged(story, "slow")
    mute(story, "slow")
    report = run_report(story.state, story.now)
    assert report["anomaly_count"] == 0
    assert report["anomalies"][0]["muted"] is True
    assert report["muted"][0]["kind"] == "slow" and report["muted"][0]["by"] == "kim"
    reasons = reasons_of(story.state, story.now)
    assert "no problem for this agent: slow (muted by kim)" in reasons
    assert not any(line.startswith("warning: slow") for line in reasons)

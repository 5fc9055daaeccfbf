"""Parked runs that wait for a service: one probes, the others come back spread over a time."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from supervisor.core import events as e
from supervisor.core.breaker import BreakerState
from supervisor.core.describe import next_words
from supervisor.core.facts import PauseWanted, ResumeWanted, ServiceBack
from supervisor.core.run import Status, Wake
from supervisor.core.service_wake import PROBER_S, SERVICE_REST_S, Seen, decide_wakes, waiting_for
from tests.core.builders import Story, a_spec

OPEN = Seen(BreakerState.OPEN, 0.0, 3)


def waiting(service: str = "anthropic", *, after: float = 0.0, latest: float = 900.0) -> Story:
    """A run that parked until ``service`` may be called again."""
    story = Story(a_spec()).start()
    story.wait(after)
    wish = Wake(story.now.wall + latest, "529", story.state.epoch, service=service)
    story.exits(75, wake=wish)
    assert story.state.status is Status.PARKED
    return story


def test_one_run_is_started_when_the_cool_down_is_over_and_no_other_until_it_called() -> None:
    states = [waiting(after=n).state for n in (3.0, 1.0, 2.0)]
    states = [replace(state, id=f"{state.id[:-1]}{n}") for n, state in enumerate(states)]
    runs = waiting_for(states)["anthropic"]
    facts, sent = decide_wakes("anthropic", runs, OPEN, None, 100.0)
    assert [run_id for run_id, _ in facts] == [states[1].id]  # parked longest
    assert facts[0][1].within_s == 0.0
    assert decide_wakes("anthropic", runs[1:], OPEN, sent, 101.0)[0] == []
    # It called and the probe failed: the breaker moved, and after the cool-down the next one goes.
    facts, _ = decide_wakes("anthropic", runs[1:], replace(OPEN, generation=5), sent, 140.0)
    assert len(facts) == 1
    # It never called.
    assert decide_wakes("anthropic", runs[1:], OPEN, sent, 100.0 + PROBER_S)[0] != []


def test_nobody_is_started_during_the_cool_down_or_while_a_probe_is_out() -> None:
    runs = [waiting().state]
    for seen in (Seen(BreakerState.OPEN, 12.0, 3), Seen(BreakerState.HALF_OPEN, 50.0, 4)):
        assert decide_wakes("anthropic", runs, seen, None, 0.0)[0] == []


def test_all_come_back_spread_when_the_breaker_closed() -> None:
    stories = [waiting() for _ in range(20)]
    runs = [story.state for story in stories]
    facts, _ = decide_wakes("anthropic", runs, Seen(BreakerState.CLOSED, 0.0, 6), None, 0.0)
    assert len(facts) == 20 and {fact.within_s for _, fact in facts} == {10.0}
    moments = []
    for number, story in enumerate(stories):
        story.rng = Random(number)
        story.feed(facts[0][1])
        (moved,) = story.recorded(e.WakeMoved)
        moments.append(moved.at - story.now.wall)
    assert min(moments) < SERVICE_REST_S + 2.0 and max(moments) > SERVICE_REST_S + 8.0


def test_it_starts_at_its_moment_with_no_retry_used() -> None:
    story = waiting()
    assert "waiting for anthropic" in next_words(story.state, story.now)
    story.feed(ServiceBack("anthropic", 4.0, "anthropic works again"))
    assert story.state.status is Status.PARKED
    story.wait(SERVICE_REST_S + 2.0).tick()  # the middle of the spread
    assert story.state.status is Status.STARTING and story.state.retries == 0


def test_an_agent_that_parks_for_a_service_that_works_is_not_started_without_end() -> None:
    story = waiting()
    story.feed(ServiceBack("anthropic", 0.0, "works"))
    story.wait(SERVICE_REST_S - 0.1).tick()
    assert story.state.status is Status.PARKED
    story.wait(0.1).tick()
    assert story.state.status is Status.STARTING


def test_each_time_in_a_row_it_rests_longer_and_the_fifth_is_flagged() -> None:
    story, rests = Story(a_spec()).start(), []
    for _ in range(9):
        story.wait(0.5)
        wish = Wake(story.now.wall + 9000.0, "529", story.state.epoch, service="anthropic")
        story.exits(75, wake=wish)
        parked = story.now.wall
        story.feed(ServiceBack("anthropic", 0.0, "works"))
        assert story.state.wake is not None
        rests.append(round(story.state.wake.at - parked, 3))
        story.wait(rests[-1]).tick()
        assert story.state.status is Status.STARTING and story.state.retries == 0
        story.spawned()
    assert rests == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 320.0, 320.0]
    loops = [a for a in story.state.anomalies if a.kind == "service-loop"]
    assert len(loops) == 1 and "5 times in a row" in loops[0].message
    # Ten seconds of work, or a checkpoint, and the next wait is short again.
    story.wait(10.5)
    story.exits(75, wake=replace(wish, epoch=story.state.epoch, at=story.now.wall + 9000.0))
    story.feed(ServiceBack("anthropic", 0.0, "works"))
    assert story.state.wake is not None
    assert story.state.wake.at - story.now.wall == SERVICE_REST_S


def test_without_any_word_it_starts_at_the_time_it_asked_for() -> None:
    story = waiting(latest=60.0)
    story.wait(59.0).tick()
    assert story.state.status is Status.PARKED
    story.wait(1.0).tick()
    assert story.state.status is Status.STARTING


def test_a_word_about_another_service_or_a_later_moment_changes_nothing() -> None:
    story = waiting(latest=5.0)
    assert not story.feed(ServiceBack("search", 0.0, "x")).events
    story.wait(4.9)
    assert not story.feed(ServiceBack("anthropic", 60.0, "x")).events


def test_one_that_the_operator_paused_is_not_started() -> None:
    story = waiting()
    story.feed(PauseWanted("kim"))
    assert waiting_for([story.state]) == {}
    story.feed(ServiceBack("anthropic", 0.0, "works"))
    assert story.state.status is not Status.STARTING
    story.feed(ResumeWanted("kim"))
    story.wait(SERVICE_REST_S).tick()
    assert story.state.status is Status.STARTING

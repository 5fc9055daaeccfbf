"""Agents that crash alike: one anomaly that names them all, one shared backoff."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.alike import KEPT_CRASHES, WINDOW_S, Alike, Crash, crash_of, see_crash
from supervisor.core.moment import seconds_until
from supervisor.core.progress import LastError, Progress
from supervisor.core.run import Status
from tests.core.builders import T0, Story, a_spec

Told = tuple[tuple[str, f.AlikeSeen], ...]


def a_crash(number: int, at_s: float = 0.0, wait_s: float = 1.0, **changes: object) -> Crash:
    at = T0.plus(at_s)
    crash = Crash(f"run-{number}", f"agent-{number}", at, "1", "exit status 1", at.plus(wait_s))
    return replace(crash, **changes)  # type: ignore[arg-type]


def after(*crashes: Crash) -> tuple[Alike, Told]:
    known, told = Alike(), Told()
    for crash in crashes:
        known, told = see_crash(known, crash)
    return known, told


def test_three_different_agents_with_one_cause_are_told_of_each_other() -> None:
    _, told = after(a_crash(1), a_crash(2, 1.0, 7.0), a_crash(3, 2.0))
    assert [run_id for run_id, _ in told] == ["run-1", "run-2", "run-3"]
    facts = [fact for _, fact in told]
    assert {fact.agents for fact in facts} == {("agent-1", "agent-2", "agent-3")}
    assert {fact.until for fact in facts} == {T0.plus(8.0)}, "the latest of their own starts"
    assert [fact.is_lead for fact in facts] == [True, False, False]


@pytest.mark.parametrize(
    "crashes",
    [
        (a_crash(1), a_crash(2)),
        (a_crash(1), a_crash(2), a_crash(2, 5.0), a_crash(1, 9.0)),
        (a_crash(1), a_crash(2), a_crash(3, key="2")),
        (a_crash(1), a_crash(2), a_crash(3, WINDOW_S + 0.1)),
        (a_crash(1), a_crash(2), a_crash(3, agent="agent-1")),
    ],
)
def test_two_agents_another_cause_or_a_later_one_are_no_common_cause(
    crashes: tuple[Crash, ...],
) -> None:
    assert after(*crashes)[1] == ()


def test_who_joins_waits_with_the_others_and_moves_nobody() -> None:
    known, _ = after(a_crash(1), a_crash(2), a_crash(3, wait_s=9.0))
    _, told = see_crash(known, a_crash(4, 3.0, 60.0))
    assert [(run_id, fact.until) for run_id, fact in told] == [
        ("run-4", T0.plus(9.0)),
        ("run-1", T0.plus(9.0)),
    ]
    assert told[0][1].agents[-1] == "agent-4"


def test_when_they_fail_again_the_first_one_sets_the_next_shared_start() -> None:
    known, first = after(a_crash(1), a_crash(2), a_crash(3, wait_s=4.0))
    known, again = see_crash(known, a_crash(2, 6.0, 8.0))
    _, third = see_crash(known, a_crash(3, 6.5, 1.0))
    assert again[0][1].until == third[0][1].until == T0.plus(14.0)
    assert again[0][1].episode == first[0][1].episode, "the same anomaly, renewed"


def test_a_slow_series_of_crashes_is_remembered_in_bounds() -> None:
    known = Alike()
    for number in range(3 * KEPT_CRASHES):
        known, _ = see_crash(known, a_crash(number, number * 0.01, key=str(number)))
    assert len(known.crashes) == KEPT_CRASHES


# -- what the run decides ---------------------------------------------------------------------


def backing_off(**retry: object) -> Story:
    story = Story(a_spec(retry=retry)).start()
    story.exits(1)
    return story


def alike(until_s: float, *, is_lead: bool = False) -> f.AlikeSeen:
    return f.AlikeSeen("1", ("reader", "b", "c"), "exit status 1", T0.plus(until_s), is_lead)


def test_a_run_in_backoff_waits_for_the_shared_start_and_says_why() -> None:
    story = backing_off()
    story.feed(alike(20.0))
    (moved,) = story.recorded(e.BackoffMoved)
    assert moved.next_start == story.state.next_start == T0.plus(20.0)
    assert story.state.reason == "exit status 1; like b, c"
    story.wait(19.9).tick()
    assert story.state.status is Status.BACKOFF
    story.wait(0.1).tick()
    assert story.state.status is Status.STARTING


def test_the_shared_start_is_spread_by_the_jitter_and_never_sooner() -> None:
    waits = set()
    for seed in range(50):
        story = backing_off(jitter_fraction=0.2)
        story.rng = random.Random(seed)
        story.feed(alike(20.0))
        assert story.state.next_start is not None
        waits.add(seconds_until(story.state.next_start, T0))
    assert all(20.0 <= wait <= 24.0 for wait in waits) and len(waits) == 50


def test_nobody_waits_longer_than_its_own_policy_allows() -> None:
    story = backing_off(max_delay_s=5.0)
    story.feed(alike(3600.0))
    assert story.state.next_start == T0.plus(5.0)


def test_a_run_that_would_start_later_keeps_its_own_start() -> None:
    story = backing_off(base_delay_s=30.0)
    before = story.state.next_start
    assert story.feed(alike(20.0)).events == () and story.state.next_start == before


def test_the_lead_carries_one_anomaly_that_names_them_all() -> None:
    story = backing_off()
    story.feed(alike(20.0, is_lead=True))
    story.feed(alike(20.0, is_lead=True))
    (anomaly,) = story.state.anomalies
    assert anomaly.message == "3 agents failed alike (exit status 1): reader, b, c"


def test_a_run_that_is_over_or_runs_again_is_not_held_back() -> None:
    over = Story().start()
    over.exits(64)
    assert over.feed(alike(20.0, is_lead=True)).events == ()
    again = backing_off()
    again.next_attempt()
    assert again.feed(alike(20.0)).events == ()


# -- what is alike ----------------------------------------------------------------------------


def failed_with(service: str | None, code: int = 1) -> Crash:
    story = Story().start()
    error = LastError("said something of its own", kind="overloaded", service=service)
    story.feed(f.ProgressSeen(Progress("working", last_error=error)))
    story.exits(code)
    crash = crash_of(story.state, story.now)
    assert crash is not None and crash.next_start == story.state.next_start
    return crash


def test_status_signal_service_and_kind_make_the_cause_and_words_do_not() -> None:
    assert failed_with("anthropic").key == failed_with("anthropic").key
    different = {failed_with(s, c).key for s in ("anthropic", "search", None) for c in (1, 2)}
    assert len(different) == 6


def test_success_a_stop_and_a_permanent_error_are_no_crash() -> None:
    for code in (0, 64):
        story = Story().start()
        story.exits(code)
        assert crash_of(story.state, story.now) is None
    stopped = Story().start()
    stopped.feed(f.StopWanted("kim", "enough"))
    stopped.exits(None, signal=15, ended_by="stop")
    assert crash_of(stopped.state, stopped.now) is None

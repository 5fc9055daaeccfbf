"""The figures of a period: what counts as what, and that pieces add up to the whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.core import events as e
from supervisor.core.events import Event, Recorded
from supervisor.core.figures import HOUR_S, Figures, merged, quantile, summary
from supervisor.core.metrics import Ledger, Tally, spread
from supervisor.core.metrics_report import Piece, grouped, total
from supervisor.core.progress import Progress, ServiceUse, Usage
from supervisor.core.record import canonical, from_plain, to_plain
from supervisor.core.run import Anomaly, Checkpoint, Exit, ExitKind, Wake
from tests.core.builders import RUN_ID, T0, a_request, a_spec, an_answer

CRASH = Exit(ExitKind.CRASH, "exit status 1", code=1)
HOUR = int(T0.wall // HOUR_S)


class Log:
    """Events of one agent, at seconds after the story began."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []

    def add(self, after_s: float, event: Event, run_id: str = RUN_ID) -> None:
        self.events.append(Recorded(len(self.events) + 1, T0.plus(after_s), run_id, event))

    def created(self, after_s: float = 0.0, run_id: str = RUN_ID, name: str = "reader") -> None:
        self.add(after_s, e.RunCreated(a_spec(name=name), "started"), run_id)

    def begun(self, after_s: float, epoch: int = 1, resumed: int | None = None) -> None:
        self.add(after_s, e.AttemptStarting(epoch, epoch, "start", resumed))
        self.add(after_s, e.AttemptStarted(epoch, 100, 1))

    def figures(self) -> Figures:
        ledger = Ledger()
        for recorded in self.events:
            ledger.see(recorded)
        return merged(ledger.take()[0].values())

    def by_hour(self) -> dict[int, Figures]:
        ledger = Ledger()
        for recorded in self.events:
            ledger.see(recorded)
        return {hour - HOUR: figures for (_agent, hour), figures in ledger.take()[0].items()}


def told(**usage: Any) -> e.ProgressReported:
    return e.ProgressReported(Progress("working", usage=Usage(**usage)))


def test_a_run_that_succeeds_is_completed_and_its_time_on_the_task_clock_is_its_duration() -> None:
    log = Log()
    log.created()
    log.begun(60.0)
    log.add(160.0, e.AttemptExited(1, Exit(ExitKind.DONE, "exit status 0", 0)))
    log.add(160.0, e.RunSucceeded("done"))
    figures = summary(log.figures())
    assert figures["completed"] == 1 and figures["completion_rate"] == 1.0
    assert figures["duration_median_seconds"] == 100.0, "the minute in the queue is not work"


def test_a_crash_that_goes_on_from_a_checkpoint_is_one_retry_and_one_recovery() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    log.add(5.0, e.CheckpointRecorded(Checkpoint(1, "ab", 2, 1)))
    log.add(10.0, e.AttemptExited(1, CRASH))
    log.add(10.0, e.BackoffBegan(T0.plus(12.0), 2.0, 1, 5, "crashed"))
    log.begun(12.0, epoch=2, resumed=1)
    log.add(20.0, e.AttemptExited(2, Exit(ExitKind.DONE, "exit status 0", 0)))
    log.add(20.0, e.RunSucceeded("done"))
    figures = log.figures()
    assert (figures.attempts, figures.crashes, figures.retries, figures.recoveries) == (2, 1, 1, 1)
    assert figures.durations == {"20": 1}, "the back-off is part of how long it took"


def test_a_start_without_a_crash_before_it_is_no_recovery() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    log.add(1.0, e.AttemptExited(1, Exit(ExitKind.STOPPED, "stopped")))
    log.add(1.0, e.RunRequeued("restart"))
    log.begun(2.0, epoch=2, resumed=1)
    assert log.figures().recoveries == 0


def test_waiting_for_a_person_counts_as_waiting_in_the_hours_it_lasted_and_not_as_work() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    request = replace(a_request(), id="ABCD-1")
    log.add(100.0, e.RequestOpened(request))
    log.add(100.0, e.WaitBegan("asks"))
    log.add(100.0 + 2 * HOUR_S, e.RequestAnswered("ABCD-1", an_answer()))
    log.add(100.0 + 2 * HOUR_S, e.WaitEnded("answered"))
    log.add(150.0 + 2 * HOUR_S, e.RunSucceeded("done"))
    hours = log.by_hour()
    assert [hours[n].waited_s > 0 for n in sorted(hours)] == [True, True, True]
    assert sum(figures.waited_s for figures in hours.values()) == pytest.approx(2 * HOUR_S)
    assert max(figures.waited_s for figures in hours.values()) <= HOUR_S
    assert log.figures().durations == {"150": 1}


def test_a_wait_that_goes_on_is_counted_up_to_now() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    log.add(10.0, e.RequestOpened(replace(a_request(), id="ABCD-1")))
    log.add(10.0, e.RunParked("asks"))
    ledger = Ledger()
    for recorded in log.events:
        ledger.see(recorded)
    standing = merged(ledger.standing(T0.plus(70.0)).values())
    assert standing.waited_s == pytest.approx(60.0)
    assert merged(ledger.take()[0].values()).waited_s == 0.0, "nothing is counted twice later"


@pytest.mark.parametrize(
    ("events", "waited_s", "worked_s"),
    [
        ([(10.0, e.RunParked("sleeps", Wake(T0.wall + 500)))], 0.0, 100.0),
        (
            [
                (10.0, e.RunParked("sleeps", Wake(T0.wall + 500))),
                (20.0, e.RunPaused("kim")),
                (60.0, e.RunResumed("kim")),
            ],
            0.0,
            60.0,
        ),
        ([(10.0, e.RunHeld("crash loop")), (50.0, e.RunReopened("kim", "again"))], 40.0, 10.0),
        ([(10.0, e.RunPaused("kim")), (50.0, e.RunResumed("kim"))], 0.0, 60.0),
    ],
)
def test_sleep_is_work_a_pause_is_neither_and_on_hold_waits_for_a_person(
    events: list[tuple[float, Event]], waited_s: float, worked_s: float
) -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    for after_s, event in events:
        log.add(after_s, event)
    ledger = Ledger()
    for recorded in log.events:
        ledger.see(recorded)
    tally = ledger.tallies[RUN_ID]
    ledger.see(Recorded(99, T0.plus(100.0), RUN_ID, e.RunRequeued("to look at the clock")))
    assert merged(ledger.take()[0].values()).waited_s == pytest.approx(waited_s)
    assert tally.worked_s == pytest.approx(worked_s)


def test_tokens_and_money_count_when_they_are_told_and_a_correction_downwards_is_nothing() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    log.add(1.0, told(input_tokens=100, output_tokens=10, cost_usd=1.0))
    log.add(2.0, told(input_tokens=90, output_tokens=20, cost_usd=0.9))
    log.add(3.0, told(input_tokens=95, output_tokens=20, cost_usd=1.0))
    figures = log.figures()
    assert (figures.input_tokens, figures.output_tokens) == (105, 20)
    assert figures.cost_usd == pytest.approx(1.1)


def test_a_new_attempt_that_counts_from_zero_again_is_counted_from_zero() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    log.add(1.0, told(input_tokens=100))
    log.add(2.0, e.AttemptExited(1, CRASH))
    log.add(2.0, e.BackoffBegan(T0, 0.0, 1, 5, "crashed"))
    log.begun(3.0, epoch=2)
    log.add(4.0, told(input_tokens=30))
    assert log.figures().input_tokens == 130


def test_retries_are_counted_for_each_service_and_their_share_of_the_calls_is_the_frequency() -> (
    None
):
    log = Log()
    log.created()
    log.begun(0.0)
    services = {"anthropic": ServiceUse(10, 4, 1), "search": ServiceUse(3, 0, 0)}
    log.add(1.0, e.ProgressReported(Progress("working", services=services)))
    log.add(2.0, e.ProgressReported(Progress("working", services=services)))
    shown = summary(log.figures())["services"]
    assert shown["anthropic"] == {
        "calls": 10, "retries": 4, "failures": 1, "retries_per_call": 0.4,
    }  # fmt: skip
    assert shown["search"]["retries_per_call"] == 0.0


def test_what_failed_runs_cost_is_part_of_what_a_completed_one_costs() -> None:
    log = Log()
    for number, (cost, end) in enumerate([(3.0, e.RunFailed("no")), (1.0, e.RunSucceeded("yes"))]):
        run_id = RUN_ID[:-1] + str(number)
        log.created(0.0, run_id)
        log.add(1.0, e.AttemptStarting(1, 1, "start", None), run_id)
        log.add(1.0, e.AttemptStarted(1, 9, 9), run_id)
        log.add(2.0, told(cost_usd=cost), run_id)
        log.add(3.0, end, run_id)
    figures = summary(log.figures())
    assert figures["cost_per_completed_usd"] == 4.0 and figures["completion_rate"] == 0.5


def test_a_failed_run_that_is_continued_and_then_succeeds_is_one_failed_and_one_completed() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    log.add(10.0, told(cost_usd=1.0))
    log.add(10.0, e.RunFailed("no"))
    log.add(500.0, e.RunReopened("kim", "again"))
    log.begun(500.0, epoch=2)
    log.add(510.0, told(cost_usd=1.5))
    log.add(530.0, e.RunSucceeded("done"))
    figures = log.figures()
    assert (figures.failed, figures.succeeded, figures.durations) == (1, 1, {"40": 1})
    assert figures.ended_cost_usd == pytest.approx(1.5), "no dollar is counted twice"


def test_an_anomaly_that_is_renewed_counts_once() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    for after_s in (1.0, 2.0):
        flagged = Anomaly("stall:1", "stall", "warning", "slow", T0.wall, "longwatch")
        log.add(after_s, e.AnomalyFlagged(flagged))
    assert log.figures().anomalies == 1


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=60), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_that_of_the_durations_themselves_to_half_a_percent(
    seconds: list[float], share: float
) -> None:
    figures = Figures()
    for one in seconds:
        figures.add_duration(one)
    exact = sorted(seconds)[max(0, -(-int(share * 100) * len(seconds) // 100) - 1)]
    assert quantile(figures.durations, share) == pytest.approx(exact, rel=0.0051)


@settings(max_examples=50)
@given(st.data())
def test_pieces_of_a_log_add_up_to_the_figures_of_the_whole(data: st.DataObject) -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    at = 0.0
    for n in range(data.draw(st.integers(1, 12))):
        at += data.draw(st.floats(0.0, 5000.0))
        log.add(at, told(input_tokens=10 * n, cost_usd=n / 4))
    log.add(at + 5, e.RunSucceeded("done"))
    cuts = data.draw(st.sets(st.integers(1, len(log.events)), max_size=4))
    ledger, pieces = Ledger(), []
    for recorded in log.events:
        if recorded.seq in cuts:
            pieces += ledger.take()[0].values()
            # As after a restart of ours: what is stored of the tallies is all that is left.
            plain = {run_id: to_plain(tally) for run_id, tally in ledger.tallies.items()}
            ledger = Ledger({run_id: from_plain(Tally, one) for run_id, one in plain.items()})
        ledger.see(recorded)
    pieces += ledger.take()[0].values()
    assert summary(merged(pieces)) == summary(log.figures())


def test_figures_survive_the_way_through_the_store() -> None:
    figures = Figures(created=1, cost_usd=0.1, durations={"12.5": 3})
    figures.add_duration(7)
    assert from_plain(Figures, to_plain(figures)) == figures
    assert "12.5" in canonical(figures)


@given(st.floats(0.0, 1e7), st.floats(1e9, 2e9))
def test_a_stretch_of_time_keeps_its_length_over_the_hours(seconds: float, end: float) -> None:
    pieces = list(spread(seconds, end))
    kept = min(seconds, 31 * 24 * HOUR_S)
    assert sum(piece for _hour, piece in pieces) == pytest.approx(kept, abs=1e-3)
    assert all(0 <= piece <= HOUR_S for _hour, piece in pieces)


def test_rows_come_by_agent_and_by_the_days_of_whoever_asks() -> None:
    midnight = 19_676 * 24
    pieces = [
        Piece("b", midnight - 1, 1, Figures(created=1)),
        Piece("a", midnight, 1, Figures(created=2)),
        Piece("a", midnight - 1, 1, Figures(created=4)),
    ]
    assert [(r["agent"], r["started"]) for r in grouped(pieces, ["agent"])] == [("a", 6), ("b", 1)]
    assert [r["started"] for r in grouped(pieces, ["day"])] == [5, 2]
    berlin = grouped(pieces, ["day"], utc_offset_s=3600.0)
    assert [(r["start"], r["started"]) for r in berlin] == [(midnight * HOUR_S - 3600.0, 7)]
    assert total(pieces)["started"] == 7


def test_a_flood_of_service_names_stays_bounded() -> None:
    log = Log()
    log.created()
    log.begun(0.0)
    for n in range(40):
        services = {f"service-{n}-{m}": ServiceUse(1) for m in range(10)}
        log.add(1.0 + n, e.ProgressReported(Progress("working", services=services)))
    figures = log.figures()
    assert len(figures.services) <= 101
    assert sum(calls.calls for calls in figures.services.values()) == 400


def test_a_run_whose_beginning_nobody_knows_is_counted_from_its_state_on() -> None:
    log = Log()
    log.add(1.0, told(input_tokens=5))
    assert log.figures() == Figures(), "nobody knows whose it is"

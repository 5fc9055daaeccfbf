"""What a run is taken to be after the log was lost, trace by trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.fold import apply
from supervisor.core.lifecycle import IllegalTransitionError
from supervisor.core.moment import Moment
from supervisor.core.rebuild import Evidence, Identity, Rebuilt, rebuild
from supervisor.core.record import event_from_plain, event_to_plain
from supervisor.core.run import Checkpoint, RunState, Status, Then
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy

RUN_ID = "01J0000000000000000000ABCD"
NOW = Moment(wall=1_800_000_500.0, mono=500.0, boot="boot-2")
POLICY = RetryPolicy(
    max_retries=5,
    base_delay_s=0.5,
    max_delay_s=30.0,
    exponential_base=2.0,
    jitter_fraction=0.0,
    crash_loop_deaths=6,
    crash_loop_window_s=600.0,
)
SPEC = AgentSpec(
    name="reader",
    command=("true",),
    cwd="/",
    autostart=False,
    checkpoint="checkpoint.json",
    timeout_s=None,
    attempt_timeout_s=None,
    stall_timeout_s=None,
    stop_signal="TERM",
    stop_grace_s=10.0,
    restart=Restart.ON_FAILURE,
    retry=POLICY,
    env={},
    env_pass=(),
)
WHO = Identity(RUN_ID, "reader", SPEC, 1_800_000_000.0)


def a_copy(status: Status = Status.RUNNING, epoch: int = 3, **changes: Any) -> RunState:
    state = RunState(
        id=RUN_ID,
        agent="reader",
        spec=SPEC,
        created_at=WHO.created_at,
        status=status,
        reason="as it was",
        status_since=Moment(1_800_000_100.0, 100.0, "boot-2"),
        epoch=epoch,
        attempt=epoch,
        checkpoints=(a_checkpoint(4),),
        newest_generation=4,
    )
    return replace(state, **changes)


def a_checkpoint(generation: int, epoch: int = 3) -> Checkpoint:
    return Checkpoint(generation, f"{generation:064x}", 10, epoch, generation)


def of(**evidence: Any) -> Rebuilt:
    return rebuild(WHO, Evidence(**evidence), NOW)


def an_exit(epoch: int = 3, **how: Any) -> f.Exited:
    return f.Exited(epoch, NOW.wall, **how)


@pytest.mark.parametrize("status", list(Status))
def test_the_copy_of_a_state_is_taken_as_it_is_when_nothing_happened_since(status: Status) -> None:
    rebuilt = of(last=a_copy(status))
    assert rebuilt.state == a_copy(status)
    assert "event log was lost" in rebuilt.reason and "checkpoint 4" in rebuilt.reason


@pytest.mark.parametrize("status", [Status.BACKOFF, Status.QUEUED, Status.RUNNING, Status.HELD])
def test_a_process_newer_than_the_copy_is_the_run(status: Status) -> None:
    state = of(last=a_copy(status), living=f.SpawnDone(5, 77, 123)).state
    assert (state.status, state.epoch, state.attempt) == (Status.RUNNING, 5, 4)
    assert state.pid == 77 and state.next_start is None
    assert state.clock_since == NOW


def test_an_attempt_that_only_an_exit_record_knows_is_followed_by_recovery() -> None:
    state = of(last=a_copy(Status.BACKOFF), exited=an_exit(4, code=1)).state
    assert (state.status, state.epoch) == (Status.RUNNING, 4)


def test_a_stop_carried_out_after_the_copy_stays_a_stop() -> None:
    state = of(last=a_copy(), exited=an_exit(3, signal=15, ended_by="stop")).state
    assert (state.status, state.ending) == (Status.STOPPING, Then.STOP)
    restarting = a_copy(Status.STOPPING, ending=Then.RESTART)
    assert of(last=restarting, exited=an_exit(3, ended_by="stop")).state == restarting


def test_generations_kept_after_the_copy_are_resumed_from_and_older_ones_never_come_back() -> None:
    found = (a_checkpoint(3), a_checkpoint(5), a_checkpoint(6))
    state = of(last=a_copy(), checkpoints=found).state
    assert [c.generation for c in state.checkpoints] == [4, 5, 6]
    assert state.next_generation == 7
    rolled_back = a_copy(checkpoints=(a_checkpoint(2),), newest_generation=4)
    assert of(last=rolled_back, checkpoints=(a_checkpoint(4),)).state.checkpoint == a_checkpoint(2)


def test_without_a_copy_a_living_process_is_kept() -> None:
    state = of(living=f.SpawnDone(6, 77, 123), checkpoints=(a_checkpoint(9),), epoch=5).state
    assert (state.status, state.epoch, state.pid) == (Status.RUNNING, 6, 77)
    assert state.checkpoint == a_checkpoint(9)


@pytest.mark.parametrize(
    "how",
    [{"code": 0}, {"signal": 15, "ended_by": "stop"}, {"signal": 9, "ended_by": "deadline:task"}],
)
def test_without_a_copy_a_conclusive_exit_is_left_to_recovery(how: dict[str, Any]) -> None:
    rebuilt = of(exited=an_exit(3, **how), epoch=3)
    assert rebuilt.state.status is (
        Status.STOPPING if how.get("ended_by") == "stop" else Status.RUNNING
    )
    assert "on record" in rebuilt.reason


@pytest.mark.parametrize(
    "exited",
    [
        None,
        an_exit(3, code=1),
        an_exit(3, signal=9),
        an_exit(3, is_known=False),
        an_exit(2, code=0),
    ],
)
def test_without_a_copy_what_nobody_knows_is_held_with_the_reason(exited: f.Exited | None) -> None:
    rebuilt = of(exited=exited, epoch=3)
    assert (rebuilt.state.status, rebuilt.state.epoch) == (Status.HELD, 3)
    assert rebuilt.state.reason == rebuilt.reason
    assert "lost" in rebuilt.reason and "restart" in rebuilt.reason


def test_the_epoch_is_never_below_anything_seen() -> None:
    for evidence in (
        Evidence(last=a_copy(epoch=2), epoch=9),
        Evidence(last=a_copy(epoch=9), epoch=2),
        Evidence(living=f.SpawnDone(9, 7, 7), epoch=2),
        Evidence(exited=an_exit(9, code=0), epoch=2),
        Evidence(epoch=9),
    ):
        assert rebuild(WHO, evidence, NOW).state.epoch == 9


def test_a_rebuilt_run_begins_the_fold_and_never_replaces_a_known_one() -> None:
    state = of(last=a_copy()).state
    event = e.RunRebuilt(state, "why")
    assert event_from_plain(*event_to_plain(event)) == event
    assert apply(None, RUN_ID, event, NOW) == state
    with pytest.raises(IllegalTransitionError):
        apply(state, RUN_ID, event, NOW)
    with pytest.raises(IllegalTransitionError):
        apply(None, RUN_ID.replace("A", "B"), event, NOW)

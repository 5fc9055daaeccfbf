"""Events and states as the engine would make them, for the tests of the store."""

from __future__ import annotations

from dataclasses import replace

from supervisor.core.events import Event, ProgressReported, Recorded, RunCreated
from supervisor.core.fold import apply
from supervisor.core.ids import ulid
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress, Step
from supervisor.core.run import RunState, Status
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy

BOOT = "3f7a3c1e-0000-4000-8000-000000000000"


def spec(name: str) -> AgentSpec:
    retry = RetryPolicy(
        max_retries=5,
        base_delay_s=0.5,
        max_delay_s=30.0,
        exponential_base=2.0,
        jitter_fraction=0.2,
        crash_loop_deaths=3,
        crash_loop_window_s=60.0,
    )
    return AgentSpec(
        name=name,
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
        retry=retry,
        env={},
        env_pass=(),
    )


def at(seq: int) -> Moment:
    return Moment(1_700_000_000.25 + seq, 100.125 + seq, BOOT)


def run_id(number: int) -> str:
    return ulid(1_700_000_000 + number, number * 0x9E3779B97F4A7C15F39C)


def recorded(seq: int, of_run: str, event: Event) -> Recorded:
    return Recorded(seq, at(seq), of_run, event)


def progress(number: int) -> ProgressReported:
    return ProgressReported(Progress("running", step=Step("read", number, None, "pages — ü")))


def created(seq: int, agent: str = "audit") -> Recorded:
    return recorded(seq, run_id(seq), RunCreated(spec(agent), "asked"))


def state_after(event: Recorded, agent: str = "audit", status: Status | None = None) -> RunState:
    start = RunCreated(spec(agent), "asked")
    state = apply(None, event.run_id, start, event.at)
    return state if status is None else replace(state, status=status)

"""A small world for the interface: runs folded from events by the real reducer.

Everything in it is fixed: the instant, the ids, the hashes.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from supervisor.core import events as e
from supervisor.core.events import Event, Recorded
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress
from supervisor.core.record import recorded_to_plain, to_plain
from supervisor.core.run import Anomaly, Checkpoint, Exit, ExitKind, Request, RunState
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy

BASE_WALL = 1_772_460_000.0
"""2026-03-02 14:00:00 UTC: the instant of every screen."""
BOOT = "boot-of-tests"


def moment(offset_s: float = 0.0) -> Moment:
    """An instant ``offset_s`` from the fixed now."""
    return Moment(BASE_WALL + offset_s, 900_000.0 + offset_s, BOOT)


def _digest(run_id: str, number: int) -> str:
    """A hash of a request that is the same in every run of the tests."""
    return hashlib.sha256(f"{run_id}-{number}".encode()).hexdigest()


def spec(name: str, **changes: Any) -> AgentSpec:
    """Settings of an agent."""
    retry = RetryPolicy(
        max_retries=5,
        base_delay_s=0.5,
        max_delay_s=30.0,
        exponential_base=2.0,
        jitter_fraction=0.2,
        crash_loop_deaths=4,
        crash_loop_window_s=600.0,
    )
    plain = AgentSpec(
        name=name,
        command=("python", f"agents/{name}.py"),
        cwd="/srv/research",
        autostart=True,
        checkpoint="checkpoint.json",
        timeout_s=7200.0,
        attempt_timeout_s=None,
        stall_timeout_s=600.0,
        stop_signal="TERM",
        stop_grace_s=10.0,
        restart=Restart.ON_FAILURE,
        retry=retry,
        env={},
        env_pass=(),
    )
    return replace(plain, **changes)


class World:
    """Runs folded from events, as an engine would have them."""

    def __init__(self) -> None:
        self.seq = 0
        self.runs: dict[str, RunState] = {}
        self.agents: list[AgentSpec] = []
        self.samples: dict[str, dict[str, Any]] = {}
        self.logs: dict[tuple[str, str], bytes] = {}
        self.directory = "/srv/research"
        self.recorded: list[Recorded] = []
        """Everything that happened, in the order in which it was told."""
        self.answers: dict[str, Any] = {}
        """By method of the socket: what it answers, or what makes the answer of the parameters."""

    def happen(self, run_id: str, event: Event, offset_s: float = 0.0) -> dict[str, Any]:
        """Apply an event and return it as the socket would carry it."""
        self.seq += 1
        at = moment(offset_s)
        if run_id:
            self.runs[run_id] = apply(self.runs.get(run_id), run_id, event, at)
        self.recorded.append(Recorded(self.seq, at, run_id, event))
        return recorded_to_plain(self.recorded[-1])

    def agent(self, name: str, **changes: Any) -> AgentSpec:
        """Configure an agent that has not run."""
        made = spec(name, **changes)
        self.agents.append(made)
        return made

    def start(self, tail: str, name: str, offset_s: float, **changes: Any) -> str:
        """A run with a living first attempt; returns its id."""
        run_id = "01KJQZ7C3B" + "0" * (16 - len(tail)) + tail
        made = self.agent(name, **changes)
        self.happen(run_id, e.RunCreated(made, "autostart"), offset_s)
        self.happen(run_id, e.AttemptStarting(1, 1, "first attempt"), offset_s)
        self.happen(run_id, e.AttemptStarted(1, 4000 + len(self.agents), 1), offset_s + 0.2)
        self.samples[run_id] = {"cpu_percent": 3.0, "rss_bytes": 61_000_000, "processes": 1}
        return run_id

    def progress(self, run_id: str, offset_s: float, **fields: Any) -> dict[str, Any]:
        """The agent reports."""
        return self.happen(
            run_id, e.ProgressReported(Progress(status="working", **fields)), offset_s
        )

    def checkpoint(self, run_id: str, generation: int, offset_s: float) -> None:
        """A checkpoint is kept."""
        kept = Checkpoint(
            generation,
            f"{generation:064x}",
            18_400 + generation,
            self.runs[run_id].epoch,
            generation,
            moment(offset_s).wall,
        )
        self.happen(run_id, e.CheckpointRecorded(kept), offset_s)

    def crash(self, run_id: str, offset_s: float, cause: str = "exit status 3") -> None:
        """The attempt dies and a retry is due 2 s later."""
        state = self.runs[run_id]
        end = Exit(ExitKind.CRASH, cause, 3, at=moment(offset_s).wall)
        self.happen(run_id, e.AttemptExited(state.epoch, end), offset_s)

    def back_off(self, run_id: str, offset_s: float, delay_s: float, retry: int, why: str) -> None:
        """Wait for the next try."""
        due = moment(offset_s + delay_s)
        self.happen(run_id, e.BackoffBegan(due, delay_s, retry, 5, why), offset_s)

    def again(self, run_id: str, offset_s: float) -> None:
        """The next attempt, from the newest checkpoint."""
        state = self.runs[run_id]
        newest = state.checkpoint.generation if state.checkpoint else None
        epoch, number = state.epoch + 1, state.attempt + 1
        self.happen(run_id, e.AttemptStarting(epoch, number, "retry", newest), offset_s)
        self.happen(run_id, e.AttemptStarted(epoch, 5200 + epoch, 1), offset_s + 0.1)

    def ask(self, run_id: str, offset_s: float, **fields: Any) -> dict[str, Any]:
        """The agent asks the operator."""
        state = self.runs[run_id]
        request = Request(
            id=f"{run_id[-4:]}-{state.request_count + 1}",
            file_id=f"ask-{state.request_count + 1}",
            sha256=fields.pop("sha256", _digest(run_id, state.request_count)),
            created_at=moment(offset_s).wall,
            epoch=state.epoch,
            **fields,
        )
        return self.happen(run_id, e.RequestOpened(request), offset_s)

    def flag(self, run_id: str, offset_s: float, kind: str, message: str, severity: str) -> None:
        """Something unexpected."""
        at = moment(offset_s).wall
        found = Anomaly(f"{kind}{offset_s}", kind, severity, message, at, "agent")
        self.happen(run_id, e.AnomalyFlagged(found), offset_s)

    def snapshot(self) -> dict[str, Any]:
        """As ``subscribe`` returns it."""
        return {
            "seq": self.seq,
            "now": to_plain(moment()),
            "engine": {
                "pid": 3990,
                "version": "1.0",
                "protocol": 1,
                "directory": self.directory,
                "seq": self.seq,
                "storage": "ok",
                "watch": "events",
            },
            "agents": [to_plain(item) for item in self.agents],
            "runs": [to_plain(state) for state in self.runs.values()],
            "samples": self.samples,
        }

"""An engine's end of the control socket that only tells: so many agents, each once a second.

``python -m bench.tui_feed SOCKET COUNT``. The snapshot, the events and the samples are those of
the contract, folded by the real reducer; there is no agent behind them, so that what is measured
beside it is the interface alone.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from supervisor.control.connection import Connection
from supervisor.control.messages import events_line, notice_line
from supervisor.control.server import Server
from supervisor.core import events as e
from supervisor.core.events import Event, Recorded
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress, Stage, Step, Usage
from supervisor.core.record import recorded_line, to_plain
from supervisor.core.run import RunState
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy

BATCHES_A_SECOND = 50
"""Notices a second: an engine gathers what it stored in one round of its loop."""
SAMPLES_EVERY_S = 2.0
STAGES = ("read", "extract", "compare", "report")
RETRY = RetryPolicy(
    max_retries=5,
    base_delay_s=0.5,
    max_delay_s=30.0,
    exponential_base=2.0,
    jitter_fraction=0.2,
    crash_loop_deaths=4,
    crash_loop_window_s=600.0,
)


def _now() -> Moment:
    return Moment(time.time(), time.monotonic(), "bench")


class Feed:
    """The picture that is told, and what happens in it."""

    def __init__(self, count: int) -> None:
        self._seq = 0
        self.runs: dict[str, RunState] = {}
        self._ids = [f"01KJQZ7C3B{place:016d}" for place in range(count)]
        self._specs = [_spec(f"agent-{place:04}") for place in range(count)]
        for place, run_id in enumerate(self._ids):
            self._happen(run_id, e.RunCreated(self._specs[place], "autostart"))
            self._happen(run_id, e.AttemptStarting(1, 1, "first attempt"))
            self._happen(run_id, e.AttemptStarted(1, 5000 + place, 1))
            self._happen(run_id, self._report(place, 0))

    def _happen(self, run_id: str, event: Event) -> Recorded:
        self._seq += 1
        recorded = Recorded(self._seq, _now(), run_id, event)
        self.runs[run_id] = apply(self.runs.get(run_id), run_id, event, recorded.at)
        return recorded

    def _report(self, place: int, number: int) -> Event:
        stage = place % 4
        return e.ProgressReported(
            Progress(
                status="working",
                stage=Stage(STAGES[stage], stage + 1, 4),
                stages=STAGES,
                step=Step("documents", number, 10_000, "documents"),
                usage=Usage(1000 + 37 * number, 90 + 5 * number, 0, 0.01 * number, "model"),
            )
        )

    def report_line(self, places: range, number: int) -> bytes:
        """A notice: these agents got one further."""
        told = [
            self._happen(self._ids[place], self._report(place, number))
            for place in (at % len(self._ids) for at in places)
        ]
        return events_line([recorded_line(recorded) for recorded in told])

    def samples(self, number: int) -> dict[str, Any]:
        """What every agent uses."""
        return {
            run_id: {
                "cpu_percent": float((place * 7 + number * 13) % 100),
                "rss_bytes": 50_000_000 + (place * 1000 + number) % 9_000_000,
                "processes": 1,
            }
            for place, run_id in enumerate(self._ids)
        }

    def snapshot(self) -> dict[str, Any]:
        """All of it."""
        return {
            "seq": self._seq,
            "now": to_plain(_now()),
            "engine": {"pid": 1, "version": "bench", "protocol": 1, "directory": "/bench"},
            "agents": [to_plain(spec) for spec in self._specs],
            "runs": [to_plain(state) for state in self.runs.values()],
            "samples": self.samples(0),
            "rules": [],
        }


def _spec(name: str) -> AgentSpec:
    return AgentSpec(
        name=name,
        command=("python", f"agents/{name}.py"),
        cwd="/bench",
        autostart=True,
        checkpoint="checkpoint.json",
        timeout_s=7200.0,
        attempt_timeout_s=None,
        stall_timeout_s=600.0,
        stop_signal="TERM",
        stop_grace_s=10.0,
        restart=Restart.ON_FAILURE,
        retry=RETRY,
        env={},
        env_pass=(),
    )


async def _serve(path: Path, count: int) -> None:
    feed, server = Feed(count), Server(path)

    async def hello(_connection: Connection, _params: dict[str, Any]) -> Any:
        return {"engine": {"pid": 1}}

    async def subscribe(connection: Connection, _params: dict[str, Any]) -> Any:
        connection.subscribe()
        return feed.snapshot()

    async def log(_connection: Connection, _params: dict[str, Any]) -> Any:
        return {"data": "", "offset": 0, "start": 0, "size": 0}

    server.register("hello", hello)
    server.register("subscribe", subscribe)
    server.register("log", log)
    await server.start()
    print("up", flush=True)
    began, told, batch = time.monotonic(), 0, max(1, count // BATCHES_A_SECOND)
    while True:
        told += 1
        due = began + told / BATCHES_A_SECOND
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        first = told * batch
        server.broadcast(feed.report_line(range(first, first + batch), 1 + first // count))
        if told % int(BATCHES_A_SECOND * SAMPLES_EVERY_S) == 0:
            params = {"samples": feed.samples(told), "now": to_plain(_now())}
            server.broadcast(notice_line("samples", params))


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))

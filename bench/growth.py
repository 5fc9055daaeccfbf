"""What one event costs with a million events stored, beside the same in an empty log.

Both logs take turns within one run, so that a machine that becomes slower meanwhile slows both.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Report, Row
from supervisor.core.events import ProgressReported, Recorded
from supervisor.core.ids import ulid
from supervisor.core.progress import Progress, Step
from supervisor.process.identity import moment_now
from supervisor.store.event_log import SqliteEventLog

STORED = 1_000_000
FILL_LIMIT_S = 240.0
"""After this the rest is left out, and the row says how many events there were."""
FILL_BATCH = 2_000
RUNS = 1_000
ROUNDS = 40
COMMITS = 10
"""In one round, each of as many events as come together from a few dozen busy agents."""
EVENTS_A_COMMIT = 20


@dataclass(slots=True)
class _Costs:
    """Of one log: a sample a round."""

    log: SqliteEventLog
    cpu_us: list[float] = field(default_factory=list)
    wall_us: list[float] = field(default_factory=list)


def measure(report: Report) -> None:
    """Add the growth rows."""
    with tempfile.TemporaryDirectory(prefix="lwb-") as directory:
        asyncio.run(_measure(report, Path(directory)))


async def _measure(report: Report, directory: Path) -> None:
    empty = _Costs(await SqliteEventLog.open(directory / "empty.db"))
    grown = _Costs(await SqliteEventLog.open(directory / "grown.db"))
    try:
        stored = await _fill(grown.log)
        for _ in range(ROUNDS):
            for costs in (empty, grown):
                await _round(costs)
    finally:
        await empty.log.close()
        await grown.log.close()
    for unit, of_empty, of_grown in (
        ("µs CPU", empty.cpu_us, grown.cpu_us),
        ("µs", empty.wall_us, grown.wall_us),
    ):
        what = f"growth: an event stored, {unit}"
        report.add(Row(f"{what}, empty log (the floor)", "µs", tuple(of_empty)))
        base = report.rows[-1].median
        name = f"{what}, {stored:,} before it"
        report.add(Row(name, "µs", tuple(of_grown), base, "goal 1.2 of the floor"))


async def _fill(log: SqliteEventLog) -> int:
    end = time.monotonic() + FILL_LIMIT_S
    while log.last_seq < STORED and time.monotonic() < end:
        await _append(log, FILL_BATCH)
    return log.last_seq


async def _round(costs: _Costs) -> None:
    cpu, began = time.process_time(), time.perf_counter()
    for _ in range(COMMITS):
        await _append(costs.log, EVENTS_A_COMMIT)
    count = COMMITS * EVENTS_A_COMMIT
    costs.wall_us.append((time.perf_counter() - began) / count * 1e6)
    costs.cpu_us.append((time.process_time() - cpu) / count * 1e6)


async def _append(log: SqliteEventLog, count: int) -> None:
    at, first = moment_now(), log.last_seq + 1
    log.append(
        [
            Recorded(seq, at, ulid(1.0, seq % RUNS), _progress(seq))
            for seq in range(first, first + count)
        ]
    )
    await log.durable(log.last_seq)


def _progress(number: int) -> ProgressReported:
    return ProgressReported(Progress("running", step=Step(None, float(number), 1e9, "items")))

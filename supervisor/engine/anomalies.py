"""Looks at every run that works, again and again, and feeds what the detectors find.

Owns the watches and what is usual of each agent (``usual.json``, a derived file: lost, it is
learned anew). It decides nothing: whether a finding is told or acted on is the core's word. A look
is measured in a thread and judged in the loop, about 30 µs a run.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from supervisor.config.anomalies import AnomaliesTable, action_of, terms_of
from supervisor.config.paths import Project
from supervisor.core.detect.look import Terms, Usual
from supervisor.core.detect.usual import learned
from supervisor.core.detect.watch import Measured, Raised, Watch
from supervisor.core.facts import Fact, Unusual
from supervisor.core.moment import Moment
from supervisor.core.record import RecordError, from_plain, to_plain
from supervisor.core.run import RunState, Status
from supervisor.core.suspect import Action
from supervisor.core.text import safe_text
from supervisor.engine.runs import Runs
from supervisor.engine.secrets import Secrets
from supervisor.errors import EnvironmentFaultError
from supervisor.process.usage import UsageSample, UsageSampler
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_object

SHARE = 0.05
"""Seconds between two looks for each run that works: a thousand are looked at every 50 s."""
LOOKS_AT_ONCE = 100
"""Runs judged before others have their turn."""
TAIL_BYTES = 4096
"""Of a log, for what it does again and again."""
KEPT_LINES = 40
LINE_CHARACTERS = 200
READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
MAX_AGENTS = 1_000
"""Of which it is kept what is usual."""
_TIME = re.compile(
    r"^[\s\[(]*(?:\d{4}-\d\d-\d\d[T ])?\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?"
    r"(?:Z|[+-]\d\d:?\d\d)?[\])]*\s*"
)
"""What a line begins with in most logs; without it the same action is the same line."""


class Anomalies:
    """One per engine; ``follow`` is a round."""

    def __init__(
        self,
        project: Project,
        runs: Runs,
        clock: Callable[[], Moment],
        feed: Callable[[str, Fact], object],
        *,
        secrets: Secrets,
        settings: Callable[[], AnomaliesTable],
    ) -> None:
        self._project = project
        self._runs = runs
        self._clock = clock
        self._feed = feed
        self._secrets = secrets
        self._settings = settings
        self._sampler = UsageSampler(str(project.state_dir))
        self._watches: dict[str, Watch] = {}
        self._tails: dict[str, tuple[int, tuple[str, ...]]] = {}
        """Size of a log and what stood at its end then."""
        self._usual: dict[str, Usual] | None = None

    async def follow(self) -> None:
        """Look, then rest; the more runs work, the longer."""
        while True:
            working = [s for s in self._runs.active() if s.status is Status.RUNNING and s.pid]
            interval_s = max(self._settings().every, SHARE * len(working))
            await self.look(working, interval_s)
            await asyncio.sleep(interval_s)

    async def look(self, working: list[RunState], interval_s: float) -> None:
        """One look at each of ``working``; the others stand still in the books."""
        if self._usual is None:
            self._usual = await asyncio.to_thread(_load, self._project)
        await self._learn()
        sizes = await asyncio.to_thread(self._measure, {s.id: s.pid or 0 for s in working})
        settings = self._settings()
        terms, now = terms_of(settings), self._clock()
        ids = {state.id for state in working}
        for run_id, watch in self._watches.items():
            if run_id not in ids and (state := self._runs.state(run_id)) is not None:
                watch.see(state, now, Measured(), Usual(), terms)
        for place, before in enumerate(working):
            state = self._runs.state(before.id)
            if state is not None and state.epoch == before.epoch:
                self._judge(state, now, sizes.get(state.id, Measured()), terms, interval_s)
            if place % LOOKS_AT_ONCE == LOOKS_AT_ONCE - 1:
                await asyncio.sleep(0)

    def _judge(
        self, state: RunState, now: Moment, measured: Measured, terms: Terms, interval_s: float
    ) -> None:
        watch = self._watches.setdefault(state.id, Watch(interval_s))
        watch.interval_s = interval_s
        usual = (self._usual or {}).get(state.agent, Usual())
        for raised in watch.see(state, now, measured, usual, terms):
            self._tell(state, raised)

    def _tell(self, state: RunState, raised: Raised) -> None:
        finding = raised.finding
        action = action_of(self._settings(), state.agent, finding.kind)
        if action is Action.OFF:
            return
        evidence = self._secrets.text(safe_text(finding.evidence, limit=500))
        known = f"{finding.kind}:{state.epoch}-{raised.key}"
        if raised.strike == 1 and any(anomaly.id == known for anomaly in state.anomalies):
            return  # Told by the engine before this one.
        self._feed(
            state.id,
            Unusual(state.epoch, finding.kind, evidence, raised.strike, raised.key, action),
        )

    def _measure(self, pids: Mapping[str, int]) -> dict[str, Measured]:
        samples = self._sampler.sample(pids) if pids else {}
        asleep_s = _asleep_s()
        return {run_id: self._measured(run_id, samples.get(run_id), asleep_s) for run_id in pids}

    def _measured(
        self, run_id: str, sample: UsageSample | None, asleep_s: float | None
    ) -> Measured:
        size, actions = self._tail(run_id)
        if sample is None:
            return Measured(None, None, size, actions, asleep_s)
        return Measured(sample.cpu_percent, sample.rss_bytes, size, actions, asleep_s)

    def _tail(self, run_id: str) -> tuple[int, tuple[str, ...]]:
        """Size of both logs together, and the newest lines of the plain one."""
        known = self._tails.get(run_id, (0, ()))
        try:
            size = os.stat(self._project.err_log(run_id)).st_size  # noqa: PTH116 - twice a look
        except OSError:
            size = 0
        try:
            descriptor = os.open(
                self._project.out_log(run_id), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
            )
        except OSError:
            return size, ()
        try:
            out = os.fstat(descriptor).st_size
            if size + out == known[0]:
                return known
            data = os.pread(descriptor, TAIL_BYTES, max(0, out - TAIL_BYTES))
        except OSError:
            return known
        finally:
            os.close(descriptor)
        self._tails[run_id] = size + out, _actions(data, is_whole=out <= TAIL_BYTES)
        return self._tails[run_id]

    async def _learn(self) -> None:
        """From the runs that are over: what succeeded shows what is usual."""
        usual, is_new = self._usual or {}, False
        for run_id in list(self._watches):
            state = self._runs.state(run_id)
            if state is not None and state.ended_at is None:
                continue
            watch = self._watches.pop(run_id)
            self._tails.pop(run_id, None)
            if state is not None and state.status is Status.SUCCEEDED:
                lesson = replace(watch.lesson, stages={t.name: t.used_s for t in state.stage_times})
                usual[state.agent] = learned(usual.pop(state.agent, Usual()), lesson)
                is_new = True
        if is_new:
            self._usual = dict(list(usual.items())[-MAX_AGENTS:])
            data = json.dumps(to_plain(self._usual)).encode()
            try:
                await asyncio.to_thread(write_atomic, self._project.usual_file, data)
            except EnvironmentFaultError:
                pass  # With the next run that succeeds; until then it is in memory.


def _actions(data: bytes, *, is_whole: bool) -> tuple[str, ...]:
    lines = data.decode("utf-8", "replace").splitlines()
    lines = lines if is_whole else lines[1:]
    clean = (_TIME.sub("", safe_text(line, limit=LINE_CHARACTERS)) for line in lines[-KEPT_LINES:])
    return tuple(line for line in clean if line.strip())


def _asleep_s() -> float | None:
    """Seconds of suspend since the boot: the clock that counts it against the one that does not."""
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return None
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


def _load(project: Project) -> dict[str, Usual]:
    """What was learned before; anything else than that is nothing."""
    value = read_object(project.state_dir, project.usual_file.name)
    if isinstance(value, Problem):
        return {}
    try:
        return {str(agent): from_plain(Usual, plain) for agent, plain in value.items()}
    except (RecordError, ValueError, TypeError, AttributeError):
        return {}

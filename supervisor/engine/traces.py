"""Traces on their way to a collector: what is open, what has ended, and what was taken.

Owns ``otlp.json``: the open traces, the spans nobody has taken yet, and the newest event that
both hold. It is written after a batch was taken, so a restart of ours goes on behind it; a kill in
between sends a batch again, with the same ids. The engine never waits for a collector: beyond a
bound the oldest spans go, which is said.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor.config.defaults import OTLP_FIGURES_INTERVAL_S, OTLP_INTERVAL_S, OTLP_SAVE_S
from supervisor.config.metrics import MetricsSection
from supervisor.core.events import Recorded
from supervisor.core.record import RecordError, from_plain, to_plain
from supervisor.core.run import FINAL
from supervisor.core.spans import OpenTrace, Span, Step
from supervisor.core.text import safe_text
from supervisor.core.tracing import Tracer, is_attempt, open_trace_of, step_spans
from supervisor.errors import LongwatchError
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.journal import JOURNAL_NAME, journal_lines
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_bytes

if TYPE_CHECKING:
    from supervisor.engine.engine import Engine

MAX_UNSENT = 10_000
"""Spans kept while no collector takes them, some 5 MB; then the oldest go."""
BATCH = 500
"""Spans of one request."""
PAGE = 1_000
MAX_STEPS = 1_000
"""Newest durable steps of an attempt that become spans."""
JOURNAL_LIMIT_BYTES = 16 * 2**20
"""A larger journal is not read for its steps: some 0.5 s of a thread."""
STEP_STATES = ("done", "failed", "open")
SAVED_LIMIT_BYTES = 64 * 2**20


class Traces:
    """One per engine while ``[metrics] otlp`` is set; ``follow`` sends, ``save`` keeps."""

    def __init__(self, engine: Engine, tell: Callable[[str | None], None]) -> None:
        """``tell`` is given what is wrong, None when nothing is."""
        self._engine = engine
        self._tell = tell
        self._file: Path = engine.project.otlp_file
        self._tracer = Tracer(state_of=engine.runs.published_state)
        self._seq = 0
        self._is_live = False
        self._unsent: deque[Span] = deque()
        self._unread: deque[Span] = deque()
        """Attempts that have ended and whose durable steps were not looked up yet."""
        self._dropped = 0
        self._saved_at = 0.0
        self._saved_seq = -1
        self._figures_at = 0.0

    async def open(self) -> None:
        """Go on behind what is saved, or begin with what happens from now on."""
        saved = await asyncio.to_thread(self._load)
        if saved is not None and saved[0] <= self._engine.runs.published_seq:
            self._seq, traces, unsent, unread = saved
            self._unread.extend(unread)
            self._tracer = Tracer(traces, self._engine.runs.published_state)
            self._unsent.extend(unsent)
            await self._catch_up()
        else:
            self._seq = self._engine.runs.published_seq
            living = (s for s in self._engine.runs.published() if s.status not in FINAL)
            self._tracer.traces.update((state.id, open_trace_of(state)) for state in living)
        self._is_live = True

    def see(self, recorded: Recorded) -> None:
        """Take note of a stored event."""
        if self._is_live and recorded.seq > self._seq:
            self._take(recorded)

    async def follow(self, settings: MetricsSection) -> None:
        """Send what has ended, and the figures once a minute, until cancelled."""
        while True:
            await self._look_up_steps()
            await self._send(settings)
            loop_s = asyncio.get_running_loop().time()
            if self._saved_seq != self._seq and loop_s - self._saved_at > OTLP_SAVE_S:
                await self.save()
            await asyncio.sleep(OTLP_INTERVAL_S)

    async def save(self) -> None:
        """Keep where we are."""
        self._saved_at, self._saved_seq = asyncio.get_running_loop().time(), self._seq
        plain = {
            "seq": self._seq,
            "open": {run_id: to_plain(trace) for run_id, trace in self._tracer.traces.items()},
            "unsent": [to_plain(span) for span in self._unsent],
            "unread": [to_plain(span) for span in self._unread],
        }
        try:
            await asyncio.to_thread(lambda: write_atomic(self._file, json.dumps(plain).encode()))
        except LongwatchError as error:
            self._tell(f"what was sent cannot be kept: {error}")

    async def forget(self) -> None:
        """Nobody wants traces any more: the next time begins anew."""
        await asyncio.to_thread(lambda: self._file.unlink(missing_ok=True))

    def _take(self, recorded: Recorded) -> None:
        self._seq = recorded.seq
        for span in self._tracer.see(recorded):
            (self._unread if is_attempt(span) else self._unsent).append(span)
        while len(self._unsent) > MAX_UNSENT:
            self._unsent.popleft()
            self._dropped += 1

    async def _catch_up(self) -> None:
        runs = self._engine.runs
        while self._seq < runs.published_seq:
            page = await self._engine.log.history(self._seq, PAGE)
            for recorded in page:
                self._take(recorded)
            if not page:  # Only what holds the place of events that were given up.
                self._seq = min(self._seq + PAGE, runs.published_seq)

    async def _send(self, settings: MetricsSection) -> None:
        from supervisor.engine import otlp

        base, headers = (settings.otlp or "").rstrip("/"), headers_of(settings, os.environ)
        resource = otlp.resource_of(str(self._engine.project.directory), socket.gethostname())
        try:
            while self._unsent:
                batch = [self._unsent[n] for n in range(min(BATCH, len(self._unsent)))]
                body = await asyncio.to_thread(otlp.encoded_spans, batch, resource)
                await _aside(partial(otlp.post, f"{base}/v1/traces", body, headers))
                self._remove(batch)
                await self.save()
            await self._send_figures(f"{base}/v1/metrics", headers, resource)
        except otlp.UnreachableError as error:
            lost = f"; {self._dropped} spans were given up" if self._dropped else ""
            self._tell(f"{settings.otlp} does not answer: {error}{lost}")
        except otlp.RefusedError as error:
            for _ in range(min(BATCH, len(self._unsent))):
                self._unsent.popleft()
                self._dropped += 1
            self._tell(f"{settings.otlp} refuses: {error}; {self._dropped} spans were given up")
        else:
            self._tell(None)

    def _remove(self, batch: list[Span]) -> None:
        """Meanwhile the oldest may have gone by themselves."""
        taken = {id(span) for span in batch}
        while self._unsent and id(self._unsent[0]) in taken:
            self._unsent.popleft()

    async def _send_figures(self, url: str, headers: Mapping[str, str], resource: Any) -> None:
        from supervisor.engine import otlp

        now_s = asyncio.get_running_loop().time()
        metrics = self._engine.metrics
        if now_s - self._figures_at < OTLP_FIGURES_INTERVAL_S and self._figures_at:
            return
        if metrics.is_behind or metrics.since is None:
            return
        totals = metrics.total_of_all_time()
        if not totals:
            return
        body = otlp.encoded_figures(totals, (metrics.since, self._engine.clock().wall), resource)
        await _aside(partial(otlp.post, url, body, headers))
        self._figures_at = now_s

    async def _look_up_steps(self) -> None:
        """The journal of each ended attempt; what cannot be read has no steps to show."""
        while self._unread:
            attempt = self._unread[0]
            run_dir = self._engine.project.run_dir(attempt.run_id)
            steps = await asyncio.to_thread(_steps_of, run_dir, attempt)
            self._unsent.extend([*step_spans(attempt, steps), attempt])
            if self._unread and self._unread[0] is attempt:
                self._unread.popleft()

    def _load(self) -> tuple[int, dict[str, OpenTrace], list[Span], list[Span]] | None:
        try:
            if self._file.stat().st_size > SAVED_LIMIT_BYTES:
                return None
            plain = json.loads(self._file.read_bytes())
            traces = {run: from_plain(OpenTrace, one) for run, one in plain["open"].items()}
            unsent = [from_plain(Span, one) for one in plain["unsent"]]
            unread = [from_plain(Span, one) for one in plain["unread"]]
            return int(plain["seq"]), traces, unsent, unread
        except FileNotFoundError:
            return None
        except (OSError, RecordError, ValueError, KeyError, TypeError, AttributeError) as error:
            sys.stderr.write(f"longwatch engine: {self._file} is begun anew: {error}\n")
            return None


async def _aside(work: Callable[[], None]) -> None:
    """``work`` in a thread that ends with the process: no collector holds up our leaving."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.done():
            return  # Nobody waits for it any more.
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        found: Exception | None = None
        try:
            work()
        except Exception as error:  # noqa: BLE001  handed to the caller
            found = error
        try:
            loop.call_soon_threadsafe(settle, found)
        except RuntimeError:
            pass  # The loop is closed: we have left.

    threading.Thread(target=run, name="otlp", daemon=True).start()
    await done


def _steps_of(run_dir: Path, attempt: Span) -> list[Step]:
    data = read_bytes(run_dir, JOURNAL_NAME, limit_bytes=JOURNAL_LIMIT_BYTES)
    if isinstance(data, Problem):
        return []
    epoch = attempt.attributes.get("longwatch.attempt.epoch")
    return [
        Step(line.number, safe_text(line.name, limit=80), line.occurrence, line.at,
             line.took_s or 0.0, line.state in ("failed", "open"))
        for line in journal_lines(data)
        if line.epoch == epoch and line.at is not None and line.state in STEP_STATES
    ][-MAX_STEPS:]  # fmt: skip


def headers_of(settings: MetricsSection, environ: Mapping[str, str]) -> dict[str, str]:
    """Headers out of the variable that holds them (``name=value,name=value``)."""
    text = environ.get(settings.otlp_headers_env, "") if settings.otlp_headers_env else ""
    pairs = (piece.partition("=") for piece in text.split(",") if "=" in piece)
    return {name.strip(): value.strip() for name, _, value in pairs}

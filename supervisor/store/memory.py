"""The event log in memory: the same promises but one, for tests and simulations.

Nothing survives the process. "On disk" is the next turn of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from supervisor.core.events import Recorded, RunCreated, RunRebuilt
from supervisor.core.run import FINAL, RunState
from supervisor.store.event_log import encode_gapless
from supervisor.store.opening import StorageFaultError
from supervisor.store.ports import (
    KEPT_FINISHED,
    KEPT_FINISHED_EACH,
    MAX_MATCHES,
    ZERO_HASH,
    ChainReport,
    LoadedLog,
    OnDurable,
)
from supervisor.store.rows import (
    NO_EVENTS,
    Row,
    chained,
    decode,
    follows,
    superseded,
    thinned_row,
)


class MemoryEventLog:
    """``ports.EventLog`` without a disk."""

    def __init__(self) -> None:
        self.storage_problem: str | None = None
        self._rows: list[Row] = []
        """What is kept; ``forget`` takes from the front."""
        self._base: tuple[int, bytes] = (0, ZERO_HASH)
        self._hashes: list[bytes] = []
        self._runs: dict[str, tuple[RunState | None, int]] = {}
        self._last_seq = 0
        self._durable_seq = 0
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._is_closed = False

    @property
    def last_seq(self) -> int:
        """See ``ports.EventLog``."""
        return self._last_seq

    @property
    def durable_seq(self) -> int:
        """See ``ports.EventLog``."""
        return self._durable_seq

    @property
    def last_hash(self) -> str:
        """See ``ports.EventLog``."""
        return (self._hashes[-1] if self._hashes else self._base[1]).hex()

    def append(
        self,
        batch: Sequence[Recorded],
        snapshots: Sequence[RunState] = (),
        on_durable: OnDurable | None = None,
    ) -> None:
        """See ``ports.EventLog``."""
        if self._is_closed:
            raise StorageFaultError("the event log is closed")
        rows = encode_gapless(batch, self._last_seq)
        self._last_seq += len(rows)
        loop = asyncio.get_running_loop()
        loop.call_soon(self._store, batch, rows, tuple(snapshots), self._last_seq, on_durable)

    def as_stored(self, batch: Sequence[Recorded]) -> Sequence[Recorded]:
        """See ``ports.EventLog``."""
        return batch

    async def durable(self, seq: int) -> None:
        """See ``ports.EventLog``."""
        if seq <= self._durable_seq:
            return
        if seq > self._last_seq:
            raise ValueError(f"event {seq} was never appended; the newest is {self._last_seq}")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((seq, done))
        await done

    async def load(self) -> LoadedLog:
        """See ``ports.EventLog``."""
        finished: list[str] = []
        of_agent: dict[str, int] = {}
        for run_id, (state, _seq) in sorted(self._runs.items(), reverse=True):
            if state is not None and state.status in FINAL:
                of_agent[state.agent] = of_agent.get(state.agent, 0) + 1
                if of_agent[state.agent] <= KEPT_FINISHED_EACH:
                    finished.append(run_id)
        kept = set(finished[:KEPT_FINISHED])
        active = {i for i, (state, _) in self._runs.items() if not state or _is_active(state)}
        return self._loaded(kept | active)

    async def load_run(self, run_id: str) -> LoadedLog:
        """See ``ports.EventLog``."""
        return self._loaded({run_id} & self._runs.keys())

    async def history(self, since: int, limit: int, run_id: str | None = None) -> list[Recorded]:
        """See ``ports.EventLog``."""
        found = (row for row in self._rows if row.seq > since and self._is_shown(row, run_id))
        return [decode(row) for row, _ in zip(found, range(limit), strict=False)]

    def _is_shown(self, row: Row, run_id: str | None) -> bool:
        return row.type not in NO_EVENTS and run_id in (None, row.run_id)

    async def of_no_run(self, types: Sequence[str]) -> list[Recorded]:
        """See ``ports.EventLog``."""
        return [decode(row) for row in self._rows if not row.run_id and row.type in types]

    async def find_run(self, suffix: str) -> tuple[str, ...]:
        """See ``ports.EventLog``."""
        ids = sorted((i for i in self._runs if suffix and i.endswith(suffix.upper())), reverse=True)
        return tuple(ids[:MAX_MATCHES])

    async def verify_chain(self) -> ChainReport:
        """See ``ports.EventLog``."""
        seq, previous = self._base
        for row, stored in zip(self._rows, self._hashes, strict=True):
            if not follows(row, seq, previous, stored):
                problem = f"event {seq + 1} is not what was stored"
                return ChainReport(seq - self._base[0], seq, problem)
            seq, previous = row.seq, stored
        return ChainReport(len(self._rows), seq, None)

    async def forget(self, up_to: int) -> int:
        """See ``ports.EventLog``."""
        goal = min(up_to, self._oldest_needed() - 1)
        count = sum(row.seq <= goal for row in self._rows)
        if count:
            self._base = (self._rows[count - 1].seq, self._hashes[count - 1])
            del self._rows[:count], self._hashes[:count]
        return count

    async def thin(self, after: int, up_to: int) -> int:
        """See ``ports.EventLog``; all at once."""
        limit = min(up_to, self._oldest_needed() - 1)
        start = sum(row.seq <= after for row in self._rows)
        page = [(row.seq, row.run_id, row.type) for row in self._rows[start:]]
        for first, last in reversed(superseded(page, limit)):
            place = slice(start + first, start + last + 1)
            before = self._rows[place.start - 1].seq, self._hashes[place.start - 1]
            self._rows[place] = [thinned_row(page[last][0], before)]
            self._hashes[place] = [self._hashes[place.stop - 1]]
        return max([after, *(seq for seq, _, _ in page if seq <= limit)])

    def _oldest_needed(self) -> int:
        active = {
            i: seq for i, (state, seq) in self._runs.items() if not state or _is_active(state)
        }
        needed = (row.seq for row in self._rows if row.seq > active.get(row.run_id, row.seq))
        return next(needed, self._durable_seq + 1)

    async def finished_before(self, run_ids: Sequence[str], wall: float) -> tuple[str, ...]:
        """See ``ports.EventLog``."""
        return tuple(i for i in run_ids if i in self._runs and self._was_over(i, wall))

    async def forget_runs(self, run_ids: Sequence[str]) -> int:
        """See ``ports.EventLog``."""
        over = [i for i in run_ids if (s := self._runs.get(i, (None, 0))[0]) and not _is_active(s)]
        for run_id in over:
            del self._runs[run_id]
        return len(over)

    def _was_over(self, run_id: str, wall: float) -> bool:
        state = self._runs[run_id][0]
        return state is not None and not _is_active(state) and (state.ended_at or 0.0) < wall

    async def close(self) -> int:
        """See ``ports.EventLog``."""
        self._is_closed = True
        await asyncio.sleep(0)
        return 0

    def _store(
        self,
        batch: Sequence[Recorded],
        rows: list[Row],
        snapshots: tuple[RunState, ...],
        last_seq: int,
        on_durable: OnDurable | None,
    ) -> None:
        for recorded, row in zip(batch, rows, strict=True):
            previous = self._hashes[-1] if self._hashes else self._base[1]
            self._rows.append(row)
            self._hashes.append(chained(previous, row))
            if isinstance(recorded.event, RunCreated | RunRebuilt):
                self._runs.setdefault(row.run_id, (None, row.seq - 1))
        for state in snapshots:
            self._runs[state.id] = (state, last_seq)
        self._durable_seq = last_seq
        reached = [done for seq, done in self._waiting if seq <= last_seq and not done.done()]
        self._waiting = [entry for entry in self._waiting if entry[0] > last_seq]
        for done in reached:
            done.set_result(None)
        if on_durable is not None:
            on_durable(last_seq)

    def _loaded(self, run_ids: set[str]) -> LoadedLog:
        found = {run_id: self._runs[run_id] for run_id in sorted(run_ids)}
        runs = tuple((state, seq) for state, seq in found.values() if state is not None)
        tail = tuple(
            decode(row)
            for row in self._rows
            if row.run_id in found and row.seq > found[row.run_id][1]
        )
        return LoadedLog(self._durable_seq, runs, tail)


def _is_active(state: RunState) -> bool:
    return state.status not in FINAL

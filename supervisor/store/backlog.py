"""Events that are queued and not on disk yet, in order, bounded while the disk is full.

Shared by the loop (adds, removes) and the writer thread (takes), under one lock. Past the bound
the oldest progress events are dropped; their seqs stay, as holes, so that the log has no gap.

States are queued beside the events, the newest of each run. One that only progress separates from
the stored one may wait: it is the events' fold, and writing it each time doubles the cost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from supervisor.core.run import FINAL, RunState
from supervisor.store.rows import Row, lost_row

MAX_EVENTS = 20_000
"""Queued events before progress is dropped: about 20 MB, ten seconds of 1,000 busy agents."""
MAX_TAKEN = 2_000
"""Events in one transaction: about 30 ms, which the events behind it wait for."""
STATE_WAIT_S = 10.0
"""Longest that only progress leaves a stored state behind its events."""
_PROGRESS = "ProgressReported"


State = tuple[RunState, int]
"""A state with the seq that it holds everything up to."""


@dataclass(slots=True)
class _Batch:
    """Seqs that are committed together; one that has no row in it was dropped."""

    first: int
    last: int
    ticket: int
    rows: list[Row]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one transaction stores."""

    rows: list[Row]
    states: list[State]
    ticket: int
    """Everything that was added up to this ticket is in it."""


class Backlog:
    """The queue between ``append`` and the disk."""

    def __init__(self, last_seq: int) -> None:
        self.last_seq = last_seq
        self.ticket = 0
        """Counts the appends."""
        self._lock = threading.Lock()
        self._batches: deque[_Batch] = deque()
        self._ready: dict[str, State] = {}
        """States for the next transaction."""
        self._waiting: dict[str, State] = {}
        """States that only progress separates from the stored one."""
        self._due: dict[str, float] = {}
        """Monotonic seconds from which the state of a run may wait no longer."""
        self._next_look = 0.0
        """When to look for states that are due; not at every commit, there may be thousands."""
        self._row_count = 0
        self._bound = MAX_EVENTS

    def add(self, rows: list[Row], states: tuple[RunState, ...]) -> int:
        """Queue them; the ticket to wait for."""
        with self._lock:
            self.ticket += 1
            if rows:
                self._batches.append(_Batch(rows[0].seq, rows[-1].seq, self.ticket, rows))
                self.last_seq = rows[-1].seq
                self._row_count += len(rows)
            may_wait = bool(rows) and all(row.type == _PROGRESS for row in rows)
            for state in states:
                can_wait = may_wait and state.id in self._due and state.id not in self._ready
                self._waiting.pop(state.id, None)
                target = self._waiting if can_wait else self._ready
                target[state.id] = (state, self.last_seq)
            if self._row_count > self._bound:
                self._drop()
            return self.ticket

    def take(self, after: int) -> Taken:
        """What comes after seq ``after``, whole batches; nothing is removed."""
        rows: list[Row] = []
        with self._lock:
            ticket, before = self.ticket, 0
            for batch in self._batches:
                if len(rows) >= MAX_TAKEN:
                    ticket = before
                    break
                rows.extend(_rows_after(batch, after, MAX_TAKEN - len(rows)))
                if rows and rows[-1].seq < batch.last:  # Only a range of holes is ever cut.
                    ticket = before
                    break
                before = batch.ticket
            last = rows[-1].seq if rows else after
            self._find_due()
            states = [entry for entry in self._ready.values() if entry[1] <= last]
        return Taken(rows, states, ticket)

    def hurry(self) -> None:
        """Let no state wait any longer."""
        with self._lock:
            self._ready.update(self._waiting)
            self._waiting.clear()

    def remove(self, up_to: int, states: list[State]) -> None:
        """Forget what is on disk now."""
        with self._lock:
            while self._batches and self._batches[0].last <= up_to:
                self._row_count -= len(self._batches.popleft().rows)
            if self._batches and self._batches[0].first <= up_to:
                self._batches[0].first = up_to + 1
            due = time.monotonic() + STATE_WAIT_S
            for entry in states:
                run_id = entry[0].id
                self._due[run_id] = due
                if self._ready.get(run_id) is entry:
                    del self._ready[run_id]
                    if entry[0].status in FINAL:
                        del self._due[run_id]
            self._bound = max(MAX_EVENTS, min(self._bound, self._row_count * 2))

    def is_empty(self) -> bool:
        """Whether everything that does not wait is on disk."""
        with self._lock:
            return not self._batches and not self._ready

    def __len__(self) -> int:
        """Events that are not on disk, dropped ones included."""
        with self._lock:
            return self.last_seq - self._batches[0].first + 1 if self._batches else 0

    def _find_due(self) -> None:
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + 1.0
        for run_id in [run_id for run_id in self._waiting if self._due.get(run_id, 0.0) <= now]:
            self._ready[run_id] = self._waiting.pop(run_id)

    def _drop(self) -> None:
        """Drop the oldest progress until a quarter of the bound is free; join what became empty."""
        goal = MAX_EVENTS * 3 // 4
        kept: deque[_Batch] = deque()
        for batch in self._batches:
            if self._row_count > goal:
                rows = [row for row in batch.rows if row.type != _PROGRESS]
                self._row_count -= len(batch.rows) - len(rows)
                batch.rows = rows
            if kept and not batch.rows and not kept[-1].rows:
                kept[-1].last, kept[-1].ticket = batch.last, batch.ticket
            else:
                kept.append(batch)
        self._batches = kept
        # All the rest counts: look again only after it has grown by a quarter.
        self._bound = max(MAX_EVENTS, self._row_count + self._row_count // 4)


def _rows_after(batch: _Batch, after: int, room: int) -> Iterator[Row]:
    """Its rows with holes filled in; a range that is nothing but holes is cut at ``room``."""
    if len(batch.rows) == batch.last - batch.first + 1:
        yield from (row for row in batch.rows if row.seq > after)
        return
    first = max(batch.first, after + 1)
    last = batch.last if batch.rows else min(batch.last, first + room - 1)
    known = {row.seq: row for row in batch.rows}
    for seq in range(first, last + 1):
        yield known.get(seq) or lost_row(seq)

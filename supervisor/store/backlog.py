"""Events that are queued and not on disk yet, in order, bounded while the disk is full.

Shared by the loop (adds, removes) and the writer thread (takes), under one lock. Past the bound
the oldest progress is given up, where the same run has reported again since: so the fold of what
is left is the same. The seqs stay, as holes, and each transaction with holes names them in an
EventsLost, in the place of the last one: the log has no gap and hides none.

States are queued beside the events, the newest of each run. One that only progress separates from
the stored one may wait: it is the events' fold, and writing it each time doubles the cost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from supervisor.core.events import EventsLost, Recorded
from supervisor.core.moment import Moment
from supervisor.core.run import FINAL, RunState
from supervisor.store.rows import LOST, Row, encode, lost_row

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
    since: Moment | None = None
    until: Moment | None = None
    """When the first and the last of what was dropped from it happened."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a transaction holds in the place of events that were given up."""

    holes: frozenset[int]
    """Their seqs."""
    named: Recorded
    """The EventsLost that counts them; its seq is the last of these."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one transaction stores."""

    rows: list[Row]
    states: list[State]
    ticket: int
    """Everything that was added up to this ticket is in it."""
    given: Given | None


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
        self._why = ""
        """Why something was dropped, the last time."""

    def add(self, rows: list[Row], states: tuple[RunState, ...], problem: str | None = None) -> int:
        """Queue them; the ticket to wait for. ``problem``: why nothing can be stored now."""
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
                self._why = problem or "they came faster than they could be stored"
                self._drop()
            return self.ticket

    def take(self, after: int) -> Taken:
        """What comes after seq ``after``, whole batches; nothing is removed."""
        rows: list[Row] = []
        torn: list[_Batch] = []
        with self._lock:
            ticket, before = self.ticket, 0
            for batch in self._batches:
                if len(rows) >= MAX_TAKEN:
                    ticket = before
                    break
                if batch.since is not None:
                    torn.append(batch)
                rows.extend(_rows_after(batch, after, MAX_TAKEN - len(rows)))
                if rows and rows[-1].seq < batch.last:  # Only a range of holes is ever cut.
                    ticket = before
                    break
                before = batch.ticket
            last = rows[-1].seq if rows else after
            self._find_due()
            states = [entry for entry in self._ready.values() if entry[1] <= last]
            given = _name_holes(rows, torn, self._why) if torn else None
        return Taken(rows, states, ticket, given)

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
        newest = {
            row.run_id: row.seq
            for batch in self._batches
            for row in batch.rows
            if _is_progress(row)
        }
        kept: deque[_Batch] = deque()
        for batch in self._batches:
            if self._row_count > goal:
                self._thin(batch, newest)
            if kept and not batch.rows and not kept[-1].rows:
                kept[-1].last, kept[-1].ticket = batch.last, batch.ticket
                kept[-1].until = batch.until
            else:
                kept.append(batch)
        self._batches = kept
        # All the rest counts: look again only after it has grown by a quarter.
        self._bound = max(MAX_EVENTS, self._row_count + self._row_count // 4)

    def _thin(self, batch: _Batch, newest: dict[str, int]) -> None:
        """Drop its progress but what is the newest of its run: that is what the run shows."""
        gone = [row for row in batch.rows if _is_progress(row) and row.seq < newest[row.run_id]]
        if not gone:
            return
        seqs = {row.seq for row in gone}
        batch.rows = [row for row in batch.rows if row.seq not in seqs]
        batch.since = batch.since or _moment(gone[0])
        batch.until = _moment(gone[-1])
        self._row_count -= len(gone)


def _is_progress(row: Row) -> bool:
    return row.type == _PROGRESS


def _moment(row: Row) -> Moment:
    return Moment(row.wall, row.mono, row.boot)


def _name_holes(rows: list[Row], torn: list[_Batch], why: str) -> Given | None:
    """Put an EventsLost in the place of the last hole; None when the holes are elsewhere."""
    holes = [index for index, row in enumerate(rows) if row.type == LOST]
    since, until = torn[0].since, torn[-1].until
    if not holes or since is None or until is None:
        return None
    seqs = [rows[index].seq for index in holes]
    lost = EventsLost(len(seqs), seqs[0], seqs[-1], since.wall, until.wall, why)
    named = Recorded(seqs[-1], until, "", lost)
    rows[holes[-1]] = encode(named)
    return Given(frozenset(seqs), named)


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

"""What the rest of the program may ask of the store, and the records it gets back.

Two implementations hold to this, under one suite: SQLite (``event_log``) and the twin in memory
(``memory``). No SQL, path or connection ever crosses this border.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from supervisor.core.events import Recorded
from supervisor.core.run import RunState

KEPT_FINISHED_EACH = 3
"""Newest finished runs of each agent that a start brings back."""
KEPT_FINISHED = 300
"""Finished runs that a start brings back in all."""
MAX_MATCHES = 5
"""Run ids given for an ambiguous suffix."""
ZERO_HASH = bytes(32)
"""What the first event of a log is chained to."""

OnDurable = Callable[[int], None]
"""Called in the event loop with the last seq that is now on disk."""
OnProblem = Callable[[str | None], None]
"""Called in the event loop when storing begins to fail (what is wrong), and with None when it
works again."""


@dataclass(frozen=True, slots=True)
class LoadedLog:
    """What an engine needs to go on: states, and the events after each of them."""

    last_seq: int
    """Seq of the newest stored event; 0 for an empty log."""
    runs: tuple[tuple[RunState, int], ...]
    """Each state with the seq it holds everything up to, oldest run first."""
    tail: tuple[Recorded, ...]
    """Events of those runs after their state, in order; a run that has no state yet is here from
    its RunCreated on."""


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The outcome of checking the whole log."""

    checked: int
    """Events that are intact, from the oldest on."""
    last_seq: int
    """Seq of the last intact event."""
    problem: str | None
    """What the first damage is, one phrase; None when there is none."""


class EventLog(Protocol):
    """The append-only log of everything that happened, and the newest state of each run."""

    @property
    def last_seq(self) -> int:
        """Seq of the newest event handed to ``append``, stored or not; 0 for an empty log."""
        ...

    @property
    def durable_seq(self) -> int:
        """Seq of the newest event that is on disk."""
        ...

    @property
    def last_hash(self) -> str:
        """Hash of the newest event that is on disk, hexadecimal."""
        ...

    @property
    def storage_problem(self) -> str | None:
        """Why nothing can be stored at the moment; None when all is well."""
        ...

    def append(
        self,
        batch: Sequence[Recorded],
        snapshots: Sequence[RunState] = (),
        on_durable: OnDurable | None = None,
    ) -> None:
        """Queue events, and the states that hold them, for one transaction; returns at once.

        Seqs are the caller's and go on where ``last_seq`` ends; anything else is ValueError and
        changes nothing. ``on_durable`` is called once all of it is on disk, in the order of the
        appends. What is queued is tried again every second while the disk refuses it. Past a bound
        the oldest progress is given up where the same run has reported again since; what is in the
        log instead tells ``as_stored``. A state given with nothing but progress may be stored
        later; ``load`` gives the events after it.
        """
        ...

    def as_stored(self, batch: Sequence[Recorded]) -> Sequence[Recorded]:
        """What the log holds of a batch, for the ``on_durable`` of its append: show only that.

        Without what was given up; the last of that may be an EventsLost that counts it.
        """
        ...

    async def durable(self, seq: int) -> None:
        """Return when events up to ``seq`` are on disk; StorageFaultError if it closes first."""
        ...

    async def load(self) -> LoadedLog:
        """Active runs, the newest finished ones, and what came after their states."""
        ...

    async def load_run(self, run_id: str) -> LoadedLog:
        """The same for one run of any age; no runs and no tail when there is none."""
        ...

    async def history(self, since: int, limit: int, run_id: str | None = None) -> list[Recorded]:
        """Stored events after ``since``, oldest first, at most ``limit``; of one run if named."""
        ...

    async def of_no_run(self, types: Sequence[str]) -> list[Recorded]:
        """Stored events of no run, of the stored names ``types``, oldest first, all of them."""
        ...

    async def find_run(self, suffix: str) -> tuple[str, ...]:
        """Ids of runs that end with ``suffix`` (any case), newest first, at most MAX_MATCHES."""
        ...

    async def verify_chain(self) -> ChainReport:
        """Check the seq and hash of every stored event, oldest first."""
        ...

    async def forget(self, up_to: int) -> int:
        """Remove events up to ``up_to`` that no living run's state needs; how many went."""
        ...

    async def thin(self, after: int, up_to: int) -> int:
        """Replace superseded progress by marks that keep the chain checkable; a page at a time.

        Looks at the next few thousand rows after ``after`` and returns the seq of the last one
        looked at (``after`` when there is none up to ``up_to``). The newest progress of each run
        in a page stays, and so does what a living run's state does not hold yet.
        """
        ...

    async def finished_before(self, run_ids: Sequence[str], wall: float) -> tuple[str, ...]:
        """Which of these runs are stored and were over before that Unix time."""
        ...

    async def forget_runs(self, run_ids: Sequence[str]) -> int:
        """Remove the stored states of finished runs; an unfinished one stays. How many went."""
        ...

    async def close(self) -> int:
        """Store what is queued and let go; the number of events that could not be stored."""
        ...

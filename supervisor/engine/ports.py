"""What the engine needs of the rooms below it, as narrow as it uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from supervisor.core.events import Recorded
from supervisor.core.run import RunState


class Journal(Protocol):
    """The event log's writing side."""

    def append(
        self,
        batch: Sequence[Recorded],
        snapshots: Sequence[RunState],
        on_durable: Callable[[], None],
    ) -> None:
        """Store the batch in one transaction; ``on_durable`` is called on the loop, in order."""
        ...

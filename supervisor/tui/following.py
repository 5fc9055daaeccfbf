"""The logs that are followed now: each a window of its own, fed by a worker of its own.

Must never read anything itself; who makes the workers does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textual.worker import Worker

from supervisor.tui.tail import Tail


class Following:
    """What ``LogWanted`` asked for last."""

    def __init__(self, follow: Callable[[Tail], Worker[None]]) -> None:
        self._follow = follow
        self._fed: list[tuple[Tail, Worker[None]]] = []

    @property
    def tails(self) -> list[Tail]:
        """The windows, in the order they were asked for."""
        return [tail for tail, _ in self._fed]

    def want(self, run_id: str | None, streams: Sequence[str]) -> bool:
        """Follow these from now on; False when they are followed already."""
        wanted = [(run_id, stream) for stream in streams] if run_id else []
        if wanted == [(tail.run_id, tail.stream) for tail in self.tails]:
            return False
        for _, worker in self._fed:
            worker.cancel()
        made = [Tail(run_id, stream) for run_id, stream in wanted if run_id]
        self._fed = [(tail, self._follow(tail)) for tail in made]
        return True

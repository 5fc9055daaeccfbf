"""What agents note of themselves, from ``events.jsonl`` into the log, each line once.

Read when the watch says so, at most once a second a run and ``LINES_PER_LOOK`` each time, so that
no agent fills the log faster than that; what it wrote meanwhile waits in its file. Where the watch
is silent, every ``SELDOM_S``; and whole, within bounds, when an attempt is over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from supervisor.core.agent_events import AgentEventsSkipped
from supervisor.core.facts import AgentEventsRead, Fact
from supervisor.core.moment import Moment
from supervisor.core.project_events import Event
from supervisor.core.run import RunState
from supervisor.engine.runs import Fed
from supervisor.engine.secrets import Secrets
from supervisor.protocol.agent_events import EVENTS_NAME, events_in
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import peek_bytes

EVERY_S = 1.0
SELDOM_S = 30.0
LINES_PER_LOOK = 20
LINES_AT_THE_END = 1000
CHUNK_BYTES = 256 << 10
MOST_BEHIND_BYTES = 1 << 20
"""Of what waits to be taken; beyond it the oldest is left out, and that is said."""
KEPT_BEHIND_BYTES = 128 << 10


@dataclass(slots=True)
class _Place:
    """When to look at one run's file. Monotonic seconds."""

    earliest: float = 0.0
    due: float = 0.0
    is_pending: bool = False


class AgentEvents:
    """Reads the files; one for all runs."""

    def __init__(
        self,
        clock: Callable[[], Moment],
        state_of: Callable[[str], RunState | None],
        feed: Callable[[str, Fact], Fed],
        secrets: Secrets,
        flag: Callable[[str, str, str], None],
    ) -> None:
        self._clock = clock
        self._state_of = state_of
        self._feed = feed
        self._secrets = secrets
        self._flag = flag
        self._places: dict[str, _Place] = {}

    def look(self, run_id: str, directory: str, *, is_hinted: bool) -> None:
        """Take what is new, if it is time for it. Costs nothing otherwise."""
        place = self._places.get(run_id)
        if place is None:
            place = self._places[run_id] = _Place()
        place.is_pending |= is_hinted
        now = self._clock().mono
        if now < place.earliest or not (place.is_pending or now >= place.due):
            return
        place.earliest, place.due = now + EVERY_S, now + SELDOM_S
        place.is_pending = self._take(run_id, directory, LINES_PER_LOOK)

    def look_finally(self, run_id: str, directory: str) -> None:
        """Take all there is: the attempt is over. A line without an end is left out."""
        if self._take(run_id, directory, LINES_AT_THE_END):
            state = self._state_of(run_id)
            start = state.said_bytes if state is not None else 0
            part = peek_bytes(directory, EVENTS_NAME, 0, start=start)
            if not isinstance(part, Problem) and part[1] > start:
                self._skip(run_id, start, part[1], "written in a rush before the attempt ended")

    def forget(self, run_id: str) -> None:
        """That run is over."""
        self._places.pop(run_id, None)

    def _take(self, run_id: str, directory: str, most: int) -> bool:
        """Whether there is more than was taken."""
        state = self._state_of(run_id)
        if state is None:
            return False
        part = peek_bytes(directory, EVENTS_NAME, CHUNK_BYTES, start=state.said_bytes)
        if isinstance(part, Problem):
            if part.code != "missing":
                self._flag(run_id, "unsafe-file", f"{EVENTS_NAME}: {part}")
            return False
        data, size = part
        start = state.said_bytes
        if size < start:
            return self._skip(run_id, start, 0, "it became shorter, and is read anew")
        if size - start > MOST_BEHIND_BYTES:
            end = self._next_line(directory, size - KEPT_BEHIND_BYTES)
            return self._skip(run_id, start, end, "written faster than they are taken")
        events = events_in(data, start, self._secrets.redactor.plain, most)
        if not events:
            if len(data) < CHUNK_BYTES:
                return bool(data)  # Its newline is not there yet.
            return self._skip(run_id, start, start + len(data), "a line without an end")
        self._record(run_id, start, events)
        return size > _end(events[-1])

    def _next_line(self, directory: str, start: int) -> int:
        part = peek_bytes(directory, EVENTS_NAME, CHUNK_BYTES, start=start)
        data = b"" if isinstance(part, Problem) else part[0]
        return start + data.find(b"\n") + 1

    def _skip(self, run_id: str, start: int, end: int, why: str) -> bool:
        what = f"{end - start} bytes of {EVENTS_NAME}, " if end > start else f"{EVENTS_NAME}: "
        self._record(run_id, start, (AgentEventsSkipped(what + why, end),))
        return True

    def _record(self, run_id: str, start: int, events: tuple[Event, ...]) -> None:
        self._feed(run_id, AgentEventsRead(start, events))


def _end(event: Event) -> int:
    return int(getattr(event, "end", 0))

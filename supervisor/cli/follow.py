"""Follows runs to their end as one line an event: the headless face of ``longwatch run``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from supervisor.core import events as e
from supervisor.core.describe import answer_hint, describe, details
from supervisor.core.events import Recorded
from supervisor.core.mirror import Mirror
from supervisor.core.progress import Progress
from supervisor.core.run import FINAL, Request, RunState, Status
from supervisor.core.text import safe_text

PROGRESS_EVERY_S = 5.0
"""A counter that only moves is printed at most this often for each run; a new stage always."""


@dataclass(slots=True)
class _Printed:
    """What was last said of a run's progress."""

    stage: str | None = None
    at: float = 0.0


def is_worth_a_line(event: object, state: RunState) -> bool:
    """Whether people want to read it; how often progress is said is each reader's own affair."""
    if isinstance(event, e.AttemptStarting):
        return state.attempt > 1
    return not isinstance(event, (e.CheckpointRecorded, e.WaitBegan, e.SpecChanged))


class Follower:
    """Prints what happens to the followed runs and knows when all of them are over."""

    def __init__(
        self,
        mirror: Mirror,
        run_ids: set[str],
        say: Callable[[str], None],
        *,
        with_hints: bool,
        progress_every_s: float = PROGRESS_EVERY_S,
        program: str = "longwatch",
    ) -> None:
        """``with_hints`` prints how to answer a question from another shell.

        ``progress_every_s``: a counter that only moves is said no more often than that.
        """
        self._progress_every_s = progress_every_s
        self._mirror = mirror
        self._program = program
        self._ids = run_ids
        self._say = say
        self._with_hints = with_hints
        self._printed: dict[str, _Printed] = {}

    def states(self) -> list[RunState]:
        """The followed runs, oldest first."""
        return [state for run_id, state in self._mirror.runs.items() if run_id in self._ids]

    def is_over(self) -> bool:
        """Whether nothing more happens without the operator."""
        return all(state.status in FINAL or state.status is Status.HELD for state in self.states())

    def has_succeeded(self) -> bool:
        """Whether every followed run reached its goal."""
        return all(state.status is Status.SUCCEEDED for state in self.states())

    def open_requests(self) -> list[tuple[RunState, Request]]:
        """Open questions of the followed runs, oldest first."""
        pairs = [(state, request) for state in self.states() for request in state.open_requests]
        return sorted(pairs, key=lambda pair: pair[1].created_at)

    def has_questions(self, asked: set[str]) -> bool:
        """Whether one is open that the operator was not asked yet."""
        return any(request.id not in asked for _state, request in self.open_requests())

    def see(self, recorded: Recorded, state: RunState | None) -> None:
        """Print the line for an event, if it is worth one."""
        if state is None or state.id not in self._ids:
            return
        event = recorded.event
        if not self._is_news(event, state):
            return
        clock = time.strftime("%H:%M:%S", time.localtime(recorded.at.wall))
        self._say(f"{clock}  {state.agent:<16}  {describe(event)}")
        for below in details(event):
            self._say(f"          {'':<16}    {below}")
        if isinstance(event, e.RequestOpened) and self._with_hints:
            self.hint(event.request)
        if isinstance(event, e.RequestReminded) and self._with_hints:
            for request in state.open_requests:
                if request.id == event.request_id:
                    self._say(
                        f"          {'':<16}  answer with: {answer_hint(request, self._program)}"
                    )

    def hint(self, request: Request) -> None:
        """Say how to answer from another shell."""
        if request.explanation:
            first = safe_text(request.explanation, limit=300).strip()
            self._say(f"          {'':<16}  the agent says: {first}")
        self._say(f"          {'':<16}  answer with: {answer_hint(request, self._program)}")

    def summary(self) -> list[str]:
        """One line a run, for the end."""
        lines = []
        for state in self.states():
            line = f"{state.agent}: {state.status}"
            reason = safe_text(state.reason, limit=300)
            lines.append(f"{line} ({reason})" if reason else line)
            if state.status is Status.HELD:
                lines.append(f"  go on with: longwatch restart {state.agent}")
        return lines

    def _is_news(self, event: object, state: RunState) -> bool:
        if isinstance(event, e.ProgressReported):
            return self._is_progress_news(event.progress, state.id)
        return is_worth_a_line(event, state)

    def _is_progress_news(self, progress: Progress, run_id: str) -> bool:
        printed = self._printed.setdefault(run_id, _Printed())
        stage = progress.stage.name if progress.stage else None
        now = time.monotonic()
        if stage == printed.stage and now - printed.at < self._progress_every_s:
            return False
        printed.stage, printed.at = stage, now
        return True

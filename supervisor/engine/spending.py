"""What all agents spend on a day, and the questions that we ask ourselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from supervisor.core.effects import AskOperator
from supervisor.core.events import ProgressReported, Recorded
from supervisor.core.facts import BudgetUsedUp, Fact
from supervisor.core.moment import Moment
from supervisor.core.run import FINAL, Request, RunState
from supervisor.core.spec import Budget
from supervisor.core.spent import day_of
from supervisor.protocol.canonical import request_sha256


class Spending:
    """Adds up the runs in memory; the sum is derived from their states, nothing is kept."""

    def __init__(
        self,
        states: Callable[[], Iterable[RunState]],
        feed: Callable[[str, Fact], object],
        clock: Callable[[], Moment],
    ) -> None:
        self._states = states
        self._feed = feed
        self._clock = clock

    def see(self, recorded: Recorded, budget: Budget | None) -> None:
        """Take note of a stored event; tells every run that spent today when it is too much."""
        if budget is None or not isinstance(recorded.event, ProgressReported):
            return
        if recorded.event.progress.usage is None:
            return
        day = day_of(self._clock().wall)
        spenders = [(s, usd) for s in self._states() if (usd := dict(s.spent).get(day, 0.0))]
        used = sum(usd for _, usd in spenders)
        if used < budget.usd:
            return
        for state, _ in spenders:
            if state.status not in FINAL:
                self._feed(state.id, BudgetUsedUp(day, used, budget))


def own_request(effect: AskOperator, now: float) -> Request:
    """Our question, numbered by the core like any other. ``now``: Unix seconds."""
    return Request(
        id="",
        file_id=effect.file_id,
        kind="approve",
        title=effect.title,
        sha256=request_sha256("approve", effect.title, effect.action, []),
        created_at=now,
        epoch=0,
        action=effect.action,
        explanation="Longwatch itself asks. Until you answer, its processes stand still; "
        "a denial stops the run, and its checkpoint is kept.",
    )

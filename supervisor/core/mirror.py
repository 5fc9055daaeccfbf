"""A client's picture of a directory: a snapshot, then the same events the engine applies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from supervisor.core.always import Standing, apply_rule_event
from supervisor.core.events import Recorded
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.record import from_plain, recorded_from_plain
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import RunState
from supervisor.core.spec import AgentSpec


class Mirror:
    """Runs by id, oldest first, folded up to ``seq``."""

    def __init__(self, snapshot: dict[str, Any]) -> None:
        """Read a ``snapshot`` result; RecordError when it was made by another version."""
        self.replace(snapshot)

    def replace(self, snapshot: dict[str, Any]) -> None:
        """Begin anew from a snapshot, when what was missed cannot be told event by event."""
        self.seq: int = snapshot["seq"]
        self.taken_at = from_plain(Moment, snapshot["now"])
        self.engine: dict[str, Any] = snapshot["engine"]
        self.agents = {spec.name: spec for spec in map(_spec, snapshot["agents"])}
        self.runs = {state.id: state for state in map(_state, snapshot["runs"])}
        rules = tuple(from_plain(AlwaysRule, plain) for plain in snapshot.get("rules", ()))
        self.standing = Standing(rules)
        self.samples: dict[str, dict[str, float]] = snapshot.get("samples", {})

    def take(
        self,
        method: str,
        params: dict[str, Any],
        see: Callable[[Recorded, RunState | None], None] = lambda _recorded, _state: None,
    ) -> None:
        """Apply one notice of the control socket; ``see`` gets every new event and its run.

        Events the picture already holds are passed over, so that a snapshot and the notices
        that raced with it fit together.
        """
        if method == "samples":
            self.samples = params["samples"]
        elif method == "events":
            self.take_events(params["events"], see)

    def take_events(
        self,
        plain_events: list[dict[str, Any]],
        see: Callable[[Recorded, RunState | None], None] = lambda _recorded, _state: None,
    ) -> None:
        """Apply log entries as they stand in a notice or in a ``history`` result."""
        for plain in plain_events:
            recorded = recorded_from_plain(plain)
            if recorded.seq <= self.seq:
                continue
            self.seq = recorded.seq
            state = None
            if recorded.run_id:
                known = self.runs.get(recorded.run_id)
                state = apply(known, recorded.run_id, recorded.event, recorded.at)
                self.runs[recorded.run_id] = state
            else:
                self.standing = apply_rule_event(self.standing, recorded)
            see(recorded, state)


def _spec(plain: dict[str, Any]) -> AgentSpec:
    return from_plain(AgentSpec, plain)


def _state(plain: dict[str, Any]) -> RunState:
    return from_plain(RunState, plain)


def fold_loaded(
    states: Sequence[tuple[RunState, int]], tail: Iterable[Recorded]
) -> dict[str, RunState]:
    """States as of the end of the log: each stored one with the events after it applied."""
    folded = {state.id: state for state, _seq in states}
    held = {state.id: seq for state, seq in states}
    for recorded in tail:
        if recorded.run_id and recorded.seq > held.get(recorded.run_id, 0):
            known = folded.get(recorded.run_id)
            folded[recorded.run_id] = apply(known, recorded.run_id, recorded.event, recorded.at)
    return folded

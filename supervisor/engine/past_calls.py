"""Calls about what was: pages of the event log, and the picture as it was at a moment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError, InvalidParamsError
from supervisor.core.event_kinds import GROUPS, INTERESTING, types_of
from supervisor.core.moment import Moment
from supervisor.core.record import recorded_to_plain, to_plain
from supervisor.engine.params import flag, optional_text, text, whole
from supervisor.store.past import Past
from supervisor.store.searching import MAX_PAGE, Search

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine


class PastCalls:
    """The methods ``events`` and ``past``, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def events(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """A page of events that fit; ``next`` is where the next page goes on."""
        limit = min(MAX_PAGE, whole(params, "limit", default=100, minimum=1))
        run = optional_text(params, "run")
        run_id = (await self._engine.resolve(run)).id if run else None
        search = Search(
            run_id=run_id, types=_types(params), text=text(params, "text", default="")[:200]
        )
        before, after = await self._place(params, "before"), await self._place(params, "after")
        if before is not None and after is not None:
            raise InvalidParamsError("before and after: found both, expected one of them")
        page = await self._engine.log.search(search, before=before, after=after, limit=limit)
        return {
            "events": [recorded_to_plain(recorded) for recorded in page.events],
            "agents": page.agents,
            "next": page.next_seq,
            "first": page.first,
            "last": page.last,
        }

    async def _place(self, params: dict[str, Any], name: str) -> int | None:
        """``before`` or ``after`` as a seq, from a seq or from a time (``before_at``)."""
        if params.get(name) is not None:
            return whole(params, name)
        wall = _seconds(params, f"{name}_at")
        if wall is None:
            return None
        return await self._engine.log.seq_at(wall) + (name == "before")

    async def past(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """A ``snapshot`` as of an event (``seq``) or a moment (``at``, Unix seconds)."""
        seq = whole(params, "seq") if params.get("seq") is not None else None
        wall = _seconds(params, "at")
        if seq is None and wall is None:
            raise InvalidParamsError("expected seq (a number) or at (Unix seconds)")
        past = await self._engine.log.past(seq=seq, wall=wall)
        if past.at is None:
            raise CallRefusedError(
                "nothing is known of that time",
                code="refused",
                why=f"The log begins with event {past.first}",
                fix="Ask for a later time; see: longwatch events",
            )
        return self._picture(past, None if seq is not None else wall)

    def _picture(self, past: Past, wall: float | None) -> dict[str, Any]:
        assert past.at is not None
        at = past.at.at
        # By time the clocks stand where they stood then, not at the last event before it.
        now = at if wall is None or wall < at.wall else _later(at, wall)
        named = past.agents or tuple(self._engine.specs)
        specs = [spec for spec in self._engine.specs.values() if spec.name in named]
        event = past.at
        agent = next((state.agent for state in past.runs if state.id == event.run_id), "")
        return {
            "seq": event.seq,
            "now": to_plain(now),
            "engine": {**self._engine.describe(), "seq": event.seq},
            "agents": [to_plain(spec) for spec in specs],
            "runs": [to_plain(state) for state in past.runs],
            "samples": {},
            "rules": [to_plain(rule) for rule in past.standing.rules],
            "event": recorded_to_plain(event),
            "agent": agent,
            "unknown": past.unknown,
            "first": past.first,
            "last": past.last,
        }


def _later(at: Moment, wall: float) -> Moment:
    return replace(at, wall=wall, mono=at.mono + wall - at.wall)


def _seconds(params: dict[str, Any], name: str) -> float | None:
    wall = params.get(name)
    if wall is not None and (isinstance(wall, bool) or not isinstance(wall, int | float)):
        raise InvalidParamsError(f"{name}: found {type(wall).__name__}, expected Unix seconds")
    return None if wall is None else float(wall)


def _types(params: dict[str, Any]) -> tuple[str, ...]:
    if flag(params, "interesting"):
        return INTERESTING
    groups = params.get("kinds") or []
    if not isinstance(groups, list) or any(group not in GROUPS for group in groups):
        raise InvalidParamsError(f"kinds: expected a list out of {', '.join(GROUPS)}")
    return types_of(groups)

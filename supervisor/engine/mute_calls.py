"""``mute``: an anomaly of a kind is no problem for an agent, or is one again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError, InvalidParamsError
from supervisor.core import facts as f
from supervisor.core.mute import MAX_KIND
from supervisor.core.run import FINAL
from supervisor.core.text import safe_text
from supervisor.engine.params import flag, text

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine


class MuteCalls:
    """One method of the control socket, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def mute(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Every run of the agent that may still be looked at hears it; answered when stored."""
        runs, by = self._engine.runs, safe_text(text(params, "by", default="client"), limit=60)
        kind = text(params, "kind")
        if not kind or len(kind) > MAX_KIND or safe_text(kind) != kind:
            raise InvalidParamsError(f"kind: expected 1 to {MAX_KIND} plain characters")
        state = await self._engine.resolve(text(params, "run"))
        newest = runs.newest_of(state.agent)
        wish = f.MuteWanted(
            kind, is_muted=flag(params, "muted"), by=by, at=self._engine.clock().wall
        )
        fed = [
            runs.feed(known.id, wish)
            for known in runs.states()
            if known.agent == state.agent
            and (
                known.status not in FINAL
                or known.id in (state.id, newest.id if newest else "")
                or any(anomaly.kind == kind for anomaly in known.anomalies)
            )
        ]
        refusals = [outcome.refusal for outcome in fed if outcome.refusal is not None]
        if refusals:
            refusal = refusals[0]
            raise CallRefusedError(
                f"{state.agent}: {refusal.what}", code=refusal.code, fix=refusal.fix
            )
        for outcome in fed:
            await outcome.stored
        return {
            "agent": state.agent,
            "kind": kind,
            "muted": wish.is_muted,
            "runs": [outcome.state.id for outcome in fed if outcome.events],
        }

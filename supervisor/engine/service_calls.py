"""Calls about the external services that all agents of this user on this machine share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from supervisor.control.messages import CallRefusedError
from supervisor.core import events as e
from supervisor.core.record import to_plain
from supervisor.core.text import safe_text
from supervisor.engine.params import text
from supervisor.services.terms import ServiceView

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine


class ServiceCalls:
    """The methods ``services`` and ``service_reset``, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def show(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        """How every service stands that was ever called."""
        shared = self._engine.services.shared
        views = await asyncio.to_thread(shared.overview)
        return {
            "file": str(shared.path),
            "problem": shared.problem,
            "services": [_plain(view) for view in views],
        }

    async def reset(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Close a breaker by hand; said in the event log."""
        name, by = text(params, "service"), text(params, "by", default="client")
        shared = self._engine.services.shared
        before = await asyncio.to_thread(shared.reset, name)
        if before is None:
            known = ", ".join(await asyncio.to_thread(lambda: sorted(shared.standings())))
            raise CallRefusedError(
                f"no service {safe_text(name, limit=80)!r} was called on this machine",
                code="refused",
                why=shared.problem or f"Known services: {safe_text(known, limit=300) or 'none'}",
                fix="See: longwatch services",
            )
        await self._engine.runs.note(e.BreakerReset(name, before.state.value, by))
        return {"service": name, "was": before.state.value}


def _plain(view: ServiceView) -> dict[str, Any]:
    """All fields, also those that hold their default."""
    plain: dict[str, Any] = to_plain(view)
    limits = view.limits
    plain["limits"] = {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "burst_s": limits.burst_s,
    }
    return plain

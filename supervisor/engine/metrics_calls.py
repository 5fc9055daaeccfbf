"""The call about figures: what happened in a period, by agent, day or hour."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from supervisor.config.defaults import METRICS_RETENTION_H
from supervisor.control.messages import InvalidParamsError
from supervisor.core.figures import HOUR_S
from supervisor.core.metrics_report import GROUPINGS, grouped, total
from supervisor.engine.params import optional_text

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine

MAX_OFFSET_S = 26 * 3600


class MetricsCalls:
    """The method ``metrics``, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def show(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Figures from ``since`` (Unix seconds; the whole hour counts) until now."""
        now = self._engine.clock().wall
        since = _number(params, "since", now - METRICS_RETENTION_H * HOUR_S)
        until = _number(params, "until", now + 1.0)
        offset = _number(params, "utc_offset_s", 0.0)
        if not -MAX_OFFSET_S <= offset <= MAX_OFFSET_S:
            raise InvalidParamsError(f"utc_offset_s: found {offset:g}, expected under a day")
        by = params.get("by") or []
        if not isinstance(by, list) or any(one not in GROUPINGS for one in by):
            raise InvalidParamsError(f"by: expected a list out of {', '.join(GROUPINGS)}")
        first, end = int(since // HOUR_S), math.ceil(until / HOUR_S)
        metrics = self._engine.metrics
        agent = optional_text(params, "agent") or ""
        pieces = await metrics.pieces(first, end, agent)
        # A month of fifty agents is a second of work: beside the loop, not in it.
        rows, whole = await asyncio.to_thread(lambda: (grouped(pieces, by, offset), total(pieces)))
        return {
            "since": first * HOUR_S,
            "until": until,
            "known_since": metrics.since,
            "is_behind": metrics.is_behind,
            "exports": self._engine.rounds.exports.describe(),
            "rows": rows,
            "total": whole,
        }


def _number(params: dict[str, Any], name: str, default: float) -> float:
    value = params.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= abs(value) < 1e11:
        raise InvalidParamsError(f"{name}: found {str(value)[:40]!r}, expected a number of seconds")
    return float(value)

"""``[services.NAME]``, ``[prices."MODEL"]``: how agents call what is outside, and what it costs.

Only checked here, and handed to the agents as a file; the defaults are in ``calls.settings``,
where the numbers are used, so a table holds just what the user wrote.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from supervisor.config import defaults as d
from supervisor.config.model import Span, Table, Wait

Status = Annotated[int, Field(ge=400, le=599)]
Rate = Annotated[float, Field(gt=0, le=1e9)]
Usd = Annotated[float, Field(ge=0, le=1e6)]


class RetryConfigTable(Table):
    """``retry_config``; waits are durations, plain numbers are seconds."""

    max_retries: Annotated[int, Field(ge=0, le=d.MAX_RETRIES_LIMIT)] | None = None
    base_delay_seconds: Wait | None = None
    max_delay_seconds: Span | None = None
    exponential_base: Annotated[float, Field(ge=1.0, le=100.0)] | None = None
    jitter_fraction: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    retryable_status_codes: list[Status] | None = None


class TimeoutsTable(Table):
    """``timeouts`` of one attempt, each for its own part."""

    connect: Span | None = None
    first_token: Span | None = None
    gap: Span | None = None
    response: Span | None = None


class FallbackTable(Table):
    """One entry of ``fallback``: another model, with ``base_url`` an OpenAI-compatible one."""

    model: Annotated[str, Field(min_length=1)]
    base_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    api_key_env: Annotated[str, Field(min_length=1)] | None = None


class ServiceTable(Table):
    """``[services.NAME]``."""

    retry_config: RetryConfigTable | None = None
    timeouts: TimeoutsTable | None = None
    failure_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    minimum_calls: Annotated[int, Field(ge=1, le=10_000)] | None = None
    window_seconds: Span | None = None
    cool_down_seconds: Span | None = None
    spread_seconds: Wait | None = None
    requests_per_minute: Rate | None = None
    tokens_per_minute: Rate | None = None
    burst_seconds: Wait | None = None
    fallback: list[FallbackTable] | None = None


class PriceTable(Table):
    """``[prices."MODEL"]``: US dollars for a million tokens."""

    input: Usd
    output: Usd
    cache_read: Usd | None = None
    cache_write: Usd | None = None


class BudgetTable(Table):
    """``[budget]``: what all agents together may spend on a day (UTC)."""

    usd_per_day: Annotated[float, Field(gt=0, le=1e6)] | None = None
    action: Literal["warn", "ask", "stop"] = d.BUDGET_ACTION


def services_file(services: dict[str, ServiceTable], prices: dict[str, PriceTable]) -> bytes:
    """What agents read: the two sections as JSON, only what was written."""

    def plain(tables: dict[str, Any]) -> dict[str, Any]:
        return {name: table.model_dump(exclude_none=True) for name, table in tables.items()}

    return json.dumps({"services": plain(services), "prices": plain(prices)}, indent=1).encode()

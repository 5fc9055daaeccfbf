"""``longwatch metrics``: what came of the work of a period, by agent, day or hour."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect
from supervisor.config.when import FORMS, WhenError, parse_when
from supervisor.core.describe import duration
from supervisor.core.report import rfc3339
from supervisor.errors import UserError

DEFAULT_SINCE = "7d"
GROUPINGS = {
    "agent": ["agent"],
    "day": ["day"],
    "hour": ["hour"],
    "agent-day": ["agent", "day"],
    "agent-hour": ["agent", "hour"],
}
NOTHING = "–"
HEADERS = (
    "DONE", "FAILED", "RATE", "MEDIAN", "P95", "RETRIES", "RECOVERED", "WAITED", "TOKENS", "COST",
    "USD/DONE",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--agent", metavar="AGENT", help="of one agent or pool")
    parser.add_argument(
        "--since",
        metavar="WHEN",
        default=DEFAULT_SINCE,
        help=f"from {FORMS} on, by whole hours (default: {DEFAULT_SINCE})",
    )
    parser.add_argument(
        "--by", choices=tuple(GROUPINGS), default="agent", help="one line for each (default: agent)"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Print the figures; exit 1 when that agent has none."""
    now = time.time()
    params: dict[str, Any] = {
        "since": _since(arguments.since, now),
        "by": GROUPINGS[arguments.by],
        "utc_offset_s": time.localtime(now).tm_gmtoff,
    }
    if arguments.agent is not None:
        params["agent"] = arguments.agent
    with connect(place) as client:
        told = client.call("metrics", params)
    is_known = bool(told["rows"]) or arguments.agent is None
    if arguments.json:
        output.json(_dated(told))
        return 0 if is_known else 1
    _print(told, arguments.by, params["since"])
    return 0 if is_known else 1


def _since(text: str, now: float) -> float:
    try:
        when = parse_when(text, now)
    except WhenError as error:
        raise UserError(str(error), where="--since") from error
    if when.wall is None:
        raise UserError(f"found {text!r}, expected a time, not an event", where="--since")
    return max(0.0, when.wall)


def _dated(told: dict[str, Any]) -> dict[str, Any]:
    """Times as RFC 3339, like everything that scripts read."""
    for name in ("since", "until", "known_since"):
        told[name] = rfc3339(told[name])
    for row in told["rows"]:
        row["start"] = rfc3339(row["start"])
    return told


def _print(told: dict[str, Any], by: str, since: float) -> None:
    for name, export in told.get("exports", {}).items():
        if export["problem"]:
            output.line(f"{name}: {export['problem']}")
    known = told["known_since"]
    if told["is_behind"]:
        output.line("the event log is still being counted: these figures are not whole yet")
    elif known is not None and known > since:
        output.line(f"counted since {_clock(known)}; nothing older is known")
    if not told["rows"]:
        output.line("nothing happened in that time")
        return
    first = tuple(name.upper() for name in by.split("-"))
    rows = [(*_names(row, by), *_cells(row)) for row in told["rows"]]
    if len(rows) > 1:
        rows.append(("all", *[""] * (len(first) - 1), *_cells(told["total"])))
    output.table((*first, *HEADERS), rows)
    services = told["total"]["services"]
    if services:
        output.line()
        output.table(
            ("SERVICE", "CALLS", "RETRIES", "PER CALL", "FAILED"),
            [_service(name, use) for name, use in services.items()],
        )


def _names(row: dict[str, Any], by: str) -> tuple[str, ...]:
    named = []
    for name in by.split("-"):
        if name == "agent":
            named.append(row["agent"])
        else:
            form = "%Y-%m-%d" if name == "day" or row["hours"] > 1 else "%Y-%m-%d %H:00"
            named.append(time.strftime(form, time.localtime(row["start"])))
    return tuple(named)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    rate, each = row["completion_rate"], row["cost_per_completed_usd"]
    tokens = sum(row[f"{kind}_tokens"] for kind in ("input", "output", "cache_read", "cache_write"))
    return (
        str(row["completed"]),
        str(row["failed"] + row["timed_out"]),
        NOTHING if rate is None else f"{rate:.0%}",
        _span(row["duration_median_seconds"]),
        _span(row["duration_p95_seconds"]),
        str(row["retries"]),
        str(row["recoveries"]),
        _span(row["waiting_seconds"] or None),
        f"{tokens:,}" if tokens else NOTHING,
        f"{row['cost_usd']:.2f}" if row["cost_usd"] else NOTHING,
        f"{each:.4f}" if each else NOTHING,
    )


def _service(name: str, use: dict[str, Any]) -> tuple[str, ...]:
    share = use["retries_per_call"]
    return (
        name,
        str(use["calls"]),
        str(use["retries"]),
        NOTHING if share is None else f"{share:.2f}",
        str(use["failures"]),
    )


def _span(seconds: float | None) -> str:
    return NOTHING if seconds is None else duration(seconds)


def _clock(wall: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(wall))

"""The part of the table of keys that belongs to the screens beside the dashboard.

Read by ``keys`` alone, which checks it and makes bindings, footer, help and docs/keys.md from it.
"""

from __future__ import annotations

from supervisor.tui.key import Key

SERVICES = "services"
METRICS = "metrics"

SCOPES: dict[str, str] = {
    SERVICES: "Among the services",
    METRICS: "In the metrics",
}
"""Scopes of these screens. What works everywhere works in each of them too."""

EVERYWHERE_KEYS: tuple[Key, ...] = (
    Key("app.services", "S", "go('services')", "services", "External services: breakers, failures, "
        "retries, limits", "everywhere"),
    Key("app.metrics", "M", "go('metrics')", "metrics", "Metrics: completions, durations, retries, "
        "waiting, tokens and cost over time", "everywhere"),
)  # fmt: skip


def _moving(scope: str, thing: str) -> tuple[Key, ...]:
    """What every list has."""
    return (
        Key(f"{scope}.up", "up,k", "up", "up", f"One {thing} up", scope, shown="↑ k"),
        Key(f"{scope}.down", "down,j", "down", "down", f"One {thing} down", scope, shown="↓ j"),
        Key(f"{scope}.page-up", "pageup", "page_up", "page up", "One page up", scope,
            shown="PgUp"),
        Key(f"{scope}.page-down", "pagedown,space", "page_down", "page down", "One page down",
            scope, shown="PgDn"),
        Key(f"{scope}.top", "home,g", "top", "first", f"The first {thing}", scope, shown="Home g"),
        Key(f"{scope}.bottom", "end,G", "bottom", "last", f"The last {thing}", scope,
            shown="End G"),
        Key(f"{scope}.back", "escape", "back", "back", "Back", scope, 9, "Esc"),
    )  # fmt: skip


KEYS: tuple[Key, ...] = (
    *_moving(SERVICES, "service"),
    Key("metrics.period", "p", "period", "period", "The last 24 hours, 7 days, 30 days",
        METRICS, 1),
    Key("metrics.next", "right,n", "agent(1)", "next agent", "The next agent; after the last one "
        "all of them", METRICS, 2, "→ n"),
    Key("metrics.previous", "left,N", "agent(-1)", "agent before", "The agent before", METRICS,
        shown="← N"),
    Key("metrics.back", "escape", "back", "back", "Back", METRICS, 9, "Esc"),
    Key("services.reset", "x", "reset", "reset", "Close the breaker by hand: calls go out again "
        "at once", SERVICES, 1, asks=True),
)  # fmt: skip

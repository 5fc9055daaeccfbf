"""What the engine tells the screens beside the dashboard, in the busy world."""

from __future__ import annotations

from typing import Any

from tui_world import World
from tui_worlds import busy_world


def view(name: str, state: str = "closed", **fields: Any) -> dict[str, Any]:
    """One service as ``services`` answers it."""
    return {
        "name": name,
        "state": state,
        "wait_s": 0.0,
        "blocked_s": 0.0,
        "why": "",
        "calls": 0,
        "failures": 0,
        "policy": {
            "failure_rate": 0.5,
            "minimum_calls": 5,
            "window_s": 60.0,
            "cool_down_s": 30.0,
            "probe_s": 610.0,
        },
        "limits": {"requests_per_minute": None, "tokens_per_minute": None, "burst_s": 10.0},
        "requests_ahead_s": 0.0,
        "tokens_ahead_s": 0.0,
        **fields,
    }


SERVICES = {
    "file": "/home/op/.local/state/longwatch/services.db",
    "problem": None,
    "services": [
        view(
            "anthropic",
            calls=42,
            failures=5,
            why="status 529 (overloaded)",
            limits={"requests_per_minute": 60.0, "tokens_per_minute": 80_000.0, "burst_s": 10.0},
            requests_ahead_s=6.4,
            tokens_ahead_s=13.0,
        ),
        view("web", "open", wait_s=12.4, why="connection refused by 10.0.0.7"),
        view("search", "closed", wait_s=48.0, blocked_s=48.0, why="rate limited"),
    ],
}


def places_world() -> World:
    """The busy world, with answers for every screen."""
    world = busy_world()
    world.answers["services"] = SERVICES
    return world

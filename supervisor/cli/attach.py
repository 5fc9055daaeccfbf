"""``longwatch`` alone: the interface, with keeper and engine started first if none runs."""

from __future__ import annotations

from supervisor.cli.engine_cmd import autostart
from supervisor.cli.session import ensure_engine
from supervisor.config.paths import Project


def attach(project: Project) -> int:
    """Show the interface until the operator leaves it; agents go on."""
    client, is_new = ensure_engine(project)
    with client:
        if is_new:
            autostart(client)
    from supervisor.tui import run_tui

    return run_tui(project)

"""``longwatch`` alone: the interface, with keeper and engine started first if none runs."""

from __future__ import annotations

from collections.abc import Sequence

from supervisor.cli.engine_cmd import autostart
from supervisor.cli.session import Place, ensure_engine
from supervisor.config.paths import Project
from supervisor.control.host import RemoteHost
from supervisor.errors import UserError


def attach(place: Place, *, is_served: bool = False) -> int:
    """Show the interface until the operator leaves it; agents go on."""
    if isinstance(place, RemoteHost):
        return attach_hosts([place], is_served=is_served)
    client, is_new = ensure_engine(place)
    with client:
        if is_new:
            autostart(client)
    from supervisor.tui import run_tui

    return run_tui(place, is_served=is_served)


def attach_hosts(hosts: Sequence[RemoteHost], *, is_served: bool = False) -> int:
    """The same for engines on other machines, one or several in one interface."""
    from supervisor.cli.first_contact import first_contact
    from supervisor.tui import run_tui_on

    return run_tui_on(first_contact(hosts), _own_project(), is_served=is_served)


def _own_project() -> Project | None:
    """The directory here that says how the interface looks, where there is one."""
    try:
        return Project.find()
    except UserError:
        return None

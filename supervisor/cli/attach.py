"""``longwatch`` alone: the interface, with keeper and engine started first if none runs."""

from __future__ import annotations

import os
from collections.abc import Sequence

from supervisor.cli.engine_cmd import autostart
from supervisor.cli.session import Place, ensure_engine
from supervisor.config.paths import Project
from supervisor.control.host import RemoteHost
from supervisor.errors import UserError


def attach(place: Place, *, is_served: bool = False) -> int:
    """Show the interface until the operator leaves it; agents go on.

    A terminal that cannot move its cursor gets it line by line.
    """
    if is_dumb() and not is_served:
        return attach_plain(place)
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


def attach_plain(place: Place) -> int:
    """The interface as lines."""
    from supervisor.cli.plain import run_plain

    return run_plain(place)


def is_dumb() -> bool:
    """Whether the terminal says of itself that it can do nothing but lines."""
    return os.environ.get("TERM") in ("dumb", "unknown")


def _own_project() -> Project | None:
    """The directory here that says how the interface looks, where there is one."""
    try:
        return Project.find()
    except UserError:
        return None

"""The terminal interface: a client of the control socket.

``run_tui`` is the way in. Importing this package loads nothing; Textual comes with the call.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from supervisor.tui import garbage

if TYPE_CHECKING:
    from textual.driver import Driver

    from supervisor.config.paths import Project
    from supervisor.control.dialing import Dialled
    from supervisor.control.host import RemoteHost
    from supervisor.tui.link import Backend


def run_tui(
    where: Project | Path | str, *, backend: Backend | None = None, is_served: bool = False
) -> int:
    """Show the interface until the operator leaves; returns the exit status. Blocks.

    ``where`` is a project, its directory, or the path of a control socket; ``backend`` is another
    way to reach an engine; ``is_served`` is for a page in a browser. An engine that is not there
    yet is waited for, and one that goes away is connected to again. 0 after leaving, 128 + n after
    signal n, 70 when the interface itself failed. ConfigError when ``[tui]`` of that project has
    a fault.
    """
    from supervisor.config.paths import Project

    garbage.hold()
    from supervisor.tui.app import run_app
    from supervisor.tui.settings import USUAL, read_settings

    settings = read_settings(where) if isinstance(where, Project) else USUAL

    if backend is None:
        from supervisor.tui.client import SocketBackend

        backend = SocketBackend(where)
    return run_app(backend, settings, _driver(is_served=is_served))


def run_tui_on(
    hosts: Sequence[tuple[RemoteHost, Dialled | None]],
    project: Project | None = None,
    *,
    is_served: bool = False,
) -> int:
    """The same for engines on other machines, each with the connection that stands already.

    ``project`` is the one of this machine that says how the interface looks, if there is one.
    """
    garbage.hold()
    from supervisor.tui.app import run_app
    from supervisor.tui.remote import HostBackend
    from supervisor.tui.settings import USUAL, read_settings

    settings = USUAL if project is None else read_settings(project)
    backends = {host.name: HostBackend(host, first) for host, first in hosts}
    return run_app(backends, settings, _driver(is_served=is_served))


def _driver(*, is_served: bool) -> type[Driver]:
    """To a terminal, or to the page that a browser shows."""
    from supervisor.tui.guard import GuardedDriver
    from supervisor.tui.web_driver import GuardedWebDriver

    return GuardedWebDriver if is_served else GuardedDriver

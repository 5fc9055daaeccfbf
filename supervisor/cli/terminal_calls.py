"""Calls the operator in the modes that print lines: the bell, and a message where there is one.

Only where standard output is a terminal, and as ``[tui] notify`` of this machine's project says.
"""

from __future__ import annotations

import os

from supervisor.cli import output
from supervisor.cli.session import Place
from supervisor.config.paths import Project
from supervisor.config.problems import Problems
from supervisor.config.tui import TuiSettings, read_tui_settings
from supervisor.core.ringing import SILENT, ringer_for
from supervisor.core.run import Request, RunState


class TerminalCalls:
    """One for each command."""

    def __init__(self, place: Place) -> None:
        """A fault in the file is the interface's and ``config check``'s to say: all is the default.

        Blocks on one read.
        """
        wanted = TuiSettings()
        if isinstance(place, Project):
            wanted = read_tui_settings(place, Problems())
        self._ringer = ringer_for(wanted.notify, os.environ) if output.is_terminal() else SILENT

    def ask(self, state: RunState, request: Request) -> None:
        """Somebody asks, or is still waiting."""
        output.ring(self._ringer.message(f"{state.agent} asks: {request.title}"))

"""A shell in a tmux server of its own: keys go in, the screen comes out."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable
from typing import Any


class Terminal:
    """A shell in a tmux server of its own."""

    def __init__(self, project: Any, columns: int, rows: int) -> None:
        self._project = project
        self._socket = f"lw-{uuid.uuid4().hex[:12]}"
        environment = {**os.environ, "TERM": "xterm-256color", "PS1": "ready$ "}
        for name in ("COLUMNS", "LINES"):  # The size of a terminal is the terminal's.
            environment.pop(name, None)
        subprocess.run(
            [
                *(*self._tmux(), "-f", "/dev/null", "new-session", "-d"),
                *("-x", str(columns), "-y", str(rows), "-c", str(project.directory), "sh"),
            ],
            check=True,
            env=environment,
        )

    def _tmux(self) -> list[str]:
        return ["tmux", "-L", self._socket]

    def type(self, *keys: str) -> None:
        subprocess.run([*self._tmux(), "send-keys", *keys], check=True)

    def screen(self) -> str:
        return subprocess.run(
            [*self._tmux(), "capture-pane", "-p"], check=True, capture_output=True, text=True
        ).stdout

    def wait(self, what: str, seen: Callable[[str], bool]) -> str:
        self._project.wait(f"{what} on the screen", lambda: seen(self.screen()))
        return self.screen()

    def modes(self) -> str:
        formats = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}"
        return subprocess.run(
            [*self._tmux(), "display-message", "-p", formats],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()

    def close(self) -> None:
        subprocess.run([*self._tmux(), "kill-server"], check=False, capture_output=True)

"""The driver of a window in a browser: filtered like that of a terminal, and never an orphan."""

from __future__ import annotations

import asyncio

from textual import messages
from textual.drivers.web_driver import WebDriver

from supervisor.tui.guard import filtered


class GuardedWebDriver(WebDriver):
    """Textual's web driver with the filter in front of it."""

    def write(self, data: str) -> None:
        """Write what may pass."""
        super().write(filtered(data))

    def start_application_mode(self) -> None:
        """Begin."""
        self._ours = asyncio.get_running_loop()
        super().start_application_mode()

    def run_input_thread(self) -> None:
        """Read until the server is gone; Textual would go on for nobody."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            leave = self._app._post_message(messages.ExitApp())
            asyncio.run_coroutine_threadsafe(leave, self._ours)

"""The part of the application that answers: it shows a request, and sends what was decided.

Owns: that an answer carries the hash of what was shown, and that what became of it is said where
it was given. Must never decide anything about a request itself.
"""

from __future__ import annotations

from supervisor.tui import actions, theme
from supervisor.tui.carrying import WHO, CarryingApp
from supervisor.tui.link import CallError
from supervisor.tui.messages import AnswerWanted, RequestWanted
from supervisor.tui.model import Picture, open_requests
from supervisor.tui.screens.base import Answering


class AnsweringApp(CarryingApp):
    """Requests, and answers to them."""

    @property
    def picture(self) -> Picture:
        """What is known now."""
        return self._link.picture

    def command_request(self, run_id: str, request_id: str) -> None:
        """Show that request, if it is still open."""
        from supervisor.tui.screens.request import RequestScreen

        for item in open_requests(self.picture):
            if item.run.id == run_id and item.request.id == request_id:
                if not isinstance(self.screen, RequestScreen):
                    self.push_screen(RequestScreen(item.run, item.request, self._clock))
                return

    def on_answer_wanted(self, message: AnswerWanted) -> None:
        """Send the answer; it carries the hash of what was shown."""
        self.run_worker(self._answer(message), name="answer")

    def on_request_wanted(self, message: RequestWanted) -> None:
        """Show it by itself."""
        self.command_request(message.run_id, message.request_id)

    async def _answer(self, message: AnswerWanted) -> None:
        from supervisor.tui.screens.request import RequestScreen

        request, decision = message.request, message.decision
        screen = self.screen if isinstance(self.screen, RequestScreen) else None
        try:
            await self._link.call("answer", **actions.answer_params(request, decision, WHO))
        except CallError as error:
            if screen is not None:
                screen.refused(error.what, error.code, error.fix)
            elif isinstance(self.screen, Answering):
                self.screen.answer_refused(request, f"{error.what} {error.fix}")
            else:
                self.say((f" {request.id} not answered: {error.what}", theme.BAD))
            return
        if screen is not None and screen.is_current:
            screen.dismiss()
        what = "denied" if decision.allow is False else "approved" if decision.allow else "answered"
        what = "approved, from now on always" if decision.always_s is not None else what
        self.call_later(self.say, (f" ✓ {request.id} {what}", theme.DONE))

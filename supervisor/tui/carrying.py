"""The part of the application that carries out what screens ask for.

Owns: that what ends or loses something asks first, and that a call that is refused is said. Must
never decide what a verb means: ``actions`` and the screens make the plans.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from textual.events import AppFocus, Event, Key, MouseDown

from supervisor.core.text import safe_text
from supervisor.errors import LongwatchError
from supervisor.tui import actions, theme
from supervisor.tui.calls import OperatorCalls
from supervisor.tui.fleet import FleetLink
from supervisor.tui.guard import GuardedApp
from supervisor.tui.link import CallError, EngineLink
from supervisor.tui.messages import CallWanted, PlanWanted, WorkWanted
from supervisor.tui.render import Part
from supervisor.tui.screens.base import PictureScreen

WHO = "tui"
"""How this client signs what it does."""
IN_THE_PAST = "this is the past, where nothing can be done; Esc goes back to now"


def _nothing() -> None:
    """After what needs nothing done after it."""


class CarryingApp(GuardedApp):
    """Asks, calls, and says what became of it."""

    def __init__(
        self, link: EngineLink | FleetLink, clock: Callable[[], float], **settings: Any
    ) -> None:
        """``clock`` is monotonic seconds; ``settings`` are Textual's."""
        super().__init__(**settings)
        self._link = link
        self._clock = clock
        self._calls: OperatorCalls | None = None

    def begin_calls(self, notify: str) -> None:
        """From now on the terminal calls when something waits, as ``[tui] notify`` says."""
        self._calls = OperatorCalls(notify, self._driver, self._clock)

    def call_operator(self) -> None:
        """Call for what is new in the picture."""
        if self._calls is not None:
            self._calls.look(self._link.picture)

    async def on_event(self, event: Event) -> None:
        """Whatever the operator does is a reaction."""
        if self._calls is not None and isinstance(event, Key | MouseDown | AppFocus):
            self._calls.reacted()
        await super().on_event(event)

    def say(self, *parts: Part) -> None:
        """One line on what became of the last action."""
        raise NotImplementedError

    def _is_in_the_past(self) -> bool:
        """Whether what is in view is no longer so; says how to come back."""
        is_past = isinstance(self.screen, PictureScreen) and self.screen.IS_PAST
        if is_past:
            self.say((f" {IN_THE_PAST}", theme.ASK))
        return is_past

    def _ask(self, plan: actions.Plan, done: Callable[[], None] = _nothing) -> None:
        from supervisor.tui.screens.confirm import ConfirmScreen

        def decided(yes: bool | None) -> None:
            if yes:
                self._carry_out(plan, done)

        if self._is_in_the_past():
            return
        self.push_screen(ConfirmScreen(plan.question, self._clock), decided)

    def _carry_out(self, plan: actions.Plan, done: Callable[[], None] = _nothing) -> None:
        if not self._is_in_the_past():
            self.run_worker(self._carry(plan, done), name=plan.method)

    async def _carry(self, plan: actions.Plan, done: Callable[[], None]) -> None:
        try:
            await self._link.call(plan.method, **plan.params, by=WHO)
        except CallError as error:
            self.say((f" ✗ {error.what} {error.fix}", theme.BAD))
            return
        self.say((f" ✓ {plan.done}", theme.DONE))
        done()
        if plan.leaves:
            self.exit(0)

    def on_plan_wanted(self, message: PlanWanted) -> None:
        """Do it, or ask first."""
        do = self._ask if message.plan.question else self._carry_out
        do(message.plan, message.done or _nothing)

    def on_call_wanted(self, message: CallWanted) -> None:
        """Ask the engine for a screen."""
        self.run_worker(self._fetch(message), name=message.method)

    def on_work_wanted(self, message: WorkWanted) -> None:
        """Do it beside the interface."""
        self.run_worker(self._work(message), name="work")

    async def _work(self, message: WorkWanted) -> None:
        try:
            found = await asyncio.to_thread(message.work)
        except LongwatchError as error:
            message.refused(error)
        else:
            message.taken(found)

    async def _fetch(self, message: CallWanted) -> None:
        try:
            said = await self._link.call(message.method, **message.params)
        except CallError as error:
            message.refused(safe_text(f"{error.what} {error.fix}".strip(), limit=300))
        else:
            message.taken(said)

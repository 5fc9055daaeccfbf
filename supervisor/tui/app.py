"""The terminal interface as a whole: a client of the control socket.

Owns: the screens, the keys that work everywhere, and every call to the engine. Must never change
anything by itself: what it shows comes from the engine's events, and leaving it leaves the
agents running. Screens other than the first are imported when they are opened: the first paint
waits for nothing that it does not show.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.dom import DOMNode
from textual.driver import Driver
from textual.events import AppFocus
from textual.message import Message
from textual.theme import Theme
from textual.worker import Worker

from supervisor.core.run import RunState
from supervisor.core.text import safe_text
from supervisor.tui import actions, garbage, guard, keymap, keys, render, terminal, theme, view
from supervisor.tui.answering import AnsweringApp
from supervisor.tui.carrying import WHO
from supervisor.tui.fleet import make_link
from supervisor.tui.following import Following
from supervisor.tui.guard import GuardedDriver
from supervisor.tui.link import Backend
from supervisor.tui.messages import (
    LogWanted,
    PictureWanted,
    RevokeWanted,
)
from supervisor.tui.model import Need, need_after
from supervisor.tui.palette import Commands
from supervisor.tui.places import make_place
from supervisor.tui.render import Part
from supervisor.tui.screens.base import PictureScreen, Questioning
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.settings import USUAL, Settings
from supervisor.tui.tail import Tail

TICK_S = 1.0
"""Seconds between two redraws of clocks while nothing happens."""
BUG_STATUS = 70
"""EX_SOFTWARE: we failed, not the operator."""
NO_COLOR = "NO_COLOR"
"""https://no-color.org: set to anything, even to nothing, as Textual reads it."""


class PictureChanged(Message):
    """The picture changed; several in a row are one."""

    def can_replace(self, message: Message) -> bool:
        """A newer one says everything an older one does."""
        return isinstance(message, PictureChanged)


class LongwatchApp(AnsweringApp):
    """The application. Everything it needs comes as arguments, so tests can script it."""

    TITLE = "longwatch"
    COMMANDS = {Commands}  # noqa: RUF012  Textual's API
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings(keys.ALWAYS, keys.EVERYWHERE)
    ENABLE_COMMAND_PALETTE = True
    ALLOW_SELECT = False
    # A screen made by get_default_screen does not load its own style sheet (Textual 8.2).
    CSS_PATH = Path(__file__).parent / "screens" / "dashboard.tcss"
    CSS = """
    CommandPalette { background: $background 60%; }
    """

    def __init__(
        self,
        backend: Backend | Mapping[str, Backend],
        *,
        clock: Callable[[], float] = time.monotonic,
        tick_s: float | None = TICK_S,
        settings: Settings = USUAL,
        on_settled: Callable[[], None] | None = None,
        driver: type[Driver] = GuardedDriver,
    ) -> None:
        """``backend``: this machine's engine, or others by the name of their machine.

        ``clock`` is monotonic seconds; ``tick_s`` None redraws only on events;
        ``on_settled`` is called once, when what lives long is there.
        """
        # NO_COLOR: the terminal's own two colours, and Textual then takes out the rest.
        link = make_link(backend, self._changed, clock)
        ansi = NO_COLOR in os.environ or None
        super().__init__(link, clock, driver_class=driver, ansi_color=ansi)
        self._settings = settings
        keymap.use(settings.keymap)
        self.set_keymap(settings.keymap)
        self._tick_s = tick_s
        self._on_settled = on_settled
        self._following = Following(self._follow_log)
        self._undo_signals: Callable[[], None] | None = None
        self._last_need: Need | None = None

    # -- life ---------------------------------------------------------------------------------

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Our colour names exist under every theme."""
        return dict(theme.DARK.variables)

    def get_default_screen(self) -> Dashboard:
        """The dashboard."""
        return Dashboard()

    def on_mount(self) -> None:
        """Check the guard, take the signals, connect."""
        guard.assert_in_place(self, self._driver, self.driver_class)
        self.begin_calls(self._settings.notify)
        for made in theme.THEMES.values():
            self.register_theme(made)
        self.theme = self._first_theme().name
        self._undo_signals = terminal.leave_on_signals(self._leave_with)
        self.run_worker(self._link.run(), name="link", exit_on_error=True)
        if self._tick_s is not None:
            self.set_interval(self._tick_s, self._draw)
        if self._on_settled is not None:
            self.set_timer(garbage.SETTLED_S, self._on_settled)

    def on_unmount(self) -> None:
        """Give the signals back."""
        if self._undo_signals is not None:
            self._undo_signals()
            self._undo_signals = None

    def _leave_with(self, status: int) -> None:
        self.exit(status)

    def _fatal_error(self) -> None:
        """Say what failed without locals: they hold what agents wrote, and secrets."""
        told = safe_text(traceback.format_exc(), keep_newlines=True)
        self._exit_renderables.append(render.plain_segments(told))
        self._close_messages_no_wait()

    def _first_theme(self) -> Theme:
        return (
            theme.ANSI
            if self.no_color
            else theme.chosen(self._settings.theme, self.console.color_system)
        )

    # -- the picture --------------------------------------------------------------------------

    def _changed(self) -> None:
        self.post_message(PictureChanged())

    def on_picture_changed(self, _message: PictureChanged) -> None:
        """Draw it."""
        self._draw()

    def _draw(self) -> None:
        """Give the picture to the screens in view, the covered one under a card too."""
        now = self._link.now()
        self.call_operator()
        for screen in self.screen_stack[-2:]:
            if isinstance(screen, PictureScreen) and screen.is_mounted:
                screen.show(self._link.picture, now)

    def on_picture_wanted(self, _message: PictureWanted) -> None:
        """A screen came up."""
        self._draw()

    def on_app_focus(self, _event: AppFocus) -> None:
        """The terminal got the focus: a key meant for elsewhere must decide nothing."""
        if isinstance(self.screen, Questioning):
            self.screen.rearm()

    def say(self, *parts: Part) -> None:
        """One line on what became of the last action, on the screen in view."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, PictureScreen):
                screen.say(*parts)
                return

    # -- logs ---------------------------------------------------------------------------------

    def on_log_wanted(self, message: LogWanted) -> None:
        """Follow other logs, or none."""
        if not self._following.want(message.run_id, message.streams):
            self._show_log()

    def _follow_log(self, tail: Tail) -> Worker[None]:
        return self.run_worker(self._link.follow_log(tail, self._show_log), name="log")

    def _show_log(self) -> None:
        for screen in self.screen_stack[-2:]:
            if isinstance(screen, PictureScreen) and screen.is_mounted:
                for tail in self._following.tails or (None,):
                    screen.show_log(tail)

    # -- requests -----------------------------------------------------------------------------

    def action_inbox(self) -> None:
        """The oldest open request; again: the next run that needs the operator."""
        if self._is_in_the_past():
            return
        before, here = self._last_need, self._here()[0]
        is_still_there = before is not None and here is not None and here.id == before.run.id
        need = need_after(self.picture, before if is_still_there else None)
        if need is None:
            self.say((" nothing needs you", theme.MUTED))
            return
        self._last_need = need
        for screen in self.screen_stack:
            if isinstance(screen, Dashboard):
                screen.select(need.run.id)
        if need.request is not None:
            self.command_request(need.run.id, need.request.id)
        else:
            self.say((f" {view.held_text(need.run)}", theme.BAD))

    # -- runs ---------------------------------------------------------------------------------

    def _here(self) -> tuple[RunState | None, str | None]:
        """The run and the agent that a key means now."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, PictureScreen) and screen.agent is not None:
                return self.picture.runs.get(screen.run_id or ""), screen.agent
        return None, None

    def command_run(self, verb: str, run_id: str, agent: str) -> None:
        """Do something to that run."""
        if self._is_in_the_past():
            return
        state = self.picture.runs.get(run_id)
        if verb in ("open", "log", "why"):
            if state is None:
                self.say((f" it has never run: {keys.hint('run.start')} starts it", theme.MUTED))
            else:
                self._open(verb, state)
            return
        plan = actions.plan(verb, state, agent)
        if isinstance(plan, str):
            self.say((f" {plan}", theme.ASK))
        elif plan.question:
            self._ask(plan)
        else:
            self._carry_out(plan)

    def _open(self, verb: str, state: RunState) -> None:
        from supervisor.tui.screens.log import LogScreen
        from supervisor.tui.screens.run import RunScreen
        from supervisor.tui.screens.why import WhyScreen

        made: dict[str, Callable[[str, str], PictureScreen]]
        made = {"log": LogScreen, "why": WhyScreen, "open": RunScreen}
        self.push_screen(made[verb](state.id, state.agent))

    def _here_do(self, verb: str) -> None:
        state, agent = self._here()
        if agent is not None:
            self.command_run(verb, state.id if state else "", agent)

    def action_open_run(self) -> None:
        """Open the run under the cursor."""
        self._here_do("open")

    def action_log_run(self) -> None:
        """Its log."""
        self._here_do("log")

    def action_why_run(self) -> None:
        """Why it is where it is."""
        self._here_do("why")

    def action_start_run(self) -> None:
        """Start it."""
        self._here_do("start")

    def action_stop_run(self) -> None:
        """Stop it, once confirmed."""
        self._here_do("stop")

    def action_restart_run(self) -> None:
        """Restart it, once confirmed."""
        self._here_do("restart")

    def action_pause_run(self) -> None:
        """Pause it, or let it go on."""
        self._here_do("pause")

    def action_many(self, verb: str = "") -> None:
        """Something to many runs at once: asks what, and shows everything it touches."""
        from supervisor.tui.many import everything
        from supervisor.tui.sweeping import Sweeping

        shown = [screen for screen in self.screen_stack if isinstance(screen, Dashboard)]
        scope = shown[-1].scope() if shown else everything(self.picture)
        link, clock = self._link, self._clock
        flow = Sweeping(self, WHO, call=link.call, say=self.say, clock=clock, now=link.now)
        flow.begin(scope, verb)

    def action_stop_all(self) -> None:
        """Stop everything, once confirmed."""
        self._ask(actions.plan_stop_all(self.picture))

    # -- places -------------------------------------------------------------------------------

    def action_go(self, place: str) -> None:
        """To another screen; from one of them to the next without piling them up."""
        state, agent = self._here()
        made = make_place(place, state, agent, self._clock)
        if type(self.screen) is type(made):
            return
        self.push_screen(made)

    # -- the rest -----------------------------------------------------------------------------

    def command_app(self, action: str) -> None:
        """Do what a key of everywhere does."""
        self.call_later(self.run_action, action)

    def command_here(self, action: str, node: DOMNode) -> None:
        """Do what a key of that screen or widget does."""
        self.call_later(self.run_action, action, node)

    def action_approvals(self) -> None:
        """What is approved always."""
        from supervisor.tui.screens.approvals import ApprovalsScreen

        self.push_screen(ApprovalsScreen())

    def on_revoke_wanted(self, message: RevokeWanted) -> None:
        """End a rule, once confirmed."""
        self._ask(actions.plan_revoke(message.rule))

    def action_help(self) -> None:
        """Show the keys."""
        from supervisor.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen())

    def action_theme(self) -> None:
        """The next theme."""
        self.theme = theme.after(self.theme).name

    def action_leave(self) -> None:
        """Leave; the agents go on."""
        self.exit(0)


def run_app(
    backend: Backend | Mapping[str, Backend],
    settings: Settings = USUAL,
    driver: type[Driver] = GuardedDriver,
) -> int:
    """Show the interface until the operator leaves; returns the exit status. Blocks.

    0 after leaving, 128 + n after signal n, 70 when the interface itself failed.
    """
    app = LongwatchApp(backend, settings=settings, on_settled=garbage.settle, driver=driver)
    status: Any = app.run(mouse=settings.mouse)
    if app.return_code:
        return BUG_STATUS
    return status if isinstance(status, int) else 0

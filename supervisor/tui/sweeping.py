"""From a wish about many runs to the calls: ask, show all of it, send, say what became of it.

Owns the order of these steps. Must never send what was not on the card: runs by their ids,
answers one by one, each with the hash of its own request.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App

from supervisor.core.moment import Moment
from supervisor.tui import actions, many, render, theme
from supervisor.tui.arrange import Scope
from supervisor.tui.link import CallError
from supervisor.tui.many import Alike, Sweep
from supervisor.tui.messages import Decision
from supervisor.tui.render import Part
from supervisor.tui.screens.many import AlikeScreen, MenuScreen, SweepScreen

Call = Callable[..., Awaitable[Any]]
Say = Callable[[Part], None]
Clock = Callable[[], float]
Now = Callable[[], Moment]


class Sweeping:
    """What one application does to many runs at once."""

    def __init__(
        self, app: App[Any], by: str, *, call: Call, say: Say, clock: Clock, now: Now
    ) -> None:
        self._app = app
        self._by = by
        self._call = call
        self._say = say
        self._clock = clock
        self._now = now

    def begin(self, scope: Scope, verb: str = "") -> None:
        """Ask what to do, or with a verb's name whether to do that."""
        if not verb:
            self._app.push_screen(MenuScreen(scope), self._chosen)
            return
        wanted = many.sweep(verb, scope)
        if wanted.runs:
            self._chosen(wanted)
        else:
            self._say((f" no run of {scope.words} is {wanted.verb.which}", theme.MUTED))

    def _chosen(self, wanted: Sweep | Alike | None) -> None:
        if isinstance(wanted, Sweep):
            swept = wanted

            def decided(decision: Decision | None) -> None:
                if decision is not None:
                    self._app.run_worker(self._sweep(swept), name=swept.verb.name)

            self._app.push_screen(SweepScreen(swept, self._now(), self._clock), decided)
        elif isinstance(wanted, Alike):
            asked = wanted

            def answered(decision: Decision | None) -> None:
                if decision is not None:
                    self._app.run_worker(self._answer(asked, decision), name="answer")

            self._app.push_screen(AlikeScreen(asked, self._now(), self._clock), answered)

    async def _sweep(self, wanted: Sweep) -> None:
        try:
            reply = await self._call(wanted.verb.name, **wanted.params, by=self._by)
        except CallError as error:
            self._say((f" ✗ {render.clean(f'{error.what} {error.fix}')}", theme.BAD))
            return
        is_one_machine = not any(many.host_of(state) for state in wanted.runs)
        runs = reply.get("runs") if isinstance(reply, dict) and is_one_machine else None
        self._say(many.swept_words(wanted, None if runs is None else len(runs)))

    async def _answer(self, wanted: Alike, decision: Decision) -> None:
        done, refused = 0, []
        for item in wanted.items:
            try:
                await self._call(
                    "answer", **actions.answer_params(item.request, decision, self._by)
                )
            except CallError as error:
                refused.append(f"{item.request.id}: {error.what}")
            else:
                done += 1
        word = "denied" if decision.allow is False else "approved" if decision.allow else "answered"
        self._say(many.answered_words(word, done, refused))

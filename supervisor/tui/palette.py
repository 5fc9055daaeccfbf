"""Commands for the palette, named ``noun: verb``, made from the table of keys and the picture.

Must never build a title by ``Matcher.highlight``: it parses the candidate as markup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen

from supervisor.core.run import ALIVE, FINAL, RunState, Status
from supervisor.tui import keys, render
from supervisor.tui.model import Picture, open_requests
from supervisor.tui.render import line
from supervisor.tui.screens.base import PictureScreen
from supervisor.tui.theme import ASK, MUTED, TEXT

MOVING = frozenset(
    {"up", "down", "page_up", "page_down", "top", "bottom", "back", "left", "right", "machine"}
)
MOVING_WEIGHT = 0.3
"""Nobody opens the palette to go one line down, yet it can be found."""
SHOWN_AT_ONCE = 12
"""Commands listed before anything is typed."""


class Commanded(Protocol):
    """What the palette needs of the application."""

    picture: Picture

    def command_run(self, verb: str, run_id: str, agent: str) -> None:
        """Do something to a run: open, log, start, stop, restart, pause."""
        ...

    def command_app(self, action: str) -> None:
        """Do what a key of everywhere does."""
        ...

    def command_here(self, action: str, node: DOMNode) -> None:
        """Do what a key of that screen or widget does."""
        ...

    def command_request(self, run_id: str, request_id: str) -> None:
        """Go to a request."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the palette."""

    noun: str
    verb: str
    help: str
    do: Callable[[], None]
    weight: float = 1.0
    """Below 1: found, but behind others that fit as well."""

    @property
    def title(self) -> str:
        """``noun: verb``, clean."""
        return f"{self.noun}: {self.verb}"


class Commands(Provider):
    """All commands that make sense now; what does not is absent, not dead."""

    async def discover(self) -> Hits:
        """The first few, before anything is typed."""
        for command in list(self._commands())[:SHOWN_AT_ONCE]:
            yield DiscoveryHit(_shown(command, ()), command.do, command.title, command.help)

    async def search(self, query: str) -> Hits:
        """What fits the query."""
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.title)
            if score > 0:
                _, places = matcher.fuzzy_search.match(query, command.title)
                shown = _shown(command, places)
                yield Hit(score * command.weight, shown, command.do, command.title, command.help)

    def _commands(self) -> Iterable[Command]:
        app = cast("Commanded", self.app)
        if not (isinstance(self.screen, PictureScreen) and self.screen.IS_PAST):
            yield from _now_commands(app)
        yield from _here_commands(app, self.screen)
        for key in (*keys.of_scope(keys.EVERYWHERE), *keys.of_scope(keys.ALWAYS)):
            if key.action != "command_palette":
                yield Command("longwatch", key.label, key.tooltip, _app_call(app, key.action))


def _now_commands(app: Commanded) -> Iterable[Command]:
    """What acts on runs."""
    yield from _request_commands(app)
    yield from _fleet_commands(app)
    for state in sorted(app.picture.runs.values(), key=lambda s: (s.status in FINAL, s.agent)):
        yield from _run_commands(app, state)
    have_run = {state.agent for state in app.picture.runs.values()}
    for spec in app.picture.agents:
        if spec.name not in have_run:
            name = render.clean(spec.name, 64)
            yield Command(name, "start", "Start the agent", _start_call(app, spec.name))


def _here_commands(app: Commanded, screen: Screen[Any]) -> Iterable[Command]:
    """What every key does on the screen that the palette was opened on."""
    told = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        name, _, digit = (binding.id or "").rpartition("-")
        key = _BY_ID.get(binding.id or "") or (_BY_ID.get(name) if digit.isdigit() else None)
        if key is None or key.scope in (keys.EVERYWHERE, keys.ALWAYS) or binding.id in told:
            continue
        told.add(binding.id)
        label = key.label if key.id == binding.id else f"{key.label} {digit}"
        do = _here_call(app, binding.action, active.node)
        weight = MOVING_WEIGHT if key.action in MOVING else 1.0
        yield Command(key.scope, label, key.tooltip, do, weight)


_BY_ID = {key.id: key for key in keys.KEYS}


def _request_commands(app: Commanded) -> Iterable[Command]:
    for item in open_requests(app.picture):
        title = render.clean(item.request.title, 60)
        noun = f"request {item.request.id}"
        yield Command(
            noun, f"answer  {title}", "Answer this open request", _request_call(app, item.run.id,
            item.request.id)
        )  # fmt: skip


def _fleet_commands(app: Commanded) -> Iterable[Command]:
    from supervisor.tui import many

    scope = many.everything(app.picture)
    for verb in many.VERBS:
        if count := len(many.sweep(verb.name, scope).runs):
            label = f"{verb.label} ({render.plural(count, 'run')})"
            tooltip = f"Every run {verb.which}; lists them before anything is done"
            yield Command("fleet", label, tooltip, _app_call(app, f"many('{verb.name}')"))
    if many.alike(scope):
        tooltip = "A question that several runs ask, answered for all of them"
        yield Command("fleet", "answer what several ask", tooltip, _app_call(app, "many"))


def _run_commands(app: Commanded, state: RunState) -> Iterable[Command]:
    noun = f"{render.clean(state.agent, 64)} {state.id[-4:]}"
    for verb, label, tooltip in _verbs(state):
        yield Command(noun, label, tooltip, _run_call(app, verb, state))


def _verbs(state: RunState) -> Iterable[tuple[str, str, str]]:
    yield "open", "open", "Open the run"
    yield "log", "log", "Show the run's log"
    yield "why", "why", "Why it is where it is, and what happens next"
    if state.status not in FINAL:
        yield "stop", "stop", "Stop the run; it keeps its checkpoint (asks first)"
    else:
        yield "start", "start", "Start the agent, or continue its run"
    if state.status is not Status.SUCCEEDED:
        yield "restart", "restart", "End the attempt and start the next one (asks first)"
    if state.status in ALIVE:
        label = "resume" if state.status is Status.PAUSED else "pause"
        yield "pause", label, "Hold the run still, or let it go on"


def _start_call(app: Commanded, agent: str) -> Callable[[], None]:
    return lambda: app.command_run("start", "", agent)


def _here_call(app: Commanded, action: str, node: DOMNode) -> Callable[[], None]:
    return lambda: app.command_here(action, node)


def _app_call(app: Commanded, action: str) -> Callable[[], None]:
    return lambda: app.command_app(action)


def _run_call(app: Commanded, verb: str, state: RunState) -> Callable[[], None]:
    return lambda: app.command_run(verb, state.id, state.agent)


def _request_call(app: Commanded, run_id: str, request_id: str) -> Callable[[], None]:
    return lambda: app.command_request(run_id, request_id)


def _shown(command: Command, places: Iterable[int]) -> Content:
    content = line((f"{command.noun}: ", MUTED), (command.verb, TEXT))
    for place in places:
        content = content.stylize(f"bold {ASK}", place, place + 1)
    return content

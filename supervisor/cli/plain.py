"""``longwatch --plain``: the interface as lines, for screen readers and dumb terminals.

No full screen, no cursor movement, no colour: changes are said as sentences, commands are read by
the line. A question is answered by ``answer``, which shows all of it and takes only what is typed
after that; nothing else that is typed can be an answer.
"""

from __future__ import annotations

import select
from typing import Any

from supervisor.cli import output
from supervisor.cli.ask_inline import ask_inline
from supervisor.cli.engine_cmd import autostart
from supervisor.cli.live import Live
from supervisor.cli.log_lines import LogLines
from supervisor.cli.plain_input import TypedLines, is_terminal
from supervisor.cli.plain_words import (
    NAMES,
    Announcer,
    Numbers,
    help_lines,
    sentence_of,
    standing,
    waiting,
)
from supervisor.cli.session import Place, ensure_engine, own_name, program_of
from supervisor.cli.status_cmd import find, newest_and_active
from supervisor.cli.terminal_calls import TerminalCalls
from supervisor.config.problems import nearest
from supervisor.control.sync_client import SyncClient
from supervisor.core.describe import answer_hint
from supervisor.core.events import Recorded, RequestOpened, RequestReminded
from supervisor.core.mirror import Mirror
from supervisor.core.run import Request, RunState
from supervisor.core.text import safe_text
from supervisor.core.why import reasons_of
from supervisor.errors import LongwatchError, RefusedError

QUIET_S = 0.02
"""Nothing for that long: the engine has said what it had to say."""
LOOK_S = 0.5
LOG_LINES = 10
MAX_LOG_LINES = 1000
LOG_BYTES = 65_536
ASKS = {"stop": "It keeps its checkpoint.", "restart": "Its attempt ends and the next one starts."}


class _LeaveError(Exception):
    """The operator leaves."""


def run_plain(place: Place) -> int:
    """Say what happens and do what is typed until the operator leaves; agents go on. Blocks."""
    client, is_new = ensure_engine(place)
    if is_new:
        autostart(client)
    session = _Session(place, client)
    try:
        session.run()
    except (_LeaveError, EOFError, KeyboardInterrupt):
        output.line("Left. The agents go on.")
    finally:
        session.close()
    return 0


class _Session:
    """One stay, from the first sentence to the last."""

    def __init__(self, place: Place, client: SyncClient) -> None:
        self._numbers = Numbers()
        self._announcer = Announcer(self._numbers)
        self._program = program_of(place)
        self._live = Live(place, client, self._see)
        self._typed = TypedLines()
        self._calls = TerminalCalls(place)

    def run(self) -> None:
        """Until the operator leaves."""
        output.line("Longwatch, line by line. Type help for the commands, quit to leave.")
        self._status("")
        for state, request in self._open():
            output.line(self._announcer.question(state, request))
        while True:
            select.select([self._typed.fd, self._live.fileno()], [], [], LOOK_S)
            for _ in self._live.arrivals(QUIET_S):
                if select.select([self._typed.fd], [], [], 0)[0]:
                    break
            line = self._typed.next()
            if line is not None and line.strip():
                self._obey(line.strip())

    def close(self) -> None:
        """Close the connection."""
        self._live.close()

    def _see(self, recorded: Recorded, state: RunState | None) -> None:
        said = self._announcer.sentence(recorded, state)
        if said is not None:
            output.line(said)
        asked = _asked_in(recorded)
        if state is not None and asked:
            for request in state.open_requests:
                if request.id == asked:
                    self._calls.ask(state, request)

    def _obey(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        name = word.lower()
        try:
            if name not in NAMES:
                close = nearest(name, NAMES)
                more = f"Did you mean {close}?" if close else "Type help for the commands."
                output.line(f"There is no command {safe_text(word, limit=40)!r}. {more}")
            elif name in ("start", "stop", "restart", "pause", "resume"):
                self._control(name, rest.strip())
            else:
                getattr(self, f"_{name}")(rest.strip())
        except LongwatchError as error:
            output.line(sentence_of("Not done", f"{error.what} {error.why} {error.fix}".strip()))

    # -- what can be typed ----------------------------------------------------------------------

    def _status(self, name: str) -> None:
        mirror = self._fresh()
        states = list(mirror.runs.values())
        states = [find(states, name)] if name else newest_and_active(states)
        for state in states:
            output.line(standing(state, mirror.taken_at))
        if not states:
            known = ", ".join(mirror.agents) or "none; add one to config.toml"
            output.line(f"Nothing has run yet. Agents: {known}.")

    def _questions(self, _rest: str) -> None:
        now = self._fresh().taken_at
        for state, request in self._open():
            output.line(waiting(self._numbers.of(request.id), state, request, now))
        if not self._open():
            output.line("Nothing waits for you.")

    def _answer(self, word: str) -> None:
        pairs = self._open()
        request = self._numbers.find(word, pairs)
        if request is None:
            missing = f"There is no open question {word!r}." if word else "Nothing waits for you."
            output.line(missing)
            return
        if not is_terminal():
            hint = answer_hint(request, self._program)
            output.line(f"Answers need a terminal. Elsewhere: {hint}")
            return
        state = next(state for state, found in pairs if found.id == request.id)
        given = self._asked(state, request)
        if given is None:
            output.line(f"Question {self._numbers.of(request.id)} stays open.")
        else:
            self._live.call("answer", {**given, "by": own_name()})

    def _asked(self, state: RunState, request: Request) -> dict[str, Any] | None:
        self._typed.forget()
        try:
            return ask_inline(state, request, output.line, self._typed.read)
        except KeyboardInterrupt:
            return None

    def _why(self, name: str) -> None:
        mirror = self._fresh()
        for line in reasons_of(self._found(mirror, name), mirror.taken_at):
            output.line(line)

    def _log(self, rest: str) -> None:
        name, _, count = rest.partition(" ")
        wanted = int(count) if count.isdecimal() and len(count) < 6 else LOG_LINES
        state = self._found(self._fresh(), name)
        is_empty = True
        for stream, title in (("out", "output"), ("err", "errors")):
            lines = LogLines(-LOG_BYTES)
            asked = {"run": state.id, "stream": stream, "offset": -LOG_BYTES, "limit": LOG_BYTES}
            piece = self._live.call("log", asked)
            found = [*lines.feed(piece), *lines.rest()][-min(wanted, MAX_LOG_LINES) :]
            if found:
                is_empty = False
                output.line(f"The last {len(found)} lines of the {title} of {state.agent}:")
                output.block("\n".join(line.shown() for line in found))
        if is_empty:
            output.line(f"{state.agent} has written nothing.")

    def _control(self, verb: str, name: str) -> None:
        if not name:
            raise RefusedError(f"{verb} needs the name of an agent", fix="Type status for them.")
        if verb in ASKS:
            self._typed.forget()
            said = self._typed.read(f"{verb.capitalize()} {name}? {ASKS[verb]} Type yes or no.")
            if said.strip().lower() not in ("y", "yes"):
                output.line("Left as it is.")
                return
        params: dict[str, Any] = {"names": [name], "by": own_name()}
        for entry in self._live.call(verb, params)["runs"]:
            output.line(sentence_of(str(entry["agent"]), str(entry["action"])))

    def _help(self, _rest: str) -> None:
        for line in help_lines():
            output.line(line)

    def _quit(self, _rest: str) -> None:
        raise _LeaveError

    # -- what is known --------------------------------------------------------------------------

    def _fresh(self) -> Mirror:
        return Mirror(self._live.call("snapshot", {}))

    def _found(self, mirror: Mirror, name: str) -> RunState:
        if not name:
            raise RefusedError("the name of an agent is missing", fix="Type status for them.")
        return find(list(mirror.runs.values()), name)

    def _open(self) -> list[tuple[RunState, Request]]:
        runs = self._live.mirror.runs.values()
        pairs = [(state, request) for state in runs for request in state.open_requests]
        return sorted(pairs, key=lambda pair: pair[1].created_at)


def _asked_in(recorded: Recorded) -> str:
    """The question that an event asks, or asks again; empty when it does not."""
    event = recorded.event
    if isinstance(event, RequestOpened):
        return event.request.id
    return event.request_id if isinstance(event, RequestReminded) else ""

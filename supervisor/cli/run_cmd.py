"""``longwatch run``: starts runs and follows them to their end.

With a terminal and without ``--headless`` that is the interface. Headless it prints one line an
event; questions are asked inline when there is a terminal, otherwise it says how to answer.
Ctrl-C and SIGTERM stop what this command started; a lost terminal (SIGHUP) only detaches.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import time
from types import FrameType
from typing import TYPE_CHECKING

from supervisor.cli import output
from supervisor.cli.ask_inline import ask_inline
from supervisor.cli.attach import is_dumb
from supervisor.cli.follow import PROGRESS_EVERY_S, Follower
from supervisor.cli.live import Live
from supervisor.cli.session import Place, ensure_engine, own_name, program_of
from supervisor.cli.terminal_calls import TerminalCalls
from supervisor.config.paths import Project
from supervisor.control.sync_client import SyncClient
from supervisor.core.describe import answer_hint, reason_words
from supervisor.core.events import Recorded, RequestReminded
from supervisor.core.run import FINAL, RunState
from supervisor.errors import RefusedError, UserError

if TYPE_CHECKING:
    from supervisor.tui.bottom_bars import BottomBars

NOTICE_WAIT_S = 0.5
STOP_WAIT_S = 90.0


class _DetachedError(Exception):
    """The terminal is gone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("names", nargs="*", metavar="AGENT", help="default: those with autostart")
    parser.add_argument(
        "--headless", action="store_true", help="one line an event instead of the interface"
    )
    parser.add_argument(
        "--unattended", action="store_true", help="apply each question's stated default"
    )
    parser.add_argument("--fresh", action="store_true", help="begin anew, not from a checkpoint")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Exit status 0 when every run succeeded, 1 when one did not."""
    is_terminal = output.is_dialogue()
    client, is_ours = _checked_engine(place)
    names = arguments.names or _autostarted(client)
    by = own_name()
    started = client.call(
        "start",
        {
            "names": names,
            "fresh": arguments.fresh,
            "unattended": arguments.unattended,
            # Following is no reason to wake one before its time; `longwatch start` is.
            "asleep": True,
            "by": by,
        },
    )["runs"]
    if is_terminal and not arguments.headless:
        from supervisor.cli.attach import attach

        client.close()
        return attach(place)
    following = _Following(place, client, started, is_terminal=is_terminal, by=by)
    status = following.run()
    if is_ours:
        following.live.call("shutdown", {"if_idle": True, "by": by})
    return status


def _checked_engine(place: Place) -> tuple[SyncClient, bool]:
    """The engine, after the configuration was read: its errors come before anything starts."""
    if isinstance(place, Project):
        from supervisor.config.load import load_config

        load_config(place)
    return ensure_engine(place)


def _autostarted(client: SyncClient) -> list[str]:
    agents = client.call("snapshot", {})["agents"]
    if not agents:
        raise UserError(
            "no agents in config.toml", fix="Add one, or make a demo: longwatch init --demo"
        )
    return [agent["name"] for agent in agents if agent["autostart"]] or [
        agent["name"] for agent in agents
    ]


class _Following:
    """The followed runs, from the first line to the summary."""

    def __init__(
        self,
        place: Place,
        client: SyncClient,
        started: list[dict[str, str]],
        *,
        is_terminal: bool,
        by: str,
    ) -> None:
        self.live = Live(place, client, self._see)
        self._is_terminal = is_terminal
        self._calls = TerminalCalls(place)
        self._by = by
        self._mine = [e["id"] for e in started if e["action"] != "already running"]
        self._asked: set[str] = set()
        """Questions never asked again here: the event that closes one may still be on its way."""
        self._left_open: dict[str, float] = {}
        """Of these, the ones that got no answer, and when: a later reminder brings them up."""
        self._bars = _bars()
        self._program = program_of(place)
        self._follower = Follower(
            self.live.mirror,
            {entry["id"] for entry in started},
            self._say,
            with_hints=not is_terminal,
            program=self._program,
            # A bar that moves needs no lines that say so.
            progress_every_s=math.inf if self._bars else PROGRESS_EVERY_S,
        )

    def run(self) -> int:
        """Follow to the end; the exit status."""
        self._say_where_they_stand()
        try:
            with _Signals():
                self._until_over()
        except _DetachedError:
            return 0
        except KeyboardInterrupt:
            self._hide_bars()
            self._stop()
            self._summarise()
            return 1
        finally:
            self._hide_bars()
        self._summarise()
        return 0 if self._follower.has_succeeded() else 1

    def _see(self, recorded: Recorded, state: RunState | None) -> None:
        self._follower.see(recorded, state)
        if isinstance(recorded.event, RequestReminded):
            request_id = recorded.event.request_id
            if recorded.at.wall > self._left_open.get(request_id, math.inf):
                del self._left_open[request_id]
                self._asked.discard(request_id)

    def _say_where_they_stand(self) -> None:
        for state in self._follower.states():
            reason = reason_words(state, self.live.mirror.taken_at)
            output.line(f"          {state.agent:<16}  {state.status}: {reason}")
            if not self._is_terminal:
                for request in state.open_requests:
                    self._follower.hint(request)

    def _say(self, text: str) -> None:
        if self._bars is None:
            output.line(text)
        else:
            self._bars.say(text)

    def _show_bars(self) -> None:
        if self._bars is not None:
            self._bars.open()
            self._bars.show(self._follower.states(), self.live.now())

    def _hide_bars(self) -> None:
        if self._bars is not None:
            self._bars.close()

    def _until_over(self) -> None:
        while not self._follower.is_over():
            self._show_bars()
            for _ in self.live.arrivals(NOTICE_WAIT_S):
                self._show_bars()
                if self._follower.is_over():
                    return
                if self._is_terminal and self._follower.has_questions(self._asked):
                    break
            if self._is_terminal:
                self._ask_next()

    def _ask_next(self) -> None:
        for state, request in self._follower.open_requests():
            if request.id in self._asked:
                continue
            self._asked.add(request.id)
            self._hide_bars()
            self._calls.ask(state, request)
            try:
                answer = ask_inline(state, request, output.line)
            except (EOFError, OSError, UnicodeDecodeError):
                answer = None  # No input, no terminal any more, or keys that are no text.
            if answer is None:
                self._left_open[request.id] = time.time()
                output.line(f"left open; answer it with: {answer_hint(request, self._program)}")
                return
            try:
                self.live.call("answer", {**answer, "by": self._by})
            except RefusedError as error:
                output.line(str(error))
            return

    def _stop(self) -> None:
        living = [s.id for s in self._follower.states() if s.status not in FINAL]
        mine = [run_id for run_id in living if run_id in self._mine]
        output.line("stopping what this command started; Ctrl-C again leaves that to the engine")
        for run_id in mine:
            try:
                self.live.call("stop", {"names": [run_id], "by": self._by})
            except RefusedError:
                continue  # It ended by itself in this moment.
        end = time.monotonic() + STOP_WAIT_S
        while time.monotonic() < end and self._is_any_alive(mine):
            for _ in self.live.arrivals(NOTICE_WAIT_S):
                if not self._is_any_alive(mine):
                    break

    def _is_any_alive(self, run_ids: list[str]) -> bool:
        runs = self.live.mirror.runs
        return any(runs[run_id].status not in FINAL for run_id in run_ids)

    def _summarise(self) -> None:
        output.line("")
        for line in self._follower.summary():
            output.line(line)


def _bars() -> BottomBars | None:
    """Bars where standard output is a terminal that can move its cursor, else none."""
    if not output.is_terminal() or is_dumb():
        return None
    from supervisor.tui.bottom_bars import BottomBars

    return BottomBars()


class _Signals:
    """SIGTERM as Ctrl-C, SIGHUP as a detach; restored at the end."""

    def __enter__(self) -> None:
        self._before = {
            signal.SIGTERM: signal.signal(signal.SIGTERM, self._interrupt),
            signal.SIGHUP: signal.signal(signal.SIGHUP, self._detach),
        }

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    @staticmethod
    def _detach(_number: int, _frame: FrameType | None) -> None:
        # Whatever is still printed has nowhere to go; writing there would raise.
        with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), 1)
        raise _DetachedError

"""``longwatch run``: starts runs and follows them to their end.

With a terminal and without ``--headless`` that is the interface. Headless it prints one line an
event; questions are asked inline when there is a terminal, otherwise it says how to answer.
Ctrl-C and SIGTERM stop what this command started; a lost terminal (SIGHUP) only detaches.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from types import FrameType

from supervisor.cli import output
from supervisor.cli.ask_inline import ask_inline
from supervisor.cli.follow import Follower
from supervisor.cli.session import arrivals, ensure_engine, own_name
from supervisor.config.paths import Project
from supervisor.control.sync_client import SyncClient
from supervisor.core.mirror import Mirror
from supervisor.core.run import FINAL
from supervisor.core.text import safe_text
from supervisor.errors import RefusedError, UserError

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


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Exit status 0 when every run succeeded, 1 when one did not."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    client, is_ours = _checked_engine(project)
    names = arguments.names or _autostarted(client)
    by = own_name()
    started = client.call(
        "start",
        {"names": names, "fresh": arguments.fresh, "unattended": arguments.unattended, "by": by},
    )["runs"]
    if is_terminal and not arguments.headless:
        from supervisor.cli.attach import attach

        client.close()
        return attach(project)
    status = _follow(client, {entry["id"] for entry in started}, is_terminal=is_terminal, by=by)
    if is_ours:
        client.call("shutdown", {"if_idle": True, "by": by})
    return status


def _checked_engine(project: Project) -> tuple[SyncClient, bool]:
    """The engine, after the configuration was read: its errors come before anything starts."""
    from supervisor.config.load import load_config

    load_config(project)
    return ensure_engine(project)


def _autostarted(client: SyncClient) -> list[str]:
    agents = client.call("snapshot", {})["agents"]
    if not agents:
        raise UserError(
            "no agents in config.toml", fix="Add one, or make a demo: longwatch init --demo"
        )
    return [agent["name"] for agent in agents if agent["autostart"]] or [
        agent["name"] for agent in agents
    ]


def _follow(client: SyncClient, ids: set[str], *, is_terminal: bool, by: str) -> int:
    mirror = Mirror(client.call("subscribe", {"since": None}))
    follower = Follower(mirror, ids, output.line, with_hints=not is_terminal)
    for state in follower.states():
        output.line(f"          {state.agent:<16}  {state.status}: {safe_text(state.reason)}")
        if not is_terminal:
            for request in state.open_requests:
                follower.hint(request)
    try:
        with _Signals():
            _until_over(client, mirror, follower, is_terminal=is_terminal, by=by)
    except _DetachedError:
        return 0
    except KeyboardInterrupt:
        _stop(client, mirror, follower, by)
        _summarise(follower)
        return 1
    _summarise(follower)
    return 0 if follower.has_succeeded() else 1


def _until_over(
    client: SyncClient, mirror: Mirror, follower: Follower, *, is_terminal: bool, by: str
) -> None:
    left_open: set[str] = set()
    while not follower.is_over():
        for method, params in arrivals(client, NOTICE_WAIT_S):
            mirror.take(method, params, follower.see)
            if follower.is_over():
                return
            if is_terminal and follower.has_questions(left_open):
                break
        if is_terminal:
            _ask_next(client, follower, left_open, by)


def _ask_next(client: SyncClient, follower: Follower, left_open: set[str], by: str) -> None:
    for state, request in follower.open_requests():
        if request.id in left_open:
            continue
        try:
            answer = ask_inline(state, request, output.line)
        except EOFError:
            answer = None
        if answer is None:
            left_open.add(request.id)
            output.line(f"left open; answer it with: longwatch answer {request.id} …")
            return
        try:
            client.call("answer", {**answer, "by": by})
        except RefusedError as error:
            output.line(str(error))
        return


def _stop(client: SyncClient, mirror: Mirror, follower: Follower, by: str) -> None:
    mine = [state.id for state in follower.states() if state.status not in FINAL]
    output.line("stopping what this command started; once more Ctrl-C leaves it to the engine")
    for run_id in mine:
        try:
            client.call("stop", {"names": [run_id], "by": by})
        except RefusedError:
            continue  # It ended by itself in this moment.
    end = time.monotonic() + STOP_WAIT_S
    while time.monotonic() < end and any(s.status not in FINAL for s in follower.states()):
        for method, params in arrivals(client, NOTICE_WAIT_S):
            mirror.take(method, params, follower.see)
            if all(s.status in FINAL for s in follower.states()):
                break


def _summarise(follower: Follower) -> None:
    output.line("")
    for line in follower.summary():
        output.line(line)


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

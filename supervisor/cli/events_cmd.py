"""``longwatch events [-f] [--since SEQ]``: the event log, one line an event."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.live import Live
from supervisor.cli.session import Place, connect, snapshot
from supervisor.control.sync_client import SyncClient
from supervisor.core.describe import describe, details
from supervisor.core.record import recorded_from_plain, recorded_to_plain

PIECE = 1000
DEFAULT_COUNT = 100
NOTICE_WAIT_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    parser.add_argument("--since", type=int, metavar="SEQ", help="events after this number")
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Without ``--since`` the newest hundred."""
    with connect(place) as client:
        picture = snapshot(client)
        agents = {plain["id"]: plain["agent"] for plain in picture["runs"]}
        since = arguments.since
        if since is None:
            since = max(0, picture["seq"] - DEFAULT_COUNT)
        printer = _Printer(agents, as_json=arguments.json)
        if arguments.follow:
            _follow(place, client, printer, since)
        while True:
            result = client.call("history", {"since": since, "limit": PIECE})
            printer.show(result["events"])
            if len(result["events"]) < PIECE:
                return 0
            since = result["events"][-1]["seq"]


def _follow(place: Place, client: SyncClient, printer: _Printer, since: int) -> None:
    """Until interrupted, over restarts of the engine."""
    live = Live(place, client, lambda recorded, _state: printer.show([recorded_to_plain(recorded)]))
    while since < live.mirror.seq:
        piece = live.call("history", {"since": since, "limit": PIECE})["events"]
        printer.show([event for event in piece if event["seq"] <= live.mirror.seq])
        if len(piece) < PIECE:
            break
        since = piece[-1]["seq"]
    while True:
        for _ in live.arrivals(NOTICE_WAIT_S):
            pass


class _Printer:
    """Each event once, in order."""

    def __init__(self, agents: dict[str, str], *, as_json: bool) -> None:
        self._agents = agents
        self._as_json = as_json
        self._last = 0

    def show(self, events: list[dict[str, Any]]) -> None:
        """Print what was not printed yet."""
        for plain in events:
            if plain["seq"] <= self._last:
                continue
            self._last = plain["seq"]
            if plain["type"] == "RunCreated":
                self._agents[plain["run_id"]] = plain["data"]["spec"]["name"]
            if self._as_json:
                output.json_line(plain)
                continue
            recorded = recorded_from_plain(plain)
            clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(recorded.at.wall))
            who = self._agents.get(recorded.run_id, "engine" if not recorded.run_id else "?")
            output.line(f"{recorded.seq:>7}  {clock}  {who:<16}  {describe(recorded.event)}")
            for below in details(recorded.event):
                output.line(f"{'':>7}  {'':19}  {'':<16}    {below}")

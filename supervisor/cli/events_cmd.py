"""``longwatch events [-f] [--since SEQ] [--until WHEN]``: the event log, one line an event."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.live import Live
from supervisor.cli.session import Place, connect, snapshot
from supervisor.config.when import FORMS, When, WhenError, parse_when
from supervisor.control.sync_client import SyncClient
from supervisor.core.describe import describe, details
from supervisor.core.event_kinds import GROUPS
from supervisor.core.record import recorded_from_plain, recorded_to_plain
from supervisor.errors import UserError

PIECE = 1000
DEFAULT_COUNT = 100
NOTICE_WAIT_S = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on until interrupted")
    parser.add_argument("--since", metavar="SEQ|WHEN", help="events after this number or time")
    parser.add_argument("--until", metavar="WHEN", help=f"events up to {FORMS}")
    parser.add_argument("--run", metavar="RUN", help="of one run: an agent, or the end of an id")
    parser.add_argument("--kind", action="append", choices=tuple(GROUPS), help="of a kind")
    parser.add_argument("--text", help="that say this, or whose agent is called so")
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Without ``--since`` the newest hundred."""
    found = (arguments.until, arguments.run, arguments.kind, arguments.text)
    if any(found) and arguments.follow:
        raise UserError("--follow shows every event", fix="Leave out -f, or what is looked for")
    since_at = _when(arguments.since, "--since")
    with connect(place) as client:
        if any(found) or since_at.wall is not None:
            return _search(client, arguments, since_at)
        picture = snapshot(client)
        agents = {plain["id"]: plain["agent"] for plain in picture["runs"]}
        since = since_at.seq
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


def _when(text: str | None, option: str) -> When:
    """A bare number is that of an event, as ``--since`` always had it."""
    if text is None:
        return When()
    try:
        return When(seq=int(text)) if text.isdecimal() else parse_when(text, time.time())
    except WhenError as error:
        raise UserError(str(error), where=option) from error


def _search(client: SyncClient, arguments: argparse.Namespace, since: When) -> int:
    """Page by page: from ``--since`` on, else the newest hundred that fit."""
    until = _when(arguments.until, "--until")
    wanted: dict[str, Any] = {"run": arguments.run, "kinds": arguments.kind, "text": arguments.text}
    wanted = {name: value for name, value in wanted.items() if value}
    printer = _Printer({}, as_json=arguments.json)
    if since == When():
        printer.show_page(_newest(client, wanted, until))
        return 0
    after: dict[str, Any] = {"after_at" if name == "at" else "after": value
                             for name, value in since.params().items()}  # fmt: skip
    while True:
        page = client.call("events", {**wanted, **after, "limit": PIECE})
        printer.show_page({**page, "events": [e for e in page["events"] if _is_before(e, until)]})
        is_past = any(not _is_before(event, until) for event in page["events"])
        if page["next"] is None or is_past:
            return 0
        after = {"after": page["next"]}


def _newest(client: SyncClient, wanted: dict[str, Any], until: When) -> dict[str, Any]:
    """The newest hundred that fit, up to a moment."""
    events: list[dict[str, Any]] = []
    agents: dict[str, str] = {}
    place: dict[str, Any] = {}
    if until.seq is not None:
        place = {"before": until.seq + 1}
    elif until.wall is not None:
        place = {"before_at": until.wall}
    while True:
        page = client.call("events", {**wanted, **place, "limit": DEFAULT_COUNT})
        events = [*page["events"], *events][-DEFAULT_COUNT:]
        agents |= page["agents"]
        if page["next"] is None or len(events) >= DEFAULT_COUNT:
            return {"events": events, "agents": agents}
        place = {"before": page["next"]}


def _is_before(event: dict[str, Any], until: When) -> bool:
    if until.seq is not None:
        return bool(event["seq"] <= until.seq)
    return until.wall is None or bool(event["at"]["wall"] <= until.wall)


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

    def show_page(self, page: dict[str, Any]) -> None:
        """Print what was found, with the names of its agents."""
        self._agents |= page["agents"]
        self.show(page["events"])

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

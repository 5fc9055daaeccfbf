"""``longwatch mute`` and ``unmute``: kinds of anomalies that are no problem for an agent."""

from __future__ import annotations

import argparse
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, own_name, snapshot
from supervisor.cli.status_cmd import find
from supervisor.core.mirror import Mirror
from supervisor.core.report import rfc3339
from supervisor.core.run import RunState
from supervisor.core.text import safe_text


def add_mute_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``mute``."""
    parser.add_argument("run", nargs="?", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument(
        "kind", nargs="?", metavar="KIND", help="of the anomaly, as it is shown; none lists them"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_unmute_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``unmute``."""
    parser.add_argument("run", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument("kind", metavar="KIND", help="of the anomaly, as longwatch mute lists it")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def mute(arguments: argparse.Namespace, place: Place) -> int:
    """Say that a kind is no problem for the agent, or list those that are none."""
    if arguments.kind is not None:
        return _say(arguments, place, is_muted=True)
    with connect(place) as client:
        mirror = Mirror(snapshot(client))
    states = list(mirror.runs.values())
    if arguments.run is not None:
        states = [find(states, arguments.run)]
    newest = {state.agent: state for state in states}
    _list(list(newest.values()), as_json=arguments.json)
    return 0


def unmute(arguments: argparse.Namespace, place: Place) -> int:
    """Anomalies of that kind flag the agent's runs again."""
    return _say(arguments, place, is_muted=False)


def _say(arguments: argparse.Namespace, place: Place, *, is_muted: bool) -> int:
    wanted = {"run": arguments.run, "kind": arguments.kind, "muted": is_muted, "by": own_name()}
    with connect(place) as client:
        done = client.call("mute", wanted)
    if arguments.json:
        output.json(done)
        return 0
    agent, kind = safe_text(done["agent"], limit=80), safe_text(done["kind"])
    if not done["runs"]:
        output.line(f"{agent}: {kind} was {'muted' if is_muted else 'not muted'} already")
    elif is_muted:
        output.line(f"{agent}: {kind} is no problem from now on; the event log still tells it")
        output.line(f"take it back with: longwatch unmute {agent} {kind}")
    else:
        output.line(f"{agent}: {kind} flags its runs again")
    return 0


def _list(states: list[RunState], *, as_json: bool) -> None:
    found: list[dict[str, Any]] = [
        {
            "agent": state.agent,
            "kind": safe_text(known.kind),
            "by": safe_text(known.by, limit=60),
            "at": rfc3339(known.at),
        }
        for state in states
        for known in state.muted
    ]
    if as_json:
        output.json({"muted": found})
    elif not found:
        output.line("nothing is muted: every anomaly flags its run")
    else:
        output.table(("AGENT", "KIND", "BY", "SINCE"), [tuple(row.values()) for row in found])

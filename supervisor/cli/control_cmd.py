"""``longwatch start|stop|restart|pause|resume NAME… | --all``."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, own_name, snapshot
from supervisor.control.sync_client import SyncClient
from supervisor.core.mirror import Mirror
from supervisor.core.run import FINAL
from supervisor.errors import RefusedError, UserError

STOP_WAIT_S = 120.0
"""Longest wait of ``stop`` for the runs to be gone; each has its own grace."""
LOOK_EVERY_S = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of all five verbs."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="agents or ends of run ids")
    parser.add_argument("--all", action="store_true", help="every one")
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    if parser.prog.endswith(" start"):
        parser.add_argument(
            "--fresh", action="store_true", help="begin anew, not from a checkpoint"
        )
        parser.add_argument(
            "--unattended", action="store_true", help="apply each question's stated default"
        )
    if parser.prog.endswith(" stop"):
        parser.add_argument("--no-wait", action="store_true", help="return once it is stored")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Carry out the verb; ``stop`` waits until nothing of the runs lives."""
    if not arguments.names and not arguments.all:
        raise UserError(
            f"{arguments.verb}: no name given", fix="Give agents or ends of run ids, or --all"
        )
    with connect(place) as client:
        result = client.call(arguments.verb, _params(arguments, client))
        if arguments.verb == "stop" and not arguments.no_wait:
            _wait_for_end(client, [entry["id"] for entry in result["runs"]])
            for entry in result["runs"]:
                entry["action"] = "stopped"
    _print(result["runs"], as_json=arguments.json)
    return 0


def _params(arguments: argparse.Namespace, client: SyncClient) -> dict[str, Any]:
    params: dict[str, Any] = {"names": arguments.names, "by": own_name()}
    if arguments.verb != "start":
        return {**params, "all": arguments.all}
    if arguments.all:
        params["names"] = [agent["name"] for agent in snapshot(client)["agents"]]
    return {**params, "fresh": arguments.fresh, "unattended": arguments.unattended}


def _wait_for_end(client: SyncClient, run_ids: list[str]) -> None:
    end = time.monotonic() + STOP_WAIT_S
    while True:
        states = Mirror(snapshot(client)).runs
        living = [
            states[run_id].agent
            for run_id in run_ids
            if run_id in states and states[run_id].status not in FINAL
        ]
        if not living:
            return
        if time.monotonic() > end:
            raise RefusedError(
                f"still stopping after {STOP_WAIT_S:g} s: {', '.join(living)}",
                fix="See: longwatch why NAME",
            )
        time.sleep(LOOK_EVERY_S)


def _print(runs: list[dict[str, str]], *, as_json: bool) -> None:
    if as_json:
        output.json({"runs": runs})
        return
    for entry in runs:
        output.line(f"{entry['agent']}: {entry['action']} ({entry['id']})")
    if not runs:
        output.line("nothing to do")

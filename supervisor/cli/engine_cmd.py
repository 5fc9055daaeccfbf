"""``longwatch up`` and ``longwatch down``: the engine in the background."""

from __future__ import annotations

import argparse

from supervisor.cli import output
from supervisor.cli.session import connect, ensure_engine, own_name, snapshot, wait_until_gone
from supervisor.config.paths import Project
from supervisor.control.greeting import hello_params
from supervisor.control.sync_client import SyncClient
from supervisor.core.mirror import Mirror
from supervisor.core.run import Status

SHUTDOWN_BY = "shutdown"
"""Who stopped a run that goes on with the next ``up``."""


def add_up_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``up``."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--no-autostart", action="store_true", help="start no agent, only keeper and engine"
    )
    parser.add_argument(
        "--foreground",
        action="store_true",
        help="stay here as the keeper, for a service manager that starts it again when it dies",
    )


def add_down_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``down``."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    parser.add_argument(
        "--stop-agents", action="store_true", help="end the agents gracefully first"
    )


def up(arguments: argparse.Namespace, project: Project) -> int:
    """Start keeper and engine, and what has autostart; fine when they run already."""
    from supervisor.config.load import load_config

    load_config(project)
    if arguments.foreground:
        from supervisor.cli.foreground import keep_here

        return keep_here(project, has_autostart=not arguments.no_autostart, as_json=arguments.json)
    client, is_new = ensure_engine(project)
    started = [] if arguments.no_autostart else autostart(client)
    engine = client.call("hello", hello_params("cli"))["engine"]
    if arguments.json:
        output.json({"engine": engine, "started": is_new, "runs": started})
        return 0
    verb = "started" if is_new else "already running"
    output.line(f"engine {verb}, pid {engine['pid']}, keeper {engine['keeper_pid']}")
    for entry in started:
        output.line(f"{entry['agent']}: {entry['action']}")
    return 0


def autostart(client: SyncClient) -> list[dict[str, str]]:
    """Start agents with autostart that never ran or were ended by ``down --stop-agents``.

    What succeeded is not repeated, and what the operator stopped stays stopped: opening the
    interface must not cost anything by itself.
    """
    mirror = Mirror(snapshot(client))
    newest = {state.agent: state for state in mirror.runs.values()}
    wanted = [
        spec.name
        for spec in mirror.agents.values()
        if spec.autostart
        and (
            (last := newest.get(spec.name)) is None
            or (last.status is Status.STOPPED and SHUTDOWN_BY in last.reason)
        )
    ]
    if not wanted:
        return []
    runs: list[dict[str, str]] = client.call("start", {"names": wanted, "by": own_name()})["runs"]
    return runs


def down(arguments: argparse.Namespace, project: Project) -> int:
    """End engine and keeper; agents go on unless they are to be stopped."""
    client = connect(project)
    mirror = Mirror(snapshot(client))
    result = client.call(
        "shutdown", {"stop_agents": arguments.stop_agents, "by": own_name()}, timeout_s=120.0
    )
    client.close()
    wait_until_gone(project)
    left = [mirror.runs[run_id] for run_id in result["left_running"] if run_id in mirror.runs]
    if arguments.json:
        output.json({"left_running": [{"id": run.id, "agent": run.agent} for run in left]})
        return 0
    output.line("engine and keeper have left")
    for run in left:
        output.line(
            f"{run.agent} goes on without supervision (pid {run.pid}); the next "
            "`longwatch up` adopts it"
        )
    return 0

"""``longwatch hosts``: the machines that share tasks with this one, as they say of themselves."""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from supervisor.cli import output
from supervisor.config.load import load_config
from supervisor.config.paths import Project
from supervisor.core.describe import duration
from supervisor.errors import UserError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """List them; UserError where no fleet is configured."""
    members = [_report(name, card) for name, card in fleet_of(project).items()]
    if arguments.json:
        output.json({"hosts": members})
    elif members:
        output.table(
            ("HOST", "RUNS", "ASKING", "WORKERS", "OPERATED", "VERSION", "HEARD"),
            [_row(member) for member in members],
        )
    else:
        output.line("nobody is in the fleet now: longwatch up")
    return 0


def fleet_of(project: Project, within_s: float | None = None) -> dict[str, Any]:
    """Who is in the fleet of this directory now: cards by name.

    TimeoutError after ``within_s``; without it LongwatchError, after the engine's own patience.
    """

    async def within() -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            return await _asking(project)

    return asyncio.run(within())


def _asking(project: Project) -> Coroutine[Any, Any, dict[str, Any]]:
    from supervisor.fleet.settings import nats_settings, temporal_settings

    table = load_config(project).fleet
    if table is None or table.engine is None:
        raise UserError(
            "no [fleet] with an engine in config.toml",
            fix="See docs/fleet.md",
            where=str(project.config_file),
        )
    if table.engine == "temporal":
        from supervisor.fleet.temporal_connection import require_library

        require_library()
        from supervisor.fleet import temporal_presence

        return temporal_presence.members(temporal_settings(project, table))
    from supervisor.fleet.visit import members

    return members(nats_settings(project, table))


def _report(name: str, card: Any) -> dict[str, Any]:
    return {
        "name": name,
        "host": card.host,
        "directory": card.directory,
        "version": card.version,
        "operates": card.operates,
        "pools": dict(card.pools),
        "runs": dict(card.runs),
        "requests": card.requests,
        "seconds_ago": round(max(0.0, time.time() - card.at), 1),
    }


def _row(member: dict[str, Any]) -> tuple[str, ...]:
    runs = ", ".join(f"{count} {status}" for status, count in sorted(member["runs"].items()))
    pools = ", ".join(f"{name} {count}" for name, count in sorted(member["pools"].items()))
    return (
        member["name"],
        runs or "none",
        str(member["requests"]),
        pools or "none",
        "yes" if member["operates"] else "no",
        member["version"],
        f"{duration(member['seconds_ago'])} ago",
    )

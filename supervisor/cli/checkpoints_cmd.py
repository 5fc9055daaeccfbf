"""``longwatch checkpoints RUN``: the generations a run can resume from, and going back to one."""

from __future__ import annotations

import argparse
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.session import Place, connect, own_name
from supervisor.core.describe import duration
from supervisor.core.report import rfc3339


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("run", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument(
        "--rollback",
        type=int,
        metavar="GENERATION",
        help="resume from this one at the next attempt; 0 starts from nothing",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """List the kept generations, newest first, after going back if asked to."""
    with connect(place) as client:
        if arguments.rollback is None:
            found = client.call("checkpoints", {"run": arguments.run})
        else:
            wanted = {"run": arguments.run, "generation": arguments.rollback, "by": own_name()}
            found = client.call("rollback", wanted)
    if arguments.json:
        output.json(_with_times(found))
        return 0
    if arguments.rollback is not None:
        where = f"checkpoint {arguments.rollback}" if arguments.rollback else "nothing"
        output.line(f"{found['agent']}: the next attempt starts from {where}")
        output.line(f"go on with: longwatch restart {found['agent']}")
    _print(found)
    return 0


def _with_times(found: dict[str, Any]) -> dict[str, Any]:
    for entry in (*found["generations"], *found["set_aside"]):
        entry["at"] = rfc3339(entry["at"])
    return found


def _print(found: dict[str, Any]) -> None:
    now = time.time()
    if not found["generations"]:
        output.line(f"{found['agent']} ({found['status']}) has no checkpoint")
    else:
        rows = [
            (
                str(entry["generation"]),
                entry["copy"],
                duration(max(0.0, now - entry["at"])),
                f"{entry['size_bytes']} bytes",
                entry["sha256"][:16],
                str(entry["epoch"]),
            )
            for entry in reversed(found["generations"])
        ]
        output.table(("GENERATION", "COPY", "AGE", "SIZE", "SHA-256", "EPOCH"), rows)
    for entry in found["set_aside"]:
        output.line(f"set aside: {entry['path']} ({entry['size_bytes']} bytes)")

"""``longwatch upgrade-engine``: a new engine process takes over while every agent goes on.

The same path as after the engine's death: the keeper starts another one, which adopts what lives.
The new program is tried first, so a broken installation costs nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import Any

from supervisor import __version__
from supervisor.cli import output
from supervisor.cli.session import connect as connect_or_say
from supervisor.cli.session import engine_argv, log_tail, own_name, try_connect
from supervisor.config.paths import Project
from supervisor.control.greeting import hello_params
from supervisor.control.messages import ConnectionLostError
from supervisor.control.sync_client import SyncClient
from supervisor.core.mirror import Mirror
from supervisor.core.run import ALIVE
from supervisor.errors import EnvironmentFaultError, RefusedError
from supervisor.process.daemon import KEEPER_DIR

TRIAL_TIMEOUT_S = 30.0
TAKE_OVER_TIMEOUT_S = 20.0
LOOK_EVERY_S = 0.02


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of both names of this verb."""
    parser.add_argument(
        "--keeper", action="store_true", help="the keeper too: the same process, a new program"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Replace the engine; exit status 0 when another one serves."""
    *start, directory = engine_argv(project)
    try_new_program([*start, "--check", directory], project)
    if arguments.keeper:
        keeper = [sys.executable, "-I", "-S", "-E", str(KEEPER_DIR), "--check"]
        try_new_program(keeper, project)
    with connect_or_say(project) as client:
        before = _engine(client)
        old_pids = _living(client)
        began = time.monotonic()
        client.call("upgrade", {"by": own_name(), "keeper": arguments.keeper})
    with _next_engine(project, int(before["pid"])) as client:
        away_s = time.monotonic() - began
        after = _engine(client)
        new_pids = _living(client)
    kept = sorted(set(old_pids.items()) & set(new_pids.items()))
    if arguments.json:
        output.json(
            {
                "before": before,
                "after": after,
                "seconds": round(away_s, 3),
                "agents": [{"run": run_id, "pid": pid} for run_id, pid in kept],
            }
        )
        return 0
    output.line(
        f"engine {before['version']} (pid {before['pid']}) replaced by {after['version']} "
        f"(pid {after['pid']}) in {away_s:.1f} s"
    )
    output.line(f"{len(kept)} of {len(old_pids)} agents that were running kept their process")
    keeper = after.get("keeper_version", __version__)
    if keeper != after["version"]:
        output.line(
            f"the keeper (pid {after['keeper_pid']}) still is version {keeper}; to replace it "
            "too: longwatch upgrade-engine --keeper"
        )
    return 0


def try_new_program(argv: list[str], project: Project) -> None:
    """RefusedError when the program as it is installed now could not take over."""
    try:
        done = subprocess.run(
            argv,
            check=False,
            cwd=project.directory,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=TRIAL_TIMEOUT_S,
        )
        problem = "" if done.returncode == 0 else done.stderr.strip()[-2000:] or "it said nothing"
    except (OSError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    if problem:
        raise RefusedError(
            "the program as it is installed now does not start; the running one was left alone",
            why=problem,
            fix="Repair the installation and try again.",
        )


def _engine(client: SyncClient) -> dict[str, Any]:
    hello = client.call("hello", hello_params("cli"))
    found: dict[str, Any] = hello["engine"]
    return found


def _living(client: SyncClient) -> dict[str, int]:
    states = Mirror(client.call("snapshot", {})).runs.values()
    return {s.id: s.pid for s in states if s.status in ALIVE and s.pid is not None}


def _next_engine(project: Project, old_pid: int) -> SyncClient:
    end = time.monotonic() + TAKE_OVER_TIMEOUT_S
    while time.monotonic() < end:
        client = try_connect(project)
        if client is not None:
            try:
                if _engine(client)["pid"] != old_pid:
                    return client
            except ConnectionLostError:
                pass  # It was still the old one, and left in this moment.
            client.close()
        time.sleep(LOOK_EVERY_S)
    raise EnvironmentFaultError(
        f"no new engine answered within {TAKE_OVER_TIMEOUT_S:g} s; the agents go on",
        why=log_tail(project),
        fix=f"See {project.engine_log} and {project.keeper_log}; the keeper keeps trying",
    )

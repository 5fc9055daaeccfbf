"""``longwatch completion bash|zsh|fish``: prints the script, and answers what the script asks.

``names`` and ``questions`` must be quick and quiet: they run at a press of Tab. Without an engine
the names come from config.toml; a file that cannot be read completes nothing and says nothing.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path

from supervisor.cli import output
from supervisor.config.names import name_fault
from supervisor.config.paths import Project
from supervisor.errors import LongwatchError

SHELLS = ("bash", "zsh", "fish")
MAX_SHOWN = 500


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shell, or what a script asks."""
    parser.add_argument(
        "what",
        choices=(*SHELLS, "names", "questions"),
        help="the shell whose script to print; names and questions are what the scripts ask",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it; 0 always."""
    if arguments.what in SHELLS:
        script = Path(__file__).parent / "completions" / f"longwatch.{arguments.what}"
        output.block(script.read_text(encoding="utf-8").rstrip("\n"))
        return 0
    try:
        found = _found(arguments.what, Project.find(arguments.directory))
    except (LongwatchError, OSError, TimeoutError):
        return 0  # A press of Tab is no place for an error.
    # A shell expands what it is given to choose from: only harmless names may get there.
    for word in [word for word in dict.fromkeys(found) if name_fault(word) is None][:MAX_SHOWN]:
        output.line(word)
    return 0


def _found(what: str, project: Project) -> list[str]:
    from supervisor.cli.session import snapshot, try_connect
    from supervisor.core.mirror import Mirror

    client = try_connect(project)
    if client is None:
        return _configured(project) if what == "names" else []
    with client:
        mirror = Mirror(snapshot(client))
    if what == "names":
        return [*mirror.agents, *(state.agent for state in mirror.runs.values())]
    return [request.id for state in mirror.runs.values() for request in state.open_requests]


def _configured(project: Project) -> list[str]:
    try:
        agents = tomllib.loads(project.config_file.read_text(encoding="utf-8")).get("agents", {})
    except (OSError, ValueError):
        return []
    return list(agents) if isinstance(agents, dict) else []

"""``longwatch config check`` and ``longwatch config schema``: no engine needed."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from supervisor.cli import output
from supervisor.cli.exit_codes import ExitStatus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``check`` or ``schema``."""
    parser.add_argument(
        "what",
        choices=("check", "schema"),
        help="check: every problem of config.toml at once; schema: its JSON Schema, for editors",
    )
    parser.add_argument("--json", action="store_true", help="print JSON (schema always does)")


def run(arguments: argparse.Namespace) -> int:
    """0 when it can be used (warnings included), 2 when not."""
    if arguments.what == "schema":
        from supervisor.config.schema import config_schema

        output.json(config_schema())
        return ExitStatus.DONE
    return _check(arguments.directory, as_json=arguments.json)


def _check(directory: Path | None, *, as_json: bool) -> int:
    from supervisor.config.advice import advise
    from supervisor.config.load import check_config
    from supervisor.config.paths import Project
    from supervisor.config.read import shown_path

    project = Project.find(directory)
    config, problems = check_config(project)
    if config is not None:
        advise(project, config, problems)
    if as_json:
        output.json(
            {
                "file": str(project.config_file),
                "ok": config is not None,
                "agents": list(config.agents) if config else [],
                "problems": [
                    {**dataclasses.asdict(problem), "message": str(problem)} for problem in problems
                ],
            }
        )
        return ExitStatus.WRONG_USE if config is None else ExitStatus.DONE
    problems.raise_if_any()
    for problem in problems:
        output.line(f"warning: {problem}")
    count = len(config.agents) if config else 0
    output.line(
        f"{shown_path(project.config_file)}: {count} {'agent' if count == 1 else 'agents'}, "
        "no errors"
    )
    return ExitStatus.DONE

"""``longwatch config check``, ``schema`` and ``keys``: no engine needed."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from supervisor.cli import output
from supervisor.cli.exit_codes import ExitStatus


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``check``, ``schema`` or ``keys``."""
    parser.add_argument(
        "what",
        choices=("check", "schema", "keys"),
        help="check: every problem of config.toml at once; schema: its JSON Schema, for editors; "
        "keys: the keys of the interface as [tui.keys] has them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON (schema always does)")


def run(arguments: argparse.Namespace) -> int:
    """0 when it can be used (warnings included), 2 when not."""
    if arguments.what == "schema":
        from supervisor.config.schema import config_schema

        output.json(config_schema())
        return ExitStatus.DONE
    if arguments.what == "keys":
        return _keys(arguments.directory, as_json=arguments.json)
    return _check(arguments.directory, as_json=arguments.json)


def _check(directory: Path | None, *, as_json: bool) -> int:
    from supervisor.config.advice import advise
    from supervisor.config.load import check_config
    from supervisor.config.paths import Project
    from supervisor.config.problems import Problems
    from supervisor.config.read import shown_path

    project = Project.find(directory)
    config, problems = check_config(project)
    if config is not None:
        advise(project, config, problems)
    # Only the interface knows what actions there are; its table is no part of the engine's.
    from supervisor.config.tui import read_tui_settings
    from supervisor.tui.settings import settle

    settle(read_tui_settings(project, Problems()), problems)
    if problems.has_errors():
        config = None
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


def _keys(directory: Path | None, *, as_json: bool) -> int:
    from supervisor.config.paths import Project
    from supervisor.tui import keymap, keys
    from supervisor.tui.settings import read_settings

    keymap.use(read_settings(Project.find(directory)).keymap)
    if as_json:
        listed = [
            {
                "action": key.id,
                "keys": keymap.keys_of(key.id, key.keys).split(","),
                "where": key.scope,
                "does": key.tooltip,
                "own": keymap.is_own(key.id),
            }
            for key in keys.KEYS
        ]
        output.json({"keys": listed})
        return ExitStatus.DONE
    rows = [
        (key.id, keys.shown(key), "yours" if keymap.is_own(key.id) else "", key.tooltip)
        for key in keys.KEYS
    ]
    output.table(("ACTION", "KEYS", "", "WHAT IT DOES"), rows)
    return ExitStatus.DONE

"""``longwatch doctor``: looks for what would go wrong here, before it does. Changes nothing."""

from __future__ import annotations

import argparse
import dataclasses

from supervisor.cli import output
from supervisor.cli.exit_codes import ExitStatus
from supervisor.cli.findings import Finding, Health
from supervisor.config.paths import Project
from supervisor.errors import UserError

_WORDS = {Health.OK: "ok", Health.NOTE: "note", Health.BAD: "BAD"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--json``."""
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """0 when all is well (notes included), 1 when something is not."""
    from supervisor.cli import fleet_check, machine_checks, project_checks, secret_check

    findings = machine_checks.look()
    try:
        project = Project.find(arguments.directory)
    except UserError as error:
        if arguments.directory is not None:
            raise
        findings.append(Finding("project", Health.NOTE, error.what, error.fix))
    else:
        findings += [*project_checks.look(project), *secret_check.look(project)]
        findings += fleet_check.look(project)
    is_well = all(finding.health is not Health.BAD for finding in findings)
    if arguments.json:
        output.json({"ok": is_well, "checks": [dataclasses.asdict(found) for found in findings]})
    else:
        _print(findings, is_well=is_well)
    return ExitStatus.DONE if is_well else ExitStatus.NOT_WELL


def _print(findings: list[Finding], *, is_well: bool) -> None:
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        output.line(f"{_WORDS[finding.health]:<4}  {finding.name:<{width}}  {finding.message}")
        if finding.fix and finding.health is not Health.OK:
            output.line(f"{'':<4}  {'':<{width}}  → {finding.fix}")
    output.line("")
    output.line("all is well" if is_well else "something is not well: see BAD above")

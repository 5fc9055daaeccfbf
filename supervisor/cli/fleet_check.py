"""What ``longwatch doctor`` says about ``[fleet]``: whether its servers answer, who is there."""

from __future__ import annotations

from supervisor.cli.findings import Finding, Health
from supervisor.cli.hosts_cmd import fleet_of
from supervisor.config.load import load_config
from supervisor.config.paths import Project
from supervisor.errors import LongwatchError

PATIENCE_S = 4.0
"""A server that just starts needs some; a person who waits for a diagnosis has not more."""


def look(project: Project) -> list[Finding]:
    """One finding; none where no fleet is configured. Asks the servers, ``PATIENCE_S`` at most."""
    try:
        table = load_config(project).fleet
    except LongwatchError:
        return []  # The check of the configuration says it.
    if table is None or table.engine is None:
        return []
    where = f"{table.engine} at {table.address or ', '.join(table.servers)}"
    try:
        names = list(fleet_of(project, within_s=PATIENCE_S))
    except TimeoutError:
        message = f"{where} does not answer within {PATIENCE_S:.0f} s"
        return [Finding("fleet", Health.BAD, message, "Check [fleet]; what runs here goes on.")]
    except LongwatchError as error:
        why = f": {error.why}" if error.why else ""
        return [Finding("fleet", Health.BAD, f"{error.what}{why}", error.fix)]
    there = f"{len(names)} there: {', '.join(names)}" if names else "nobody is there now"
    return [Finding("fleet", Health.OK, f"{where}, {there}")]

"""What a correct configuration may still stumble over: warnings, never errors.

Looks at the disk and the environment of now, which may be others at the start of an agent.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from supervisor.config.load import Config, dotted
from supervisor.config.paths import Project
from supervisor.config.problems import Problem, Problems, show
from supervisor.config.read import read_source, shown_path
from supervisor.core.spec import AgentSpec

_SECRET = re.compile(r"(?i)(^|_)(key|token|secret|password|passwd|credentials?)$")
Found = tuple[tuple[str, ...], str, str, str]


def advise(project: Project, config: Config, problems: Problems) -> None:
    """Report warnings about ``config`` to ``problems``."""
    source = read_source(project.config_file, Problems())
    for where, found, expected, fix in _warnings(config):
        problems.report(
            Problem(
                file=shown_path(project.config_file),
                key=dotted(where),
                line=source.lines.line_of(where) if source else None,
                found=found,
                expected=expected,
                fix=fix,
                severity="warning",
            )
        )


def _warnings(config: Config) -> Iterator[Found]:
    if not config.agents:
        yield ("agents",), "no agent", "at least one [agents.NAME]", ""
    if config.notify_urls:
        yield ("notify",), "this version sends no notifications yet", "", "It is ignored."
    for name in config.pipelines:
        yield ("pipelines", name), "this version runs no pipelines yet", "", "It is ignored."
    for spec in config.agents.values():
        yield from _agent_warnings(spec)


def _agent_warnings(spec: AgentSpec) -> Iterator[Found]:
    where = ("agents", spec.name)
    if not Path(spec.cwd).is_dir():
        yield (*where, "cwd"), f"no directory {show(spec.cwd)}", "", "Make it before the start."
    elif not _is_found(spec):
        yield (
            (*where, "command"),
            f"no program {show(spec.command[0])}",
            "one on PATH, or a path from cwd that may be executed",
            "Install it, or correct the name.",
        )
    for name, value in spec.env.items():
        if value and _SECRET.search(name):
            yield (
                (*where, "env", name),
                "it looks like a secret in a file",
                "secrets in your environment only",
                f'Set it in your shell and write env_pass = ["{name}"].',
            )
    for name in spec.env_pass:
        if name not in os.environ:
            yield (*where, "env_pass"), f"{name} is not set here", "", "Set it before the start."
    limit_s, attempt_s = spec.timeout_s, spec.attempt_timeout_s
    if limit_s is not None and attempt_s is not None and attempt_s > limit_s:
        yield (
            (*where, "attempt_timeout"),
            "longer than timeout, so it never ends an attempt",
            "",
            "",
        )


def _is_found(spec: AgentSpec) -> bool:
    program = spec.command[0]
    if "/" in program:
        return os.access(Path(spec.cwd) / program, os.X_OK)
    return shutil.which(program, path=spec.env.get("PATH")) is not None

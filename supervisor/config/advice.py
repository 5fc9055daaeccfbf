"""What a correct configuration may still stumble over: warnings, never errors.

Looks at the disk and the environment of now, which may be others at the start of an agent.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from supervisor.config.load import Config, dotted
from supervisor.config.notify import variables_in
from supervisor.config.paths import Project
from supervisor.config.problems import Problem, Problems, show
from supervisor.config.read import read_source, shown_path
from supervisor.core.concealed import conceal_spec
from supervisor.core.redact import Redactor
from supervisor.core.spec import AgentSpec

_NO_VALUES = Redactor()
Found = tuple[tuple[str, ...], str, str, str]


def advise(project: Project, config: Config, problems: Problems) -> None:
    """Report warnings about ``config`` to ``problems``."""
    source = read_source(project.config_file, Problems())
    others = " that others may read" if is_readable_by_others(project.config_file) else ""
    for where, found, expected, fix in _warnings(config, others):
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


def _warnings(config: Config, others: str) -> Iterator[Found]:
    if not config.agents and not config.pools:
        yield ("agents",), "no agent", "at least one [agents.NAME]", ""
    yield from _notify_warnings(config)
    yield from _metrics_warnings(config)
    for spec in config.agents.values():
        yield from _agent_warnings(spec, others)


def _notify_warnings(config: Config) -> Iterator[Found]:
    targets = config.notify.targets.values()
    if any(target.kind == "url" for target in targets) and find_spec("apprise") is None:
        yield (
            ("notify", "urls"),
            "addresses that need the apprise library, which is not installed",
            "",
            "pip install apprise",
        )
    for name in sorted({name for target in targets for name in variables_in(target)}):
        if name not in os.environ:
            yield (
                ("notify", "urls"),
                f"the variable {name}, which is not set here",
                "",
                "Set it where the engine is started (longwatch up).",
            )
    for target in targets:
        if target.kind == "command" and shutil.which(target.words[0]) is None:
            found = f"no program {show(target.words[0])}"
            yield ("notify", "command"), found, "", "Nobody is told through it."


def _metrics_warnings(config: Config) -> Iterator[Found]:
    settings = config.metrics
    for name, is_wanted, package, extra in (
        ("prometheus", settings.prometheus is not None, "prometheus_client", "prometheus"),
        ("otlp", settings.otlp is not None, "opentelemetry", "otel"),
    ):
        if is_wanted and find_spec(package) is None:
            found = "an export that needs a library, which is not installed"
            yield ("metrics", name), found, "", f"pip install 'longwatch[{extra}]'"
    variable = settings.otlp_headers_env
    if variable is not None and variable not in os.environ:
        yield (
            ("metrics", "otlp_headers_env"),
            f"the variable {variable}, which is not set here",
            "",
            "Set it where the engine is started (longwatch up).",
        )


def _agent_warnings(spec: AgentSpec, others: str) -> Iterator[Found]:
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
    for name in written_secrets(spec):
        if name in spec.env:
            yield (
                (*where, "env", name),
                f"it looks like a secret in a file{others}",
                "secrets in your environment only",
                f'Set it in your shell and write env_pass = ["{name}"].',
            )
        else:
            yield (
                (*where, "command"),
                f"a word looks like a secret in a file{others}; any process may read it",
                "secrets in the environment only",
                "Pass it by env_pass, and let the program read the variable.",
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


def written_secrets(spec: AgentSpec) -> list[str]:
    """Names of what of its settings holds a secret as it stands: variables, or ``command``."""
    _concealed, hidden = conceal_spec(spec, _NO_VALUES)
    found = [name for name, value in spec.env.items() if value and value in hidden.values()]
    shapes = any(_NO_VALUES.spans(word) for word in spec.command)
    return [*found, *(["command"] if shapes else [])]


def is_readable_by_others(file: Path) -> bool:
    """Whether somebody else may read that file; a missing one nobody."""
    try:
        return bool(stat.S_IMODE(file.stat().st_mode) & 0o044)
    except OSError:
        return False


def _is_found(spec: AgentSpec) -> bool:
    program = spec.command[0]
    if "/" in program:
        return os.access(Path(spec.cwd) / program, os.X_OK)
    return shutil.which(program, path=spec.env.get("PATH")) is not None

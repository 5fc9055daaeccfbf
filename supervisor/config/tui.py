"""``[tui]`` of config.toml: how the interface looks and which keys it takes.

Owns: what may stand in that table as a whole. Which actions there are is known to ``tui.keys``
alone, so the names of keys are checked there (``tui.keymap_check``). Loads pydantic only when
the file has such a table: the first picture must not wait for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from supervisor.config.paths import Project
from supervisor.config.problems import Problem, Problems
from supervisor.config.read import Source, read_source

THEMES = ("auto", "dark", "light", "high-contrast", "ansi")
"""``auto``: dark, or the 16 colours of the terminal where it has no more."""
MAX_KEYS = 8
"""Keys that one action may have."""


@dataclass(frozen=True, slots=True)
class TuiSettings:
    """What the operator wants of the interface."""

    theme: str = "auto"
    """One of ``THEMES``."""
    mouse: bool = True
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The name of an action to its keys, as they were written."""
    notify: str = "all"
    """One of ``core.ringing.NOTIFY``: how the terminal calls when something waits."""
    source: Source | None = None
    """Where they were written, for messages; None when nowhere."""


def read_tui_settings(project: Project, problems: Problems) -> TuiSettings:
    """The table; what is wrong in it is reported, and the default stands in its place.

    A file that cannot be read at all reports nothing here: the engine keeps its configuration
    and every screen says so. Blocks on one read.
    """
    source = read_source(project.config_file, Problems())
    if source is None or "tui" not in source.data:
        return TuiSettings()
    from supervisor.config.load import check_tui

    table = check_tui(source, problems, project)
    keys = MappingProxyType(dict(table.keys))
    return TuiSettings(table.theme, table.mouse, keys, table.notify, source)


def report_key(
    settings: TuiSettings, problems: Problems, action: str, told: tuple[str, str, str]
) -> None:
    """A problem of one line of ``[tui.keys]``: found, expected, what to do."""
    from supervisor.config.load import dotted

    source = settings.source
    where = ("tui", "keys", action)
    line = None
    if source is not None:
        line = source.lines.line_of(where) or source.lines.line_of(
            ("tui", "keys", *action.split("."))
        )
    problems.report(
        Problem(
            file=source.file if source else "config.toml",
            key=dotted(where),
            line=line,
            found=told[0],
            expected=told[1],
            fix=told[2],
        )
    )


def flat_keys(value: Any, head: str = "") -> dict[str, Any]:
    """``{"run": {"stop": "x"}}`` as ``{"run.stop": "x"}``: both ways of writing TOML are one."""
    flat: dict[str, Any] = {}
    for name, given in value.items():
        if isinstance(given, dict) and not head:
            flat |= flat_keys(given, f"{name}.")
        else:
            flat[f"{head}{name}"] = given
    return flat

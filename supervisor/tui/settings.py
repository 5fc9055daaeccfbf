"""What the operator wants of the interface: ``[tui]`` of config.toml, checked as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.config.paths import Project
from supervisor.config.problems import Problems
from supervisor.config.tui import TuiSettings, read_tui_settings
from supervisor.tui import keymap


@dataclass(frozen=True, slots=True)
class Settings:
    """Ready to be put in force."""

    keymap: Mapping[str, str] = field(default_factory=lambda: keymap.NONE)
    """The names of actions to Textual's keys, joined by commas; only those that were changed."""
    theme: str = "auto"
    """A name of ``theme.THEMES``, or ``auto``."""
    mouse: bool = True
    """Without, the terminal keeps its own selection and wheel."""
    notify: str = "all"
    """One of ``ringing.NOTIFY``."""


USUAL = Settings()


def read_settings(project: Project) -> Settings:
    """The settings of that project; ConfigError with every fault. Blocks on one read."""
    problems = Problems()
    written = read_tui_settings(project, problems)
    made = settle(written, problems)
    problems.raise_if_any()
    return made


def settle(written: TuiSettings, problems: Problems) -> Settings:
    """What was written, with its keys checked; faults are reported."""
    if not written.keys:
        return Settings(theme=written.theme, mouse=written.mouse, notify=written.notify)
    from supervisor.tui.keymap_check import check_keymap

    keys = check_keymap(written, problems)
    return Settings(keys, written.theme, written.mouse, written.notify)

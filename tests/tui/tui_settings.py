"""A world whose engine runs on a project with a config.toml."""

from __future__ import annotations

from pathlib import Path

from tui_history import told_world
from tui_world import World

PROJECT = Path(__file__).with_name("settings_project")


def settings_world(directory: Path = PROJECT) -> World:
    """The busy morning in that directory."""
    world = told_world()
    world.directory = str(directory)
    return world

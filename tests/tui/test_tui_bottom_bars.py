"""The bars of a headless run as text: a line each, never wider than the terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from tui_script import busy_world, hostile_world, moment

from supervisor.tui.bottom_bars import bar_lines


def shown(world_name: str, width: int, most: int) -> list[str]:
    world = {"busy": busy_world, "hostile": hostile_world}[world_name]()
    states = list(world.runs.values())
    out = io.StringIO()
    Console(file=out, width=width, soft_wrap=True).print(bar_lines(states, moment(), width, most))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 100, 300])
@pytest.mark.parametrize("world_name", ["busy", "hostile"])
def test_every_line_fits_and_holds_no_control(world_name: str, width: int) -> None:
    lines = shown(world_name, width, 50)
    assert len(lines) == {"busy": 6, "hostile": 1}[world_name]
    assert all(cell_len(line) < width for line in lines)
    assert all(line.isprintable() for line in lines)


def test_what_does_not_fit_is_counted() -> None:
    lines = shown("busy", 80, 3)
    assert len(lines) == 3 and lines[-1].startswith("… and 4 more")


def test_a_bar_says_who_how_far_and_what() -> None:
    line = next(line for line in shown("busy", 120, 50) if "license-audit" in line)
    assert "● running" in line and "47%" in line and "47 of 100 documents" in line

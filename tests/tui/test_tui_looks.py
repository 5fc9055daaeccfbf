"""The looks, compared with pictures; behaviour is tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from tui_script import ManualClock, ScriptedBackend, World, busy_world

from supervisor.tui.app import LongwatchApp

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
Compare = Callable[..., bool]


def drawn(
    world: World, keys: tuple[str, ...]
) -> tuple[LongwatchApp, Callable[[Pilot[int]], object]]:
    """An app of that world, and what brings it to the screen to look at."""
    app = LongwatchApp(ScriptedBackend(world), clock=ManualClock(), tick_s=None)

    async def before(pilot: Pilot[int]) -> None:
        for _ in range(250):
            await pilot.pause(0.02)
            if app.picture.is_loaded and app.screen.is_mounted:
                break
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.05)
        await pilot.pause(0.4)  # The log is read five times a second.
        await pilot.pause()

    return app, before


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("dashboard", ("g", "j", "j", "j", "j", "j")),
        ("request", ("i",)),
        ("run", ("g", "j", "j", "j", "j", "j", "enter")),
        ("log", ("g", "j", "j", "j", "j", "j", "l")),
        ("help", ("question_mark",)),
        ("confirm", ("g", "j", "j", "j", "j", "j", "x")),
    ],
)
def test_screen(snap_compare: Compare, name: str, keys: tuple[str, ...], size: str) -> None:
    app, before = drawn(busy_world(), keys)
    assert snap_compare(app, terminal_size=SIZES[size], run_before=before)


@pytest.mark.parametrize("size", SIZES)
def test_empty(snap_compare: Compare, size: str) -> None:
    app, before = drawn(World(), ())
    assert snap_compare(app, terminal_size=SIZES[size], run_before=before)


def test_wide_dashboard(snap_compare: Compare) -> None:
    app, before = drawn(busy_world(), ("g", "j", "j", "j", "j", "j"))
    assert snap_compare(app, terminal_size=(200, 50), run_before=before)


def test_light_theme(snap_compare: Compare) -> None:
    app, before = drawn(busy_world(), ("T",))
    assert snap_compare(app, terminal_size=(120, 40), run_before=before)

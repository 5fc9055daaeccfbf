"""The looks, compared with pictures; behaviour is tested elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from tui_script import ManualClock, ScriptedBackend, World, busy_world, text_of

from supervisor.tui.app import LongwatchApp
from supervisor.tui.model import Link

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
            if app.picture.link is Link.LIVE and "longwatch" in text_of(app):
                break
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await until_still(app, pilot)

    return app, before


async def until_still(app: LongwatchApp, pilot: Pilot[int]) -> None:
    """Wait until the log is read and five looks in a row show the same."""
    same, before = 0, ""
    for _ in range(250):
        await pilot.pause(0.05)
        now = text_of(app)
        is_read = app._tail is None or app._tail.is_loaded
        same, before = (same + 1 if now == before and is_read else 0), now
        if same == 5:
            return
    raise AssertionError("the screen never came to rest")


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

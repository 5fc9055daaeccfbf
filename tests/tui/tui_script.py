"""A scripted engine for the interface: a fixed clock, a small world, and every call recorded.

Not a stand-in for the engine's behaviour: the states are folded by the real reducer, and the
answers are those of the contract. Only the socket is missing. The parts have files of their own:
``tui_world`` (runs from events), ``tui_worlds`` (busy, hostile), ``tui_backend`` (the calls).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot
from tui_backend import ManualClock, ScriptedBackend
from tui_world import BASE_WALL, BOOT, World, moment, spec
from tui_worlds import EVIL, STAGES, answered, busy_world, hostile_world

from supervisor.tui.app import LongwatchApp
from supervisor.tui.model import Link
from supervisor.tui.screens.request import RequestScreen

__all__ = [
    "BASE_WALL", "BOOT", "EVIL", "STAGES", "Driven", "ManualClock", "ScriptedBackend", "World",
    "answered", "busy_world", "driven", "hostile_world", "moment", "spec", "text_of",
]  # fmt: skip


def text_of(app: LongwatchApp) -> str:
    """What stands on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@dataclass
class Driven:
    """The interface under test, with everything a test turns or looks at."""

    app: LongwatchApp
    pilot: Pilot[int]
    backend: ScriptedBackend
    clock: ManualClock

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a condition, at most five seconds."""
        for _ in range(250):
            await self.pilot.pause()
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never came true: {what or condition}\n{self.text()}")

    async def press(self, *keys: str) -> None:
        """Press keys and let them work."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def settle(self) -> None:
        """Let what was put on screen be laid out, and the dead time pass."""
        for _ in range(3):
            await self.pilot.pause()
        self.clock.advance(1.0)

    async def open_oldest(self) -> None:
        """Open the oldest request and wait until keys count."""
        await self.press("i")
        await self.until(lambda: isinstance(self.app.screen, RequestScreen), "a request screen")
        await self.settle()

    def text(self) -> str:
        """What stands on the screen."""
        return text_of(self.app)


@asynccontextmanager
async def driven(
    world: World,
    size: tuple[int, int] = (120, 40),
    app_type: type[LongwatchApp] = LongwatchApp,
) -> AsyncIterator[Driven]:
    """Run the interface on that world until its picture is loaded."""
    backend, clock = ScriptedBackend(world), ManualClock()
    app = app_type(backend, clock=clock, tick_s=None)
    async with app.run_test(size=size) as pilot:
        driver = Driven(app, pilot, backend, clock)
        await driver.until(lambda: app.picture.link is Link.LIVE, "a picture")
        await driver.until(lambda: "longwatch" in driver.text(), "a drawn screen")
        await driver.settle()
        yield driver

"""Draw the screens of the documentation: ``python tests/tui/make_screens.py [directory]``."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

os.environ.update(TZ="UTC", TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor")
time.tzset()
sys.path.insert(0, str(Path(__file__).parent))

from tui_script import ManualClock, ScriptedBackend, busy_world  # noqa: E402

from supervisor.tui.app import LongwatchApp  # noqa: E402

SCREENS: dict[str, tuple[tuple[int, int], tuple[str, ...]]] = {
    "dashboard": ((120, 40), ("j", "j")),
    "request": ((120, 40), ("i",)),
}


async def draw(directory: Path, name: str, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    """Save one screen as SVG."""
    app = LongwatchApp(ScriptedBackend(busy_world()), clock=ManualClock(), tick_s=None)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(0.5)
        await pilot.press(*keys)
        await pilot.pause(0.5)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{name}.svg").write_text(app.export_screenshot(title="longwatch"))


async def main() -> None:
    """Draw them all."""
    here = Path(__file__).parents[2] / "docs" / "screens"
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else here
    for name, (size, keys) in SCREENS.items():
        await draw(directory, name, size, keys)


if __name__ == "__main__":
    asyncio.run(main())

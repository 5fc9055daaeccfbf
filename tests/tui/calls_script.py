"""The interface in this terminal, with one open question; more happens on a byte in a pipe.

``python calls_script.py all|bell|off DESCRIPTOR``: the first byte brings a hostile question, the
second a reminder of the first one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tui_script import ScriptedBackend, World

from supervisor.core import events as e
from supervisor.tui.app import run_app
from supervisor.tui.settings import Settings

HOSTILE = "Done?\a\x1b]52;c;aGk=\a\x1b\\\x9d0;owned\x9c;x\nsecond line"


class Fed(ScriptedBackend):
    """Tells of the next event whenever a byte arrives."""

    async def connect(self) -> None:
        await super().connect()
        threading.Thread(target=self.feed, args=(asyncio.get_running_loop(),), daemon=True).start()

    def feed(self, loop: asyncio.AbstractEventLoop) -> None:
        (run_id,) = self.world.runs
        (first,) = self.world.runs[run_id].open_requests
        descriptor = int(sys.argv[2])
        os.read(descriptor, 1)
        asked = self.world.ask(run_id, 0, kind="approve", title=HOSTILE, sha256="cd" * 32)
        loop.call_soon_threadsafe(self.tell, asked)
        os.read(descriptor, 1)
        reminded = e.RequestReminded(first.id, 1, 900.0, first.title)
        loop.call_soon_threadsafe(self.tell, self.world.happen(run_id, reminded))


def main() -> int:
    """Run it."""
    world = World()
    run_id = world.start("7F3K", "writer", -300)
    world.ask(run_id, -60, kind="approve", title="Publish?", sha256="ab" * 32)
    return run_app(Fed(world), Settings(notify=sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())

"""Runs the interface on a scripted engine in whatever terminal this is started in.

``python terminal_script.py busy|hostile|edit|boom|storm``; boom fails inside once the picture is
there, storm draws everything again and again.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tui_script import ScriptedBackend, World, busy_world, hostile_world

from supervisor.tui import run_tui
from supervisor.tui.app import LongwatchApp, PictureChanged


def fail(app: LongwatchApp, message: PictureChanged) -> None:
    """A bug of ours, in a message handler."""
    if app.picture.is_loaded:
        raise ValueError("a bug of ours \x1b]52;c;aGk=\x07")


def storm(app: LongwatchApp, _message: PictureChanged) -> None:
    """Everything anew, fifty times a second, and the queue to the terminal full."""
    app._draw()
    if app.picture.is_loaded:
        app.set_timer(0.5, lambda: app.set_interval(0.02, lambda: flood(app)), name="storm")


def flood(app: LongwatchApp) -> None:
    """More than the writing thread holds."""
    app.screen.refresh(layout=True)
    for _ in range(40):
        app._driver.write("\x1b[1;1H\x1b[0m" * 100)  # type: ignore[union-attr]


def edit_world() -> World:
    """One agent that proposes a text."""
    world = World()
    run_id = world.start("7F3K", "writer", -300)
    text = {"text": "Dear all"}
    world.ask(run_id, -60, kind="edit", title="Send it?", action=text, sha256="ab" * 32)
    return world


def main() -> int:
    """Run it."""
    kind = sys.argv[1]
    if kind == "boom":
        LongwatchApp.on_picture_changed = fail  # type: ignore[method-assign,assignment]
    if kind == "storm":
        LongwatchApp.on_picture_changed = storm  # type: ignore[method-assign,assignment]
    world = {"hostile": hostile_world, "edit": edit_world}.get(kind, busy_world)()
    return run_tui("unused", backend=ScriptedBackend(world))


if __name__ == "__main__":
    sys.exit(main())

"""The last line before the terminal: no byte that stems from content passes as a control.

Textual itself passes control bytes in content on to the terminal (RELIABILITY, trap 1), whatever
``markup`` says. ``render.py`` keeps them out; this module holds even when ``render.py`` was
forgotten somewhere. Two nets: every strip that is about to be drawn has its segments cleaned and
its links removed, and the driver lets only the few sequences pass that Textual itself writes. One
method goes past it, for the bell, messages and the window's name, which ``core.ringing`` makes.
``assert_in_place`` is called at start-up: without the guard the interface refuses to run.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from functools import lru_cache
from typing import Any, TextIO, cast

from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, InlineUpdate, LayoutUpdate
from textual.app import App
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.strip import Strip

from supervisor.core import ringing
from supervisor.core.text import safe_text
from supervisor.tui.terminal import exit_status
from supervisor.tui.terminal_file import TerminalFile

LOST_STATUS = exit_status(signal.SIGHUP)
"""What a program reports whose terminal is gone, whether or not the signal came."""
_OWN = re.compile(
    r"\x1b\["
    r"(?:[0-9;:]*m"  # colours and attributes
    r"|[0-9]*(?:;[0-9]*)?H"  # cursor position
    r"|[0-9]*[ABCDGJK]"  # cursor moves, clearing
    r"|\?[0-9;]+[hl]"  # modes: alternate screen, mouse, paste, cursor, sync
    r"|\?[0-9]+\$p"  # queries of modes
    r"|[<>=][0-9]*u"  # kitty keyboard protocol
    r"|[0-9]* q"  # cursor shape
    r"|6n)"  # query of the cursor's place
)
"""Sequences Textual writes of itself. OSC, DCS, APC and everything else is not among them."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What must not stand outside of those; newline and tab move nothing but the cursor."""


class GuardMissingError(RuntimeError):
    """The guard is not between the content and the terminal: a bug of ours."""


def filtered(data: str) -> str:
    """``data`` with every control that is not one of Textual's own sequences made visible."""
    if data.isascii() and data.isprintable():
        return data
    pieces: list[str] = []
    at = 0
    for found in _OWN.finditer(data):
        pieces.append(_CONTROL.sub(_visible, data[at : found.start()]))
        pieces.append(found.group())
        at = found.end()
    pieces.append(_CONTROL.sub(_visible, data[at:]))
    return "".join(pieces)


def _visible(match: re.Match[str]) -> str:
    return safe_text(match.group())


@lru_cache(maxsize=8192)
def _clean(text: str) -> str:
    return safe_text(text)


def clean_strip(strip: Strip) -> Strip:
    """``strip`` without controls or links in its segments, in the same number of cells."""
    if all(_is_harmless(segment) for segment in strip):
        return strip
    segments = [Segment(_clean(segment.text), _without_link(segment.style)) for segment in strip]
    return Strip(segments).adjust_cell_length(strip.cell_length)


def _is_harmless(segment: Segment) -> bool:
    text, style = segment.text, segment.style
    if style is not None and style.link is not None:
        return False
    return (text.isascii() and text.isprintable()) or _clean(text) == text


def _without_link(style: Style | None) -> Style | None:
    return style.update_link(None) if style is not None and style.link is not None else style


def clean_update(update: CompositorUpdate) -> CompositorUpdate:
    """What is about to be drawn, strip by strip; another kind than known is refused."""
    if isinstance(update, ChopsUpdate):
        update.chops = [
            {x: None if strip is None else clean_strip(strip) for x, strip in row.items()}
            for row in update.chops
        ]
    elif isinstance(update, LayoutUpdate):
        update.strips = [[clean_strip(strip) for strip in row] for row in update.strips]
    elif isinstance(update, InlineUpdate):
        update.strips = [clean_strip(strip) for strip in update.strips]
    else:
        raise GuardMissingError(f"unknown kind of update {type(update).__name__}")
    return update


class GuardedDriver(LinuxDriver):
    """The terminal driver with the filter in front of it; a lost terminal ends the application."""

    def __init__(self, app: App[Any], **settings: Any) -> None:
        super().__init__(app, **settings)
        self._out: TerminalFile | None = None
        self._window_name = ""

    def write(self, data: str) -> None:
        """Write what may pass."""
        super().write(filtered(data))

    def start_application_mode(self) -> None:
        """Take the terminal, at the start and after an editor had it."""
        if self._out is None:
            self._out = TerminalFile(cast("TextIO", self._file).fileno(), self._tell_lost)
            self._file = cast("Any", self._out)
            if os.isatty(self._out.fileno()):
                self._out.watch()
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._window_name:
            self._pass(ringing.PUSH_TITLE + self._window_name)

    def stop_application_mode(self) -> None:
        """Give the terminal back, its window's name too."""
        if self._window_name:
            self._pass(ringing.POP_TITLE)
        super().stop_application_mode()

    def ring(self, made: str) -> None:
        """The one way past the filter, and only for what ``core.ringing`` made."""
        if not ringing.is_ours(made):
            raise GuardMissingError("something that is no call was to be sent as one")
        if made:
            self._pass(made)

    def name_window(self, made: str) -> None:
        """The same for the window's name; what it was comes back when the terminal is left."""
        if made:
            is_first, self._window_name = not self._window_name, made
            self.ring(ringing.PUSH_TITLE + made if is_first else made)

    def _pass(self, data: str) -> None:
        if self._writer_thread is not None:
            super().write(data)

    def run_input_thread(self) -> None:
        """Read keys; a terminal that is gone is no bug of ours."""
        try:
            super().run_input_thread()
        except OSError:
            if self._out is not None:
                self._out.give_up()

    def _tell_lost(self) -> None:
        with suppress(RuntimeError):  # The loop has ended: so has the application.
            self._loop.call_soon_threadsafe(self._app.exit, LOST_STATUS)


class GuardedApp(App[int]):
    """An application whose every draw goes through ``clean_update``."""

    def _display(self, screen: Any, renderable: Any) -> None:
        if renderable is not None:
            renderable = clean_update(renderable)
        super()._display(screen, renderable)

    def bell(self) -> None:
        """Nothing: a bell is a control byte, and nothing here is worth one."""

    def copy_to_clipboard(self, text: str) -> None:
        """Nothing: it would need an OSC 52 sequence, which never passes."""


def assert_in_place(
    app: App[Any], driver: Driver | None, guarded: type[Driver] = GuardedDriver
) -> None:
    """Refuse to run unguarded; a driver that writes to no terminal needs no filter."""
    if type(app)._display is not GuardedApp._display:
        raise GuardMissingError("drawing does not go through the guard")
    if driver is None or driver.is_headless:
        return
    if not isinstance(driver, guarded) or type(driver).write is not guarded.write:
        raise GuardMissingError(f"{type(driver).__name__} writes to the terminal unguarded")

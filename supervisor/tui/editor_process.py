"""The operator's editor as a process: it has the terminal, and it never outlives us.

Owns the signals for as long as the editor runs. An editor that ends badly, or is ended, leaves the
terminal as it was before. Nothing of Textual is loaded here.
"""

from __future__ import annotations

import os
import signal
import subprocess
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

ENDING = (signal.SIGHUP, signal.SIGTERM)
"""Told to us, passed on: editors save a copy of what is not written yet, and go."""
GRACE_S = 2.0
"""For that; then it is killed."""
TO_THE_LINES = b"\x1b[?1049l\x1b[?2004l\x1b[?1000l\x1b[?1006l\x1b[?1l\x1b>\x1b[0m\x1b[?25h"
"""What a killed editor left on: alternate screen, paste and mouse reports, keypad, no cursor."""


@dataclass(frozen=True, slots=True)
class EditorEnded:
    """How it ended."""

    status: int
    told: int = 0
    """The signal that told us to end meanwhile; 0 for none."""


class _TellError(BaseException):
    """A signal came while the editor was waited for: not to be caught by anything between."""


class _Signals:
    """Remembers what we were told; interrupts the wait, and nothing but the wait."""

    def __init__(self) -> None:
        self.told = 0
        self.is_waiting = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        self.told = self.told or number
        if self.is_waiting:
            self.is_waiting = False
            raise _TellError

    def wait(self, child: subprocess.Popen[bytes]) -> None:
        """Until it ends or we are told."""
        try:
            self.is_waiting = True
            if not self.told:
                child.wait()
            self.is_waiting = False
        except _TellError:
            pass


def run_editor(command: Sequence[str]) -> EditorEnded:
    """Run it on our terminal to its end; OSError when it cannot be started. Blocks."""
    with _terminal_kept() as restore, _held_signals() as signals:
        child = subprocess.Popen(command)
        signals.wait(child)
        signals.is_waiting = False
        if signals.told and child.poll() is None:
            _end(child, signals.told)
            restore()
        return EditorEnded(child.wait(), signals.told)


def _end(child: subprocess.Popen[bytes], number: int) -> None:
    """End it and whatever it started, politely first: an editor may be a script around one."""
    import psutil

    try:
        root = psutil.Process(child.pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in tree:
        with suppress(psutil.Error):
            process.send_signal(number)
    # The child is reaped by its own object, or its status would be lost.
    _gone, alive = psutil.wait_procs(tree[1:], timeout=GRACE_S)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S if not alive else 0.0)
    for process in tree:
        with suppress(psutil.Error):
            if process.is_running():
                process.kill()


@contextmanager
def _held_signals() -> Iterator[_Signals]:
    """Ours while the editor runs. Ctrl-C is a key of the editor's: it is nothing to us.

    An event loop hears of signals through its wakeup descriptor, which would have it act on the
    Ctrl-C afterwards: it is taken away meanwhile.
    """
    signals = _Signals()
    before: dict[signal.Signals, Any] = {}
    wakeup = -1
    try:
        try:
            wakeup = signal.set_wakeup_fd(-1)
            for number in ENDING:
                before[number] = signal.signal(number, signals)
            before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
        except ValueError:
            pass  # Not the main thread: signals are another's.
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if before:
            signal.set_wakeup_fd(wakeup)


@contextmanager
def _terminal_kept() -> Iterator[Any]:
    """Its settings as they are now, at the end again; gives what also leaves the full screen."""
    try:
        settings = termios.tcgetattr(0)
    except (termios.error, OSError):
        yield lambda: None
        return

    def put_back() -> None:
        with suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSANOW, settings)

    def leave() -> None:
        put_back()
        if os.environ.get("TERM") not in ("dumb", "unknown", None):
            with suppress(OSError):
                os.write(2, TO_THE_LINES)

    try:
        yield leave
    finally:
        put_back()

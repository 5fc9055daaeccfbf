"""The terminal goes away in mid-use: the interface ends by itself, at once and with no fuss."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("terminal_script.py")
LIMIT_S = 20.0
LOST = 128 + signal.SIGHUP

pytestmark = pytest.mark.terminal


class Window:
    """A window that is only read until it is closed."""

    def __init__(self, kind: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        # Not its controlling terminal: no SIGHUP comes, so nothing but the writing can notice.
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), kind],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            env={**os.environ, "TERM": "xterm-256color"},
        )  # fmt: skip
        os.close(slave)
        self.seen = b""

    def until(self, wanted: bytes) -> None:
        end = time.monotonic() + LIMIT_S
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            self.seen += os.read(self.master, 65536)

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
            self.master = -1


@pytest.fixture(params=["storm", "busy"])
def window(request: pytest.FixtureRequest) -> Iterator[Window]:
    made = Window(request.param)
    yield made
    made.close()
    if made.process.poll() is None:
        made.process.kill()
    made.process.wait(LIMIT_S)


def test_a_terminal_that_goes_away_without_a_signal_ends_the_interface(window: Window) -> None:
    """``storm`` draws all the time, so that the queue to the terminal is full; ``busy`` rests."""
    window.until(b"license-audit")
    window.close()
    assert window.process.wait(LIMIT_S) == LOST

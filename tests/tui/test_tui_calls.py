"""What the interface really sends to a terminal when something waits for the operator."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("calls_script.py")
LIMIT_S = 20.0
PUSH, POP = b"\x1b[22;2t", b"\x1b[23;2t"
CALLS = re.compile(rb"\x1bP.*?\x1b\\|\x1b\][^\x07]*\x07|\x1b\[2[23];2t|\x07", re.DOTALL)
"""Everything that rings, names or notifies, whoever made it."""
ONE, TWO = b"\x1b]2;(1) longwatch\a", b"\x1b]2;(2) longwatch\a"
SHOWN = b"Done?^G^[]52,c,aGk=^G^[\\<U+009D>0,owned<U+009C>,x^Jsecond line"
ASKED = (
    b"\a\x1b]9;longwatch: writer: asks: " + SHOWN + b"\a"
    b"\x1b]777;notify;longwatch;writer: asks: " + SHOWN + b"\a"
)
REMINDED = (
    b"\a\x1b]9;longwatch: writer: asks: Publish?\a"
    b"\x1b]777;notify;longwatch;writer: asks: Publish?\a"
)

pytestmark = pytest.mark.terminal


class Called:
    """A terminal in which the operator is called."""

    def __init__(self, notify: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        theirs, self._pipe = os.pipe()
        clean = {k: v for k, v in os.environ.items() if k not in ("TMUX", "STY", "TERM_PROGRAM")}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), notify, str(theirs)],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, pass_fds=(theirs,),
            env={**clean, "TERM": "xterm-256color", **environment},
        )  # fmt: skip
        os.close(theirs)
        os.close(slave)
        self.seen = b""

    def happen(self) -> None:
        os.write(self._pipe, b"x")

    def until(self, wanted: bytes) -> None:
        end = time.monotonic() + LIMIT_S
        while wanted not in self.seen:
            assert time.monotonic() < end, (wanted, self.seen[-2000:])
            self._read()

    def sent(self) -> bytes:
        """Only what calls, in its order."""
        return b"".join(CALLS.findall(self.seen))

    def end(self) -> None:
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None or self._read():
            assert time.monotonic() < end, self.seen[-2000:]
            self._read()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)
        os.close(self.master)
        os.close(self._pipe)

    def _read(self) -> bool:
        if not select.select([self.master], [], [], 0.05)[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data
        return bool(data)


@pytest.fixture
def opened() -> Iterator[Callable[..., Called]]:
    made: list[Called] = []

    def open_one(notify: str, **environment: str) -> Called:
        made.append(Called(notify, **environment))
        made[-1].until(b"Publish?")
        return made[-1]

    yield open_one
    for one in made:
        one.close()


@pytest.mark.parametrize("how", [b"q", signal.SIGTERM], ids=["q", "SIGTERM"])
def test_the_terminal_gets_the_number_the_new_question_the_reminder_and_its_own_name_back(
    opened: Callable[..., Called], how: bytes | signal.Signals
) -> None:
    terminal = opened("all")
    terminal.until(ONE)
    assert b"\a" not in terminal.seen.replace(ONE, b""), "it called for what was there already"
    terminal.happen()
    terminal.until(TWO)
    terminal.until(ASKED)
    terminal.happen()
    terminal.until(REMINDED)
    if isinstance(how, bytes):
        os.write(terminal.master, how)
    else:
        terminal.process.send_signal(how)
    terminal.end()
    assert terminal.sent() == PUSH + ONE + TWO + ASKED + REMINDED + POP
    rest = re.sub(rb"\x1b\[[0-9;?<>$]*[a-zA-Z]", b"", CALLS.sub(b"", terminal.seen))
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", rest)


def test_the_bell_alone_rings_and_says_nothing(opened: Callable[..., Called]) -> None:
    terminal = opened("bell")
    terminal.happen()
    terminal.until(b"\a")
    os.write(terminal.master, b"q")
    terminal.end()
    assert terminal.sent() == b"\a"


def test_off_means_off(opened: Callable[..., Called]) -> None:
    terminal = opened("off")
    terminal.happen()
    terminal.until(b"owned")
    os.write(terminal.master, b"q")
    terminal.end()
    assert terminal.sent() == b""


def test_within_tmux_a_message_is_handed_on_to_the_terminal_outside(
    opened: Callable[..., Called],
) -> None:
    terminal = opened("all", TERM="tmux-256color", TMUX="/nowhere,1,0")
    terminal.happen()
    terminal.until(b"\x1bPtmux;\x1b\x1b]9;longwatch: writer: asks: Done?")
    terminal.until(b"second line\a\x1b\\")
    os.write(terminal.master, b"q")
    terminal.end()

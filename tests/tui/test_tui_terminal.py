"""The interface in a real terminal: left as it was found, whatever ends us."""

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
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("terminal_script.py")
LIMIT_S = 20.0
ENTER = b"\x1b[?1049h"
LEAVE = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l", b"\x1b[?2004l", b"\x1b[<u")
"""Alternate screen off, cursor on, mouse off, paste off, keyboard protocol off."""

pytestmark = pytest.mark.terminal


class Terminal:
    """A pseudo terminal with the interface in it."""

    def __init__(self, kind: str, **environment: str | None) -> None:
        """``environment`` over the usual one; None takes a variable out."""
        self.master, slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.seen = b""
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env |= {name: value for name, value in environment.items() if value is not None}
        for name in [name for name, value in environment.items() if value is None]:
            env.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), kind],
            stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True,
        )  # fmt: skip

    def read(self) -> bool:
        """Read what there is; False when nothing came for a moment."""
        ready, _, _ = select.select([self.master], [], [], 0.05)
        if not ready:
            return False
        try:
            self.seen += os.read(self.master, 65536)
        except OSError:
            return False
        return True

    def until(self, wanted: bytes) -> None:
        """Wait until that was written."""
        end = time.monotonic() + LIMIT_S
        while wanted not in self.seen:
            assert time.monotonic() < end, f"{wanted!r} never came: {self.seen[-2000:]!r}"
            self.read()

    def end(self) -> int:
        """Wait until it ended; its exit status."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it did not end: {self.seen[-2000:]!r}"
            self.read()
        while self.read():
            pass
        return self.process.returncode

    def assert_restored(self) -> None:
        """As it was before."""
        last = self.seen.rfind(ENTER)
        for sequence in LEAVE:
            assert self.seen.rfind(sequence) > last, sequence
        after = termios.tcgetattr(self.slave)
        assert after[:4] == self.before[:4]

    def close(self) -> None:
        """End it if need be."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def busy() -> Iterator[Terminal]:
    terminal = Terminal("busy")
    terminal.until(b"license-audit")
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (b"q", 0),
        (b"\x03", 0),
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGHUP, 128 + signal.SIGHUP),
        (signal.SIGINT, 0),
    ],
    ids=["q", "ctrl-c", "SIGTERM", "SIGHUP", "SIGINT"],
)
def test_the_terminal_is_as_before(
    busy: Terminal, how: bytes | signal.Signals, status: int
) -> None:
    if isinstance(how, bytes):
        os.write(busy.master, how)
    else:
        busy.process.send_signal(how)
    assert busy.end() == status
    busy.assert_restored()


def test_an_exception_of_ours_leaves_the_terminal_as_before_and_is_told_plainly() -> None:
    terminal = Terminal("boom")
    try:
        assert terminal.end() == 70
        terminal.assert_restored()
        told = terminal.seen[terminal.seen.rfind(b"\x1b[?1049l") :]
        assert b"a bug of ours ^[]52;c;aGk=^G" in told
        assert b"\x1b]52" not in terminal.seen
    finally:
        terminal.close()


def test_what_really_goes_to_the_terminal_holds_nothing_of_a_hostile_agent() -> None:
    terminal = Terminal("hostile")
    try:
        terminal.until(b"evil-agent")
        for key in (b"g", b"l", b"e", b"\x1b", b"i", b"\x1b", b"\r", b"\x1b"):
            os.write(terminal.master, key)
            end = time.monotonic() + 0.4
            while time.monotonic() < end:
                terminal.read()
        os.write(terminal.master, b"\x03")
        assert terminal.end() == 0
    finally:
        terminal.close()
    text = terminal.seen.decode()
    assert "^[]52;c" in text
    # Movements and colours, and the title of the window with nothing but a count in it.
    ours = re.compile(r"\x1b\[[0-9;?<>$]*[a-zA-Z]|\x1b\]2;(?:\([0-9]+\) )?longwatch\x07")
    rest = ours.sub("", text)
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", rest)
    # Clearing, which the agent wrote and Textual never does while it draws.
    assert "\x1b[2J" not in text


def test_the_operators_editor_gets_the_terminal_and_the_interface_comes_back_with_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text(
        'test -t 0 && test -t 1 && stty -a | grep -q " icanon" && echo IN-THE-EDITOR\n'
        f'stat -c %a "$1" "$(dirname "$1")" > {tmp_path}/modes; echo "$1" > {tmp_path}/name\n'
        'printf "\\nadded line" >> "$1"\n'
    )
    monkeypatch.setenv("VISUAL", f"sh {editor}")
    terminal = Terminal("edit")
    terminal.until(b"writer")
    os.write(terminal.master, b"i")
    terminal.until(b"ear all")  # The cursor stands on the first letter.
    before = terminal.seen.rfind(ENTER)
    os.write(terminal.master, b"\x0f")  # Ctrl+O
    terminal.until(b"IN-THE-EDITOR")
    assert terminal.seen.rfind(LEAVE[0]) > before, "it was not on the ordinary screen"
    terminal.until(b"added line")
    assert terminal.seen.rfind(ENTER) > before, "the interface did not come back"
    assert (tmp_path / "modes").read_text().split() == ["600", "700"]
    assert not Path((tmp_path / "name").read_text().strip()).exists()
    end = time.monotonic() + LIMIT_S
    while b"7F3K-1 answered" not in terminal.seen:
        assert time.monotonic() < end, terminal.seen[-2000:]
        os.write(terminal.master, b"\x13")  # Ctrl+S, until its dead time is over
        for _ in range(8):
            terminal.read()
    os.write(terminal.master, b"q")
    assert terminal.end() == 0
    terminal.assert_restored()


def test_an_editor_that_fails_sends_nothing_and_leaves_the_text_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VISUAL", "false")
    terminal = Terminal("edit")
    terminal.until(b"writer")
    os.write(terminal.master, b"i")
    terminal.until(b"ear all")  # The cursor stands on the first letter.
    os.write(terminal.master, b"\x0f")
    terminal.until(b"as it was")
    terminal.until(b"nothing was sent")
    os.write(terminal.master, b"\x03")
    assert terminal.end() == 0
    terminal.assert_restored()

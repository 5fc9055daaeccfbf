"""The interface is told to end while the operator's editor has the terminal."""

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
import tempfile
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from supervisor.tui.editor import EditAbortedError, edit_text

SCRIPT = Path(__file__).with_name("terminal_script.py")
LIMIT_S = 20.0
EDITOR = """
import os, signal, sys, termios, time, tty
{stubborn}
open(sys.argv[2], "w").write(f"{{os.getpid()}} {{sys.argv[1]}}")
with open(sys.argv[1], "a") as file:
    file.write("\\nhalf a sentence")
tty.setraw(0)
os.write(1, b"\\x1b[?1049h\\x1b[?25lEDITING")
time.sleep(600)
"""
STUBBORN = "for n in (signal.SIGHUP, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)"

pytestmark = pytest.mark.terminal


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Editing:
    """The interface with an editor open in it."""

    def __init__(self, tmp_path: Path, *, is_stubborn: bool) -> None:
        (tmp_path / "drafts").mkdir()
        editor = tmp_path / "editor.py"
        editor.write_text(EDITOR.format(stubborn=STUBBORN if is_stubborn else ""))
        wrapper = tmp_path / "editor.sh"
        # A script around an editor, as many people have one: the shell is not the one that edits.
        wrapper.write_text(f'"{sys.executable}" "{editor}" "$1" "{tmp_path}/said"\n:\n')
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.seen = b""
        env = {**os.environ, "TERM": "xterm-256color", "VISUAL": f"sh {wrapper}"}
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), "edit"], start_new_session=True,
            env={**env, "TMPDIR": str(tmp_path / "drafts")},
            stdin=self.slave, stdout=self.slave, stderr=self.slave,
        )  # fmt: skip
        self.until(b"writer")
        os.write(self.master, b"i")
        self.until(b"ear all")
        os.write(self.master, b"\x0f")
        self.until(b"EDITING")
        pid, path = (tmp_path / "said").read_text().split()
        self.editor, self.draft = psutil.Process(int(pid)), Path(path)

    def read(self) -> None:
        if select.select([self.master], [], [], 0.05)[0]:
            self.seen += os.read(self.master, 65536)

    def until(self, wanted: bytes) -> None:
        end = time.monotonic() + LIMIT_S
        while wanted not in self.seen:
            assert time.monotonic() < end, self.seen[-2000:]
            self.read()

    def end(self) -> int:
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, self.seen[-2000:]
            self.read()
        self.read()
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(LIMIT_S)
        if self.editor.is_running():
            self.editor.kill()
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)


@pytest.mark.parametrize(
    ("number", "is_stubborn"),
    [(signal.SIGTERM, False), (signal.SIGHUP, False), (signal.SIGTERM, True)],
    ids=["SIGTERM", "SIGHUP", "stubborn"],
)
def test_told_to_end_while_editing_the_editor_ends_too_and_the_draft_is_kept(
    tmp_path: Path, number: signal.Signals, is_stubborn: bool
) -> None:
    editing = Editing(tmp_path, is_stubborn=is_stubborn)
    try:
        editing.process.send_signal(number)
        assert editing.end() == 128 + number
        until(lambda: not editing.editor.is_running(), "the editor is an orphan")
        assert editing.draft.read_text().endswith("half a sentence")
        assert editing.draft.stat().st_mode & 0o777 == 0o600
        assert f"what you wrote is in {editing.draft}".encode() in editing.seen
        assert termios.tcgetattr(editing.slave)[:4] == editing.before[:4], "it is still raw"
        assert editing.seen.rfind(b"\x1b[?1049l") > editing.seen.rfind(b"\x1b[?1049h")
        assert editing.seen.rfind(b"\x1b[?25h") > editing.seen.rfind(b"\x1b[?25l")
        assert not re.search(rb"Traceback", editing.seen)
    finally:
        editing.close()


def test_the_terminal_is_lost_while_editing_and_nothing_stays_behind_but_the_draft(
    tmp_path: Path,
) -> None:
    editing = Editing(tmp_path, is_stubborn=True)
    try:
        os.close(editing.master)
        os.close(editing.slave)
        editing.master = editing.slave = -1
        # What the kernel sends to whoever leads the session on that terminal.
        editing.process.send_signal(signal.SIGHUP)
        assert editing.process.wait(LIMIT_S) == 128 + signal.SIGHUP
        until(lambda: not editing.editor.is_running(), "the editor is an orphan")
        assert editing.draft.read_text().endswith("half a sentence")
    finally:
        editing.close()


def test_an_editor_that_fails_keeps_what_was_written_and_the_error_says_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('echo "an hour of work" >> "$1"; exit 3\n')
    monkeypatch.setenv("VISUAL", f"sh {editor}")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EditAbortedError, match="status 3: nothing was sent") as told:
        edit_text("Dear all\n")
    (kept,) = tmp_path.glob("longwatch-*/answer.txt")
    assert str(kept) in str(told.value)
    assert kept.read_text() == "Dear all\nan hour of work\n"


def test_an_editor_that_fails_with_nothing_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "false")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EditAbortedError):
        edit_text("Dear all")
    assert not list(tmp_path.iterdir())


def test_ctrl_c_in_the_editor_is_the_editors_and_ends_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text('kill -INT $PPID; echo " more" >> "$1"\n')
    monkeypatch.setenv("VISUAL", f"sh {editor}")
    before = signal.getsignal(signal.SIGINT)
    assert edit_text("some") == "some more"
    assert signal.getsignal(signal.SIGINT) is before

"""A command in a pseudo-terminal of its own: typed to, read, ended."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import Any

import pytest

LIMIT_S = 45.0
PLAIN_XTERM = {"TERM": "xterm", "TERM_PROGRAM": "", "TMUX": "", "STY": ""}
"""Wherever the tests run, this is no terminal within another."""


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Session:
    """A command in a pseudo-terminal of its own, which is its controlling one."""

    def __init__(self, project: Any, *arguments: str, **environment: str) -> None:
        self._master, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            project.command(*arguments),
            cwd=project.directory,
            env={**project.environment, **PLAIN_XTERM, **environment},
            stdin=child,
            stdout=child,
            stderr=child,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - one system call, no lock
        )
        os.close(child)
        self.seen = ""
        self._read_to = 0

    def type(self, text: str) -> None:
        os.write(self._master, text.encode())

    def expect(self, text: str) -> str:
        """What came since the last ``expect``, up to and with ``text``."""
        end = time.monotonic() + LIMIT_S
        while (at := self.seen.find(text, self._read_to)) < 0:
            assert time.monotonic() < end, f"{text!r} did not come:\n{self.seen}"
            if not self._read(0.2) and self.process.poll() is not None:
                pytest.fail(f"ended without {text!r}:\n{self.seen}")
        start, self._read_to = self._read_to, at + len(text)
        return self.seen[start : self._read_to]

    def end(self) -> int:
        """Its exit status; what it still prints is read, so that it is never held up by us."""
        end = time.monotonic() + LIMIT_S
        while self.process.poll() is None:
            assert time.monotonic() < end, self.seen
            self._read(0.1)
        while self._read(0.0):
            pass
        return self.process.returncode

    def hang_up(self) -> None:
        """What closing the window does."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def _read(self, wait_s: float) -> bool:
        if not select.select([self._master], [], [], wait_s)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError as error:
            if error.errno == errno.EIO:  # Nobody has the other side open any more.
                return False
            raise
        self.seen += data.decode(errors="replace")
        return bool(data)

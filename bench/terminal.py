"""A program in a real pseudo terminal, with the instant at which each byte of it was read."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

LIMIT_S = 60.0


class Terminal:
    """Started when it is made, ended with the ``with`` block."""

    def __init__(self, argv: list[str], cwd: Path, size: tuple[int, int]) -> None:
        self.began = time.perf_counter()
        self._master, slave = pty.openpty()
        columns, lines = size
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        env.pop("NO_COLOR", None)
        self.process = subprocess.Popen(
            argv, cwd=cwd, stdin=slave, stdout=slave, stderr=slave, env=env, start_new_session=True
        )
        os.close(slave)
        self._seen = bytearray()
        self._reads: list[tuple[int, float]] = []
        """End of each read in ``_seen``, and when it came."""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            ready, _, _ = select.select([self._master], [], [], 1.0)
            if not ready:
                if self.process.poll() is not None:
                    return
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            at = time.perf_counter()
            with self._more:
                self._seen += data
                self._reads.append((len(self._seen), at))
                self._more.notify_all()

    @property
    def length(self) -> int:
        """Bytes seen so far."""
        return len(self._seen)

    def write(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._master, keys)

    def when(self, pattern: bytes, since: int = 0, limit_s: float = LIMIT_S) -> float:
        """The instant at which ``pattern`` was whole behind offset ``since``; TimeoutError."""
        wanted, end = re.compile(pattern), time.perf_counter() + limit_s
        with self._more:
            while (found := wanted.search(self._seen, since)) is None:
                left = end - time.perf_counter()
                if left <= 0 or not self._more.wait(left):
                    last = bytes(self._seen[-400:])
                    raise TimeoutError(f"{pattern!r} was not drawn in {limit_s} s: {last!r}")
            return next(at for length, at in self._reads if length >= found.end())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(5)
        os.close(self._master)

"""The driver's end of the kill points: one strace on a forked process that forks the writers.

Everything of one tracer runs on one processor, because a stop of the traced process costs 20 µs
there and five times as much when two processors have to wake each other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ZYGOTE = Path(__file__).with_name("zygote.py")
LIMIT_S = 30.0
"""Bound of one life."""
LOG_LAG_S = 0.5
"""strace may write down how a process ended a moment after its parent was told."""


@cache
def why_not() -> str | None:
    """Why no kill points can be made here; None when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write",
             "-e", "inject=write:signal=KILL:when=1", "sh", "-c", "echo no"]  # fmt: skip
    try:
        done = subprocess.run(probe, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"strace does not work here: {error}"
    if done.stdout:
        return f"strace cannot attach here: {done.stderr.decode(errors='replace')[:200]}"
    return None


@dataclass(frozen=True, slots=True)
class Life:
    """What was seen of one life of a writer."""

    pid: int
    status: int
    """Exit status, or minus the number of the signal."""
    output: str
    log: tuple[str, ...]
    """What strace wrote meanwhile: ``<pid> <call>(…) = …``."""

    @property
    def acks(self) -> int:
        """The highest number that it promised."""
        found = re.findall(r"^ack (\d+)$", self.output, re.M)
        return max([int(number) for number in found], default=0)

    @property
    def is_hit(self) -> bool:
        """Whether the fault was really injected into it."""
        killed = re.compile(rf"{self.pid} +\+\+\+ killed by SIGKILL")
        return any("(INJECTED)" in line or killed.match(line) for line in self.log)


class NoLifeError(RuntimeError):
    """A life that did not end, or a tracer that is gone."""


class Zygote:
    """The process that imported everything; one for the whole driver."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        self._process = subprocess.Popen(
            [sys.executable, str(ZYGOTE), str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        ours.settimeout(LIMIT_S)

    def fork(self) -> tuple[int, socket.socket]:
        """A new stall: its pid and the socket to it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        socket.send_fds(self._socket, [b"fork"], [theirs.fileno()])
        theirs.close()
        ours.settimeout(LIMIT_S)
        return json.loads(self._socket.recv(4096))["pid"], ours

    def end(self) -> None:
        """Its stalls end with their own sockets."""
        self._socket.close()
        self._process.wait(LIMIT_S)


class Stall:
    """A forked process that forks writers, on one processor; nothing looks at it."""

    def __init__(self, zygote: Zygote, cpu: int) -> None:
        self.pid, self._socket = zygote.fork()
        os.sched_setaffinity(self.pid, {cpu})

    def live(self, subject: str, room: Path, life: int, **waste: Any) -> Life:
        """One life. Raises NoLifeError when it does not end."""
        out = room.with_suffix(f".out{life}")
        order = {"subject": subject, "place": str(room), "life": life, "out": str(out),
                 "call": "", "thread": "", "waste": 0, **waste}  # fmt: skip
        self._socket.send(json.dumps(order).encode())
        try:
            answer = json.loads(self._socket.recv(4096) or b"null")
        except TimeoutError:
            raise NoLifeError(f"life {life} was not over within {LIMIT_S:g} s") from None
        if answer is None:
            raise NoLifeError(f"life {life}: the stall is gone: a fault hit it, or strace ended")
        output = out.read_text(errors="replace") if out.exists() else ""
        return Life(answer["pid"], answer["status"], output, self._lines(answer["status"]))

    def _lines(self, _status: int) -> tuple[str, ...]:
        return ()

    def end(self) -> None:
        """It ends by itself when it is idle, and by force when a writer hangs."""
        self._socket.close()
        status = Path(f"/proc/{self.pid}/stat")
        end = time.monotonic() + 1.0
        while status.exists() and time.monotonic() < end:
            time.sleep(0.002)
        if status.exists():
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Tracer(Stall):
    """A stall below one strace, and the rooms of what lives there."""

    def __init__(self, zygote: Zygote, options: list[str], cpu: int) -> None:
        super().__init__(zygote, cpu)
        self.place = Path(tempfile.mkdtemp(prefix="lwz-", dir="/tmp"))
        self._log = self.place / "trace"
        self._log.touch()
        self._read = 0
        self._rooms = 0
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {cpu})  # Inherited by strace.
            command = ["strace", "-f", "-qq", "-o", str(self._log), *options, "-p", str(self.pid)]
            self._strace = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        finally:
            os.sched_setaffinity(0, before)
        self._wait_until_traced()

    def _wait_until_traced(self) -> None:
        end = time.monotonic() + LIMIT_S
        status = Path(f"/proc/{self.pid}/status")
        while f"TracerPid:\t{self._strace.pid}\n" not in status.read_text():
            if self._strace.poll() is not None or time.monotonic() > end:
                raise NoLifeError(f"strace did not attach: {self._strace.returncode}")
            time.sleep(0.001)

    def room(self) -> Path:
        """A new empty directory for the lives of one run."""
        self._rooms += 1
        room = self.place / str(self._rooms)
        room.mkdir()
        return room

    def _lines(self, status: int) -> tuple[str, ...]:
        lines = self._new_lines()
        if status == -signal.SIGKILL:
            end = time.monotonic() + LOG_LAG_S
            while not any("killed by" in line for line in lines) and time.monotonic() < end:
                lines += self._new_lines()
        return tuple(lines)

    def _new_lines(self) -> list[str]:
        with self._log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        return data.decode(errors="replace").splitlines()

    def end(self) -> None:
        """Nothing of it is left."""
        super().end()
        try:
            self._strace.wait(2)
        except subprocess.TimeoutExpired:
            self._strace.kill()
            self._strace.wait(LIMIT_S)
        shutil.rmtree(self.place, ignore_errors=True)


def counts(life: Life) -> tuple[dict[int, Counter[str]], Counter[str]]:
    """Calls of each thread, and those of the main thread before the part under test."""
    by_thread: dict[int, Counter[str]] = defaultdict(Counter)
    before: Counter[str] = Counter()
    for line in life.log:
        if found := re.match(r"(\d+) +(\w+)\(", line):
            thread, call = int(found[1]), found[2]
            if call == "getpgid" and thread == life.pid:
                before = Counter(by_thread[thread])
            by_thread[thread][call] += 1
    return dict(by_thread), before

"""strace attached to a living process: it is to die, or be refused, at one of its next calls."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from pathlib import Path

ATTACH_S = 5.0
ARMED_S = 0.5
"""How long a traced process may take to come to that call."""


class Trap:
    """One strace on ``pid``, from ``__init__`` to ``end``."""

    def __init__(self, victim: str, pid: int, call: str, fault: str, when: int, log: Path) -> None:
        self.victim = victim
        self._call = call
        self._when = when
        self._log = log
        self._has_closed = False
        command = ["strace", "-f", "-qq", "-o", str(log), "-p", str(pid), "-e", f"trace={call}"]
        if fault:
            command += ["-e", f"inject={call}:{fault}:when={when}"]
        self._tracer = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def is_closed(self) -> bool:
        """Whether strace did what it was told: refused the call, or killed in it."""
        if self._has_closed:
            return True
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        if "(INJECTED)" in text:
            return True
        # Killed by somebody else, it never came to that call.
        calls = Counter(re.findall(rf"^(\d+) +{self._call}\(", text, re.M))
        return "killed by SIGKILL" in text and self._when in calls.values()

    def is_attached(self, pid: int) -> bool:
        """Wait until every thread of ``pid`` is traced; False when strace is not able to."""
        end = time.monotonic() + ATTACH_S
        while self._tracer.poll() is None and time.monotonic() < end:
            try:
                tasks = list(Path(f"/proc/{pid}/task").iterdir())
                if all(f"TracerPid:\t{self._tracer.pid}\n" in (task / "status").read_text()
                       for task in tasks):  # fmt: skip
                    return bool(tasks)
            except OSError:
                continue  # A thread has ended meanwhile.
            time.sleep(0.002)
        return False

    def end(self) -> bool:
        """Wait a moment for it to close, then let go; whether it closed."""
        end = time.monotonic() + ARMED_S
        while self._tracer.poll() is None and time.monotonic() < end and not self.is_closed():
            time.sleep(0.02)
        self.let_go()
        is_closed = self._has_closed = self.is_closed()
        self._log.unlink(missing_ok=True)
        return is_closed

    def let_go(self) -> None:
        """No tracer any more; the log stays."""
        self._tracer.terminate()
        try:
            self._tracer.wait(2)
        except subprocess.TimeoutExpired:
            self._tracer.kill()  # It waits for a thread that will never stop for it.
            self._tracer.wait(10)

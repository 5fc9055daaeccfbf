"""Who a process is, and what time it is: (boot id, pid, start time), never a bare pid.

The numbers are those of the keeper (its ``system`` module says the same for itself, because it
imports nothing of ours). Without /proc psutil answers, with whole seconds as start times.
"""

from __future__ import annotations

import os
import subprocess
import time
from functools import cache
from pathlib import Path

from supervisor.core.moment import Moment
from supervisor.errors import EnvironmentFaultError

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
HAS_PROC = Path("/proc/self/stat").exists()
SYSCTL_TIMEOUT_S = 5.0


@cache
def boot_id() -> str:
    """Names this boot of the machine. Raises EnvironmentFaultError where nothing tells it."""
    try:
        return BOOT_ID_FILE.read_text(encoding="ascii").strip()
    except OSError:
        pass
    argv = ["sysctl", "-n", "kern.bootsessionuuid"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=SYSCTL_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise EnvironmentFaultError(
            f"this machine does not tell its boot id: {error}",
            why="without it a process of an earlier boot could be taken for an agent",
            fix=f"Mount /proc, or make `{' '.join(argv)}` work.",
        ) from error
    return done.stdout.strip()


def moment_now() -> Moment:
    """This instant on all clocks."""
    return Moment(time.time(), time.monotonic(), boot_id())


def start_time(pid: int) -> int | None:
    """Clock ticks since boot (Linux) or Unix seconds when ``pid`` started; None when it is gone.

    A zombie still has its start time.
    """
    if HAS_PROC:
        try:
            line = Path(f"/proc/{pid}/stat").read_bytes()
            # The name in brackets may hold anything; field 22 is the 20th after it.
            return int(line.rpartition(b")")[2].split(None, 20)[19])
        except (OSError, ValueError, IndexError):
            return None
    import psutil

    try:
        return int(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_same_process(pid: int, started: int, boot: str) -> bool:
    """Whether ``pid`` is still the process that started then; a zombie counts."""
    return boot == boot_id() and start_time(pid) == started


def own_start_time() -> int:
    """``start_time`` of this process."""
    return start_time(os.getpid()) or 0

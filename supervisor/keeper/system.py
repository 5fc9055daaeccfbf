"""What the keeper asks the operating system about itself and about pids.

Owns the identity of a process: (boot id, pid, start time). Linux first; elsewhere ``ps`` and
``sysctl`` answer, with whole seconds as start times, so identity is weaker there.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
IS_LINUX = sys.platform == "linux"
HAS_PROC = os.path.exists("/proc/self/stat")
STAT_BYTES = 4096
"""More than one line of /proc/<pid>/stat can be."""


def say(text: str) -> None:
    """One line to keeper.log (standard error); never raises, a full disk ends nobody."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    try:
        os.write(2, f"{stamp} keeper[{os.getpid()}] {text}\n".encode(errors="backslashreplace"))
    except OSError:
        pass


def boot_id() -> str:
    """Names this boot of the machine; start times and monotonic clocks end with it."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return _output_of(["sysctl", "-n", "kern.bootsessionuuid"]).strip()


def start_time(pid: int) -> int | None:
    """When ``pid`` started: clock ticks since boot (Linux) or Unix seconds; None when it is gone.

    A zombie still has its start time: it still holds its pid.
    """
    if not HAS_PROC:
        return parse_lstart(_output_of(["ps", "-o", "lstart=", "-p", str(pid)]).split())
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # The name in brackets may hold spaces and brackets; what counts follows the last one.
        # Field 22 of the line is the 20th after it.
        return int(os.read(descriptor, STAT_BYTES).rpartition(b")")[2].split(None, 20)[19])
    except (OSError, ValueError, IndexError):
        return None
    finally:
        os.close(descriptor)


def parse_lstart(words: list[str]) -> int | None:
    """Unix seconds of ``ps -o lstart``; None when it is not a time."""
    try:
        return int(time.mktime(time.strptime(" ".join(words[:5]), "%a %b %d %H:%M:%S %Y")))
    except ValueError:
        return None


def process_list() -> str:
    """``ps`` over everything, for systems without /proc: pid, ppid, pgid, state, start."""
    return _output_of(["ps", "-axo", "pid=,ppid=,pgid=,stat=,lstart="])


def become_subreaper() -> bool:
    """Orphans of our descendants become our children. False where there is no such thing."""
    if not IS_LINUX:
        return False
    try:
        import ctypes

        prctl = ctypes.CDLL(None, use_errno=True).prctl
        return bool(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def raise_file_limit() -> tuple[int, int]:
    """Allow ourselves all the descriptors there are; returns the limits agents are to get.

    Needed after a keeper died: a thousand adopted processes are a thousand pidfds.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    set_file_limit(hard, hard)
    return soft, hard


def set_file_limit(soft: int, hard: int) -> None:
    """Best effort: macOS refuses an unlimited soft limit."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    except (OSError, ValueError):
        pass


def _output_of(argv: list[str]) -> str:
    """Standard output of a small system program; empty when there is none."""
    read_end, write_end = os.pipe()
    try:
        actions = [(os.POSIX_SPAWN_DUP2, write_end, 1)]
        pid = os.posix_spawnp(
            argv[0], argv, {**os.environ, "LC_ALL": "C"}, file_actions=actions, setsigmask=[]
        )
    except OSError:
        os.close(read_end)
        os.close(write_end)
        return ""
    os.close(write_end)
    with open(read_end, encoding="utf-8", errors="replace") as file:
        text = file.read()
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
    return text


DEFAULT_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)
)
"""Set to their default in every child: we ignore some, and so may who started us."""

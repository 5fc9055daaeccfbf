"""CPU and memory of each attempt: one pass over all processes for all runs.

Membership is by session: what called setsid is not counted here (the keeper still ends it). The
first sample of a process has no difference to take, so it counts as idle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HAS_PROC = Path("/proc/self/stat").exists()
STAT_BYTES = 4096
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class UsageSample:
    """What one attempt uses now."""

    cpu_percent: float
    """Of one core, since the sample before; two busy cores are 200."""
    rss_bytes: int
    """Sum over its processes; shared pages count for each."""
    processes: int


@dataclass(slots=True)
class _Sum:
    cpu_s: float = 0.0
    rss_bytes: int = 0
    processes: int = 0


class UsageSampler:
    """Remembers the pass before, to tell CPU use. One per engine; blocks for 15 µs a process."""

    def __init__(self) -> None:
        self._cpu_s: dict[tuple[int, int], float] = {}
        """By (pid, start time), so that a reused pid starts anew."""
        self._at: float | None = None

    def sample(self, leaders: Mapping[str, int]) -> dict[str, UsageSample]:
        """One sample a run of ``leaders`` (run id → leader's pid); what is gone is left out."""
        now = time.monotonic()
        elapsed_s = now - self._at if self._at is not None else 0.0
        by_session = {pid: run for run, pid in leaders.items()}
        sums = dict[str, _Sum]()
        used: dict[tuple[int, int], float] = {}
        for session, identity, cpu_s, rss_bytes in _processes() if leaders else ():
            run = by_session.get(session)
            if run is None:
                continue
            used[identity] = cpu_s
            total = sums.setdefault(run, _Sum())
            total.cpu_s += max(0.0, cpu_s - self._cpu_s.get(identity, cpu_s))
            total.rss_bytes += rss_bytes
            total.processes += 1
        self._cpu_s, self._at = used, now
        return {
            run: UsageSample(
                100.0 * total.cpu_s / elapsed_s if elapsed_s > 0 else 0.0,
                total.rss_bytes,
                total.processes,
            )
            for run, total in sums.items()
        }


def session_pids(leader: int) -> list[int]:
    """The processes of one session, now."""
    return [identity[0] for session, identity, _cpu_s, _rss in _processes() if session == leader]


Row = tuple[int, tuple[int, int], float, int]
"""Session, (pid, start time), CPU seconds, resident bytes."""


def _processes() -> list[Row]:
    return _from_proc() if HAS_PROC else _from_psutil()


def _from_proc() -> list[Row]:
    rows: list[Row] = []
    for name in os.listdir("/proc"):  # noqa: PTH208 - a thousand Path objects a pass are not free
        if not name.isdigit():
            continue
        try:
            descriptor = os.open(f"/proc/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            line = os.read(descriptor, STAT_BYTES)
        except OSError:
            continue
        finally:
            os.close(descriptor)
        # After the name in brackets: state is 0, session 3, utime 11, stime 12, start 19, rss 21.
        fields = line.rpartition(b")")[2].split(None, 22)
        if len(fields) < 22 or fields[3] == b"0" or fields[0] in (b"Z", b"X"):
            continue
        identity = int(name), int(fields[19])
        cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        rows.append((int(fields[3]), identity, cpu_s, int(fields[21]) * PAGE_BYTES))
    return rows


def _from_psutil() -> list[Row]:
    import psutil

    rows: list[Row] = []
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                times = process.cpu_times()
                identity = process.pid, int(process.create_time())
                rss_bytes = process.memory_info().rss
                rows.append(
                    (os.getsid(process.pid), identity, times.user + times.system, rss_bytes)
                )
        except (psutil.Error, OSError):
            continue
    return rows

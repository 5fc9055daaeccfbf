"""CPU and memory of each attempt: one pass over all processes for all runs.

What left its leader's session is counted too (``belonging``), as the keeper would end it. The
first sample of a process has no difference to take, so it counts as idle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from supervisor.process.belonging import HAS_PROC, Belonging, Row

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
    pids: tuple[int, ...] = ()
    """These processes."""


@dataclass(slots=True)
class _Sum:
    cpu_s: float = 0.0
    rss_bytes: int = 0
    pids: list[int] = field(default_factory=list)


class UsageSampler:
    """Remembers the pass before, to tell CPU use. One per engine; blocks for 17 µs a process.

    ``room``: the directory below which the runs of this engine live.
    """

    def __init__(self, room: str = "") -> None:
        self._belonging = Belonging(room)
        self._cpu_s: dict[tuple[int, int], float] = {}
        """By (pid, start time), so that a reused pid starts anew."""
        self._at: float | None = None

    def sample(self, leaders: Mapping[str, int]) -> dict[str, UsageSample]:
        """One sample a run of ``leaders`` (run id → leader's pid); what is gone is left out."""
        now = time.monotonic()
        elapsed_s = now - self._at if self._at is not None else 0.0
        sums = dict[str, _Sum]()
        used: dict[tuple[int, int], float] = {}
        rows = _processes() if leaders else []
        owners = self._belonging.owners(rows, leaders) if rows else {}
        for row in rows:
            run = owners.get(row.identity[0])
            if run is None:
                continue
            used[row.identity] = row.cpu_s
            total = sums.setdefault(run, _Sum())
            total.cpu_s += max(0.0, row.cpu_s - self._cpu_s.get(row.identity, row.cpu_s))
            total.rss_bytes += row.rss_bytes
            total.pids.append(row.identity[0])
        self._cpu_s, self._at = used, now
        return {
            run: UsageSample(
                100.0 * total.cpu_s / elapsed_s if elapsed_s > 0 else 0.0,
                total.rss_bytes,
                len(total.pids),
                tuple(total.pids),
            )
            for run, total in sums.items()
        }


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
        # After the name in brackets: state is 0, parent 1, session 3, utime 11, stime 12,
        # start 19, rss 21.
        fields = line.rpartition(b")")[2].split(None, 22)
        if len(fields) < 22 or fields[3] == b"0" or fields[0] in (b"Z", b"X"):
            continue
        identity = int(name), int(fields[19])
        cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        parent, session, rss_bytes = int(fields[1]), int(fields[3]), int(fields[21]) * PAGE_BYTES
        rows.append(Row(session, parent, identity, cpu_s, rss_bytes))
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
                session, cpu_s = os.getsid(process.pid), times.user + times.system
                rows.append(Row(session, process.ppid(), identity, cpu_s, rss_bytes))
        except (psutil.Error, OSError):
            continue
    return rows

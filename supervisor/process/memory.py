"""Memory as the kernel counts it: shared pages once, and how often its OOM killer has killed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

VMSTAT = Path("/proc/vmstat")
OWN_CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def shared_once_bytes(pids: Iterable[int]) -> int | None:
    """Memory of these processes, what they share counted once (PSS).

    None where the kernel does not tell. Blocks: some milliseconds for each gigabyte mapped.
    """
    sizes = [_proportional_bytes(pid) for pid in pids]
    known = [size for size in sizes if size is not None]
    return sum(known) if known else None


def _proportional_bytes(pid: int) -> int | None:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return None
    for line in rollup.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return None


def oom_kills() -> int | None:
    """Processes the OOM killer ended so far: below our own cgroup, else on the whole machine.

    Only the growth says anything. None where nothing counts them.
    """
    return _count(Path(oom_source()), b"oom_kill")


@cache
def oom_source() -> str:
    """The file that counts them; counts from different ones cannot be compared."""
    events = _cgroup_events()
    return str(events if events is not None and _count(events, b"oom_kill") is not None else VMSTAT)


def _cgroup_events() -> Path | None:
    """``memory.events`` of our own cgroup (version 2), which we do not leave while we live."""
    try:
        for line in OWN_CGROUP.read_text().splitlines():
            if line.startswith("0::"):
                path = CGROUPS / line[3:].lstrip("/") / "memory.events"
                return path if path.exists() else None
    except (OSError, ValueError):
        pass
    return None


def _count(path: Path, name: bytes) -> int | None:
    """The number behind ``name`` at the start of a line; asked while a restart waits."""
    try:
        text = b"\n" + path.read_bytes()
    except OSError:
        return None
    value = text.partition(b"\n" + name + b" ")[2].partition(b"\n")[0].strip()
    return int(value) if value.isdigit() else None

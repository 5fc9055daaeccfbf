"""Whose attempt a process is, when it left the session of its leader: by ancestors, then by marks.

The keeper decides the same by the same rules when it ends an attempt (``keeper.tree``, which
imports nothing of ours); here a wrong guess would only miscount, so a look costs one dictionary a
process, and an orphan's environment is read once in its life.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

RUN_ID, RUN_DIR = "LONGWATCH_RUN_ID", "LONGWATCH_RUN_DIR"
LOCK_FD = 3
"""Every attempt inherits the descriptor of its run's lock under this number."""
MAX_ENVIRON_BYTES = 8 * 1024 * 1024
"""More than Linux lets a program start with."""
HAS_PROC = Path("/proc/self/stat").exists()


class Row(NamedTuple):
    """A living process."""

    session: int
    parent: int
    identity: tuple[int, int]
    """Pid and start time."""
    cpu_s: float
    rss_bytes: int


class Belonging:
    """Remembers what the marks of orphans said. ``room``: where the runs of this engine live."""

    def __init__(self, room: str = "") -> None:
        self._room = room
        self._marked: dict[tuple[int, int], str] = {}
        """Run by process; empty for one that is nobody's."""

    def owners(self, rows: Iterable[Row], leaders: Mapping[str, int]) -> dict[int, str]:
        """Run by pid, for every process of an attempt whose leader (run id → pid) is given."""
        table = {row.identity[0]: row for row in rows}
        owners: dict[int, str] = {pid: run for run, pid in leaders.items() if pid in table}
        # Orphans go to the keeper; those of an attempt it adopted to whoever got its leader.
        adopters = {os.getppid(), *(table[pid].parent for pid in owners)}
        sessions = dict(owners)
        places: dict[int, str] = {os.getpid(): "", os.getppid(): "", **owners}
        for pid, row in table.items():
            if row.session in sessions:
                places[pid] = sessions[row.session]
        for pid in table:
            if pid not in places:
                self._climb(pid, table, places, adopters)
        self._marked = {row.identity: self._marked[row.identity] for row in table.values()
                        if row.identity in self._marked}  # fmt: skip
        return {pid: run for pid, run in places.items() if run in leaders and pid in table}

    def _climb(
        self, pid: int, table: dict[int, Row], places: dict[int, str], adopters: set[int]
    ) -> None:
        passed: list[int] = []
        owner: str | None = None
        while owner is None:
            row = table.get(pid)
            if row is None or pid in passed:
                owner = ""
                break
            passed.append(pid)
            owner = self._of_orphan(row) if row.parent in adopters else places.get(row.parent)
            pid = row.parent
        for one in passed:
            places[one] = owner

    def _of_orphan(self, row: Row) -> str:
        known = self._marked.get(row.identity)
        if known is None:
            pid = row.identity[0]
            marks = _environ(pid)
            known = marks.get(RUN_ID, "") or self._by_lock(pid)
            if RUN_DIR in marks and not marks[RUN_DIR].startswith(self._room):
                known = ""  # A copied project has the same run ids.
            if marks:  # Else it is in the middle of an exec: ask again.
                self._marked[row.identity] = known
        return known

    def _by_lock(self, pid: int) -> str:
        try:
            lock = Path(f"/proc/{pid}/fd/{LOCK_FD}").readlink()
        except OSError:
            return ""
        is_ours = lock.name == "lock" and str(lock).startswith(os.path.realpath(self._room))
        return lock.parent.name if is_ours else ""


def _environ(pid: int) -> dict[str, str]:
    """Its environment; empty when nobody may read it, or in the middle of an exec."""
    if not HAS_PROC:
        return _environ_from_psutil(pid)
    try:
        with Path(f"/proc/{pid}/environ").open("rb") as file:
            data = os.fsdecode(file.read(MAX_ENVIRON_BYTES))
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in data.split("\0") if entry)
    return {name: value for name, _, value in pairs}


def _environ_from_psutil(pid: int) -> dict[str, str]:
    import psutil

    try:
        return dict(psutil.Process(pid).environ())
    except (psutil.Error, OSError):
        return {}

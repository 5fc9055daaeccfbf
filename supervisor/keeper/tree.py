"""Which living processes belong to which attempt: one look at all processes, and safe signals.

A process is an attempt's when its parents lead to the leader, when it is in the leader's session
or group, or when an orphan carries the attempt's ``LONGWATCH_RUN_ID`` and ``LONGWATCH_EPOCH`` in
its environment or the run's lock as fd 3 (what is below such an orphan follows it). Never cheap
(about 12 µs a process): only asked when the nursery cannot say that nothing is left.
"""

from __future__ import annotations

import os
import signal

from supervisor.keeper.spawn import LOCK_FD
from supervisor.keeper.system import HAS_PROC, STAT_BYTES, parse_lstart, process_list, start_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from supervisor.keeper.attempt import Attempt

RUN_ID, EPOCH, RUN_DIR = b"LONGWATCH_RUN_ID", b"LONGWATCH_EPOCH", b"LONGWATCH_RUN_DIR"
MAX_ENVIRON_BYTES = 8 * 1024 * 1024
"""More than Linux lets a program start with."""
KERNEL_THREADS = 2
"""Their common parent (kthreadd)."""

CLOSED = "closed"
"""Our engine, the kernel's threads, and what is below them: nothing of an attempt."""
INSIDE = "inside"
"""Below us, without a sign of its owner."""
OUTSIDE = "outside"
"""Not below us."""


class Process:
    """A line of the process table."""

    __slots__ = ("group", "is_alive", "parent", "pid", "session", "started")

    def __init__(
        self, pid: int, parent: int, group: int, *, session: int, started: int, is_alive: bool
    ) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.session = session
        self.started = started
        self.is_alive = is_alive
        """Not a zombie."""


class Survey:
    """Who owns what, at one moment.

    ``others`` are our children that are no attempts. ``runs_dir`` (with its last slash) is where
    the runs of this directory work: a process that is not below us must work there to be ours,
    because a copied project has the same run ids.
    """

    def __init__(
        self, attempts: Collection[Attempt], others: Collection[int], runs_dir: str
    ) -> None:
        self._runs_dir = os.fsencode(runs_dir)
        self._table = read_processes()
        self._keeper = os.getpid()
        self._by_key = {attempt.key: attempt for attempt in attempts}
        self._by_lock = {attempt.lock: attempt for attempt in attempts if attempt.lock}
        self._looks_outside = any(not attempt.is_own for attempt in attempts)
        self._owners: dict[int, Attempt | str] = dict.fromkeys(
            (*others, KERNEL_THREADS, self._keeper), CLOSED
        )
        self._groups: dict[int, Attempt] = {}
        self._members: dict[int, list[Process]] = {}
        self.unplaced_since: int | None = None
        """Latest start time of an orphan of ours that may yet show to whom it belongs."""
        for attempt in attempts:
            self._pin(attempt)
        for pid, process in self._table.items():
            owner = self._owner_of(pid)
            if process.is_alive and not isinstance(owner, str):
                self._members.setdefault(id(owner), []).append(process)

    def members(self, attempt: Attempt) -> list[Process]:
        """What lives of it, the leader included."""
        return self._members.get(id(attempt), [])

    def _pin(self, attempt: Attempt) -> None:
        leader = self._table.get(attempt.pid)
        # Its numbers mean it only while nobody can have reused them: until it is reaped.
        if leader is not None and leader.started == attempt.started:
            self._owners[attempt.pid] = attempt
            self._groups[attempt.pid] = attempt

    def _owner_of(self, pid: int) -> Attempt | str:
        climbed: list[Process] = []
        owner: Attempt | str = OUTSIDE
        while (known := self._owners.get(pid)) is None:
            process = self._table.get(pid)
            if process is None:
                break
            climbed.append(process)
            group = self._groups.get(process.session) or self._groups.get(process.group)
            if group is not None:
                known = group
                break
            if process.parent == self._keeper:
                known = INSIDE
                break
            pid = process.parent
        owner = known or OUTSIDE
        for process in reversed(climbed):
            if owner is INSIDE or (owner is OUTSIDE and self._may_be_ours(process)):
                owner = self._by_marks(process, is_inside=owner is INSIDE) or owner
            self._owners[process.pid] = owner
        return owner

    def _may_be_ours(self, process: Process) -> bool:
        """Outside of our children only with adopted attempts, or when its parent just died."""
        return self._looks_outside or (process.parent not in self._table and process.parent > 0)

    def _by_marks(self, process: Process, *, is_inside: bool) -> Attempt | None:
        marks = _marks_in(environ := _read_environ(process.pid))
        try:
            key = os.fsdecode(marks[RUN_ID]), int(marks[EPOCH])
        except (KeyError, ValueError):
            key = None
        if key is not None:
            is_ours = is_inside or marks.get(RUN_DIR, b"").startswith(self._runs_dir)
            return self._by_key.get(key) if is_ours else None
        try:
            found = self._by_lock.get(os.readlink(f"/proc/{process.pid}/fd/{LOCK_FD}"))
        except OSError:
            found = None
        if found is None and not environ and process.is_alive and process.parent == self._keeper:
            # In the middle of an exec the environment is empty for a moment.
            self.unplaced_since = max(self.unplaced_since or 0, process.started)
        return found


def works_elsewhere(pid: int, runs_dir: str) -> bool:
    """Whether it says itself that it is an attempt of another project directory."""
    place = _marks_in(_read_environ(pid)).get(RUN_DIR)
    return place is not None and not place.startswith(os.fsencode(runs_dir))


def send_signal(process: Process, number: int) -> bool:
    """Signal exactly this process; False when it is gone.

    Raises PermissionError (a program of another user). The pidfd holds the process between the
    comparison of the start time and the signal.
    """
    if not hasattr(os, "pidfd_open") or not hasattr(signal, "pidfd_send_signal"):
        if start_time(process.pid) != process.started:
            return False
        os.kill(process.pid, number)
        return True
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return False
    try:
        if start_time(process.pid) != process.started:
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)


def read_processes() -> dict[int, Process]:
    """Every process there is, zombies included."""
    if not HAS_PROC:
        return _read_ps()
    table: dict[int, Process] = {}
    for name in os.listdir("/proc"):
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
        fields = line.rpartition(b")")[2].split(None, 20)
        if len(fields) > 19:
            pid = int(name)
            table[pid] = Process(
                pid,
                int(fields[1]),
                int(fields[2]),
                session=int(fields[3]),
                started=int(fields[19]),
                is_alive=fields[0] not in (b"Z", b"X"),
            )
    return table


def _read_ps() -> dict[int, Process]:
    table: dict[int, Process] = {}
    for line in process_list().splitlines():
        words = line.split()
        started = parse_lstart(words[4:]) if len(words) > 4 else None
        if started is not None and all(word.isdigit() for word in words[:3]):
            pid, parent, group = (int(word) for word in words[:3])
            table[pid] = Process(
                pid,
                parent,
                group,
                session=0,
                started=started,
                is_alive=not words[3].startswith("Z"),
            )
    return table


def _read_environ(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read(MAX_ENVIRON_BYTES)
    except OSError:
        return b""


def _marks_in(environ: bytes) -> dict[bytes, bytes]:
    found = {}
    for entry in environ.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if name in (RUN_ID, EPOCH, RUN_DIR):
            found[name] = value
    return found

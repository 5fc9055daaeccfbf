"""A keeper that becomes its own successor: ``execv`` keeps the pid, so it keeps the children.

What goes over: the descriptor that holds the directory's lock, the table of attempts in a file
without a name, and the pidfds of adopted processes. Everything else is made anew. Until the
``execv`` nothing is given up, so a failure leaves the old keeper at work.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from supervisor.keeper.attempt import Attempt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from supervisor.keeper.attempt import Key

VARIABLE = "LONGWATCH_KEEPER_HANDOVER"
"""``<lock descriptor>,<table descriptor>``; only between the two lives of one process."""
HERE = os.path.dirname(os.path.abspath(__file__))
NOT_HANDED = frozenset({"on_gone", "timer_at", "killed"})
"""Made anew: a caller that is gone, a timer of this process, what got SIGKILL already (again
harms nobody)."""


class Inherited:
    """What a keeper got from itself."""

    def __init__(self, lock: int, table: dict[str, Any]) -> None:
        self.lock = lock
        self.file_limit: tuple[int, int] = tuple(table["file_limit"])
        self.attempts = [_attempt(fields) for fields in table["attempts"]]
        self.unrecorded: list[tuple[Key, str, bytes]] = [
            ((run, epoch), path, line.encode()) for run, epoch, path, line in table["unrecorded"]
        ]


def pack(
    attempts: Iterable[Attempt],
    unrecorded: dict[Key, tuple[str, bytes]],
    file_limit: tuple[int, int],
) -> bytes:
    """The table. Remains that nobody could adopt are left out: the next engine asks again."""
    names = [name for name in Attempt.__slots__ if name not in NOT_HANDED]
    table = {
        "file_limit": file_limit,
        "attempts": [
            {name: getattr(attempt, name) for name in names}
            for attempt in attempts
            if attempt.on_gone is None
        ],
        "unrecorded": [(*key, path, line.decode()) for key, (path, line) in unrecorded.items()],
    }
    return json.dumps(table).encode()


def become_successor(lock: int, state_dir: str, engine_argv: list[str], table: bytes) -> None:
    """Execute the keeper that is installed now, as this process. Returns only by OSError."""
    descriptor = _nameless_file(state_dir)
    handed = [lock, descriptor]
    try:
        _write_all(descriptor, table)
        handed += [a["pidfd"] for a in json.loads(table)["attempts"] if a["pidfd"] >= 0]
        for number in handed:
            os.set_inheritable(number, True)
        os.environ[VARIABLE] = f"{lock},{descriptor}"
        # Its default action would end us between the two lives; it waits for the new handler.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        argv = [sys.executable, "-I", "-S", "-E", HERE, state_dir, *engine_argv]
        os.execv(sys.executable, argv)  # noqa: S606 - our own program, no shell
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        os.environ.pop(VARIABLE, None)
        for number in handed:
            os.set_inheritable(number, False)
        os.close(descriptor)


def take() -> Inherited | None:
    """What an earlier life of this process left; None at a first start. Closes all else."""
    said = os.environ.pop(VARIABLE, None)
    if said is None:
        os.closerange(3, 1024)
        return None
    lock, descriptor = (int(number) for number in said.split(","))
    with open(descriptor, "rb") as file:
        file.seek(0)
        inherited = Inherited(lock, json.loads(file.read()))
    for number in (lock, *(a.pidfd for a in inherited.attempts if a.pidfd >= 0)):
        os.set_inheritable(number, False)
    return inherited


def _attempt(fields: dict[str, Any]) -> Attempt:
    attempt = Attempt(fields["run"], fields["epoch"], fields["pid"], fields["started"])
    for name in Attempt.__slots__:
        # A field that the former version did not have keeps what it begins with.
        if name in fields and name not in NOT_HANDED:
            setattr(attempt, name, fields[name])
    return attempt


def _nameless_file(state_dir: str) -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("keeper-handover", os.MFD_CLOEXEC)
    path = os.path.join(state_dir, "keeper.handover")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.unlink(path)
    return descriptor


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]

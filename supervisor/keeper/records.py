"""Exit records: what is left to know of an attempt, in a file, before anybody is told.

Atomic (temporary file and rename) but not fsynced: a record matters only within one boot. After
a power failure no attempt lives, and a torn or missing record reads as "exit unknown".
"""

from __future__ import annotations

import errno
import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.keeper.attempt import Attempt

MAX_RECORD_BYTES = 65536
TEMPORARY = ".tmp-keeper"
"""There is one keeper a directory, so one name will do, and the next keeper finds it again."""


def exit_line(attempt: Attempt, boot: str) -> bytes:
    """The notice, and the content of the record, of an attempt of which nothing lives."""
    notice = {
        "notice": "exited",
        "run": attempt.run,
        "epoch": attempt.epoch,
        "pid": attempt.pid,
        "code": attempt.code,
        "signal": attempt.signal,
        "ended_by": attempt.ended_by,
        "reason": attempt.reason,
        "at": time.time(),
        "at_mono": time.monotonic(),
        "boot": boot,
        "known": attempt.is_own,
        "leftovers": attempt.leftovers,
    }
    return json.dumps(notice).encode() + b"\n"


def prepare_record(path: str) -> None:
    """Create the temporary file of a record while nobody waits.

    A new file costs about 0.3 ms, a fifth of a restart; writing to it and renaming it costs a
    tenth of that. Failure is no fault: the record's own attempt to write will tell.
    """
    try:
        os.close(_open_temporary(path))
    except OSError:
        pass


def write_record(path: str, line: bytes) -> None:
    """Put the record in place. Raises OSError (disk full, directory gone)."""
    descriptor = _open_temporary(path)
    try:
        if os.write(descriptor, line) != len(line):
            raise OSError(errno.ENOSPC, "no space left for the whole record", path)
        # Only when something was there: ext4 writes a truncated file out at its close.
        if os.fstat(descriptor).st_size != len(line):
            os.ftruncate(descriptor, len(line))
    finally:
        os.close(descriptor)
    os.rename(path + TEMPORARY, path)


def read_record(path: str, run: str, epoch: int) -> dict[str, Any] | None:
    """The notice in a record; None when there is none.

    A record that cannot be read proves that the attempt ran: it comes back as an unknown exit,
    so that no epoch is ever run twice.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError:
        return _unknown(run, epoch)
    try:
        notice = json.loads(os.read(descriptor, MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return _unknown(run, epoch)
    finally:
        os.close(descriptor)
    is_it = isinstance(notice, dict) and (notice.get("run"), notice.get("epoch")) == (run, epoch)
    return notice if is_it else _unknown(run, epoch)


def _open_temporary(path: str) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return os.open(path + TEMPORARY, flags, 0o600)


def _unknown(run: str, epoch: int) -> dict[str, Any]:
    return {
        "notice": "exited",
        "run": run,
        "epoch": epoch,
        "pid": 0,
        "code": None,
        "signal": None,
        "ended_by": None,
        "reason": "the exit record cannot be read",
        "at": time.time(),
        "at_mono": time.monotonic(),
        "boot": "",
        "known": False,
        "leftovers": 0,
    }

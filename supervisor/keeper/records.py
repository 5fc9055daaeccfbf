"""Exit records: what is left to know of an attempt, in a file, before anybody is told.

Atomic (temporary file and rename) but not fsynced: a record matters only within one boot. After
a power failure no attempt lives, and a torn or missing record reads as "exit unknown".
"""

from __future__ import annotations

import json
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.keeper.attempt import Attempt

MAX_RECORD_BYTES = 65536


def exit_notice(attempt: Attempt, boot: str) -> dict[str, Any]:
    """The notice, and the content of the record, of an attempt of which nothing lives."""
    return {
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


def write_record(path: str, notice: dict[str, Any]) -> None:
    """Put the record in place. Raises OSError (disk full, directory gone)."""
    temporary = f"{path}.tmp-{os.getpid()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(temporary, flags, 0o600)
    try:
        content = json.dumps(notice).encode() + b"\n"
        if os.write(descriptor, content) != len(content):
            raise OSError(28, "no space left for the whole record", temporary)
    finally:
        os.close(descriptor)
    os.rename(temporary, path)


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

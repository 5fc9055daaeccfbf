"""Files that an agent may have turned into anything: only a regular one is opened, never a pipe."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class NotAFileError(OSError):
    """Something else stands where a file was expected."""


def open_regular(path: Path, flags: int) -> int:
    """A descriptor of ``path``; NotAFileError for a pipe, a device or a folder. Never waits."""
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno != errno.ENXIO:  # a pipe that nobody reads
            raise
        raise _no_file(path) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_file(path)
    return descriptor


def _no_file(path: Path) -> NotAFileError:
    return NotAFileError(errno.EINVAL, "not a regular file", str(path))


def read_start(path: Path, limit_bytes: int) -> bytes:
    """The first ``limit_bytes`` of a file; OSError when it cannot be read."""
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        return file.read(limit_bytes)


def read_end(path: Path, limit_bytes: int) -> str:
    """The last ``limit_bytes`` of a file as text; empty when it cannot be read."""
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - limit_bytes))
            return file.read(limit_bytes).decode("utf-8", errors="replace")
    except OSError:
        return ""


def keep_end(path: Path, limit_bytes: int) -> None:
    """Cut all but the last ``limit_bytes`` off the front of a log that nobody writes any more."""
    if path.stat().st_size <= limit_bytes:
        return
    with path.open("r+b") as file:
        file.seek(-limit_bytes, os.SEEK_END)
        end = file.read(limit_bytes)
        file.seek(0)
        file.write(end)
        file.truncate()


def append(path: Path, text: str) -> None:
    """Add ``text`` to a file, on the disk when this returns; OSError when that is not possible."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    with os.fdopen(open_regular(path, flags), "ab") as file:
        file.write(text.encode("utf-8", errors="replace"))
        file.flush()
        os.fsync(file.fileno())

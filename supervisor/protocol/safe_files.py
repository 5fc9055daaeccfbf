"""Reading files that an agent wrote, without trusting a path, a size, a type or a byte of them.

Every directory from the given one on is opened without following links, so neither a link nor a
directory swapped for one in a race leads out; nothing here blocks on a FIFO or a device, or
costs more memory than the limit. Nothing raises for what an agent did: the result is a value or
a ``Problem``. Running out of descriptors is ours, and comes as ``unreadable`` too.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from supervisor.protocol.bounded_json import AGENT_FILE, Bounds, parse_json
from supervisor.protocol.problem import Problem, shown

PROGRESS_LIMIT_BYTES = 1 << 20
REQUEST_LIMIT_BYTES = 256 << 10
"""A question that a person reads; 200 of them stay under 50 MiB."""
CHECKPOINT_LIMIT_BYTES = 64 << 20

Signature = tuple[int, int, int]
"""(inode, mtime in ns, size in bytes) of a directory entry, links not followed."""

_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a character device"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISLNK, "a symbolic link"),
)
_CHUNK_BYTES = 1 << 20


def signature(path: str | os.PathLike[str], *, dir_fd: int | None = None) -> Signature | None:
    """What tells one version of a file from the next; None when there is none. Never raises.

    A timestamp may be as coarse as 4 ms on Linux before 6.13: two versions of one size within
    that time, the second on the first one's inode, look the same to it.
    """
    try:
        found = os.lstat(path, dir_fd=dir_fd)
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def read_bytes(
    directory: str | os.PathLike[str], name: str, *, limit_bytes: int, start: int = 0
) -> bytes | Problem:
    """The whole of the regular file ``name`` (may have folders) under ``directory``.

    ``directory`` itself is trusted up to its last component, which must not be a link. A file
    over ``limit_bytes`` is refused by its size, or once it has grown past it while being read.
    With ``start`` what begins there; nothing where the file is shorter.
    """
    if problem := unfit_name(name):
        return problem
    try:
        with open_parent(directory, name) as (parent, last):
            fd = os.open(last, _FILE_FLAGS, dir_fd=parent)
        try:
            if start and stat.S_ISREG(os.fstat(fd).st_mode):
                os.lseek(fd, start, os.SEEK_SET)
            return _read_open(fd, limit_bytes)
        finally:
            os.close(fd)
    except OSError as error:
        return _problem_of(error, name, directory)


def peek_bytes(
    directory: str | os.PathLike[str], name: str, count: int, *, start: int = 0
) -> tuple[bytes, int] | Problem:
    """Up to ``count`` bytes of such a file from ``start`` on, whatever its size, and its size."""
    if problem := unfit_name(name):
        return problem
    try:
        with open_parent(directory, name) as (parent, last):
            fd = os.open(last, _FILE_FLAGS, dir_fd=parent)
        try:
            return _not_ours(os.fstat(fd)) or (os.pread(fd, count, start), os.fstat(fd).st_size)
        finally:
            os.close(fd)
    except OSError as error:
        return _problem_of(error, name, directory)


def read_object(
    directory: str | os.PathLike[str],
    name: str,
    *,
    limit_bytes: int = PROGRESS_LIMIT_BYTES,
    bounds: Bounds = AGENT_FILE,
) -> dict[str, Any] | Problem:
    """The JSON object in that file; a problem about the whole file has an empty ``field``."""
    data = read_bytes(directory, name, limit_bytes=limit_bytes)
    return data if isinstance(data, Problem) else parse_object(data, bounds)


def parse_object(data: bytes, bounds: Bounds = AGENT_FILE) -> dict[str, Any] | Problem:
    """The JSON object in ``data``."""
    value = parse_json(data, bounds)
    if isinstance(value, dict | Problem):
        return value
    return Problem("schema", "", shown(value), "a JSON object")


def unfit_name(name: str) -> Problem | None:
    """Why ``name`` cannot be a path inside a directory: it would lead out, or is no name."""
    is_utf8 = name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)
    parts = name.split("/")
    if "\0" in name or not is_utf8 or any(part in ("", ".", "..") for part in parts):
        return Problem("name", "", shown(name), "a path inside the run directory")
    return None


@contextmanager
def open_parent(directory: str | os.PathLike[str], name: str) -> Iterator[tuple[int, str]]:
    """Descriptor of the folder that holds the last component of ``name``, and that component.

    Raises OSError; ELOOP or ENOTDIR is a link or a file where a folder should be.
    """
    *folders, last = name.split("/")
    fd = os.open(directory, DIRECTORY_FLAGS)
    try:
        for folder in folders:
            inner = os.open(folder, DIRECTORY_FLAGS, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd, last
    finally:
        os.close(fd)


def _not_ours(found: os.stat_result) -> Problem | None:
    """Why what was opened is not read at all."""
    if not stat.S_ISREG(found.st_mode):
        kind = next((text for is_kind, text in _KINDS if is_kind(found.st_mode)), "no file")
        return Problem("unsafe", "", kind, "a regular file")
    if found.st_uid != os.geteuid():
        return Problem("unsafe", "", f"a file of user {found.st_uid}", "a file of our own user")
    return None


def _read_open(fd: int, limit_bytes: int) -> bytes | Problem:
    found = os.fstat(fd)
    if problem := _not_ours(found):
        return problem
    expected = f"at most {limit_bytes} bytes"
    if found.st_size > limit_bytes:
        return Problem("too-large", "", f"{found.st_size} bytes", expected)
    # One more than there was: the usual file is read whole, and its end seen, in one call.
    first = os.read(fd, min(found.st_size + 1, _CHUNK_BYTES))
    if len(first) == found.st_size:
        return first
    parts = [first]
    left = limit_bytes + 1 - len(first)  # One more than allowed shows that it grew.
    while left > 0 and (part := os.read(fd, min(left, _CHUNK_BYTES))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        return Problem("too-large", "", f"more than {limit_bytes} bytes", expected)
    return b"".join(parts)


def _problem_of(error: OSError, name: str, directory: str | os.PathLike[str]) -> Problem:
    if error.errno == errno.ENOENT:
        return Problem("missing", "", "no such file", "a file")
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return Problem("unsafe", "", _link_kind(directory, name), "a file in the run directory")
    if error.errno == errno.ENXIO:  # What opening a socket gives.
        return Problem("unsafe", "", "a socket", "a regular file")
    if error.errno == errno.ENAMETOOLONG:
        return Problem("name", "", f"a name of {len(name)} characters", "at most 255 bytes")
    if error.errno == errno.EWOULDBLOCK:
        return Problem("unsafe", "", "a file that is leased or locked", "a readable file")
    return Problem("unreadable", "", os.strerror(error.errno or 0), "a readable file")


def _link_kind(directory: str | os.PathLike[str], name: str) -> str:
    """Only for the message: what stands in the way may be something else again by now."""
    path = Path(directory)
    if (path / name).is_symlink():
        return "a symbolic link"
    if any(folder.is_symlink() for folder in (path, *(path / name).parents)):
        return "a folder that is a symbolic link"
    return "a file where a folder should be"

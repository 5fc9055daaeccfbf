"""Copies directories that agents write to while they write: nothing is followed, nothing waited on.

Only regular files and directories are taken, through descriptors, so that no swap of a name leads
out. Holes stay holes: logs are cut from the front by punching them. A file that grows is taken as
long as it was when it was opened.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field

MAX_DEPTH = 64
"""Folders within folders; deeper ones are counted as left out."""
CHUNK_BYTES = 1 << 20
LAST = "journal.jsonl"
"""Taken after its neighbours: a journal that is ahead of the checkpoint costs nothing, one that is
behind would run a completed step again. Its results are in a folder, and so come later still."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Tally:
    """What was copied, and what was not."""

    files: int = 0
    size_bytes: int = 0
    """Without the holes."""
    left_out: list[str] = field(default_factory=list)
    """``path: why``, in order."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where the walk stands: a folder there and its copy, both open."""

    source: int
    target: int
    shown: str
    depth: int


def copy_tree(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    tally: Tally,
    wanted: Callable[[str], bool] = lambda _: True,
) -> None:
    """Copy what is in ``source`` into ``target``, which exists; OSError when the target refuses.

    ``wanted`` decides about the names directly in ``source``. What vanishes meanwhile is no fault.
    """
    from_fd = os.open(source, _DIRECTORY)
    try:
        to_fd = os.open(target, _DIRECTORY)
        try:
            _copy_folder(_Folder(from_fd, to_fd, os.fspath(source), 0), tally, wanted)
        finally:
            os.close(to_fd)
    finally:
        os.close(from_fd)


def _copy_folder(
    folder: _Folder, tally: Tally, wanted: Callable[[str], bool] = lambda _: True
) -> None:
    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder.source) as entries:
        for entry in entries:
            if ".tmp-" in entry.name or not wanted(entry.name):
                continue
            (folders if entry.is_dir(follow_symlinks=False) else files).append(entry.name)
    for name in sorted(files, key=lambda name: (name == LAST, name)):
        _copy_file(folder, name, tally)
    # Ids of runs begin with their time: what changes most is taken first.
    for name in sorted(folders, reverse=True):
        if folder.depth >= MAX_DEPTH:
            why = f"more than {MAX_DEPTH} folders deep"
            tally.left_out.append(f"{folder.shown}/{name}: {why}")
        else:
            _copy_inner(folder, name, tally)


def _copy_inner(folder: _Folder, name: str, tally: Tally) -> None:
    inner = _opened(folder, name, _DIRECTORY, tally)
    if inner is None:
        return
    try:
        os.mkdir(name, 0o700, dir_fd=folder.target)
        made = os.open(name, _DIRECTORY, dir_fd=folder.target)
        try:
            _copy_folder(_Folder(inner, made, f"{folder.shown}/{name}", folder.depth + 1), tally)
            _date(inner, made)
        finally:
            os.close(made)
    finally:
        os.close(inner)


def _copy_file(folder: _Folder, name: str, tally: Tally) -> None:
    source = _opened(folder, name, _READ, tally)
    if source is None:
        return
    try:
        found = os.fstat(source)
        if not stat.S_ISREG(found.st_mode):
            tally.left_out.append(f"{folder.shown}/{name}: not a regular file")
            return
        target = os.open(name, _WRITE, 0o600, dir_fd=folder.target)
        try:
            tally.size_bytes += _copy_data(source, target, found.st_size)
            os.fchmod(target, stat.S_IMODE(found.st_mode) & 0o777)
            _date(source, target)
        finally:
            os.close(target)
        tally.files += 1
    finally:
        os.close(source)


def _opened(folder: _Folder, name: str, flags: int, tally: Tally) -> int | None:
    try:
        return os.open(name, flags, dir_fd=folder.source)
    except FileNotFoundError:
        return None
    except OSError as error:
        is_link = error.errno in (errno.ELOOP, errno.ENOTDIR)
        why = "a link" if is_link else error.strerror
        tally.left_out.append(f"{folder.shown}/{name}: {why}")
        return None


def _copy_data(source: int, target: int, size: int) -> int:
    """Copy the first ``size`` bytes, holes as holes; how many were no hole."""
    copied = offset = 0
    while offset < size and (start := _next_data(source, offset)) is not None:
        end = min(_next_hole(source, start, size), size)
        offset = start
        while offset < end:
            data = os.pread(source, min(CHUNK_BYTES, end - offset), offset)
            if not data:
                break  # Truncated meanwhile.
            _write_at(target, data, offset)
            offset += len(data)
            copied += len(data)
        offset = max(offset, end)
    os.ftruncate(target, size)
    return copied


def _write_at(target: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(target, rest, offset)
        rest, offset = rest[written:], offset + written


def _next_data(source: int, offset: int) -> int | None:
    """Where data begins at or after ``offset``; None when only a hole follows."""
    if not hasattr(os, "SEEK_DATA"):
        return offset
    try:
        return os.lseek(source, offset, os.SEEK_DATA)
    except OSError as error:
        return None if error.errno == errno.ENXIO else offset


def _next_hole(source: int, offset: int, size: int) -> int:
    if not hasattr(os, "SEEK_HOLE"):
        return size
    try:
        return os.lseek(source, offset, os.SEEK_HOLE)
    except OSError:
        return size


def _date(source: int, target: int) -> None:
    found = os.fstat(source)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))

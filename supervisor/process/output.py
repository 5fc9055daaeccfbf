"""Output files held to a cap while their writer goes on writing, and reading what is left of them.

An agent writes straight into its file (O_APPEND), and we take away from the front: by a hole where
the file system can (the writer never notices and offsets stay true), else by moving the tail to
the front and cutting the file. After such a cut the bytes taken away are counted in a file beside
it, ``<name>.cut``, so that the offsets that readers see stay true there too. The tail is never
taken away; a lock that the writer would have to wait for is held for one piece at a time.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PUNCH = 0x01 | 0x02
"""FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of linux/falloc.h."""
REFUSALS = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EPERM})
"""What a file system without holes, an old kernel or a sandbox answers."""
PIECE_BYTES = 64 * 1024 * 1024
"""Punched in one call: the writer waits for at most so much (a few milliseconds)."""
COPY_BYTES = 1024 * 1024
CATCH_UP_ROUNDS = 16
"""Times that what came during a move is moved too, before a flood is cut all the same."""
READ_TRIES = 5
"""A file that was shortened while it was read is read again."""
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_WRITE_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Kept:
    """What there is of a file."""

    start: int
    """Offset of the first byte kept, in the file as it is."""
    size: int
    """Offset of its end."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes read, with offsets that count everything ever written."""

    data: bytes
    start: int
    size: int


def bound_output(path: str, cap_bytes: int, *, may_punch: bool = True) -> Kept | None:
    """Take away from the front what exceeds ``cap_bytes``, down to half of it; None if no file.

    Blocks, so never in the event loop. May be called again at any time, also after a death in
    the middle. ``may_punch=False`` behaves as on a file system without holes. Raises OSError.
    """
    descriptor = _open(path, _WRITE_FLAGS)
    if descriptor is None:
        return None
    try:
        size = os.fstat(descriptor).st_size
        start = _data_start(descriptor, 0, size)
        if size - start <= cap_bytes:
            return Kept(start, size)
        keep_bytes = cap_bytes // 2
        if may_punch and _punch(descriptor, start, size - keep_bytes):
            return Kept(_data_start(descriptor, 0, size), size)
        return _move_down(descriptor, path, size - keep_bytes)
    finally:
        os.close(descriptor)


def read_output(path: str, offset: int, limit: int) -> Piece:
    """At most ``limit`` bytes from ``offset`` (negative: from the end); ``start`` is where from.

    What was taken away is passed over, so it never shows as NULs. An offset past the end gives
    the end; a missing file is an empty one.
    """
    piece = Piece(b"", 0, 0)
    for _ in range(READ_TRIES):
        cut = _cut_bytes(path)
        descriptor = _open(path, _READ_FLAGS)
        if descriptor is None:
            return piece
        try:
            size = os.fstat(descriptor).st_size
            at = size + offset if offset < 0 else min(offset - cut, size)
            at = _data_start(descriptor, max(0, at), size)
            data = os.pread(descriptor, min(limit, size - at), at)
            piece = Piece(data, cut + at, cut + size)
            is_whole = os.fstat(descriptor).st_size >= size
            # Punched while it was read: what came back may be the hole.
            if is_whole and _data_start(descriptor, at, size) == at and _cut_bytes(path) == cut:
                break
        finally:
            os.close(descriptor)
    return piece


def _open(path: str, flags: int) -> int | None:
    """A descriptor of a regular file, None when there is none."""
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None


def _data_start(descriptor: int, at: int, size: int) -> int:
    """Where data begin at or after ``at``; ``size`` when there are none."""
    if at >= size or not hasattr(os, "SEEK_DATA"):
        return min(at, size)
    try:
        return min(os.lseek(descriptor, at, os.SEEK_DATA), size)
    except OSError as error:
        # ENXIO: nothing but a hole. Whoever cannot tell holes has none.
        return size if error.errno == errno.ENXIO else at


def _punch(descriptor: int, start: int, end: int) -> bool:
    """A hole up to ``end`` in whole blocks; False when the file system cannot."""
    fallocate = _fallocate()
    if fallocate is None:
        return False
    block = max(os.fstat(descriptor).st_blksize, 4096)
    at, end = start // block * block, end // block * block
    while at < end:
        length = min(PIECE_BYTES, end - at)
        if fallocate(descriptor, PUNCH, at, length) != 0:
            code = ctypes.get_errno()
            if code == errno.EINTR:
                continue
            if code in REFUSALS:
                return False
            raise OSError(code, os.strerror(code))
        at += length
    return True


@cache
def _fallocate() -> ctypes._NamedFuncPointer | None:
    """``fallocate64`` of the C library; None on systems without it."""
    try:
        function = ctypes.CDLL(None, use_errno=True).fallocate64
    except (OSError, AttributeError):
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    function.restype = ctypes.c_int
    return function


def _move_down(descriptor: int, path: str, source: int) -> Kept:
    """Move everything from ``source`` on to the front and cut the file behind it.

    The front is written before anything is cut, so a death in the middle loses nothing. Only
    what the writer adds between the last look and the cut (two system calls) could be lost, in
    the middle of a flood.
    """
    target, gap = 0, source
    for _ in range(CATCH_UP_ROUNDS):
        end = os.fstat(descriptor).st_size
        if source >= end:
            break
        while source < end:
            data = os.pread(descriptor, min(COPY_BYTES, end - source), source)
            if not data:
                break
            written = os.pwrite(descriptor, data, target)
            source, target = source + written, target + written
    os.ftruncate(descriptor, target)
    _count_cut(path, gap)
    return Kept(0, os.fstat(descriptor).st_size)


def _count_cut(path: str, more: int) -> None:
    beside, before = f"{path}.cut", _cut_bytes(path)
    descriptor = os.open(beside, _WRITE_FLAGS | os.O_CREAT, 0o600)
    try:
        # One write of one length: a reader sees the old number or the new one.
        os.pwrite(descriptor, f"{before + more:020d}\n".encode(), 0)
    finally:
        os.close(descriptor)


def _cut_bytes(path: str) -> int:
    """Bytes that were cut from the front, apart from holes."""
    try:
        return int(Path(f"{path}.cut").read_bytes()[:20])
    except (OSError, ValueError):
        return 0

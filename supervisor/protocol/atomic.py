"""Replacing a file so that a reader, a crash or a power cut sees the old bytes or the new ones.

The temporary name is the contract's (``<name>.tmp-<pid>-<counter>``, ignored by every reader);
it is removed when anything fails. Trouble with the disk becomes an EnvironmentFaultError that
says how to mend it.
"""

from __future__ import annotations

import errno
import itertools
import os
from pathlib import Path

from supervisor.errors import AgentError, EnvironmentFaultError
from supervisor.protocol.safe_files import DIRECTORY_FLAGS, unfit_name

_COUNTER = itertools.count(1)
"""Makes temporary names differ within this process; nothing depends on its value."""
_TRIES = 100
"""Leftovers of a killed process with our pid and counter that are stepped over."""
_FIXES = {
    errno.ENOSPC: "Free space on that file system; writing goes on by itself then",
    errno.EDQUOT: "Free space within your disk quota; writing goes on by itself then",
    errno.EROFS: "Remount that file system writable",
    errno.EACCES: "Make the directory yours and writable (chmod u+rwx)",
    errno.EPERM: "Make the directory yours and writable (chmod u+rwx)",
    errno.EMFILE: "Raise the limit of open files (ulimit -n)",
    errno.ENFILE: "Close programs: the machine has no file descriptors left",
    errno.EFBIG: "Raise the limit of the file size (ulimit -f)",
    errno.EIO: "Check the disk (dmesg): it reports errors",
    errno.ENOENT: "Create the directory again, or restart longwatch",
}


def write_atomic(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> None:
    """Put ``data`` (mode 0600) in place of ``path``, whose directory must exist.

    With ``durable`` the bytes and the name are on disk when this returns (two fsyncs, blocks);
    without, they survive the end of the process but not of the machine. Raises
    EnvironmentFaultError; then the old file is still whole, except that after a failed fsync of
    the directory the new one may already be in place.
    """
    target = Path(path)
    try:
        parent = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _replace(parent, target.name, data, durable=durable)
        finally:
            os.close(parent)
    except OSError as error:
        raise _fault(error, target) from error


def write_atomic_within(
    directory: str | os.PathLike[str], name: str, data: bytes, *, durable: bool = True
) -> None:
    """The same for ``name`` (may have folders) inside a directory that an agent can rearrange.

    Missing folders are made (0700); a link in place of one is never followed: AgentError.
    """
    where = Path(directory) / name
    if problem := unfit_name(name):
        raise AgentError(f"cannot write {problem.found}", why=f"expected {problem.expected}")
    *folders, last = name.split("/")
    try:
        fd = os.open(directory, DIRECTORY_FLAGS)
        try:
            for folder in folders:
                inner = _enter(fd, folder)
                os.close(fd)
                fd = inner
            _replace(fd, last, data, durable=durable)
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise AgentError(
                "a link or a file stands where a folder should be",
                why="links are not followed out of a run directory",
                fix="Remove it and the file is written again",
                where=str(where),
            ) from error
        raise _fault(error, where) from error


def _enter(parent: int, folder: str) -> int:
    try:
        return os.open(folder, DIRECTORY_FLAGS, dir_fd=parent)
    except FileNotFoundError:
        try:
            os.mkdir(folder, 0o700, dir_fd=parent)
        except FileExistsError:
            pass  # Somebody made it first.
        return os.open(folder, DIRECTORY_FLAGS, dir_fd=parent)


def _replace(parent: int, name: str, data: bytes, *, durable: bool) -> None:
    fd, temporary = _create(parent, name)
    try:
        try:
            _write_all(fd, data)
            if durable:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        _remove(parent, temporary)
        raise
    if durable:
        os.fsync(parent)


def _create(parent: int, name: str) -> tuple[int, str]:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(_TRIES):
        temporary = f"{name}.tmp-{os.getpid()}-{next(_COUNTER)}"
        try:
            return os.open(temporary, flags, 0o600, dir_fd=parent), temporary
        except FileExistsError:
            continue
    raise FileExistsError(errno.EEXIST, "too many leftover temporary files", name)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def _remove(parent: int, temporary: str) -> None:
    try:
        os.unlink(temporary, dir_fd=parent)
    except OSError:
        pass  # The failure that brought us here is the one to tell.


def _fault(error: OSError, path: Path) -> EnvironmentFaultError:
    reason = os.strerror(error.errno) if error.errno else str(error)
    fix = _FIXES.get(error.errno or 0, "Check that file system")
    return EnvironmentFaultError(f"cannot write: {reason}", fix=fix, where=str(path))

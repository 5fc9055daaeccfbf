"""Starts one attempt: a new session and group, output straight to files, the run's lock as fd 3.

Nothing of the keeper's own state reaches it: default signal dispositions, an empty mask, the
limits and the umask that the user had. Errors name the path and the errno; code ``spawn`` is a
fault of the command and lasts, ``unavailable`` is one of the machine and may pass.
"""

from __future__ import annotations

import errno
import fcntl
import os

from supervisor.keeper.fields import CallError, environment, text, words
from supervisor.keeper.system import DEFAULT_SIGNALS, set_file_limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.keeper.nursery import Nursery

LOCK_FD = 3
FIRST_OWN_FD = 10
"""Our descriptors start here: none of them is in the way of a child's 0 to 3."""
PASSING = frozenset(
    {
        errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOSPC,
        errno.EDQUOT, errno.ETXTBSY, errno.EROFS,
    }
)  # fmt: skip
"""Faults of the machine, not of the command: trying again can help."""


class Order:
    """What to execute, read and checked. Raises CallError (``bad``)."""

    __slots__ = ("argv", "cwd", "env", "err", "lock", "out")

    def __init__(self, call: dict[str, Any]) -> None:
        self.argv = words(call, "argv")
        self.env = environment(call, "env")
        self.cwd = text(call, "cwd")
        self.out = text(call, "out")
        self.err = text(call, "err")
        self.lock = text(call, "lock")


class Born:
    """A new leader."""

    __slots__ = ("err_offset", "out_offset", "pid")

    def __init__(self, pid: int, out_offset: int, err_offset: int) -> None:
        self.pid = pid
        self.out_offset = out_offset
        self.err_offset = err_offset


class Spawner:
    """Executes orders; holds what every child shares."""

    def __init__(self, nursery: Nursery, file_limit: tuple[int, int]) -> None:
        self._nursery = nursery
        self._file_limit = file_limit
        self._null = reserve_low_descriptors()
        self._home = os.open(".", os.O_RDONLY | os.O_CLOEXEC)

    def spawn(self, order: Order) -> Born:
        """Start the leader. Raises CallError: ``busy``, ``spawn`` or ``unavailable``."""
        opened: list[int] = []
        try:
            lock = _open(order.lock, os.O_RDWR, opened)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise CallError(
                    "busy", f"{order.lock} is held: something of an earlier attempt lives"
                ) from None
            out = _open(order.out, os.O_WRONLY | os.O_APPEND, opened)
            err = _open(order.err, os.O_WRONLY | os.O_APPEND, opened)
            offsets = os.fstat(out).st_size, os.fstat(err).st_size
            return Born(self._execute(order, (self._null, out, err, lock)), *offsets)
        except UnicodeEncodeError as error:
            raise CallError("bad", f"a text that is no file system text: {error}"[:300]) from None
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def start_plain(
        self, argv: list[str], env: dict[str, str], descriptors: tuple[int, ...]
    ) -> int:
        """Start a program with these descriptors as 0, 1, 2 …; its pid. Raises CallError."""
        program = find_program(argv[0], env)
        soft, hard = self._file_limit
        set_file_limit(soft, hard)
        try:
            return self._nursery.give_birth(
                lambda: os.posix_spawn(
                    program,
                    argv,
                    env,
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, own, number) for number, own in enumerate(descriptors)
                    ],
                    setsid=True,
                    setsigmask=(),
                    setsigdef=DEFAULT_SIGNALS,
                )
            )
        except OSError as error:
            raise _explain(error, program, argv, env) from None
        finally:
            set_file_limit(hard, hard)

    @property
    def null(self) -> int:
        """/dev/null, for reading and writing."""
        return self._null

    def _execute(self, order: Order, descriptors: tuple[int, ...]) -> int:
        # posix_spawn has no working directory in this Python. Nobody else is running.
        try:
            os.chdir(order.cwd)
        except OSError as error:
            raise _failed(error, f"working directory {order.cwd}") from None
        try:
            return self.start_plain(order.argv, order.env, descriptors)
        finally:
            os.fchdir(self._home)


def reserve_low_descriptors() -> int:
    """Fill 0 to 9 with /dev/null where they are free; another one above them is returned."""
    while True:
        descriptor = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        if descriptor >= FIRST_OWN_FD:
            return descriptor


def find_program(name: str, env: dict[str, str]) -> str:
    """Where ``name`` is, on the PATH of ``env``. Raises CallError (``spawn``)."""
    if "/" in name:
        return name
    path = env.get("PATH", os.defpath)
    denied = ""
    for directory in path.split(os.pathsep) if name else ():
        candidate = os.path.join(directory or ".", name)
        if os.path.isfile(candidate):
            if os.access(candidate, os.X_OK):
                return candidate
            denied = denied or candidate
    if denied:
        raise CallError("spawn", f"{denied}: not executable (EACCES)", errno.EACCES)
    raise CallError("spawn", f"no program {name!r} on PATH {path} (ENOENT)", errno.ENOENT)


def _open(path: str, flags: int, opened: list[int]) -> int:
    flags |= os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _failed(error, path, code="unavailable") from None
    opened.append(descriptor)
    os.set_blocking(descriptor, True)
    return descriptor


def _failed(error: OSError, what: str, code: str = "spawn") -> CallError:
    name = errno.errorcode.get(error.errno or 0, str(error.errno))
    if error.errno in PASSING:
        code = "unavailable"
    return CallError(code, f"{what}: {error.strerror} ({name})", error.errno)


def _explain(error: OSError, program: str, argv: list[str], env: dict[str, str]) -> CallError:
    """An error of the exec, in words that say what to mend."""
    if error.errno == errno.E2BIG:
        total = sum(len(os.fsencode(word)) + 1 for word in argv)
        total += sum(len(os.fsencode(key + value)) + 2 for key, value in env.items())
        what = f"{program}: arguments and environment of {total} bytes are too long (E2BIG)"
        return CallError("spawn", what, errno.E2BIG)
    if error.errno == errno.ENOEXEC:
        what = f"{program}: neither a program for this machine nor a script with #! (ENOEXEC)"
        return CallError("spawn", what, errno.ENOEXEC)
    if error.errno == errno.ENOENT and os.path.exists(program):
        what = f"{program}: its interpreter {_interpreter(program)} does not exist (ENOENT)"
        return CallError("spawn", what, errno.ENOENT)
    return _failed(error, program)


def _interpreter(program: str) -> str:
    try:
        with open(program, "rb") as file:
            line = file.readline(256)
    except OSError:
        line = b""
    return line[2:].strip().decode(errors="replace") if line.startswith(b"#!") else "or loader"

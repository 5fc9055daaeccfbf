"""Where the control socket is, and that it is ours: published by the engine, found by clients.

``config.paths.Project`` decides the place; here it is published, found and checked. Nobody may
put a socket of theirs where our clients connect: the directory is ours with 0700, and both ends
look at the uid of the other.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.errors import EnvironmentFaultError, NotRunningError

MAX_PATH_BYTES = 107
"""What fits into ``sun_path`` on Linux with its final NUL; macOS has 103."""


def publish(project: Project, path: Path) -> None:
    """Write the pointer file: atomically, so that no client reads half a path."""
    pointer = project.socket_pointer
    temporary = pointer.with_name(f".{pointer.name}.tmp-{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(os.fsencode(path) + b"\n")
    temporary.rename(pointer)


def withdraw(project: Project) -> None:
    """Remove the pointer file, if it is there."""
    project.socket_pointer.unlink(missing_ok=True)


def find(project: Project) -> Path:
    """The socket of the engine of ``project``; NotRunningError when none was published."""
    path = project.read_socket_path()
    if path is None:
        raise not_running(str(project.directory))
    return path


def connect(path: Path, timeout_s: float) -> socket.socket:
    """A blocking, connected socket to an engine of ours.

    NotRunningError when nobody listens, EnvironmentFaultError when the place is not private or
    somebody else answers. At most ``timeout_s`` seconds.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise EnvironmentFaultError(f"the socket path {path} is over {MAX_PATH_BYTES} bytes")
    try:
        check_private(path.parent)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    except FileNotFoundError:
        raise not_running(str(path)) from None
    try:
        connection.settimeout(timeout_s)
        connection.connect(os.fspath(path))
        uid = peer_uid(connection)
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        raise not_running(str(path)) from None
    except OSError as error:
        connection.close()
        raise EnvironmentFaultError(
            f"cannot connect to {path}: {error}", fix="Try again; see engine.log beside it."
        ) from error
    if uid != os.getuid():
        connection.close()
        raise EnvironmentFaultError(
            f"{path} is served by uid {uid}, not by you", why="it could show and do anything"
        )
    return connection


def check_private(directory: Path) -> None:
    """EnvironmentFaultError unless ``directory`` is a real directory of ours with 0700."""
    found = directory.lstat()
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
    if not is_ours or stat.S_IMODE(found.st_mode) & 0o077:
        raise EnvironmentFaultError(
            f"{directory} is not a directory that only you can use",
            why="somebody else could put their socket there",
            fix=f"chmod 700 {directory}, or move it away and start again.",
        )


def peer_uid(connection: socket.socket) -> int:
    """The uid of the process at the other end, as the kernel knows it."""
    if sys.platform == "darwin":  # struct xucred: version, uid, …; LOCAL_PEERCRED at SOL_LOCAL.
        raw = connection.getsockopt(0, 1, 76)
        return int(struct.unpack_from("=II", raw)[1])
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


def not_running(where: str) -> NotRunningError:
    """Nobody listens at ``where``."""
    return NotRunningError(
        "no engine runs here", where=where, fix="Start it with: longwatch up (or just longwatch)"
    )

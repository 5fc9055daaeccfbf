"""Binding the control socket so that nobody else can use it and no live one is stolen.

``asyncio.start_unix_server(path)`` removes a live socket and leaves it open to all (measured on
3.11): so the socket is bound by hand under a temporary name, and renamed over a stale one.
"""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from supervisor.control.locate import check_private
from supervisor.errors import EnvironmentFaultError, HeldElsewhereError

BACKLOG = 128
"""Connections the kernel holds until we accept them."""


def listen(path: Path) -> socket.socket:
    """A listening socket at ``path`` with mode 0600; a stale socket there is replaced.

    The caller holds the engine's lock. Raises EnvironmentFaultError for a place that is not ours
    alone or not a socket, HeldElsewhereError when somebody answers there in spite of the lock.
    """
    check_private(path.parent)
    _check_place(path)
    # Short: it has to fit where the final name fits.
    temporary = path.with_name(f".{os.getpid()}")
    temporary.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(os.fspath(temporary))
    except OSError as error:
        listener.close()
        raise EnvironmentFaultError(
            f"cannot make the control socket {path}: {error}",
            fix="Check the permissions and the free space of its directory.",
        ) from error
    finally:
        os.umask(before)
    try:
        listener.listen(BACKLOG)
        listener.setblocking(False)
        temporary.rename(path)
    except BaseException:
        listener.close()
        temporary.unlink(missing_ok=True)
        raise
    return listener


def _check_place(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise EnvironmentFaultError(
            f"{path} is in the place of the control socket", fix="Move it away and start again."
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return
    raise HeldElsewhereError(
        f"another engine answers at {path}", fix="Use it, or end it with: longwatch down"
    )

"""What ``doctor`` looks at on the machine: interpreter, package, kernel, terminal. Reads only."""

from __future__ import annotations

import importlib.metadata
import locale
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import supervisor
from supervisor.cli import output
from supervisor.cli.findings import Finding, Health

MIN_PYTHON = (3, 11)
MIN_SQLITE = (3, 35, 0)
"""RETURNING and the WAL behaviour we rely on."""
MIN_WATCHES = 8192
"""inotify watches of one user: the default of old kernels; an editor may use them all."""
MIN_INSTANCES = 32
MIN_DESCRIPTORS = 256
PR_GET_CHILD_SUBREAPER = 37


def look() -> list[Finding]:
    """Every check of the machine; one that breaks is itself a finding."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python, _package, _shadow, _sqlite, _inotify, _pidfd, _subreaper, _descriptors,
        _terminal, _encoding, _tmux, _strace,
    )  # fmt: skip
    return [_guarded(check) for check in checks]


def _guarded(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - one check that breaks must not hide the others
        name = check.__name__.strip("_")
        return Finding(name, Health.NOTE, f"could not be looked at: {error}")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < MIN_PYTHON:
        return Finding("python", Health.BAD, f"{version}, at least 3.11 is needed", "Upgrade it.")
    return Finding("python", Health.OK, f"{version} ({sys.executable})")


def _package() -> Finding:
    where = supervisor.__file__ or "nowhere"
    version = getattr(supervisor, "__version__", None)
    if version is None or not (Path(where).parent / "keeper").is_dir():
        return Finding("package", Health.BAD, f"`supervisor` is another package: {where}",
                       "Install longwatch on its own: pipx install longwatch")  # fmt: skip
    return Finding("package", Health.OK, f"longwatch {version} in {Path(where).parent}")


def _shadow() -> Finding:
    """supervisord's package has our import name; whichever comes first on the path wins."""
    others = [
        str(Path(entry) / "supervisor")
        for entry in sys.path
        if (Path(entry or ".") / "supervisor" / "supervisord.py").is_file()
    ]
    try:
        others.append(f"supervisor {importlib.metadata.version('supervisor')}")
    except importlib.metadata.PackageNotFoundError:
        pass  # Not installed: that is what we hope for.
    if others:
        return Finding("supervisord", Health.BAD,
                       f"installed beside us under the same import name: {others[0]}",
                       "Install longwatch on its own: pipx install longwatch")  # fmt: skip
    return Finding("supervisord", Health.OK, "no package of the same name")


def _sqlite() -> Finding:
    import sqlite3

    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < MIN_SQLITE:
        wanted = ".".join(map(str, MIN_SQLITE))
        return Finding("sqlite", Health.BAD, f"{found}, at least {wanted} is needed",
                       "Use a Python with a newer SQLite.")  # fmt: skip
    return Finding("sqlite", Health.OK, found)


def _inotify() -> Finding:
    folder = Path("/proc/sys/fs/inotify")
    if not folder.is_dir():
        return Finding("inotify", Health.NOTE, "not here; files are watched in other ways")
    watches = int((folder / "max_user_watches").read_text())
    instances = int((folder / "max_user_instances").read_text())
    message = f"{watches} watches, {instances} instances for each user"
    if watches < MIN_WATCHES or instances < MIN_INSTANCES:
        return Finding("inotify", Health.NOTE, f"{message}: few, so changes may be polled for",
                       "sudo sysctl fs.inotify.max_user_watches=524288 "
                       "fs.inotify.max_user_instances=512")  # fmt: skip
    return Finding("inotify", Health.OK, message)


def _pidfd() -> Finding:
    if hasattr(os, "pidfd_open"):
        try:
            os.close(os.pidfd_open(os.getpid()))
            return Finding("pidfd", Health.OK, "processes are held by descriptor")
        except OSError as error:
            why = error.strerror or "refused"
            return Finding("pidfd", Health.NOTE, f"{why}: identified by start time only")
    return Finding("pidfd", Health.NOTE, "not on this system: identified by start time only")


def _subreaper() -> Finding:
    if not sys.platform.startswith("linux"):
        return Finding("subreaper", Health.NOTE,
                       "not on this system: a daemon an agent forks may escape")  # fmt: skip
    import ctypes

    value = ctypes.c_int(0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(value), 0, 0, 0) != 0:
        why = os.strerror(ctypes.get_errno())
        return Finding("subreaper", Health.BAD, f"prctl says: {why}",
                       "Allow prctl in this container: what agents fork could escape.")  # fmt: skip
    return Finding("subreaper", Health.OK, "nothing an agent forks escapes")


def _descriptors() -> Finding:
    import resource

    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MIN_DESCRIPTORS:
        return Finding("descriptors", Health.NOTE, f"only {soft} open files a process",
                       "ulimit -n 4096")  # fmt: skip
    return Finding("descriptors", Health.OK, f"{soft} open files a process")


def _terminal() -> Finding:
    if not output.is_terminal():
        return Finding("terminal", Health.OK, "standard output is no terminal")
    kind = os.environ.get("TERM", "")
    size = shutil.get_terminal_size()
    message = f"{kind or 'TERM is not set'}, {size.columns} x {size.lines}"
    if kind in ("", "dumb"):
        return Finding("terminal", Health.NOTE, f"{message}: the interface cannot draw",
                       "Use longwatch run --headless, or set TERM.")  # fmt: skip
    if size.columns < 80 or size.lines < 24:
        return Finding("terminal", Health.NOTE, f"{message}: the interface is made for 80 x 24",
                       "Make the window larger.")  # fmt: skip
    colours = "no colour wanted" if os.environ.get("NO_COLOR") else os.environ.get("COLORTERM", "")
    return Finding("terminal", Health.OK, f"{message} {colours}".rstrip())


def _encoding() -> Finding:
    name = locale.getpreferredencoding(do_setlocale=False)
    if name.lower().replace("-", "") != "utf8":
        return Finding("locale", Health.NOTE, f"{name}: some characters show as escapes",
                       "export LANG=C.UTF-8")  # fmt: skip
    return Finding("locale", Health.OK, name)


def _tmux() -> Finding:
    return _optional("tmux", "the tests in a real terminal need it")


def _strace() -> Finding:
    return _optional("strace", "the system-call fault tests need it")


def _optional(program: str, use: str) -> Finding:
    found = shutil.which(program)
    return Finding(program, Health.OK, found or f"not installed (optional: {use})")

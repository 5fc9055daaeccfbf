"""What ``doctor`` looks at in one project: configuration, state directory, disk, locks.

Reads only, and takes no lock even for a moment: a starting engine would find it held.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path

from supervisor.cli.findings import Finding, Health
from supervisor.config.paths import PRIVATE, Project

LOW_DISK_BYTES = 1024**3
"""Free space below which a log flood could fill the disk before anybody looks."""
NO_DISK_BYTES = 64 * 1024**2
REMOTE_TYPES = ("nfs", "cifs", "smb", "9p", "fuse.sshfs", "afs", "ceph", "gluster", "lustre")
MOUNTS = Path("/proc/self/mountinfo")
LOCKS = Path("/proc/locks")


def look(project: Project) -> list[Finding]:
    """Every check of the project."""
    findings = [_configuration(project), _file_system(project), _disk(project)]
    if project.state_dir.is_symlink() or project.state_dir.exists():
        findings.append(_state_dir(project))
        findings += [_lock(project.keeper_lock), _lock(project.engine_lock), _socket(project)]
    else:
        findings.append(Finding("state", Health.OK, "nothing was run here yet"))
    return findings


def _configuration(project: Project) -> Finding:
    from supervisor.config.advice import is_readable_by_others, written_secrets
    from supervisor.config.load import check_config

    config, problems = check_config(project)
    if config is None:
        count = sum(problem.severity == "error" for problem in problems)
        return Finding(
            "config", Health.BAD, f"{project.config_file}: {count} wrong", "longwatch config check"
        )
    agents = f"{project.config_file}: {len(config.agents)} agents"
    secret = [name for name, spec in config.agents.items() if written_secrets(spec)]
    if secret and is_readable_by_others(project.config_file):
        return Finding(
            "config",
            Health.NOTE,
            f"{agents}; others may read it, and it holds secrets of {', '.join(secret[:12])}",
            f"chmod 600 {project.config_file}, or better env_pass: see longwatch config check",
        )
    return Finding("config", Health.OK, agents)


def _file_system(project: Project) -> Finding:
    if not MOUNTS.exists():
        return Finding("file system", Health.OK, "its type cannot be read on this system")
    kind = mount_type(project.directory, MOUNTS.read_text(errors="replace"))
    if kind.startswith(REMOTE_TYPES):
        return Finding(
            "file system",
            Health.NOTE,
            f"{kind}: SQLite's locks and file events are not reliable there; changes are polled",
            "Put the project on a local disk.",
        )
    return Finding("file system", Health.OK, kind)


def mount_type(directory: Path, mountinfo: str) -> str:
    """The type of the file system that ``directory`` is on, as proc_pid_mountinfo(5) lists it."""
    best, kind = -1, "unknown"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        # Blanks and backslashes of a mount point stand there as octal escapes.
        point = Path(fields[4].replace("\\040", " ").replace("\\134", "\\"))
        # >=: of two mounts on one point the later one hides the earlier.
        if directory.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def _disk(project: Project) -> Finding:
    free = shutil.disk_usage(project.directory).free
    message = f"{free / 1024**3:.1f} GiB free"
    if free < NO_DISK_BYTES:
        return Finding("disk", Health.BAD, message, "Make room: nothing new can be stored.")
    if free < LOW_DISK_BYTES:
        return Finding("disk", Health.NOTE, message, "Make room before starting long runs.")
    if not os.access(project.directory, os.W_OK | os.X_OK):
        return Finding(
            "disk", Health.BAD, f"{project.directory} cannot be written", "Check its permissions."
        )
    return Finding("disk", Health.OK, message)


def _state_dir(project: Project) -> Finding:
    path = project.state_dir
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        return Finding("state", Health.BAD, f"{path} is no real directory", "Move it away.")
    if found.st_uid != os.getuid():
        return Finding(
            "state", Health.BAD, f"{path} belongs to uid {found.st_uid}", "Run as its owner."
        )
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        return Finding(
            "state", Health.NOTE, f"{path} has mode {mode}; the next start makes it 0700"
        )
    return Finding("state", Health.OK, str(path))


def _lock(path: Path) -> Finding:
    name = path.stem + " lock"
    try:
        found = path.stat()
    except FileNotFoundError:
        return Finding(name, Health.OK, "not held")
    if not sys.platform.startswith("linux") or not LOCKS.exists():
        return Finding(name, Health.OK, f"{path} exists; who holds it cannot be read here")
    holder = lock_holder(found, LOCKS.read_text(errors="replace"))
    if holder is None:
        return Finding(name, Health.OK, "not held; what is left in the file harms nobody")
    said = _said_pid(path)
    if said is not None and holder > 0 and said != holder:
        return Finding(
            name,
            Health.NOTE,
            f"held by pid {holder}, but the file names {said}: something inherited it",
            f"Look at it: ps -p {holder}",
        )
    return Finding(name, Health.OK, f"held by pid {said or holder}")


def lock_holder(found: os.stat_result, locks: str) -> int | None:
    """The pid that holds a flock on that file, as proc_locks(5) lists it; None when nobody."""
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    for line in locks.splitlines():
        fields = line.split()
        # "1: FLOCK ADVISORY WRITE 708 08:02:12345 0 EOF"; a waiter has "->" after its number.
        if len(fields) >= 6 and fields[1] == "FLOCK" and fields[5] == wanted:
            return int(fields[4])
    return None


def _said_pid(path: Path) -> int | None:
    try:
        pid = json.loads(path.read_bytes()[:4096])["pid"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if isinstance(pid, int) else None


def _socket(project: Project) -> Finding:
    path = project.read_socket_path()
    if path is None:
        return Finding("socket", Health.OK, "none")
    if not path.exists():
        return Finding("socket", Health.OK, f"{path} is gone; the next engine makes it anew")
    return Finding("socket", Health.OK, str(path))

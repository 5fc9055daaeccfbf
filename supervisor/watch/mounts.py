"""Whether the file system under a directory tells of changes that other machines make."""

from __future__ import annotations

import os
import re
from pathlib import Path

SILENT = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "vboxsf",
        "fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.grpcfuse",
    }
)  # fmt: skip
"""File system types whose changes inotify does not see, or only those of this machine."""
_ESCAPE = re.compile(r"\\([0-7]{3})")


def why_no_events(path: str, mountinfo: Path = Path("/proc/self/mountinfo")) -> str | None:
    """Why a watch on ``path`` would be silent; None when events come, or nobody can tell."""
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    kind = file_system_of(os.path.realpath(path), lines)
    return f"{kind} gives no events" if kind in SILENT else None


def file_system_of(path: str, mountinfo: list[str]) -> str | None:
    """Type of the file system that holds the absolute ``path``, by lines of mountinfo (proc(5)).

    The longest mount point wins, and of two at one place the later, which covers the earlier.
    """
    best, kind = -1, None
    for line in mountinfo:
        mount, _, source = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) < 5 or not source:
            continue
        point = _ESCAPE.sub(lambda match: chr(int(match.group(1), 8)), fields[4]).rstrip("/")
        if (path == point or path.startswith(point + "/")) and len(point) >= best:
            best, kind = len(point), source.split(" ")[0]
    return kind

"""What the work tree looks like, as one hash: the same hash means that nothing changed."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from ralph_parts.files import read_start

GIT_LIMIT_S = 60.0
CONTENT_LIMIT_BYTES = 1024 * 1024
"""A larger file counts by its size and time of change."""
ALL_CONTENT_BYTES = 256 * 1024 * 1024
"""So that a tree full of data costs seconds, not minutes; what comes later counts the same way."""
MOST_FILES = 20_000
PASSED_OVER = {".git", ".longwatch", ".longwatch-local", "__pycache__", "node_modules", ".venv"}


def fingerprint(folder: Path, watch: list[Path], own: Iterable[Path]) -> str:
    """Hash of the work tree at ``folder``: by git where it is a repository, else of ``watch``.

    ``own`` are the files the loop itself writes: they are no progress.
    """
    digest = hashlib.sha256()
    left_out = {path.resolve() for path in own}
    in_git = _in_git(folder)
    names: Iterable[Path] = _walk(watch) if in_git is None else in_git
    left_bytes = ALL_CONTENT_BYTES
    for count, path in enumerate(names):
        if count >= MOST_FILES:
            break
        inside = Path(os.path.relpath(path, folder)).parts
        if path.resolve() not in left_out and not PASSED_OVER & set(inside):
            content, size_bytes = _content(path, min(left_bytes, CONTENT_LIMIT_BYTES))
            left_bytes -= size_bytes
            digest.update(f"{path}\0{content}\0".encode(errors="surrogateescape"))
    if in_git is not None:
        digest.update(_git(folder, "rev-parse", "-q", "--verify", "HEAD") or b"")
    return digest.hexdigest()


def _in_git(folder: Path) -> list[Path] | None:
    """What differs from the last commit, and what git does not know; None without git."""
    top = _git(folder, "rev-parse", "--show-toplevel")
    if not top:
        return None
    root = Path(os.fsdecode(top.rstrip(b"\n")))
    changed = _git(root, "diff", "--name-only", "-z", "HEAD", "--")
    if changed is None:  # no commit yet
        changed = _git(root, "ls-files", "-z") or b""
    unknown = _git(root, "ls-files", "--others", "--exclude-standard", "-z") or b""
    names = {name for name in (changed + unknown).split(b"\0") if name}
    return [root / os.fsdecode(name) for name in sorted(names)]


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
            timeout=GIT_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _walk(watch: list[Path]) -> Iterator[Path]:
    for start in watch:
        if not start.is_dir():
            yield start
        for folder, inner, files in os.walk(start):
            inner[:] = sorted(name for name in inner if name not in PASSED_OVER)
            yield from (Path(folder, name) for name in sorted(files))


def _content(path: Path, limit_bytes: int) -> tuple[str, int]:
    """What stands at ``path`` in a few words, and how many bytes were read for that."""
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return f"-> {path.readlink()}", 0
        if not stat.S_ISREG(status.st_mode):
            return f"{status.st_mode}", 0
        if status.st_size > limit_bytes:
            return f"{status.st_size} {status.st_mtime_ns}", 0
        data = read_start(path, limit_bytes)
        return f"{hashlib.sha256(data).hexdigest()} {status.st_mode & 0o111}", len(data)
    except OSError as error:
        return f"! {error.errno}", 0

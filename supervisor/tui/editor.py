"""A text in the operator's own editor: a private file, the editor on the terminal, what came back.

Loads nothing of Textual, so the command line uses it too. The text goes out and comes back byte
for byte; nothing an agent wrote is ever part of a command line.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from supervisor.errors import UserError
from supervisor.tui.editor_process import run_editor

FALLBACKS = ("sensible-editor", "nano", "vi")
"""Tried in this order where neither $VISUAL nor $EDITOR says anything."""
DRAFTS = "longwatch-"
"""Begins the name of each draft's directory, among the temporary files."""
MAX_BYTES = 512 * 1024
"""What comes back: with all of JSON's escapes it still fits one message to the engine."""


class EditAbortedError(UserError):
    """The operator left the editor without an answer: an empty file, or a failing editor."""


def find_editor() -> list[str]:
    """The editor's command: $VISUAL, $EDITOR, or one that is installed; UserError without any."""
    for name in ("VISUAL", "EDITOR"):
        if not (said := os.environ.get(name, "").strip()):
            continue
        try:
            command = shlex.split(said)
        except ValueError as error:
            raise UserError(f"{said!r} cannot be read: {error}", where=f"${name}") from error
        if command and shutil.which(command[0]):
            return command
        raise UserError(
            f"no such program: {command[0] if command else said!r}",
            fix=f"Set ${name} to an editor that is installed",
            where=f"${name}",
        )
    for name in FALLBACKS:
        if found := shutil.which(name):
            return [found]
    raise UserError(
        "there is no editor", fix="Set $EDITOR, for example: export EDITOR=nano", where="$EDITOR"
    )


def edit_text(text: str, *, suffix: str = ".txt") -> str:
    """``text`` as the operator leaves it; blocks until the editor ends, and needs the terminal.

    EditAbortedError when the editor failed or nothing is left; UserError for no editor, or for
    what cannot be taken (too large, not UTF-8). A line end at the end that only the editor added
    is taken off again. Told to end meanwhile (SIGHUP, SIGTERM), it ends the editor, and then the
    signal is raised anew for whoever handled it before. What was written and is not handed back
    stays where it is, with the editor's own backups, and the error says where.
    """
    command = find_editor()
    # A directory of its own: editors put swap and backup files beside the one they edit.
    directory = Path(tempfile.mkdtemp(prefix=DRAFTS))
    path = directory / f"answer{suffix}"
    before = text.encode("utf-8", "replace")
    is_wanted = False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(before)
        try:
            ended = run_editor([*command, str(path)])
        except OSError as error:
            raise UserError(f"cannot run {command[0]}: {error.strerror}", where="editor") from error
        if ended.told:
            is_wanted = _is_changed(directory, path, before)
            _say_kept(path if is_wanted else None)
            signal.raise_signal(ended.told)
            raise EditAbortedError("told to end while the editor was open: nothing was sent")
        if ended.status != 0:
            said = f"{command[0]} ended with status {ended.status}"
            raise EditAbortedError(f"{said}: nothing was sent")
        return _read_back(path, text)
    except UserError as error:
        is_wanted = is_wanted or _is_changed(directory, path, before)
        if is_wanted:
            error.fix = f"What you wrote is in {path}"
        raise
    finally:
        if not is_wanted:
            shutil.rmtree(directory, ignore_errors=True)


def _is_changed(directory: Path, path: Path, before: bytes) -> bool:
    """Whether there is something in it that would be missed; a file of the editor's counts."""
    try:
        if any(entry != path for entry in directory.iterdir()):
            return True
        with path.open("rb") as file:
            now = file.read(len(before) + 2)
    except OSError:
        return False
    return bool(now.strip()) and now not in (before, before + b"\n")


def _say_kept(path: Path | None) -> None:
    """On the terminal itself, which may be gone: whoever called us is about to end."""
    if path is not None:
        with suppress(OSError):
            os.write(2, f"\r\nlongwatch: what you wrote is in {path}\r\n".encode())


def _read_back(path: Path, before: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise EditAbortedError(f"the file is gone ({error.strerror}): nothing was sent") from error
    if len(data) > MAX_BYTES:
        raise UserError(f"the text is larger than {MAX_BYTES} bytes", where="editor")
    try:
        after = data.decode()
    except UnicodeDecodeError as error:
        raise UserError(f"the text is not UTF-8: {error}", where="editor") from error
    if not after.strip():
        raise EditAbortedError("the text is empty: nothing was sent")
    if after.endswith("\n") and not before.endswith("\n"):
        return after[:-1]
    return after

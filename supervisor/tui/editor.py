"""A text in the operator's own editor: a private file, the editor on the terminal, what came back.

Loads nothing of Textual, so the command line uses it too. The text goes out and comes back byte
for byte; nothing an agent wrote is ever part of a command line.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

from supervisor.errors import UserError

FALLBACKS = ("sensible-editor", "nano", "vi")
"""Tried in this order where neither $VISUAL nor $EDITOR says anything."""
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
    is taken off again.
    """
    command = find_editor()
    # A directory of its own: editors put swap and backup files beside the one they edit.
    with tempfile.TemporaryDirectory(prefix="longwatch-") as directory:
        path = Path(directory) / f"answer{suffix}"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "replace"))
        try:
            status = subprocess.run([*command, str(path)], check=False).returncode
        except OSError as error:
            raise UserError(f"cannot run {command[0]}: {error.strerror}", where="editor") from error
        if status != 0:
            raise EditAbortedError(f"{command[0]} ended with status {status}: nothing was sent")
        return _read_back(path, text)


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

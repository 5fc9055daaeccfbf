"""Bytes of config.toml to plain TOML data, every fault of the file as a whole reported.

A configuration names programs that will run with the operator's rights, so one that somebody else
can write is refused. Never follows what is not a regular file: a FIFO would block for ever.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.config.defaults import MAX_CONFIG_BYTES
from supervisor.config.locate import KeyLines
from supervisor.config.problems import Problem, Problems

_AT = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")
_TWICE = re.compile(r"Cannot (?:declare|overwrite|mutate)")


@dataclass(frozen=True, slots=True)
class Source:
    """One reading of the file."""

    file: str
    """As it is named in messages."""
    data: dict[str, Any]
    lines: KeyLines
    sha256: str
    """Of the bytes; the engine compares it to see a change."""


def read_source(path: Path, problems: Problems) -> Source | None:
    """The file's data, or None when it cannot be read at all (then an error was reported)."""
    content = read_bytes(path, problems)
    return None if content is None else parse_source(content, shown_path(path), problems)


def parse_source(content: bytes, file: str, problems: Problems) -> Source | None:
    """The data of what was read, or is about to be written; None after a reported error."""
    text = _decoded(content, file, problems)
    if text is None:
        return None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.report(_syntax_problem(file, text, str(error)))
        return None
    except (RecursionError, ValueError):
        # RecursionError: thousands of brackets. ValueError: a date or number out of all bounds.
        problems.report(
            Problem(
                file=file,
                key="",
                found="values that are nested too deep or too large to read",
                expected="a plain TOML file",
            )
        )
        return None
    return Source(file, data, KeyLines(text), hashlib.sha256(content).hexdigest())


def shown_path(path: Path) -> str:
    """``path`` relative to the current directory when it is below it: short and clickable."""
    try:
        return str(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)


def read_bytes(path: Path, problems: Problems) -> bytes | None:
    """What stands in the file; None when it cannot or must not be read, which was reported."""
    file = shown_path(path)
    try:
        # Non-blocking: opening a FIFO would otherwise wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        problems.report(
            Problem(
                file=file,
                key="",
                found="there is no such file" if missing else f"cannot read it: {error.strerror}",
                expected="a configuration",
                fix="Make one: longwatch init --demo" if missing else "Check its permissions.",
            )
        )
        return None
    with os.fdopen(fd, "rb") as opened:
        fault = _unfit_file(os.fstat(fd))
        if fault is not None:
            problems.report(Problem(file=file, key="", found=fault[0], expected=fault[1]))
            return None
        return opened.read(MAX_CONFIG_BYTES + 1)


def _unfit_file(found: os.stat_result) -> tuple[str, str] | None:
    """What was found and what was expected instead; None when the file may be read."""
    if not stat.S_ISREG(found.st_mode):
        return "not a regular file", "a file"
    if found.st_size > MAX_CONFIG_BYTES:
        return f"{found.st_size} bytes", f"at most {MAX_CONFIG_BYTES}"
    uid = os.getuid()
    if uid != 0 and found.st_uid not in (uid, 0):
        return (
            f"a file that belongs to uid {found.st_uid}",
            "a file of yours: it says which programs run with your rights",
        )
    if found.st_mode & stat.S_IWOTH:
        return (
            "a file that everybody may write",
            "one that only you may write: it says which programs run with your rights (chmod o-w)",
        )
    return None


def _decoded(content: bytes, file: str, problems: Problems) -> str | None:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
        problems.report(
            Problem(
                file=file,
                key="",
                line=content.count(b"\n", 0, error.start) + 1,
                found="UTF-16 text" if utf16 else f"the byte 0x{content[error.start]:02x}",
                expected="UTF-8 text",
                fix="Save it as UTF-8.",
            )
        )
        return None
    if text.startswith("\ufeff"):
        problems.report(
            Problem(
                file=file,
                key="",
                line=1,
                found="a byte order mark",
                expected="UTF-8 without one",
                fix="Save it as UTF-8 without BOM.",
            )
        )
        return None
    # tomllib reads CRLF as a newline; a lone CR it refuses with its position.
    return text.replace("\r\n", "\n")


def _syntax_problem(file: str, text: str, message: str) -> Problem:
    at = _AT.search(message)
    what = message[: at.start()] if at else message
    line = column = None
    if at:
        line = int(at[1]) if at[1] else text.rstrip("\n").count("\n") + 1
        column = int(at[2]) if at[2] else None
    fix = ""
    if _TWICE.match(what):
        fix = "A table or key may stand only once: rename one, or merge the two."
    elif line is not None:
        fix = "Strings need quotes, lists [ ], and every key a value."
    return Problem(
        file=file,
        key="",
        line=line,
        column=column,
        found=f"not valid TOML: {what}",
        fix=fix,
    )

"""Changing one setting of config.toml: comments and order stay, and nothing bad is ever written.

Owns: the only way in which a program changes that file. What would be written is checked by the
same models first; a file that changed meanwhile is left alone. The one before stays beside it as
``config.toml.bak``. Imports tomlkit and pydantic when it is called: never on the way to a picture.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tomllib
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.config.paths import Project
from supervisor.config.problems import Problem, Problems
from supervisor.config.read import parse_source, read_bytes, shown_path
from supervisor.errors import ConfigError, EnvironmentFaultError, UserError

Key = tuple[str, ...]
BACKUP = ".bak"


class ChangedMeanwhileError(UserError):
    """Somebody else wrote the file since it was read; nothing was written."""


@dataclass(frozen=True, slots=True)
class Written:
    """What became of it."""

    file: Path
    backup: Path
    """The file as it was before."""
    sha256: str
    """Of the new bytes."""


def read_value(text: str) -> Any:
    """What a person typed: TOML, else the text itself; nobody should have to type quotes."""
    try:
        found = tomllib.loads(f"value = {text}\n")
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return text.strip()
    return found["value"] if len(found) == 1 else text.strip()


def set_value(project: Project, key: Key, text: str, *, expected: str | None = None) -> Written:
    """Set ``key`` to what ``text`` says; see ``change``. A number may be meant as a text."""
    value = read_value(text)
    try:
        return change(project, key, value, expected=expected)
    except ConfigError:
        # An agent may be described as 2026: only the models know that a text is wanted.
        if isinstance(value, str) or text.lstrip()[:1] in ("[", "{"):
            raise
        try:
            return change(project, key, text.strip(), expected=expected)
        except ConfigError:
            pass
        raise


def change(project: Project, key: Key, value: Any, *, expected: str | None = None) -> Written:
    """Set ``key`` to ``value``, or take it out (None), so that its default counts again.

    ``expected`` is the SHA-256 of the file that the operator looked at: another one there now is a
    ChangedMeanwhileError. ConfigError says what would be wrong with the result; faults that the
    file has already hinder nothing. EnvironmentFaultError for the disk. Blocks.
    """
    problems = Problems()
    before = read_bytes(project.config_file, problems)
    problems.raise_if_any()
    assert before is not None, "nothing was read and nothing reported"
    if expected is not None and _digest(before) != expected:
        raise _changed(project)
    after = _edited(before, key, value, project)
    _check(project, before, after, key)
    if after != before:
        _write(project, before, after)
    file = project.config_file
    return Written(file, file.with_name(file.name + BACKUP), _digest(after))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _changed(project: Project) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(
        f"{shown_path(project.config_file)} was changed by somebody else meanwhile",
        why="nothing was written",
        fix="Look at what it says now, and change it again.",
    )


def _edited(before: bytes, key: Key, value: Any, project: Project) -> bytes:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(before.decode("utf-8"))
        if value is None:
            _take_out(document, key)
        else:
            _put_in(document, key, value)
        after = tomlkit.dumps(document).encode()
        is_right = tomllib.loads(after.decode()) == _expected(before, key, value)
    except (TOMLKitError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise _by_hand(project, key, str(error)) from error
    if not is_right:
        # A table written in an unusual way: better by hand than another meaning.
        raise _by_hand(project, key, "it is written in a way that cannot be kept")
    return after


def _by_hand(project: Project, key: Key, why: str) -> ConfigError:
    file = shown_path(project.config_file)
    problem = Problem(file=file, key=".".join(key), found=f"cannot be changed here: {why}",
        fix="Change it in an editor.")  # fmt: skip
    return ConfigError((str(problem),), where=file)


def _put_in(document: MutableMapping[str, Any], key: Key, value: Any) -> None:
    import tomlkit

    table: Any = document
    for part in key[:-1]:
        if part not in table:
            is_inline = isinstance(table, tomlkit.items.InlineTable)
            table[part] = tomlkit.inline_table() if is_inline else tomlkit.table()
        table = table[part]
    if key[-1] in table:
        old = table[key[-1]]
        new = tomlkit.item(value)
        if isinstance(old, tomlkit.items.Item):
            new.trivia.comment, new.trivia.comment_ws = old.trivia.comment, old.trivia.comment_ws
        table[key[-1]] = new
    else:
        table[key[-1]] = value


def _take_out(document: MutableMapping[str, Any], key: Key) -> None:
    table: Any = document
    for part in key[:-1]:
        table = table.get(part, {})
    table.pop(key[-1], None)


def _expected(before: bytes, key: Key, value: Any) -> dict[str, Any]:
    """What a reader of the new file has to find."""
    data = tomllib.loads(before.decode("utf-8"))
    table = data
    for part in key[:-1]:
        if part not in table and value is None:
            return data
        table = table.setdefault(part, {})
    if value is None:
        table.pop(key[-1], None)
    else:
        table[key[-1]] = value
    return data


def _check(project: Project, before: bytes, after: bytes, key: Key) -> None:
    """Refuse what is wrong after and was not before; what is about this key is said first."""
    was = {(problem.key, problem.found) for problem in _problems(project, before)}
    new = [p for p in _problems(project, after) if (p.key, p.found) not in was]
    errors = [problem for problem in new if problem.severity == "error"]
    if errors:
        here = ".".join(key)
        errors.sort(key=lambda problem: not problem.key.startswith(here))
        raise ConfigError(tuple(map(str, errors)), where=errors[0].file)


def _problems(project: Project, content: bytes) -> list[Problem]:
    from supervisor.config.load import check_source

    problems = Problems()
    source = parse_source(content, shown_path(project.config_file), problems)
    if source is not None:
        check_source(source, problems, project)
    return list(problems)


def _write(project: Project, before: bytes, after: bytes) -> None:
    """Both files whole or as they were; the mode stays, and a link stays a link."""
    path = Path(os.path.realpath(project.config_file))
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        backup = project.config_file.with_name(project.config_file.name + BACKUP)
        _replace(backup, before, mode, None)
        if not _replace(path, after, mode, before):
            raise _changed(project)
    except OSError as error:
        raise EnvironmentFaultError(
            f"{shown_path(path)} cannot be written",
            why=error.strerror or str(error),
            fix="The file is as it was. Check the disk and the permissions of its directory.",
        ) from error


def _replace(path: Path, content: bytes, mode: int, before: bytes | None) -> bool:
    """Put ``content`` there by rename; False when ``before`` is no longer what stands there."""
    temporary = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(fd, "wb") as opened:
            os.fchmod(fd, mode)
            opened.write(content)
            opened.flush()
            os.fsync(fd)
        # As late as can be: an editor may have saved while we checked.
        if before is not None and path.read_bytes() != before:
            temporary.unlink()
            return False
        temporary.rename(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return True

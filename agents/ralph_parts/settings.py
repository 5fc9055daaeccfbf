"""What the loop is told: ``ralph.toml`` and the command line, checked as a whole.

Every problem is found at once, each with what was found and what was expected. Paths are
relative to the folder of ``ralph.toml``, which is also where every command runs.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from supervisor.config.durations import DurationError, parse_duration
from supervisor.config.problems import nearest, show

CONFIG_NAME = "ralph.toml"
PLACEHOLDERS = ("{prompt}", "{prompt_file}")


class SettingsError(Exception):
    """All that is wrong, a line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one loop; every path is absolute."""

    folder: Path
    """Where commands run."""
    tasks: Path
    notes: Path
    progress: Path
    command: list[str]
    verify: list[list[str]]
    """Commands that must all exit 0 before any task is done."""
    max_iterations: int
    """Calls of the agent, the ones that were interrupted included."""
    max_time_s: float | None
    """Of calls and verifications together; None is no limit."""
    max_cost_usd: float | None
    """None is no limit."""
    call_timeout_s: float | None
    verify_timeout_s: float | None
    watch: list[Path]
    """What counts as progress when it changes, where the folder is no git repository."""


DEFAULTS: dict[str, Any] = {
    "tasks": "TASKS.md",
    "notes": "NOTES.md",
    "progress": "PROGRESS.md",
    "command": None,
    "verify": [],
    "max_iterations": 25,
    "max_time": "4h",
    "max_cost_usd": None,
    "call_timeout": "30m",
    "verify_timeout": "10m",
    "watch": ["."],
}
"""25 calls of at most half an hour: an afternoon's work, and a bill one would notice in time."""


def from_arguments(argv: list[str]) -> Settings:
    """The settings of ``ralph.py ARGUMENTS``; SettingsError with everything that is wrong."""
    given = _parser().parse_args(argv)
    path = Path(given.config).absolute()
    problems: list[str] = []
    table = _read(path, must_exist=given.config != CONFIG_NAME, problems=problems)
    for name in table:
        if name not in DEFAULTS:
            close = nearest(name, DEFAULTS)
            hint = f"did you mean {close}?" if close else f"known are {', '.join(DEFAULTS)}"
            problems.append(f"{path}: unknown key {show(name)}; {hint}")
    values = {**DEFAULTS, **{name: table[name] for name in table if name in DEFAULTS}}
    for name in DEFAULTS:
        if getattr(given, name, None) not in (None, []):
            values[name] = getattr(given, name)
    return _Checked(values, path.parent, problems).settings()


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Wrong use is a wrong setting: its exit status must not lead to a retry."""
        raise SettingsError([message])


def _parser() -> _Parser:
    parser = _Parser(
        prog="ralph.py", description="One task at a time until the verification passes."
    )
    parser.add_argument("--config", default=CONFIG_NAME, help=f"settings (default {CONFIG_NAME})")
    for name in ("tasks", "notes", "progress"):
        parser.add_argument(f"--{name}", metavar="FILE")
    parser.add_argument(
        "--verify", action="append", type=shlex.split, metavar="COMMAND", help="may be repeated"
    )
    for name in ("max-time", "call-timeout", "verify-timeout"):
        parser.add_argument(f"--{name}", metavar="DURATION")
    parser.add_argument("--max-iterations", type=int, metavar="N")
    parser.add_argument("--max-cost-usd", type=float, metavar="USD")
    parser.add_argument("command", nargs="*", help="the agent, after --")
    return parser


def _read(path: Path, *, must_exist: bool, problems: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        if must_exist:
            problems.append(f"{path}: not there")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error}")
    return {}


class _Checked:
    """Reads values one by one and collects what is wrong with them."""

    def __init__(self, values: dict[str, Any], folder: Path, problems: list[str]) -> None:
        self._values = values
        self._folder = folder
        self._problems = problems

    def settings(self) -> Settings:
        """The settings, or SettingsError."""
        found = {
            "tasks": self._path("tasks"),
            "notes": self._path("notes"),
            "progress": self._path("progress"),
            "command": self._command(),
            "verify": self._verify(),
            "max_iterations": self._whole("max_iterations"),
            "max_time_s": self._duration("max_time"),
            "max_cost_usd": self._cost(),
            "call_timeout_s": self._duration("call_timeout"),
            "verify_timeout_s": self._duration("verify_timeout"),
            "watch": self._watch(),
        }
        if len({found["tasks"], found["notes"], found["progress"]}) < 3:
            self._problems.append("tasks, notes and progress are three different files")
        if not found["tasks"].is_file():
            self._problems.append(
                f"tasks: {found['tasks']} is not there; expected a list: Markdown with lines "
                '"- [ ] task", or JSON'
            )
        if self._problems:
            raise SettingsError(self._problems)
        return Settings(folder=self._folder, **found)

    def _wrong(self, name: str, expected: str) -> None:
        value = self._values[name]
        found = "not set" if value is None else show(value)
        self._problems.append(f"{name} is {found}; expected {expected}")

    def _path(self, name: str) -> Path:
        value = self._values[name]
        if not isinstance(value, str) or not value or "\0" in value:
            self._wrong(name, "the path of a file")
            value = f"?{name}"
        return (self._folder / value).absolute()

    def _command(self) -> list[str]:
        value = self._values["command"]
        if not is_argv(value):
            self._wrong("command", 'the agent as a list, such as ["claude", "-p"]')
            return []
        if not find_program(value[0], self._folder):
            self._problems.append(
                f"command: {show(value[0])} is not on PATH nor a program in {self._folder}"
            )
        return list(value)

    def _verify(self) -> list[list[str]]:
        value = self._values["verify"]
        if not isinstance(value, list) or not all(is_argv(argv) for argv in value):
            self._wrong("verify", 'a list of commands, each a list: [["pytest", "-q"]]')
            return []
        for argv in value:
            if not find_program(argv[0], self._folder):
                self._problems.append(f"verify: {show(argv[0])} is not a program")
        return value

    def _whole(self, name: str) -> int:
        value = self._values[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._wrong(name, "a whole number above 0")
            return 1
        return value

    def _duration(self, name: str) -> float | None:
        try:
            return parse_duration(self._values[name])
        except DurationError as error:
            self._wrong(name, f'a duration such as "90s", "2h" or "none" ({error})')
            return None

    def _cost(self) -> float | None:
        value = self._values["max_cost_usd"]
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
            self._wrong("max_cost_usd", "an amount above 0")
            return None
        return float(value)

    def _watch(self) -> list[Path]:
        value = self._values["watch"]
        if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
            self._wrong("watch", "a list of files and folders")
            return []
        return [(self._folder / part).absolute() for part in value]


def is_argv(value: object) -> bool:
    """Whether ``value`` is a command: a list of texts that begins with a program."""
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(part, str) and "\0" not in part for part in value)
        and bool(value[0])
    )


def find_program(name: str, folder: Path) -> str | None:
    """Where ``name`` is, looked up on PATH, or below ``folder`` when it has a slash."""
    return shutil.which(str(folder / name) if "/" in name else name)

"""The shape of config.toml as pydantic models: types, bounds and unknown keys, nothing else.

Every field is optional here, because ``[defaults]`` may hold any key of an agent; which ones were
written is in ``model_fields_set``. What needs more than one key, or the disk, is in ``load``.
"""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from supervisor.config import defaults as d
from supervisor.config.durations import EXPECTED as DURATION
from supervisor.config.durations import DurationError, parse_duration
from supervisor.config.problems import nearest, show
from supervisor.config.sizes import EXPECTED as SIZE
from supervisor.config.sizes import SizeError, parse_size
from supervisor.config.tui import MAX_KEYS, flat_keys

STOP_SIGNALS = ("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL")
NEVER = "never"
RESERVED_FILES = frozenset(
    {
        "progress.json", "journal.jsonl", "wake.json", "task.json", "result.json", "delivery.json",
        "outcome.json", "requests",
        "answers",
    }
)  # fmt: skip
"""Names in the run directory that the protocol uses otherwise."""
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SHELL = re.compile(r"[|&;<>$`*?~]")


def wrong(why: str, expected: str = "", fix: str = "") -> PydanticCustomError:
    """A validator's refusal; ``load`` makes a Problem of it."""
    # Braces in the text would be taken for placeholders of pydantic, so it travels as context.
    context: dict[str, Any] = {"why": why, "expected": expected, "fix": fix}
    return PydanticCustomError("longwatch", "{why}", context)


def _duration(value: object, *, zero: bool, none: bool) -> float | None:
    try:
        seconds = parse_duration(value, zero=zero)
    except DurationError as error:
        raise wrong(str(error), DURATION) from error
    if seconds is None and not none:
        raise wrong("this cannot be without a limit", DURATION)
    return seconds


def _limit(value: object) -> float | None:
    return _duration(value, zero=False, none=True)


def _span(value: object) -> float | None:
    return _duration(value, zero=False, none=False)


def _wait(value: object) -> float | None:
    return _duration(value, zero=True, none=False)


def _reminder(value: object) -> float | None:
    is_never = isinstance(value, str) and value.strip().lower() == NEVER
    return (_duration(value, zero=True, none=True) or None) if not is_never else None


def _size(value: object, *, least: int, none: bool) -> int | None:
    try:
        size = parse_size(value, least=least)
    except SizeError as error:
        raise wrong(str(error), SIZE) from error
    if size is None and not none:
        raise wrong("this cannot be without a limit", SIZE)
    return size


def _log_cap(value: object) -> int | None:
    return _size(value, least=d.MIN_LOG_CAP_BYTES, none=False)


def _memory(value: object) -> int | None:
    return _size(value, least=d.MIN_MEMORY_BYTES, none=True)


_DURATION_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": d.MAX_DURATION_S},
        {"type": "string", "pattern": r"^\s*([0-9.]+\s*(ms|s|m|h|d|w)?\s*)+$", "examples": ["90s"]},
    ]
}
_LIMIT_SCHEMA = {"anyOf": [*_DURATION_SCHEMA["anyOf"], {"const": "none"}]}

_REMINDER_SCHEMA = {"anyOf": [*_DURATION_SCHEMA["anyOf"], {"enum": [NEVER, "none"]}]}

_SIZE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": d.MAX_SIZE_BYTES},
        {
            "type": "string",
            "pattern": r"^\s*[0-9.]+\s*([kKmMgGtT]?[iI]?[bB])?\s*$",
            "examples": ["64MB"],
        },
    ]
}
_SIZE_LIMIT_SCHEMA = {"anyOf": [*_SIZE_SCHEMA["anyOf"], {"const": "none"}]}

Limit = Annotated[float | None, BeforeValidator(_limit), WithJsonSchema(_LIMIT_SCHEMA)]
Span = Annotated[float, BeforeValidator(_span), WithJsonSchema(_DURATION_SCHEMA)]
Wait = Annotated[float, BeforeValidator(_wait), WithJsonSchema(_DURATION_SCHEMA)]
Reminder = Annotated[float | None, BeforeValidator(_reminder), WithJsonSchema(_REMINDER_SCHEMA)]
LogCap = Annotated[int, BeforeValidator(_log_cap), WithJsonSchema(_SIZE_SCHEMA)]
Memory = Annotated[int | None, BeforeValidator(_memory), WithJsonSchema(_SIZE_LIMIT_SCHEMA)]


def _command(value: object) -> object:
    if isinstance(value, str):
        raise wrong("a string", "a list, never a shell line", _suggest_list(value))
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise wrong("not a list of strings", "a list of strings: the program and its arguments")
    if not value or not value[0].strip():
        raise wrong("no program", "a list of strings: the program and its arguments")
    for part in value:
        if "\0" in part:
            raise wrong("an argument with a NUL byte in it", "text without NUL")
        if len(part) > d.MAX_ARGUMENT_BYTES:
            raise wrong(f"an argument of {len(part)} characters", "shorter arguments")
    return value


def _suggest_list(line: str) -> str:
    if _SHELL.search(line):
        words = ["sh", "-c", line]
    else:
        try:
            words = shlex.split(line)
        except ValueError:
            words = line.split()
    listed = ", ".join(toml_string(word) for word in words[:20])
    return f"Write: command = [{listed}]"


def toml_string(text: str) -> str:
    """``text`` as a TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04X}" for c in escaped) + '"'


def _signal(value: object) -> object:
    if not isinstance(value, str):
        raise wrong("not a name", f"one of {', '.join(STOP_SIGNALS)}")
    name = value.strip().upper().removeprefix("SIG")
    if name not in STOP_SIGNALS:
        close = nearest(name, STOP_SIGNALS)
        fix = f'Did you mean "{close}"?' if close else ""
        raise wrong("an unknown signal", f"one of {', '.join(STOP_SIGNALS)}", fix)
    return name


def _checkpoint(value: object) -> object:
    expected = "the name of a file in the run directory"
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise wrong("not a file name", expected)
    parts = value.split("/")
    if value.startswith("/") or any(part in ("", ".", "..") for part in parts):
        raise wrong("a path that may lead out of the run directory", expected)
    if parts[0] in RESERVED_FILES or parts[-1].startswith(".") or ".tmp-" in parts[-1]:
        raise wrong("a name that the protocol uses otherwise", expected)
    if len(value.encode(errors="replace")) > 200:
        raise wrong("a very long name", expected)
    return value


def _env_name(name: str) -> None:
    if not _ENV_NAME.fullmatch(name):
        raise wrong("not a variable's name", "letters, digits and _, not first a digit")
    if name.startswith("LONGWATCH_"):
        raise wrong("a variable that Longwatch itself sets", "a name without LONGWATCH_")


def _env_value(value: object) -> object:
    if isinstance(value, bool | int | float):
        fix = f'Write it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
        raise wrong("not a string", "a string", fix)
    if not isinstance(value, str):
        raise wrong("not a string", "a string")
    if "\0" in value:
        raise wrong("a value with a NUL byte in it", "text without NUL")
    return value


def _checked_env_name(value: object) -> object:
    if not isinstance(value, str):
        raise wrong("not a string", "the name of a variable")
    _env_name(value)
    return value


EnvName = Annotated[str, BeforeValidator(_checked_env_name)]
EnvValue = Annotated[str, BeforeValidator(_env_value)]


class Table(BaseModel):
    """A table of config.toml: unknown keys are errors, types are those of TOML."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class RetryTable(Table):
    """``[agents.NAME.retry]``; waits are durations, plain numbers are seconds."""

    max_retries: Annotated[int, Field(ge=0, le=d.MAX_RETRIES_LIMIT)] = d.MAX_RETRIES
    base_delay_seconds: Wait = d.BASE_DELAY_S
    max_delay_seconds: Span = d.MAX_DELAY_S
    exponential_base: Annotated[float, Field(ge=1.0, le=100.0)] = d.EXPONENTIAL_BASE
    jitter_fraction: Annotated[float, Field(ge=0.0, le=1.0)] = d.JITTER_FRACTION
    crash_loop_deaths: Annotated[int, Field(ge=1, le=32)] = d.CRASH_LOOP_DEATHS
    crash_loop_window: Span = d.CRASH_LOOP_WINDOW_S


class AgentTable(Table):
    """``[defaults]`` and ``[agents.NAME]``."""

    command: Annotated[list[str], BeforeValidator(_command)] = Field(default_factory=list)
    description: str = ""
    cwd: Annotated[str, Field(min_length=1)] = "."
    autostart: bool = d.AUTOSTART
    unattended: bool = d.UNATTENDED
    checkpoint: Annotated[str, BeforeValidator(_checkpoint)] = d.CHECKPOINT
    timeout: Limit = Field(default=d.TIMEOUT, validate_default=True)
    attempt_timeout: Limit = Field(default=d.ATTEMPT_TIMEOUT, validate_default=True)
    stall_timeout: Limit = Field(default=d.STALL_TIMEOUT, validate_default=True)
    stop_signal: Annotated[
        Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "KILL"], BeforeValidator(_signal)
    ] = d.STOP_SIGNAL
    stop_grace: Span = d.STOP_GRACE_S
    restart: Literal["always", "on-failure", "never"] = d.RESTART
    log_cap: LogCap = d.LOG_CAP_BYTES
    max_memory: Memory = Field(default=d.MAX_MEMORY, validate_default=True)
    remind_after: Reminder = d.REMIND_AFTER_S
    remind_max: Span = d.REMIND_MAX_S
    budget_usd: Annotated[float, Field(gt=0, le=1e6)] | None = None
    budget_action: Literal["warn", "ask", "stop"] = d.BUDGET_ACTION
    env: dict[EnvName, EnvValue] = Field(default_factory=dict)
    env_pass: list[EnvName] = Field(default_factory=list)
    retry: RetryTable = Field(default_factory=RetryTable)


def _tui_keys(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise wrong(f"this is no table: {show(value)}", 'lines such as "run.stop" = "x"')
    found: dict[str, tuple[str, ...]] = {}
    for action, given in flat_keys(value).items():
        listed = given if isinstance(given, list) else [given]
        if not listed or not all(isinstance(key, str) and key.strip() for key in listed):
            raise wrong(
                f'"{action}" has {show(given)}', 'a key such as "x" or "ctrl+x", or a list of keys'
            )
        if len(listed) > MAX_KEYS:
            raise wrong(f'"{action}" has {len(listed)} keys', f"at most {MAX_KEYS}")
        found[action] = tuple(key.strip() for key in listed)
    return found


_KEYS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
    },
}


class TuiTable(Table):
    """``[tui]``: the interface. The names in ``keys`` are checked by the interface itself."""

    theme: Literal["auto", "dark", "light", "high-contrast", "ansi"] = "auto"
    mouse: bool = True
    notify: Literal["all", "bell", "off"] = "all"
    keys: Annotated[
        dict[str, tuple[str, ...]], BeforeValidator(_tui_keys), WithJsonSchema(_KEYS_SCHEMA)
    ] = Field(default_factory=dict)


def _inside(value: object) -> object:
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise wrong("not a path", "a directory")
    return value


Directory = Annotated[str, BeforeValidator(_inside)]
Workers = Annotated[int, Field(ge=1, le=d.MAX_WORKERS)]
Deliveries = Annotated[int, Field(ge=1, le=d.MAX_DELIVERIES_LIMIT)]


class PoolTable(AgentTable):
    """``[pools.NAME]``: workers for a queue of that name, and how they are launched."""

    agent: str | None = None
    """An agent of this file whose settings are used, in place of a command."""
    workers: Workers = 1
    max_deliveries: Deliveries = d.MAX_DELIVERIES
    worker: Literal["per-task", "long-lived"] = "per-task"
    """A process for each task, or one that takes task after task (``agent.tasks()``)."""
    intake: Directory | None = None
    """Each file that appears there becomes a task."""


class StageTable(Table):
    """One stage of a pipeline."""

    name: Annotated[str, Field(min_length=1)]
    agent: Annotated[str, Field(min_length=1)]
    workers: Workers = 1
    max_deliveries: Deliveries = d.MAX_DELIVERIES
    worker: Literal["per-task", "long-lived"] = "per-task"
    timeout: Limit = None
    """In place of the agent's."""
    attempt_timeout: Limit = None
    join: bool = False
    """One task with the results of the whole group of the stage before, when that is over."""
    intake: Directory | None = None


class PipelineTable(Table):
    """``[pipelines.NAME]``: stages, each with its agent and its number of workers."""

    stages: Annotated[list[StageTable], Field(min_length=1)]

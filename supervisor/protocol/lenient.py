"""Models of what agents write: strict about types, forgiving about one bad optional field.

A display glitch must not hide a stage: a field that does not fit is taken as absent and named,
the rest of the file stays usable. Only a bad required field at the top makes the file a Problem.
JSON ``null`` means absent everywhere.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)

from supervisor.core.text import safe_text
from supervisor.protocol.problem import Problem, dotted, shown

MAX_PROBLEMS = 5
"""Named in one report; the rest is counted."""
MAX_NUMBER = 1e15
"""Largest count that is believed: exact in a double, and products of it stay finite."""
DECIMALS = 6
"""Counts are rounded to it, so that no ratio of tiny numbers overflows a rate."""
MAX_UNIX_S = 253_402_300_799.0
"""The end of the year 9999: anything later cannot be shown as a date."""
_MAX_ROUNDS = 8
"""More than the deepest model has levels: each round that fails gives up one level more."""

Model = TypeVar("Model", bound=BaseModel)
Path = tuple[str | int, ...]


class AgentModel(BaseModel):
    """Base of the models: types are strict, unknown fields are ignored."""

    model_config = ConfigDict(
        strict=True, extra="ignore", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _cleaner(limit: int, *, keep_newlines: bool) -> Callable[[str], str]:
    return lambda text: safe_text(text, limit=limit, keep_newlines=keep_newlines)


Name = Annotated[str, Field(min_length=1), AfterValidator(_cleaner(200, keep_newlines=False))]
"""One line, cleaned, cut at 200 characters, never empty."""
Label = Annotated[str, AfterValidator(_cleaner(80, keep_newlines=False))]
"""A short word: a unit, a model, a kind."""
Prose = Annotated[str, AfterValidator(_cleaner(2000, keep_newlines=True))]
"""Lines of text, cleaned, cut at 2,000 characters."""
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Position = Annotated[int, Field(ge=1, le=1_000_000)]
Amount = Annotated[
    float, Field(ge=0, le=MAX_NUMBER), AfterValidator(lambda number: round(number, DECIMALS))
]

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d):(\d\d)(\.\d{1,20})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(value: Any) -> float:
    """Unix seconds of an RFC 3339 time (with its offset) or of Unix seconds; ValueError if neither.

    A leap second counts as the second after it.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        at = float(value)
    else:
        at = _from_text(value)
    if not (math.isfinite(at) and 0 <= at <= MAX_UNIX_S):
        raise ValueError("a time between 1970 and 9999")
    return at


def _from_text(value: Any) -> float:
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("an RFC 3339 time such as 2026-01-31T12:00:00Z, or Unix seconds")
    date, minutes, seconds, fraction, offset = match.groups()
    is_leap = seconds == "60"
    zone = "+00:00" if offset in "Zz" else offset
    try:
        whole = datetime.fromisoformat(f"{date}T{minutes}:{'59' if is_leap else seconds}{zone}")
        at = (whole - _EPOCH) / timedelta(seconds=1)
    except (ValueError, OverflowError):
        raise ValueError("a date and time that exist") from None
    return at + (1.0 if is_leap else 0.0) + float(fraction or 0.0)


def time_text(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(min(max(at, 0.0), MAX_UNIX_S), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    float,
    BeforeValidator(parse_time),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "number", "minimum": 0, "maximum": MAX_UNIX_S},
            ],
            "description": "RFC 3339 with an offset, or Unix seconds",
        }
    ),
]


def validate(model: type[Model], value: Any) -> tuple[Model, list[Problem]] | Problem:
    """``value`` as ``model`` with the problems of the fields left out; Problem if none is left.

    Never raises for any value that JSON can carry, and leaves ``value`` as it was.
    """
    problems: list[Problem] = []
    dropped: set[Path] = set()
    for _ in range(_MAX_ROUNDS):
        try:
            return model.model_validate(value), problems
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False)
        if not dropped:
            value = copy.deepcopy(value)
        for item in found:
            problem, path = _judge(item, dropped)
            if problem is not None:
                problems.append(problem)
            if not path:
                return problem or _first_about(problems, tuple(item["loc"]))
            _drop(value, path)
            dropped.add(path)
    return Problem("schema", "", "too many levels of errors", "a file as the schema says")


def _judge(item: Any, dropped: set[Path]) -> tuple[Problem | None, Path]:
    """The problem to name, and the path to take as absent; empty when that is everything.

    A field that we dropped but that is required is not named again: what holds it goes too.
    """
    path: Path = tuple(item["loc"])
    if path in dropped:
        return None, path[:-1]
    is_missing = item["type"] == "missing"
    found = "nothing" if is_missing else shown(item["input"])
    return Problem("schema", dotted(path), found, _expected(item)), path[
        : -1 if is_missing else None
    ]


def _first_about(problems: list[Problem], path: Path) -> Problem:
    field = dotted(path)
    return next((problem for problem in problems if problem.field == field), problems[0])


def _expected(item: Any) -> str:
    message = str(item["msg"])
    for prefix in ("Value error, ", "Input should be ", "Input should have "):
        message = message.removeprefix(prefix)
    return "this field" if item["type"] == "missing" else message


def _drop(value: Any, path: Path) -> None:
    for part in path[:-1]:
        value = value[part]
        if value is None:
            return  # Something that holds it was dropped already.
    value[path[-1]] = None


def problem_texts(problems: list[Problem]) -> tuple[str, ...]:
    """At most ``MAX_PROBLEMS`` lines, and how many more there are."""
    texts = [str(problem) for problem in problems[:MAX_PROBLEMS]]
    if len(problems) > MAX_PROBLEMS:
        texts.append(f"and {len(problems) - MAX_PROBLEMS} more")
    return tuple(texts)

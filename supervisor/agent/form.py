"""The fields of a form as an agent declares them, and the values that answer without anybody.

The rules are the reader's (``supervisor.core.form``); this is their short copy, because agents
load nothing of ours. What it lets through and the reader refuses would stay unasked for ever.
"""

from __future__ import annotations

import re

from supervisor.agent.faults import UnfitValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from supervisor.agent.question import Question

FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
TYPES = ("text", "number", "boolean", "choice")
KEYS = ("name", "label", "type", "options", "default", "required", "multiline")
MAX_FIELDS = 50
LABEL_LIMIT = 200
OPTION_LIMIT = 500
MAX_OPTIONS = 100
MAX_NUMBER = 1e15


def check_fields(title: str, fields: list[Any]) -> None:
    """UnfitValueError that names the first field which cannot be shown or answered."""
    if not isinstance(fields, list) or not 1 <= len(fields) <= MAX_FIELDS:
        raise UnfitValueError(f"the form {title!r} needs a list of 1 to {MAX_FIELDS} fields")
    seen: set[str] = set()
    for place, field in enumerate(fields):
        problem = _problem(field)
        if problem is None and field["name"] in seen:
            problem = "its name stands there twice"
        if problem is not None:
            name = field.get("name") if isinstance(field, dict) else None
            where = f"field {name!r}" if isinstance(name, str) else f"field {place + 1}"
            raise UnfitValueError(f"{where} of the form {title!r}: {problem}")
        seen.add(field["name"])


def default_values(question: Question) -> dict[str, Any] | None:
    """The answer that takes every default; None when a required field has none."""
    values = {field["name"]: field.get("default") for field in question["action"]["fields"]}
    for field in question["action"]["fields"]:
        if field.get("required") and values[field["name"]] in (None, ""):
            return None
    return values


def fits(field: dict[str, Any], value: Any) -> bool:
    """Whether ``value`` (not None) can be the answer to ``field``."""
    kind = field["type"]
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and abs(value) <= MAX_NUMBER
    if kind == "choice":
        return value in field["options"]
    return isinstance(value, str) and (bool(field.get("multiline")) or "\n" not in value)


def _problem(field: Any) -> str | None:
    if not isinstance(field, dict):
        return "expected a dict with name and type"
    if unknown := [key for key in field if key not in KEYS]:
        return f"{unknown[0]!r} is none of {', '.join(KEYS)}"
    if not isinstance(field.get("name"), str) or not FIELD_NAME.fullmatch(field["name"]):
        return f"its name is {field.get('name')!r}, expected {FIELD_NAME.pattern}"
    if field.get("type") not in TYPES:
        return f"its type is {field.get('type')!r}, expected one of {', '.join(TYPES)}"
    if field.get("label") is not None and not _is_line(field["label"], LABEL_LIMIT):
        return "its label is not one visible line"
    for key in ("required", "multiline"):
        if not isinstance(field.get(key, False), (bool, type(None))):
            return f"{key} is {field[key]!r}, expected True or False"
    return _choice_problem(field) or _default_problem(field)


def _choice_problem(field: dict[str, Any]) -> str | None:
    options = field.get("options")
    if field["type"] != "choice":
        return None if options is None else f"a {field['type']} has no options"
    if not isinstance(options, list) or not 1 <= len(options) <= MAX_OPTIONS:
        return f"it needs 1 to {MAX_OPTIONS} options"
    for option in options:
        if not _is_line(option, OPTION_LIMIT):
            return f"option {option!r} is not one visible line"
    return "an option stands there twice" if len(set(options)) < len(options) else None


def _default_problem(field: dict[str, Any]) -> str | None:
    default = field.get("default")
    if default is None or fits(field, default):
        return None
    return f"the default {default!r} does not fit its type"


def _is_line(text: Any, limit: int) -> bool:
    if not isinstance(text, str) or len(text) > limit:
        return False
    return bool(text.strip()) and text.isprintable()

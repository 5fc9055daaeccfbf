"""What pydantic found, in our words: (found, expected, what to do). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from supervisor.config.model import (
    AgentTable,
    RetryTable,
    StageTable,
    Table,
)
from supervisor.config.problems import nearest, show
from supervisor.config.services import FallbackTable, RetryConfigTable, TimeoutsTable
from supervisor.config.whole import ConfigTables
from supervisor.core.secret_names import is_secret_name

Told = tuple[str, str, str]

_TYPES = {
    "string_type": "a string in quotes",
    "bool_type": "true or false, without quotes",
    "int_type": "a whole number, without quotes",
    "int_from_float": "a whole number",
    "float_type": "a number, without quotes",
    "finite_number": "a finite number",
    "dict_type": "a table",
    "model_type": "a table",
    "list_type": "a list in [ ]",
}
_MEANT = {
    "cmd": "command", "exec": "command", "program": "command", "args": "command",
    "dir": "cwd", "directory": "cwd", "workdir": "cwd", "working_directory": "cwd",
    "environment": "env", "grace": "stop_grace", "signal": "stop_signal",
    "retries": "max_retries", "backoff": "base_delay_seconds", "factor": "exponential_base",
    "jitter": "jitter_fraction", "programs": "agents",
}  # fmt: skip
"""Words of other supervisors that no spelling distance would find."""


def explain(fault: Mapping[str, Any], key: tuple[str | int, ...], kind: type[Table]) -> Told:
    """One entry of ``ValidationError.errors()`` of the table ``kind``, standing at ``key``."""
    context = fault.get("ctx", {})
    is_secret = "env" in key[:-1] and is_secret_name(str(key[-1]))
    found = "a value that is not shown" if is_secret else show(fault["input"])
    match fault["type"]:
        case "extra_forbidden":
            return unknown_key(key, _table_at(key[:-1], kind))
        case "missing":
            return "it is missing", "a value", f"Add: {key[-1]} = …"
        case "longwatch":
            fix = "" if is_secret else context["fix"]  # It may quote the value.
            return f"{found}: {context['why']}", context["expected"], fix
        case "literal_error":
            return found, f"one of {context['expected']}", _did_you_mean(fault["input"], context)
        case "greater_than_equal":
            return found, f"{context['ge']:g} or more", ""
        case "less_than_equal":
            return found, f"at most {context['le']:g}", ""
        case "too_short" | "string_too_short":
            return found, "at least one", ""
        case other:
            return found, _TYPES.get(other, str(fault["msg"])), ""


def unknown_key(key: tuple[str | int, ...], table: type[Table]) -> Told:
    """An unknown key, with the nearest known one, or the table it belongs in."""
    name = str(key[-1])
    known = table.model_fields
    around = ".".join(str(part) for part in key[:-1])
    close = _MEANT.get(name.lower())
    close = close if close in known else nearest(name, known)
    fix = f'Did you mean "{close}"?' if close else ""
    if name in RetryTable.model_fields and table is AgentTable:
        fix = f"It belongs in [{around}.retry]."
    elif name in AgentTable.model_fields and table is RetryTable:
        fix = f"It belongs in [{around.removesuffix('.retry')}]."
    elif name in AgentTable.model_fields and table is ConfigTables:
        fix = "It belongs in [defaults] or [agents.NAME]."
    elif not fix and table is ConfigTables and (inner := nearest(name, AgentTable.model_fields)):
        fix = f'Did you mean "{inner}" in [defaults] or [agents.NAME]?'
    expected = f"one of {', '.join(known)}"
    return f"the unknown key {show(name)}", expected, fix


_INNER: dict[str, type[Table]] = {
    "retry": RetryTable,
    "retry_config": RetryConfigTable,
    "timeouts": TimeoutsTable,
    "stages": StageTable,
    "fallback": FallbackTable,
}
"""Tables within a table, by their key."""


def _table_at(key: tuple[str | int, ...], kind: type[Table]) -> type[Table]:
    last = next((part for part in reversed(key) if isinstance(part, str)), "")
    return _INNER.get(last, kind)


def _did_you_mean(value: object, context: Mapping[str, Any]) -> str:
    known = str(context["expected"]).replace("'", "").replace(" or ", ", ").split(", ")
    close = nearest(str(value), known)
    return f'Did you mean "{close}"?' if close else ""

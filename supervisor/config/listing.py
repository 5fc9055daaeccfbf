"""Every setting of config.toml: what is in force, where that comes from, and what may stand there.

Reads and never writes; ``edit`` writes. What is secret never leaves here. Imports pydantic when
called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from supervisor.config import about
from supervisor.config.durations import format_duration
from supervisor.config.paths import Project
from supervisor.config.problems import Problems
from supervisor.config.read import Source, parse_source, read_bytes, shown_path
from supervisor.core.secret_names import is_secret_name

Key = tuple[str, ...]
FILE, DEFAULTS, DEFAULT = "file", "[defaults]", "default"
"""Where a value comes from: its own line, the line in ``[defaults]``, or our own default."""
UNSET = "not set"
HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key."""

    key: Key
    section: str
    """As the file has it: ``agents.crawl``."""
    name: str
    """Within the section: ``retry.max_retries``."""
    shown: str
    """The value in force as TOML, plain texts without quotes; ``UNSET``."""
    source: str
    """``FILE``, ``DEFAULTS``, ``DEFAULT``, or what else decides."""
    line: int | None
    """In the file, where it stands there."""
    about: str
    allowed: str
    takes: str
    typed: str
    """What an editor begins with; empty for what is secret."""
    is_editable: bool
    """False: tables within tables, which are changed in an editor."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One reading of the file."""

    file: str
    sha256: str
    """Of its bytes; empty when it cannot be read."""
    settings: tuple[Setting, ...]
    problems: tuple[str, ...]
    """What is wrong with it, a line each."""
    faulty: Mapping[str, str]
    """By dotted key: what is wrong with that value."""


def list_settings(project: Project, overruled: Mapping[str, str] | None = None) -> Listing:
    """All of them, in the order of the sections of the schema. Blocks on one read.

    ``overruled``: dotted keys that something else decides, and what that is.
    """
    from supervisor.config.load import check_source
    from supervisor.config.whole import ConfigTables

    problems, file = Problems(), shown_path(project.config_file)
    content = read_bytes(project.config_file, problems)
    source = parse_source(content, file, problems) if content is not None else None
    settings: list[Setting] = []
    if source is not None:
        check_source(source, problems, project)
        schema = ConfigTables.model_json_schema()
        for section in ConfigTables.model_fields:
            settings += _Section(source, schema, section, overruled or {}).settings()
    faulty = {problem.key: _said(problem.found, problem.expected, problem.fix)
              for problem in problems if problem.severity == "error"}  # fmt: skip
    return Listing(
        file,
        source.sha256 if source else "",
        tuple(settings),
        tuple(map(str, problems)),
        faulty,
    )


def _said(found: str, expected: str, fix: str) -> str:
    return found + (f"; expected {expected}" if expected else "") + (f". {fix}" if fix else "")


class _Section:
    """One top-level key of the file: a table, or a table of tables."""

    def __init__(
        self, source: Source, schema: dict[str, Any], name: str, overruled: Mapping[str, str]
    ) -> None:
        self._source, self._schema, self._name = source, schema, name
        self._overruled = overruled
        written = source.data.get(name, {})
        self._written: dict[str, Any] = written if isinstance(written, dict) else {}
        defaults = source.data.get("defaults", {})
        inherits = name in ("agents", "pools") and isinstance(defaults, dict)
        self._defaults: dict[str, Any] = defaults if inherits else {}

    def settings(self) -> Iterable[Setting]:
        field = self._resolved(self._schema["properties"][self._name])
        if "properties" in field:
            yield from self._fields(field, (self._name,), self._written, self._defaults, "")
            return
        table = self._resolved(field["additionalProperties"])
        for name, written in self._written.items():
            if isinstance(written, dict):
                yield from self._fields(table, (self._name, name), written, self._defaults, "")

    def _resolved(self, field: dict[str, Any]) -> dict[str, Any]:
        """Without ``X | None`` around a table, and without the reference to it."""
        options = [one for one in field.get("anyOf", ()) if one.get("type") != "null"]
        if len(options) == 1:
            field = {**field, **options[0]}
        if "$ref" in field:
            return dict(self._schema["$defs"][field["$ref"].rpartition("/")[2]])
        return field

    def _fields(
        self,
        table: dict[str, Any],
        where: Key,
        written: Mapping[str, Any],
        defaults: Mapping[str, Any],
        prefix: str,
    ) -> Iterable[Setting]:
        for name, raw in table["properties"].items():
            field = self._resolved(raw)
            key = (*where, name)
            if "properties" in field:
                inner, below = written.get(name), defaults.get(name)
                yield from self._fields(
                    field,
                    key,
                    inner if isinstance(inner, dict) else {},
                    below if isinstance(below, dict) else {},
                    f"{prefix}{name}.",
                )
            else:
                yield self._setting(key, f"{prefix}{name}", field, written, defaults)

    def _setting(
        self,
        key: Key,
        name: str,
        field: dict[str, Any],
        written: Mapping[str, Any],
        defaults: Mapping[str, Any],
    ) -> Setting:
        last, line = key[-1], None
        if last in written:
            value, source, line = written[last], FILE, self._source.lines.line_of(key)
        elif last in defaults:
            value, source = defaults[last], DEFAULTS
            line = self._source.lines.line_of(("defaults", *name.split(".")))
        else:
            value, source = _default(field), DEFAULT
        is_table = _is_table(value) or field.get("type") == "object" or _holds_tables(field)
        is_secret = last == "urls"
        shown = _shown(value, is_secret=is_secret)
        depth = 2 if "additionalProperties" in self._schema["properties"][self._name] else 1
        return Setting(
            key=key,
            section=".".join(key[:depth]),
            name=name,
            shown=shown,
            source=self._overruled.get(".".join(key), source),
            line=line,
            about=about.KEYS.get(self._name, {}).get(name, ""),
            allowed=allowed(field),
            takes=about.takes(self._name, name.partition(".")[0]),
            typed="" if is_secret or is_table or value is None else _typed(value),
            is_editable=not is_table,
        )


def _default(field: dict[str, Any]) -> Any:
    value = field.get("default")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if _pattern(field, "ms|s"):
            return format_duration(value)
        if _pattern(field, "[bB]"):
            return f"{value // 2**20}MiB" if value % 2**20 == 0 else value
    if value is None and _pattern(field, "ms|s") and _has_word(field, "none"):
        return "none"
    return value if value not in ([], {}, "") else None


def _pattern(field: dict[str, Any], part: str) -> bool:
    return any(part in one.get("pattern", "") for one in field.get("anyOf", ()))


def _has_word(field: dict[str, Any], word: str) -> bool:
    options = field.get("anyOf", ())
    return any(one.get("const") == word or word in one.get("enum", ()) for one in options)


def _is_table(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return any(isinstance(item, dict) for item in items)


def _holds_tables(field: dict[str, Any]) -> bool:
    return "$ref" in field.get("items", {})


def _shown(value: Any, *, is_secret: bool = False) -> str:
    if value is None:
        return UNSET
    if is_secret and value:
        return f"{len(value)} {HIDDEN}" if isinstance(value, list) else HIDDEN
    return _typed(value)


def _typed(value: Any) -> str:
    """As a person would write it: a plain text needs no quotes."""
    from supervisor.config.edit import read_value

    if isinstance(value, str) and read_value(value) == value and value.strip() == value:
        return value
    return toml(value)


def toml(value: Any) -> str:
    """In one line, secrets of an environment hidden."""
    from supervisor.config.model import toml_string

    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, dict):
        inside = (
            f"{name} = {HIDDEN if name == 'urls' or is_secret_name(name) else toml(item)}"
            for name, item in value.items()
        )
        return f"{{ {', '.join(inside)} }}"
    return str(value)


def allowed(field: dict[str, Any]) -> str:
    """What may stand there, in words."""
    if _pattern(field, "ms|s"):
        words = [one.get("const") or ", ".join(one.get("enum", ())) for one in field["anyOf"]]
        more = next((word for word in words if word), "")
        return "a duration, such as 90s, 1h30m" + (
            f", or {more.replace(', ', ' or ')}" if more else ""
        )
    if _pattern(field, "[bB]"):
        return "a size, such as 64MB, 2GiB" + (", or none" if _has_word(field, "none") else "")
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    if "const" in field:
        return str(field["const"])
    match field.get("type"):
        case "boolean":
            return "true | false"
        case "integer" | "number":
            return _numbers(field)
        case "array":
            return (
                "a list of tables; change it in an editor" if _holds_tables(field) else _list(field)
            )
        case "object":
            return "a table; change it in an editor"
        case "string":
            return "a text"
        case _:
            return ""


def _numbers(field: dict[str, Any]) -> str:
    kind = "a whole number" if field["type"] == "integer" else "a number"
    low, high = field.get("minimum"), field.get("maximum")
    if "exclusiveMinimum" in field:
        most = f", at most {_plain(high)}" if high else ""
        return f"{kind} above {_plain(field['exclusiveMinimum'])}{most}"
    if low is None:
        return kind
    return f"{kind} from {_plain(low)}" + (f" to {_plain(high)}" if high is not None else "")


def _list(field: dict[str, Any]) -> str:
    inner = allowed(field.get("items", {}))
    named = {"a text": "texts", "a whole number": "whole numbers"}
    return (
        f'a list of {named.get(inner, inner)}, such as ["one", "two"]'
        if inner in named
        else (f"a list, each {inner}" if inner else "a list")
    )


def _plain(number: float) -> str:
    return f"{number:,.0f}" if number == int(number) else f"{number:g}"

"""A form: what its fields are, which values fit them, and how typed words become values.

Pure. Every surface that takes an answer (control socket, command line, interface) asks here, so
that what one of them accepts the others accept too. The fields stand inside a request's action,
so the request's hash covers them. The one surprising thing: a value that is left out takes the
field's default; an explicit null is no value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from supervisor.core.text import safe_text

FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
"""What a field may be called: one word that can stand before a ``=``."""
TYPES = ("text", "number", "boolean", "choice")
MAX_FIELDS = 50
LABEL_LIMIT = 200
OPTION_LIMIT = 500
MAX_OPTIONS = 100
MAX_NUMBER = 1e15
"""Largest magnitude of a number: below it every whole number is exact in a double."""
_KEYS = frozenset(
    {"name", "label", "type", "options", "default", "required", "multiline"}
)  # fmt: skip
_YES, _NO = ("true", "yes", "y", "1", "on"), ("false", "no", "n", "0", "off")
SHOWN_LIMIT = 60


@dataclass(frozen=True, slots=True)
class FormField:
    """One field as the agent declared it."""

    name: str
    kind: str
    """text | number | boolean | choice"""
    label: str
    """For people; the name when the agent gave none."""
    options: tuple[str, ...] = ()
    """Of a choice."""
    default: Any = None
    """None when there is none."""
    is_required: bool = False
    """A null or an empty text is no answer."""
    is_multiline: bool = False


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field, or with its declaration."""

    field: str
    """Its name, or the path of the declaration (``action.fields[2].type``)."""
    found: str
    """Plain ASCII."""
    expected: str

    def __str__(self) -> str:
        """One line: ``count: found 'many', expected a number``."""
        return f"{self.field}: found {self.found}, expected {self.expected}"


# -- what was declared ----------------------------------------------------------------------------


def declared_fields(action: Any) -> tuple[FormField, ...] | FieldProblem:
    """The fields of a form's action; a problem refuses the whole form. Never raises."""
    entries = action.get("fields") if isinstance(action, dict) else None
    others = sorted(set(action) - {"fields", "about"}) if isinstance(action, dict) else []
    if others:
        where = f"action.{ascii(others[0])[1:-1][:SHOWN_LIMIT]}"
        return FieldProblem(where, "it", "fields, and about for what else is to be shown")
    if not isinstance(entries, list) or not entries:
        return FieldProblem("action.fields", _shown(entries), "a list of at least one field")
    if len(entries) > MAX_FIELDS:
        return FieldProblem("action.fields", str(len(entries)), f"at most {MAX_FIELDS} fields")
    fields: list[FormField] = []
    for place, entry in enumerate(entries):
        where = f"action.fields[{place}]"
        field = _declared(where, entry)
        if isinstance(field, FieldProblem):
            return field
        if any(field.name == known.name for known in fields):
            return FieldProblem(f"{where}.name", _shown(field.name), "a name of its own")
        fields.append(field)
    return tuple(fields)


def form_fields(action: Any) -> tuple[FormField, ...]:
    """The fields of a form that was accepted; empty for anything else."""
    fields = declared_fields(action)
    return () if isinstance(fields, FieldProblem) else fields


def _declared(where: str, entry: Any) -> FormField | FieldProblem:
    if not isinstance(entry, dict):
        return FieldProblem(where, _shown(entry), "an object with name and type")
    if unknown := sorted(set(entry) - _KEYS):
        # It is covered by the hash and would not be shown: nobody may consent to it unseen.
        return FieldProblem(f"{where}.{ascii(unknown[0])[1:-1][:60]}", "it", "a known key")
    entry = {key: value for key, value in entry.items() if value is not None}
    name, kind = entry.get("name"), entry.get("type")
    if not isinstance(name, str) or not FIELD_NAME.fullmatch(name):
        return FieldProblem(f"{where}.name", _shown(name), f"a name like {FIELD_NAME.pattern}")
    if kind not in TYPES:
        return FieldProblem(f"{where}.type", _shown(kind), f"one of {', '.join(TYPES)}")
    label = entry.get("label", name)
    if not (isinstance(label, str) and _is_line(label, LABEL_LIMIT)):
        return FieldProblem(f"{where}.label", _shown(label), "a visible line")
    for key in ("required", "multiline"):
        if not isinstance(entry.get(key, False), bool):
            return FieldProblem(f"{where}.{key}", _shown(entry[key]), "true or false")
    options = _declared_options(where, kind, entry.get("options"))
    if isinstance(options, FieldProblem):
        return options
    field = FormField(
        name=name,
        kind=kind,
        label=label,
        options=options,
        default=entry.get("default"),
        is_required=entry.get("required", False),
        is_multiline=entry.get("multiline", False),
    )
    if field.default is not None and (expected := _misfit(field, field.default)):
        return FieldProblem(f"{where}.default", _shown(field.default), expected)
    return field


def _declared_options(where: str, kind: str, options: Any) -> tuple[str, ...] | FieldProblem:
    where = f"{where}.options"
    if kind != "choice":
        if options is None:
            return ()
        return FieldProblem(where, _shown(options), f"none for a {kind}")
    if not isinstance(options, list) or not 1 <= len(options) <= MAX_OPTIONS:
        return FieldProblem(where, _shown(options), f"1 to {MAX_OPTIONS} options")
    for place, option in enumerate(options):
        if not (isinstance(option, str) and _is_line(option, OPTION_LIMIT)):
            return FieldProblem(f"{where}[{place}]", _shown(option), "a visible line")
    if len(set(options)) < len(options):
        return FieldProblem(where, "the same option twice", "different options")
    return tuple(options)


def _is_line(text: str, limit: int) -> bool:
    """Shown as it is: what cleaning would change could be told apart by nobody."""
    return bool(text.strip()) and len(text) <= limit and safe_text(text) == text


def field_words(field: FormField) -> str:
    """What a field takes, in one phrase: ``number, required``; without its label."""
    kind = "yes or no" if field.kind == "boolean" else field.kind
    words = [f"{kind}, several lines" if field.is_multiline else kind]
    words += ["required"] if field.is_required else []
    return ", ".join(words)


# -- what was answered ----------------------------------------------------------------------------


def check_values(
    fields: Sequence[FormField], given: Mapping[str, Any]
) -> tuple[dict[str, Any], list[FieldProblem]]:
    """Every field's value, and one problem for each that does not fit. Never raises."""
    known = ", ".join(field.name for field in fields)
    problems = [
        FieldProblem(ascii(name)[1:-1][:SHOWN_LIMIT], "it", f"one of: {known}")
        for name in given
        if not any(field.name == name for field in fields)
    ]
    values: dict[str, Any] = {}
    for field in fields:
        value = given.get(field.name, field.default)
        expected = _misfit(field, value) if value is not None else None
        if expected is None and field.is_required and value in (None, ""):
            expected = f"{_a(field)} (it is required)"
        if expected is not None:
            problems.append(FieldProblem(field.name, _shown(value), expected))
        values[field.name] = value
    return values, problems


def default_values(fields: Sequence[FormField]) -> dict[str, Any] | None:
    """The answer that takes every default; None when a required field has none."""
    values, problems = check_values(fields, {})
    return None if problems else values


def value_of(field: FormField, typed: str) -> Any:
    """What ``typed`` means for this field; ValueError says what was expected.

    Nothing typed is no value, but for text, where it is the empty text.
    """
    if field.kind == "text":
        value: Any = typed
    elif not (word := typed.strip()):
        return None
    elif field.kind == "number":
        value = _number(word)
    elif field.kind == "boolean":
        value = _truth(word)
    else:
        value = _option(field, typed)
    if value is None or (expected := _misfit(field, value)):
        raise ValueError(_a(field) if value is None else expected)
    return value


def _option(field: FormField, typed: str) -> str | None:
    """The option of that text, or of that number counted from 1 where no option is called so."""
    if typed in field.options:
        return typed
    word = typed.strip()
    if word in field.options:
        return word
    if word.isdecimal() and len(word) <= 3 and 1 <= int(word) <= len(field.options):
        return field.options[int(word) - 1]
    return None


def _truth(word: str) -> bool | None:
    low = word.lower()
    return True if low in _YES else False if low in _NO else None


def _number(word: str) -> int | float | None:
    if not re.fullmatch(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?", word, re.ASCII):
        return None
    return float(word) if any(mark in word for mark in ".eE") else int(word)


def _misfit(field: FormField, value: Any) -> str | None:
    """What was expected instead of ``value`` (not None); None when it fits."""
    if field.kind == "boolean":
        is_fit = isinstance(value, bool)
    elif field.kind == "number":
        is_fit = (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and abs(value) <= MAX_NUMBER  # False for NaN, and for what no double can hold.
        )
    elif field.kind == "choice":
        is_fit = isinstance(value, str) and value in field.options
    else:
        is_fit = isinstance(value, str) and (field.is_multiline or "\n" not in value)
    return None if is_fit else _a(field)


def _a(field: FormField) -> str:
    """What fits, in words."""
    if field.kind == "choice":
        return f"one of: {', '.join(field.options)}"
    if field.kind == "text":
        return "text" if field.is_multiline else "text on one line"
    return "true or false" if field.kind == "boolean" else "a number"


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= SHOWN_LIMIT else text[:SHOWN_LIMIT] + "..."

"""Values to JSON and back by a type annotation. Imported at the first result that needs it.

The types are looked at as the program declares them; nothing is guessed from the data, and no
class is imported because data names it.
"""

from __future__ import annotations

import base64
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any

from supervisor.agent.results import is_plain

Coder = tuple[Callable[[Any], Any], Callable[[Any], Any]]

SCALARS: dict[type, Coder] = {
    bytes: (lambda v: base64.b64encode(v).decode(), lambda p: base64.b64decode(p, validate=True)),
    datetime.datetime: (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: (datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.time: (datetime.time.isoformat, datetime.time.fromisoformat),
    datetime.timedelta: (
        lambda v: [v.days, v.seconds, v.microseconds],
        lambda p: datetime.timedelta(*p),
    ),
    decimal.Decimal: (str, decimal.Decimal),
    uuid.UUID: (str, uuid.UUID),
}
LISTS: dict[Any, Callable[[Any], Any]] = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
}
MAPPINGS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
BASIC = (str, int, float, bool, type(None))


class MisfitError(Exception):
    """A value is not what the annotation says."""


def read_annotation(text: str, fn: Any) -> Any:
    """The annotation that ``text`` is in ``fn``; raises what evaluating it raises."""
    cells = zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=False)
    closure = {name: cell.cell_contents for name, cell in cells}
    holder = types.SimpleNamespace(__annotations__={"return": text}, __globals__=fn.__globals__)
    return typing.get_type_hints(holder, localns={**fn.__globals__, **closure})["return"]


def words(hint: Any) -> str:
    """The annotation as a person writes it, roughly."""
    return getattr(hint, "__qualname__", None) or str(hint)


def encode(value: Any, hint: Any) -> Any:
    """``value`` as JSON values; MisfitError when it is not a ``hint``."""
    hint, origin, parts = _opened(hint)
    if origin is typing.Union:
        return _first(parts, lambda part: encode(value, part), value)
    if _takes_anything(hint):
        return _checked(value, is_plain(value), hint)
    if origin in LISTS:
        _checked(value, isinstance(value, origin) and not isinstance(value, str), hint)
        return [encode(item, part) for item, part in _items(value, parts)]
    if origin is tuple:
        _checked(value, type(value) is tuple, hint)
        return [encode(item, part) for item, part in _slots(value, parts, hint)]
    if origin in MAPPINGS:
        _checked(value, isinstance(value, dict), hint)
        key, item = parts or (Any, Any)
        pairs = [[encode(k, key), encode(v, item)] for k, v in value.items()]
        return dict(pairs) if all(type(k) is str for k, _v in pairs) else pairs
    return _encode_class(value, hint, origin)


def decode(plain: Any, hint: Any) -> Any:
    """What ``encode`` was given; MisfitError when ``plain`` cannot be that."""
    hint, origin, parts = _opened(hint)
    if origin is typing.Union:
        return _first(parts, lambda part: _exactly(plain, part), plain)
    if _takes_anything(hint):
        return plain
    if origin in LISTS:
        _checked(plain, isinstance(plain, list), hint)
        return LISTS[origin]([decode(item, part) for item, part in _items(plain, parts)])
    if origin is tuple:
        _checked(plain, isinstance(plain, list), hint)
        return tuple(decode(item, part) for item, part in _slots(plain, parts, hint))
    if origin in MAPPINGS:
        _checked(plain, isinstance(plain, (dict, list)), hint)
        key, item = parts or (Any, Any)
        pairs = plain.items() if isinstance(plain, dict) else plain
        return {decode(k, key): decode(v, item) for k, v in pairs}
    return _decode_class(plain, hint, origin)


def is_same(value: Any, again: Any, hint: Any) -> bool:
    """Whether ``again`` may stand for ``value``."""
    if type(value) is not type(again):
        return False
    try:
        return bool(value == again) or encode(value, hint) == encode(again, hint)
    except MisfitError:
        raise
    except Exception:  # noqa: BLE001 - a class's own comparison may raise anything
        return False


def _opened(hint: Any) -> tuple[Any, Any, tuple[Any, ...]]:
    """The annotation without its wrappers, its origin and its parts."""
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            hint = typing.get_args(hint)[0]
        elif hasattr(hint, "__supertype__"):
            hint = hint.__supertype__  # typing.NewType
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            break
    origin = typing.get_origin(hint) or hint
    if origin is types.UnionType:
        origin = typing.Union
    if hint is None:
        hint = origin = type(None)
    return hint, origin, typing.get_args(hint)


def _takes_anything(hint: Any) -> bool:
    is_literal = typing.get_origin(hint) is typing.Literal
    return hint is Any or hint is object or is_literal or isinstance(hint, typing.TypeVar)


def _encode_class(value: Any, hint: Any, origin: Any) -> Any:
    if not isinstance(origin, type):
        raise MisfitError(f"{words(hint)} is no type that can be stored")
    if typing.is_typeddict(origin):
        _checked(value, type(value) is dict, hint)
        fields = _fields(origin)
        return {key: encode(item, fields.get(key, Any)) for key, item in value.items()}
    if issubclass(origin, pathlib.PurePath):
        return str(_checked(value, isinstance(value, origin), hint))
    _checked(value, type(value) is origin or (origin is float and type(value) is int), hint)
    if origin in BASIC:
        return value
    if origin in SCALARS:
        return SCALARS[origin][0](value)
    if issubclass(origin, enum.Enum):
        return value.value if issubclass(origin, enum.Flag) else value.name
    if hasattr(origin, "model_validate") and hasattr(origin, "model_dump"):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(origin):
        hints = _fields(origin)
        names = [field.name for field in dataclasses.fields(origin)]
        return {name: encode(getattr(value, name), hints[name]) for name in names}
    if hasattr(origin, "_fields"):
        hints = _fields(origin)
        return [encode(getattr(value, n), hints.get(n, Any)) for n in origin._fields]
    raise MisfitError(f"{words(hint)} is no type that can be stored")


def _decode_class(plain: Any, hint: Any, origin: Any) -> Any:
    try:
        return _build(plain, origin)
    except MisfitError:
        raise
    except Exception as error:
        raise MisfitError(f"{words(hint)}: {type(error).__name__}: {error}") from error


def _build(plain: Any, origin: Any) -> Any:
    if typing.is_typeddict(origin):
        fields = _fields(origin)
        return {key: decode(item, fields.get(key, Any)) for key, item in plain.items()}
    if issubclass(origin, pathlib.PurePath):
        return origin(plain)
    if origin in BASIC:
        is_fit = type(plain) is origin or (origin is float and type(plain) is int)
        return _checked(plain, is_fit, origin)
    if origin in SCALARS:
        return SCALARS[origin][1](plain)
    if issubclass(origin, enum.Enum):
        return origin(plain) if issubclass(origin, enum.Flag) else origin[plain]
    if hasattr(origin, "model_validate"):
        return origin.model_validate(plain)
    hints = _fields(origin)
    if dataclasses.is_dataclass(origin):
        return _build_dataclass(plain, origin, hints)
    values = [decode(p, hints.get(n, Any)) for n, p in zip(origin._fields, plain, strict=True)]
    return origin(*values)


def _build_dataclass(plain: Any, origin: Any, hints: dict[str, Any]) -> Any:
    fields = {field.name: field for field in dataclasses.fields(origin)}
    unknown = plain.keys() - fields.keys()
    if unknown:
        raise MisfitError(f"{words(origin)} has no field {sorted(unknown)[0]}")
    values = {name: decode(item, hints[name]) for name, item in plain.items()}
    made = origin(**{name: item for name, item in values.items() if fields[name].init})
    for name, item in values.items():
        if not fields[name].init:
            object.__setattr__(made, name, item)
    return made


def _fields(kind: type) -> dict[str, Any]:
    try:
        return typing.get_type_hints(kind, localns={kind.__name__: kind})
    except Exception as error:
        raise MisfitError(
            f"the annotations of {words(kind)} cannot be read at run time: {error}"
        ) from error


def _items(values: Any, parts: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    part = parts[0] if parts else Any
    return [(value, part) for value in values]


def _slots(values: Any, parts: tuple[Any, ...], hint: Any) -> list[tuple[Any, Any]]:
    if not parts or (len(parts) == 2 and parts[1] is Ellipsis):
        return _items(values, parts)
    _checked(values, len(values) == len(parts), hint)
    return list(zip(values, parts, strict=True))


def _first(parts: tuple[Any, ...], work: Callable[[Any], Any], value: Any) -> Any:
    problems = []
    for part in parts:
        try:
            return work(part)
        except MisfitError as error:
            problems.append(str(error))
    raise MisfitError(problems[0] if len(problems) == 1 else f"{value!r:.80} is none of them")


def _exactly(plain: Any, hint: Any) -> Any:
    """Decoded, if that is also what would be written for it: tells the members of a union apart."""
    value = decode(plain, hint)
    if encode(value, hint) != plain:
        raise MisfitError(f"{plain!r:.80} is no {words(hint)}")
    return value


def _checked(value: Any, is_fit: bool, hint: Any) -> Any:
    if not is_fit:
        raise MisfitError(f"{value!r:.80} is a {type(value).__qualname__}, no {words(hint)}")
    return value

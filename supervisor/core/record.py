"""Frozen dataclasses to plain JSON values and back, by their annotations.

The log, the snapshots and the control socket share this one form. Unknown keys are ignored and
missing ones take the field's default, so that an older reader survives a newer writer.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable
from enum import Enum
from functools import cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, TypeVar

from supervisor.core import agent_events as agent_event_types
from supervisor.core import events as event_types
from supervisor.core import mute_events as mute_event_types
from supervisor.core import notify_events as notify_event_types
from supervisor.core import task_events as task_event_types
from supervisor.core.events import Event, Recorded
from supervisor.core.moment import Moment

T = TypeVar("T")
Decoder = Callable[[Any], Any]


_ATOMS = frozenset({str, int, float, bool, types.NoneType})
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


class RecordError(ValueError):
    """A stored value does not fit its type: the log was written by something else."""


def to_plain(value: Any) -> Any:
    """``value`` as JSON: dataclasses become objects, tuples lists, enums their value.

    Fields that hold their default are left out, which keeps a snapshot of 1,000 runs small.
    """
    kind: Any = type(value)
    if kind in _ATOMS:
        return value
    if (fields := _fields(kind)) is not None:
        plain = {}
        for name, default in fields:
            item = getattr(value, name)
            if item is not default and item != default:
                plain[name] = item if type(item) in _ATOMS else to_plain(item)
        return plain
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    return value


def from_plain(kind: type[T], plain: Any) -> T:
    """The dataclass ``kind`` from what ``to_plain`` wrote; RecordError when it does not fit."""
    try:
        return typing.cast("T", _decoder(typing.cast("Any", kind))(plain))
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise RecordError(f"not a {kind.__name__}: {error}") from error


def event_to_plain(event: Event) -> tuple[str, dict[str, Any]]:
    """Stored name and data of an event."""
    return type(event).__name__, to_plain(event)


def canonical(value: Any) -> str:
    """``to_plain(value)`` as ASCII JSON, keys sorted, no blanks; ValueError for a NaN."""
    return _CANONICAL.encode(to_plain(value))


def recorded_line(recorded: Recorded) -> str:
    """``recorded_to_plain`` as canonical JSON, encoded only where nobody did so before."""
    at, data = recorded.at, recorded.data_json or canonical(recorded.event)
    moment = (float(at.wall), float(at.mono), at.boot)
    return entry_line(recorded.seq, moment, recorded.run_id, type(recorded.event).__name__, data)


def entry_line(
    seq: int, at: tuple[float, float, str], run_id: str, kind: str, data_json: str
) -> str:
    """The canonical JSON of a log entry from its parts; ``at`` is wall, mono and boot."""
    wall, mono, boot = at
    return (
        f'{{"at":{{"boot":{quoted(boot)},"mono":{mono!r},"wall":{wall!r}}},'
        f'"data":{data_json},"run_id":{quoted(run_id)},"seq":{seq},"type":{quoted(kind)}}}'
    )


def event_from_plain(name: str, data: Any) -> Event:
    """The event of that stored name; RecordError for a name nobody knows."""
    kind = _event_kinds().get(name)
    if kind is None:
        raise RecordError(f"unknown event {name!r}: written by a newer version?")
    return from_plain(kind, data)


def recorded_to_plain(recorded: Recorded) -> dict[str, Any]:
    """A log entry as clients get it: seq, at, run_id, type, data."""
    name, data = event_to_plain(recorded.event)
    return {
        "seq": recorded.seq,
        "at": to_plain(recorded.at),
        "run_id": recorded.run_id,
        "type": name,
        "data": data,
    }


def recorded_from_plain(plain: Any) -> Recorded:
    """The reverse of ``recorded_to_plain``."""
    try:
        return Recorded(
            seq=plain["seq"],
            at=from_plain(Moment, plain["at"]),
            run_id=plain["run_id"],
            event=event_from_plain(plain["type"], plain["data"]),
        )
    except (TypeError, KeyError) as error:
        raise RecordError(f"not a log entry: {error}") from error


_NO_DEFAULT = object()


@cache
def _fields(kind: type) -> tuple[tuple[str, Any], ...] | None:
    """Name and default of each field of a dataclass; None for what is none."""
    if not dataclasses.is_dataclass(kind):
        return None
    found = []
    for field in dataclasses.fields(kind):
        default: Any = _NO_DEFAULT
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        found.append((field.name, default))
    return tuple(found)


@cache
def _event_kinds() -> dict[str, type[Event]]:
    modules = (
        agent_event_types,
        event_types,
        task_event_types,
        notify_event_types,
        mute_event_types,
    )
    return {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }


@cache
def _decoder(kind: Any) -> Decoder:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = [_decoder(item) for item in arguments if item is not types.NoneType]
        only = inner[0] if len(inner) == 1 else _same
        return lambda plain: None if plain is None else only(plain)
    if origin is tuple:
        item = _decoder(arguments[0])
        return lambda plain: tuple(item(entry) for entry in plain)
    if origin is dict:
        entry = _decoder(arguments[1])
        return lambda plain: {key: entry(value) for key, value in plain.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if dataclasses.is_dataclass(kind):
        return _dataclass_decoder(typing.cast("type", kind))
    if kind is float:
        return float
    return _same


def _same(plain: Any) -> Any:
    return plain


def _dataclass_decoder(kind: type) -> Decoder:
    hints = typing.get_type_hints(kind)
    decoders = {field.name: _decoder(hints[field.name]) for field in dataclasses.fields(kind)}

    def decode(plain: Any) -> Any:
        return kind(
            **{key: decoders[key](value) for key, value in plain.items() if key in decoders}
        )

    return decode

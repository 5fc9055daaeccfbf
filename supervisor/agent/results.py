"""What a step's result becomes in the journal, and what a replay gives back.

Without a return annotation a result is what JSON makes of it, in the first attempt too, so both
see the same. With one, it comes back as that type: dataclasses, pydantic models, enums, times,
paths, and lists, dicts and tuples of them. What would not come back equal is refused when it is
first returned, not when it is needed.
"""

from __future__ import annotations

import json

from supervisor.agent.canonical import ascii_json
from supervisor.agent.faults import JournalMismatchError, UnfitValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    from supervisor.agent.journal import Entry

PLAIN_TYPES = (str, int, float, bool, type(None))
PLAIN_HINTS = frozenset({None, str, int, float, bool, dict, list, object, type(None)})
PLAIN_WORDS = frozenset({"None", "str", "int", "float", "bool", "dict", "list", "object", "Any"})

_hints: dict[CodeType, Any] = {}
"""Return annotations met so far; None where JSON alone will do."""


class Unresolved:
    """An annotation whose names are not there at run time."""

    def __init__(self, text: str, why: str) -> None:
        self.text = text
        self.why = why


def recorded(fn: Callable[..., Any], name: str, result: Any) -> tuple[Entry, Any]:
    """What the journal keeps of ``result``, and the value the program goes on with.

    UnfitValueError when it could not be given back equal after a restart.
    """
    hint = None if type(result) in PLAIN_TYPES else _hint_of(fn)
    if hint is None or is_plain(result):
        plain = json.loads(_text(result, name))
        return {"result": plain}, plain
    if isinstance(hint, Unresolved):
        raise UnfitValueError(
            f"the result of step {name} is more than JSON values, and its annotation "
            f"{hint.text!r} cannot be read at run time: {hint.why}. Import its names outside of "
            "TYPE_CHECKING and define its classes at the top of their module"
        )
    from supervisor.agent import codec

    try:
        encoded = codec.encode(result, hint)
        plain = json.loads(_text(encoded, name))
        value = codec.decode(plain, hint)
        is_same = codec.is_same(result, value, hint)
    except codec.MisfitError as error:
        raise _unfit(name, hint, str(error)) from error
    if not is_same:
        raise _unfit(name, hint, f"{_cut(value)} would come back for {_cut(result)}")
    return {"result": plain, "type": codec.words(hint)}, value


def restored(fn: Callable[..., Any], entry: Entry, plain: Any) -> Any:
    """The result that ``recorded`` gave by an annotation, from what the journal kept."""
    from supervisor.agent import codec

    hint = _hint_of(fn)
    try:
        if hint is None or isinstance(hint, Unresolved):
            raise codec.MisfitError("the function's return annotation does not say it any more")
        return codec.decode(plain, hint)
    except codec.MisfitError as error:
        raise JournalMismatchError(
            f"the journal's step {entry['name']} returned a {entry['type']}, which the program's "
            f"step {entry['name']} cannot take: {error}. Bring the annotation or the type back "
            "(a new field needs a default), or run the step again: longwatch journal RUN "
            "truncate --from STEP"
        ) from error


def is_plain(value: Any) -> bool:
    """Whether JSON gives exactly this back: no tuple, no enum, no key but text."""
    kind = type(value)
    if kind in PLAIN_TYPES:
        return True
    if kind is list:
        return all(is_plain(item) for item in value)
    if kind is dict:
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    return False


def _text(value: Any, name: str) -> str:
    if hasattr(value, "__await__"):
        raise UnfitValueError(f"step {name} returned an awaitable that gave another awaitable")
    try:
        return ascii_json(value, f"the result of step {name}")
    except UnfitValueError as error:
        raise UnfitValueError(
            f"{error}; for dataclasses, models, times, paths and enums annotate what the step "
            "returns"
        ) from error


def _unfit(name: str, hint: Any, why: str) -> UnfitValueError:
    from supervisor.agent import codec

    return UnfitValueError(
        f"the result of step {name} cannot be stored as its annotation {codec.words(hint)} says: "
        f"{why}. Return what the annotation says, or correct the annotation"
    )


def _cut(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def _hint_of(fn: Callable[..., Any]) -> Any:
    inner = getattr(fn, "func", fn)  # functools.partial
    if not hasattr(inner, "__code__"):
        inner = getattr(type(inner).__call__, "__func__", type(inner).__call__)
    code = getattr(inner, "__code__", None)
    if code is None:
        return None
    if code not in _hints:
        _hints[code] = _read_hint(inner)
    return _hints[code]


def _read_hint(fn: Any) -> Any:
    hint = getattr(fn, "__annotations__", {}).get("return")
    if isinstance(hint, str):
        if hint.strip("'\"") in PLAIN_WORDS:
            return None
        from supervisor.agent import codec

        try:
            hint = codec.read_annotation(hint, fn)
        except Exception as error:  # noqa: BLE001 - evaluating may raise anything
            return Unresolved(hint, f"{type(error).__name__}: {error}")
    try:
        return None if hint in PLAIN_HINTS else hint
    except TypeError:  # an annotation that has no hash
        return hint

"""Values as bytes: canonical JSON, its hash, and the times written beside them.

The canonical form is the protocol's: sorted keys, no blanks, UTF-8, no NaN. Two values are the
same exactly when these bytes are.
"""

from __future__ import annotations

import json
import os
import time

from supervisor.agent.faults import UnfitValueError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Built once: json.dumps() makes a new encoder for every call that has options.
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
_encode_ascii = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def canonical(value: Any, what: str) -> bytes:
    """``value`` as canonical JSON; UnfitValueError names ``what`` when JSON cannot carry it."""
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:  # a lone surrogate is a ValueError
        raise _unfit(what, error) from error


def plain(value: Any, what: str) -> Any:
    """``value`` as it will come back from a file: tuples are lists, keys are text."""
    return json.loads(ascii_json(value, what))


def ascii_json(value: Any, what: str) -> str:
    """One line of ASCII JSON in the order given; carries even names that are not valid UTF-8."""
    try:
        return _encode_ascii(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unfit(what, error) from error


def sha256(data: bytes) -> str:
    """Hex digest. ``hashlib`` costs milliseconds to import, so only who needs it pays."""
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _describe(value: Any) -> Any:
    if isinstance(value, os.PathLike):
        return ["path", os.fspath(value)]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", sha256(bytes(value))]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(_encode_arguments(item) for item in value)]
    fields = getattr(value, "__dataclass_fields__", None)
    if fields is not None and not isinstance(value, type):
        return [type(value).__qualname__, {name: getattr(value, name) for name in fields}]
    # An object's repr holds its address, which differs in every process: no match ever.
    raise TypeError(f"a {type(value).__qualname__} has no value that survives a restart")


_encode_arguments = json.JSONEncoder(
    sort_keys=True,
    separators=(",", ":"),
    allow_nan=True,  # a hash is taken of it; nobody parses it
    default=_describe,
).encode


def arguments_sha256(args: tuple[Any, ...], kwargs: dict[str, Any], what: str) -> str:
    """Hash of a call's arguments; paths, bytes, sets and dataclasses count by their value."""
    try:
        text = _encode_arguments((args, kwargs) if kwargs else (args,))
    except (TypeError, ValueError, RecursionError) as error:
        raise _unfit(what, error) from error
    return sha256(text.encode())


def _unfit(what: str, error: Exception) -> UnfitValueError:
    return UnfitValueError(
        f"{what} cannot be stored: {error}. "
        "Pass text, numbers, booleans, None, and lists or dicts of them"
    )


def now_text() -> str:
    """The wall clock as RFC 3339 in UTC with milliseconds."""
    return time_text(time.time())


def time_text(at: float) -> str:
    """Unix seconds as RFC 3339 in UTC with milliseconds."""
    milliseconds = int(at * 1000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{whole}.{milliseconds % 1000:03d}Z"

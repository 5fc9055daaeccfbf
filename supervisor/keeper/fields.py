"""Reads the fields of a call: every wrong one is named, none is guessed.

Errors carry the code ``bad``: the engine has a fault, and the call changed nothing.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_NUMBER = 2**53
"""Largest whole number that every JSON reader keeps."""


class CallError(Exception):
    """The reply to a call that was not carried out."""

    def __init__(self, code: str, message: str, errno: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.errno = errno

    def reply(self) -> dict[str, Any]:
        """The ``error`` of the reply."""
        error: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.errno is not None:
            error["errno"] = self.errno
        return error


def text(call: dict[str, Any], name: str, default: str | None = None) -> str:
    """A string without NUL; CallError when it is missing without a default."""
    value = call.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise CallError("bad", f"{name}: a text without NUL was expected, not {value!r:.100}")
    return value


def whole(call: dict[str, Any], name: str, low: int, high: int, default: int | None = None) -> int:
    """An integer within bounds."""
    value = call.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise CallError("bad", f"{name}: a number {low}..{high} was expected, not {value!r:.100}")
    return value


def seconds(call: dict[str, Any], name: str) -> float:
    """A finite duration, not negative."""
    value = moment(call, name)
    if value is None or value < 0:
        raise CallError("bad", f"{name}: seconds were expected, not {call.get(name)!r:.100}")
    return value


def moment(call: dict[str, Any], name: str) -> float | None:
    """Monotonic seconds or null."""
    value = call.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:  # an integer of hundreds of digits
            number = math.inf
        if math.isfinite(number):
            return number
    raise CallError("bad", f"{name}: seconds or null were expected, not {value!r:.100}")


def words(call: dict[str, Any], name: str) -> list[str]:
    """A list of at least one text without NUL."""
    value = call.get(name)
    if not isinstance(value, list) or not value:
        raise CallError("bad", f"{name}: a list of texts was expected, not {value!r:.100}")
    for word in value:
        if not isinstance(word, str) or "\0" in word:
            raise CallError("bad", f"{name}: {word!r:.100} is not a text without NUL")
    return value


def environment(call: dict[str, Any], name: str) -> dict[str, str]:
    """Names and values without NUL; names without ``=``."""
    value = call.get(name)
    if not isinstance(value, dict):
        raise CallError("bad", f"{name}: an object of texts was expected, not {value!r:.100}")
    for key, content in value.items():
        if not isinstance(content, str) or not key or "\0" in key + content or "=" in key:
            # The value may be a secret: only the name is said.
            raise CallError("bad", f"{name}: {key!r:.100} cannot be a variable with that value")
    return value

"""Parameters of a call, checked one by one with an error that names the parameter."""

from __future__ import annotations

from typing import Any

from supervisor.control.messages import InvalidParamsError


def text(params: dict[str, Any], name: str, *, default: str | None = None) -> str:
    """A string parameter; required without a default."""
    value = params.get(name, default)
    if not isinstance(value, str):
        raise InvalidParamsError(f"{name}: found {type(value).__name__}, expected a string")
    return value


def optional_text(params: dict[str, Any], name: str) -> str | None:
    """A string parameter or None."""
    return None if params.get(name) is None else text(params, name)


def flag(params: dict[str, Any], name: str) -> bool:
    """A boolean parameter, False when absent."""
    value = params.get(name, False)
    if not isinstance(value, bool):
        raise InvalidParamsError(f"{name}: found {type(value).__name__}, expected true or false")
    return value


def whole(
    params: dict[str, Any], name: str, *, default: int | None = None, minimum: int | None = 0
) -> int:
    """A whole number of at least ``minimum`` (None: any); required without a default."""
    value = params.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidParamsError(f"{name}: found {type(value).__name__}, expected a whole number")
    if minimum is not None and value < minimum:
        raise InvalidParamsError(f"{name}: found {value}, expected at least {minimum}")
    return value


def names(params: dict[str, Any]) -> list[str]:
    """The list of agent or run names, each once, in the order given."""
    value = params.get("names", [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidParamsError("names: expected a list of strings")
    return list(dict.fromkeys(value))

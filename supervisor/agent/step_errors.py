"""A step's error as the journal keeps it, and as a replay raises it again."""

from __future__ import annotations

import builtins
import errno
import json
import sys

from supervisor.agent.canonical import ascii_json
from supervisor.agent.faults import StepFailedError, UnfitValueError
from supervisor.agent.results import is_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PASSING = (ConnectionError, TimeoutError, InterruptedError, BlockingIOError)
LASTING = (TypeError, AttributeError, NameError, NotImplementedError, ImportError, SyntaxError)
"""Of the program itself: the same code does the same again."""
PASSING_ERRNO = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENETDOWN}
    | {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.EBUSY}
)


def described_error(error: Exception) -> dict[str, Any]:
    """What is kept of an exception: its class, message and, where JSON can carry them, args."""
    kind = type(error)
    described: dict[str, Any] = {
        "module": kind.__module__,
        "kind": kind.__qualname__,
        "message": str(error),
        "retryable": is_retryable(error),
    }
    carried = {key: value for key, value in vars(error).items() if is_plain(value)}
    if carried:
        described["attributes"] = carried
    try:
        described["args"] = json.loads(ascii_json(list(error.args), "the error"))
    except UnfitValueError:
        described["args"] = [str(error)]
    return described


def rebuilt_error(name: str, described: dict[str, Any]) -> Exception:
    """The exception a replayed step raises again, of its own class where that is known.

    Only a class that the program has already imported is taken; nothing is imported for it.
    """
    module = sys.modules.get(described["module"], builtins)
    kind = getattr(module, described["kind"], None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            error = kind.__new__(kind, *described["args"])
            error.args = tuple(described["args"])
            vars(error).update(described.get("attributes", {}))
        except Exception:  # noqa: BLE001 - any constructor may refuse; the fallback says it all
            return _unknown_error(name, described)
        return error
    return _unknown_error(name, described)


def _unknown_error(name: str, described: dict[str, Any]) -> StepFailedError:
    return StepFailedError(
        f"step {name} failed: {described['kind']}: {described['message']}",
        described["kind"],
        retryable=described.get("retryable"),
    )


def is_retryable(error: BaseException) -> bool | None:
    """Whether trying again makes sense: its own ``retryable``, or its class; None: unknown."""
    stated = getattr(error, "retryable", None)
    if isinstance(stated, bool):
        return stated
    if isinstance(error, PASSING):
        return True
    if isinstance(error, OSError) and error.errno in PASSING_ERRNO:
        return True
    return False if isinstance(error, LASTING) else None


def has_raised(error: BaseException | None) -> set[int]:
    """Ids of all exceptions that led to ``error``: its causes, contexts and group members."""
    found: set[int] = set()
    rest = [error]
    while rest:
        one = rest.pop()
        if one is not None and id(one) not in found:
            found.add(id(one))
            rest += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]
    return found

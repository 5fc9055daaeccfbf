"""JSON-RPC 2.0 messages: made, taken apart, and errors carried over the socket. No I/O.

Spec: https://www.jsonrpc.org/specification. Ours are -32000 with ``data: {code, why, fix}``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from supervisor.control.frames import encode
from supervisor.errors import EnvironmentFaultError, LongwatchError, RefusedError

PROTOCOL = 1
"""Version of the methods and what they carry."""

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
UNKNOWN_METHOD = -32601
INVALID_PARAMS = -32602
REFUSED = -32000
"""Every error of ours; which one says ``data.code``."""

CODES = frozenset(
    {
        "unknown_run", "unknown_request", "conflict", "expired", "hash_mismatch", "refused",
        "busy", "internal", "protocol", "read_only",
    }
)  # fmt: skip
_STANDARD = {
    PARSE_ERROR: "parse_error",
    INVALID_REQUEST: "invalid_request",
    UNKNOWN_METHOD: "unknown_method",
    INVALID_PARAMS: "invalid_params",
}

Id = str | int | None


class CallRefusedError(RefusedError):
    """The engine says no; ``code`` is one of CODES, or names a standard JSON-RPC error."""

    def __init__(
        self, what: str, *, code: str = "refused", why: str = "", fix: str = "", where: str = ""
    ) -> None:
        super().__init__(what, why=why, fix=fix, where=where)
        self.code = code


class InvalidParamsError(CallRefusedError):
    """The parameters of a call do not fit its method (-32602)."""

    def __init__(self, what: str, *, fix: str = "") -> None:
        super().__init__(what, code="invalid_params", fix=fix)


class ConnectionLostError(EnvironmentFaultError):
    """The other end of the control socket is gone, or talks nonsense."""


class CallTimeoutError(EnvironmentFaultError, TimeoutError):
    """The engine is there, but did not answer a call in time; it may still carry it out."""


class Call(NamedTuple):
    """What a client wants."""

    method: str
    params: dict[str, Any]
    id: Id
    wants_reply: bool
    """False for a notification: it has no id at all."""


class InvalidCallError(ValueError):
    """An object that is no call; ``id`` is what could be read of it."""

    def __init__(self, message: str, call_id: Id) -> None:
        super().__init__(message)
        self.id = call_id


def parse_call(message: dict[str, Any]) -> Call:
    """The call in an object from a client; InvalidCallError when it is none."""
    call_id = message.get("id")
    if isinstance(call_id, bool) or not isinstance(call_id, str | int | None):
        raise InvalidCallError("id has to be a string or an integer", None)
    method, params = message.get("method"), message.get("params", {})
    if message.get("jsonrpc") != "2.0":
        raise InvalidCallError('"jsonrpc": "2.0" is missing', call_id)
    if not isinstance(method, str):
        raise InvalidCallError("method has to be a string", call_id)
    if not isinstance(params, dict):
        raise InvalidCallError("params has to be an object", call_id)
    return Call(method, params, call_id, "id" in message)


def call_line(call_id: int, method: str, params: dict[str, Any]) -> bytes:
    """A call, as sent."""
    return encode({"jsonrpc": "2.0", "id": call_id, "method": method, "params": params})


def reply_line(call_id: Id, result: Any) -> bytes:
    """The result of a call, as sent."""
    return encode({"jsonrpc": "2.0", "id": call_id, "result": result})


def notice_line(method: str, params: dict[str, Any]) -> bytes:
    """Something nobody asked for, as sent: encode it once for all subscribers."""
    return encode({"jsonrpc": "2.0", "method": method, "params": params})


def events_line(entries: Iterable[str]) -> bytes:
    """The notice ``events``, of entries that are JSON in ASCII already."""
    events = ",".join(entries)
    line = f'{{"jsonrpc":"2.0","method":"events","params":{{"events":[{events}]}}}}\n'
    return line.encode("ascii")


def error_line(call_id: Id, number: int, message: str, data: dict[str, str] | None = None) -> bytes:
    """An error, as sent."""
    error: dict[str, Any] = {"code": number, "message": message}
    if data is not None:
        error["data"] = data
    return encode({"jsonrpc": "2.0", "id": call_id, "error": error})


def failure_line(call_id: Id, error: Exception) -> bytes:
    """The error reply for what a handler raised; an error that is not ours shows only its type."""
    if isinstance(error, InvalidParamsError):
        data = {"code": error.code, "why": error.why, "fix": error.fix}
        return error_line(call_id, INVALID_PARAMS, error.what, data)
    if isinstance(error, LongwatchError):
        code = str(getattr(error, "code", "refused"))
        data = {"code": code, "why": error.why, "fix": error.fix}
        return error_line(call_id, REFUSED, error.what, data)
    data = {"code": "internal", "why": "", "fix": "See engine.log for the traceback."}
    return error_line(call_id, REFUSED, f"internal error: {type(error).__name__}", data)


def error_from(error: Any) -> CallRefusedError:
    """What a client raises for the ``error`` object of a reply."""
    if not isinstance(error, dict):
        return CallRefusedError("the engine sent an error that is no object", code="internal")
    data = error.get("data")
    data = data if isinstance(data, dict) else {}
    number = error.get("code")
    standard = _STANDARD.get(number, "internal") if isinstance(number, int) else "internal"
    return CallRefusedError(
        str(error.get("message", "the engine refused")),
        code=str(data.get("code", standard)),
        why=str(data.get("why", "")),
        fix=str(data.get("fix", "")),
    )

"""Errors of external calls: any library's exception in, one classified fault out.

SDKs are recognised by the shape of their exceptions, so none of them is imported for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from supervisor.core.call_faults import EXIT_STATUS, CallFault, FaultKind, kind_of_response

MESSAGE_LIMIT = 500
MAX_WAIT_S = 24 * 3600.0
"""A service that asks for more is taken to mean a day."""


class CallError(Exception):
    """A call that failed for good; ``retryable`` tells the supervisor whether to start again."""

    def __init__(self, service: str, fault: CallFault, tries: int) -> None:
        times = "" if tries <= 1 else f" after {tries} tries"
        super().__init__(f"{service}: {fault.kind}{times}: {fault.message}")
        self.service = service
        self.fault = fault
        self.kind = fault.kind
        self.status_code = fault.status
        self.retryable = fault.is_retryable
        self.tries = tries

    @property
    def exit_status(self) -> int:
        """For an agent that ends because of it; permanent ones are not started again."""
        return EXIT_STATUS.get(self.kind, 1)


class CircuitOpenError(CallError):
    """The service is known to be down: nothing was sent. ``wait_s`` until it is tried again."""

    def __init__(self, service: str, wait_s: float, why: str) -> None:
        known = f"; the last failure: {why}" if why else ""
        message = f"nothing is sent for {wait_s:.0f} s{known}"
        super().__init__(service, CallFault(FaultKind.OVERLOADED, message), 0)
        self.wait_s = wait_s


class SettingsError(Exception):
    """``[services.NAME]`` cannot be used as it stands."""

    retryable = False


class LimitExceededError(Exception):
    """One of our own limits of time; ``kind`` says which."""

    def __init__(self, kind: FaultKind, limit_s: float) -> None:
        super().__init__(f"{kind}: nothing for {limit_s:g} s")
        self.kind = kind


class TruncatedError(Exception):
    """A stream that ended before its end."""


def fault_of(error: BaseException) -> CallFault:
    """What ``error`` means; UNKNOWN (not retried) for what is no error of a service."""
    if isinstance(error, CallError):
        return error.fault
    if isinstance(error, LimitExceededError):
        return CallFault(error.kind, str(error))
    if isinstance(error, TruncatedError):
        return CallFault(FaultKind.TRUNCATED, str(error))
    response = getattr(error, "response", None)
    status = _status(error, response)
    if status is not None:
        return _of_response(error, status, response)
    names = {base.__name__ for base in type(error).__mro__}
    message = _line(error)
    if names & {"ConnectTimeout", "ConnectTimeoutError", "PoolTimeout"}:
        return CallFault(FaultKind.CONNECT_TIMEOUT, message)
    cause = error.__cause__
    if names & {"APITimeoutError", "APIConnectionError"} and cause is not None:
        inner = fault_of(cause)
        if inner.kind is not FaultKind.UNKNOWN:
            return inner
    if names & {"APITimeoutError", "TimeoutException", "Timeout", "TimeoutError"}:
        return CallFault(FaultKind.RESPONSE_TIMEOUT, message)
    if names & {"RemoteProtocolError", "IncompleteRead", "ChunkedEncodingError"}:
        return CallFault(FaultKind.TRUNCATED, message)
    if names & {"APIConnectionError", "TransportError", "ConnectionError", "gaierror", "URLError"}:
        return CallFault(FaultKind.CONNECTION, message)
    return CallFault(FaultKind.UNKNOWN, message)


def _status(error: BaseException, response: Any) -> int | None:
    for holder, name in (
        (error, "status_code"),
        (response, "status_code"),
        (error, "status"),
        (error, "code"),
    ):
        value = getattr(holder, name, None)
        if isinstance(value, int) and 100 <= value <= 599:
            return value
    return None


def _of_response(error: BaseException, status: int, response: Any) -> CallFault:
    body = getattr(error, "body", None)
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    codes: tuple[str, ...] = ()
    message = _line(error)
    if isinstance(inner, Mapping):
        codes = tuple(str(inner[key]) for key in ("type", "code") if inner.get(key))
        message = str(inner.get("message") or message)
    kind = kind_of_response(status, codes, message)
    headers = getattr(response, "headers", None) or getattr(error, "headers", None) or {}
    return CallFault(kind, message[:MESSAGE_LIMIT], status, asked_wait_s(headers))


def asked_wait_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long a response asks us to wait: retry-after, or the reset of a used-up rate limit."""
    now = now or datetime.now(UTC)
    with suppress(ValueError):
        if text := headers.get("retry-after-ms"):
            return _bounded(float(text) / 1000)
    if text := headers.get("retry-after"):
        with suppress(ValueError):
            return _bounded(float(text))
        with suppress(ValueError, TypeError):
            return _bounded((parsedate_to_datetime(text) - now).total_seconds())
    waits = []
    for name, value in headers.items():
        stem = name.lower().removesuffix("-remaining")
        if stem == name.lower() or "ratelimit" not in stem or value.strip() != "0":
            continue
        with suppress(ValueError, TypeError):
            reset = datetime.fromisoformat(headers.get(f"{stem}-reset", ""))
            waits.append((reset - now).total_seconds())
    return _bounded(max(waits)) if waits else None


def _bounded(seconds: float) -> float | None:
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_WAIT_S)


def _line(error: BaseException) -> str:
    words = " ".join(str(error).split()) or type(error).__name__
    return words[:MESSAGE_LIMIT]

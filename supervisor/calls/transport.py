"""The policies as a transport of httpx, so that a client's own code needs no change.

A response with a retryable status is retried inside; what is left at the end is returned as it
is. Requests that may not be repeated (POST and PATCH) are sent again only where the service said
that it did nothing: refused for its rate or its load, or never reached.
"""

from __future__ import annotations

import importlib
from functools import partial
from types import ModuleType
from typing import Any

from supervisor.calls.faults import CallError
from supervisor.calls.policy import Calls, Terms
from supervisor.core.call_faults import FaultKind

SAFE_TO_REPEAT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""RFC 9110, section 9.2.2."""
NOTHING_WAS_DONE = frozenset(
    {FaultKind.RATE_LIMITED, FaultKind.OVERLOADED, FaultKind.CONNECT_TIMEOUT}
)

Transport = Any
"""``httpx.BaseTransport``, whichever of httpx's distributions is installed."""
AsyncTransport = Any


class _StatusError(Exception):
    def __init__(self, response: Any) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


def make_transport(calls: Calls, inner: Any) -> Transport:
    """A blocking transport around ``inner``."""
    httpx = _httpx(inner)
    sender = inner or httpx.HTTPTransport()

    class PolicyTransport(httpx.BaseTransport):  # type: ignore[misc, name-defined]
        def handle_request(self, request: Any) -> Any:
            request.read()
            try:
                return calls.run(partial(self._attempt, request), _terms(request))
            except CallError as error:
                return _last_response(error)

        def _attempt(self, request: Any) -> Any:
            response = sender.handle_request(request)
            if response.status_code >= 400:
                response.read()
                response.close()
                raise _StatusError(response)
            return response

        def close(self) -> None:
            sender.close()

    return PolicyTransport()


def make_async_transport(calls: Calls, inner: Any) -> AsyncTransport:
    """The same for an event loop."""
    httpx = _httpx(inner)
    sender = inner or httpx.AsyncHTTPTransport()

    class AsyncPolicyTransport(httpx.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        async def handle_async_request(self, request: Any) -> Any:
            await request.aread()
            try:
                return await calls.run_async(partial(self._attempt, request), _terms(request))
            except CallError as error:
                return _last_response(error)

        async def _attempt(self, request: Any) -> Any:
            response = await sender.handle_async_request(request)
            if response.status_code >= 400:
                await response.aread()
                await response.aclose()
                raise _StatusError(response)
            return response

        async def aclose(self) -> None:
            await sender.aclose()

    return AsyncPolicyTransport()


def _terms(request: Any) -> Terms:
    if request.method in SAFE_TO_REPEAT:
        return Terms()
    return Terms(retried_kinds=NOTHING_WAS_DONE)


def _last_response(error: CallError) -> Any:
    """The service's own answer where there is one; else the error."""
    cause = error.__cause__
    if isinstance(cause, _StatusError):
        return cause.response
    raise error


def _httpx(inner: Any) -> ModuleType:
    if inner is not None:
        return importlib.import_module(type(inner).__module__.partition(".")[0])
    for name in ("httpx", "httpx2"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ImportError("httpx is not installed; install longwatch[llm]")

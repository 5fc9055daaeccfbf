"""Reaching a Temporal cluster: settings, TLS, what has to be registered there, and its errors.

Everything that the library raises becomes one of our errors here or is known to mean something.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from supervisor.errors import EnvironmentFaultError, LongwatchError, UserError
from supervisor.fleet.temporal_refusals import is_tls, no_namespace, refused, words_of

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.service import TLSConfig

T = TypeVar("T")

FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 1.0
NAMESPACE_S = 5.0
"""How long a namespace may be unknown before it is missing."""
ATTRIBUTES = {
    "LongwatchTask": "Keyword",
    "LongwatchQueue": "Keyword",
    "LongwatchState": "Keyword",
    "LongwatchWorker": "Keyword",
    "LongwatchRequest": "KeywordList",
}
"""The search attributes: what the UI filters by, and how a task is found by its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporalSettings:
    """How the cluster is reached, and what is said to it about every task."""

    address: str
    """``host:7233``."""
    namespace: str = "default"
    """Temporal's own; it has to exist."""
    prefix: str = "longwatch"
    """Of workflow ids and task queues: fleets in one namespace differ by it."""
    lease_s: float = 30.0
    """The heartbeat timeout: how long the task of a dead machine waits for another one."""
    deadline_s: float | None = None
    """Temporal's schedule-to-close timeout of a task over all deliveries; None is no limit."""
    api_key: str | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    is_tls: bool = False
    """TLS with the machine's own authorities, where no file is named."""
    patience_s: float = 30.0
    """How long a call tries before it says that the cluster cannot be reached."""


async def connect(settings: TemporalSettings) -> Client:
    """A connection; the search attributes are registered if they are not there."""
    client_type = require_library()
    try:
        async with asyncio.timeout(settings.patience_s):
            client: Client = await client_type.connect(
                settings.address,
                namespace=settings.namespace,
                api_key=settings.api_key,
                tls=_tls(settings),
                identity="longwatch",
            )
            await _find_namespace(client, settings)
            await _register(client, settings)
    except LongwatchError:
        raise
    except Exception as error:
        raise refused(settings, error) or unreachable(settings, error) from error
    return client


async def _find_namespace(client: Client, settings: TemporalSettings) -> None:
    """A server that has just started does not know its own for a moment."""
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.service import RPCError

    request = DescribeNamespaceRequest(namespace=settings.namespace)
    end = time.monotonic() + NAMESPACE_S
    while True:
        try:
            await client.workflow_service.describe_namespace(request)
        except RPCError as error:
            if not _is_namespace_missing(error):
                raise
            if time.monotonic() > end:
                raise no_namespace(settings) from error
        else:
            return
        await asyncio.sleep(LAST_PAUSE_S / 4)


def require_library() -> Any:
    """The client of the library; UserError when it is not installed."""
    try:
        from temporalio.client import Client
    except ImportError as error:
        raise UserError(
            "the temporalio library is not installed",
            why='[fleet] engine = "temporal" needs it',
            fix="pip install 'longwatch[temporal]'",
        ) from error
    return Client


def _tls(settings: TemporalSettings) -> TLSConfig | bool:
    from temporalio.service import TLSConfig

    def content(path: Path | None) -> bytes | None:
        return None if path is None else path.read_bytes()

    if settings.tls_ca is None and settings.tls_cert is None:
        return is_tls(settings)
    try:
        return TLSConfig(
            server_root_ca_cert=content(settings.tls_ca),
            client_cert=content(settings.tls_cert),
            client_private_key=content(settings.tls_key),
        )
    except OSError as error:
        raise UserError(
            f"the certificates cannot be read: {error}", fix="Check tls_ca, tls_cert and tls_key."
        ) from error


async def _register(client: Client, settings: TemporalSettings) -> None:
    from temporalio.api.enums.v1 import IndexedValueType
    from temporalio.api.operatorservice.v1 import (
        AddSearchAttributesRequest,
        ListSearchAttributesRequest,
    )
    from temporalio.service import RPCError

    try:
        found = await client.operator_service.list_search_attributes(
            ListSearchAttributesRequest(namespace=settings.namespace)
        )
        kinds = {
            "Keyword": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
            "KeywordList": IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
        }
        missing = [name for name in ATTRIBUTES if name not in found.custom_attributes]
        if not missing:
            return
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=settings.namespace,
                search_attributes={name: kinds[ATTRIBUTES[name]] for name in missing},
            )
        )
    except RPCError as error:
        if may_pass(error) or is_already(error):
            return
        names = " ".join(f"--name {name} --type {kind}" for name, kind in ATTRIBUTES.items())
        raise UserError(
            f"the search attributes cannot be registered in the namespace "
            f"{settings.namespace!r}: {error}",
            why="tasks are found by them, here and in the Temporal UI",
            fix=f"Have them made: temporal operator search-attribute create {names}",
        ) from error


async def patiently(settings: TemporalSettings, work: Callable[[], Awaitable[T]]) -> T:
    """Try again while the cluster cannot be reached, at most ``patience_s``; RPCErrors that mean
    something pass through."""
    from temporalio.service import RPCError

    end, pause = time.monotonic() + settings.patience_s, FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except RPCError as error:
            if not may_pass(error):
                raise
            if time.monotonic() + pause > end:
                raise unreachable(settings, error) from error
        await asyncio.sleep(pause)
        pause = min(2 * pause, LAST_PAUSE_S)


def may_pass(error: Exception) -> bool:
    """Whether the same call may work in a moment."""
    from temporalio.service import RPCError, RPCStatusCode

    passing = {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.ABORTED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.UNKNOWN,
        RPCStatusCode.INTERNAL,
    }
    is_passing = isinstance(error, RPCError) and error.status in passing
    return is_passing or _is_namespace_missing(error)


def is_missing(error: Exception) -> bool:
    """Whether the server says that there is no such thing (any more)."""
    from temporalio.service import RPCError, RPCStatusCode

    is_not_found = isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND
    return is_not_found and not _is_namespace_missing(error)


def _is_namespace_missing(error: Exception) -> bool:
    """A server that has just started says so for a while: no lease is lost by it."""
    return str(error).startswith("Namespace ") and "not found" in str(error)


def is_already(error: Exception) -> bool:
    """Whether the server says that it is there already."""
    from temporalio.service import RPCError, RPCStatusCode

    return isinstance(error, RPCError) and error.status is RPCStatusCode.ALREADY_EXISTS


def unreachable(settings: TemporalSettings, error: Exception) -> EnvironmentFaultError:
    """What the user is told."""
    return EnvironmentFaultError(
        f"the Temporal cluster at {settings.address} (namespace {settings.namespace}) does not "
        f"answer as it should: {words_of(error)}",
        why="tasks and their results are kept there",
        fix="Check the address and the namespace; what runs here goes on.",
    )

"""Reaching the NATS servers: settings, credentials, TLS, and what is made there at first.

Everything that the library raises becomes one of our errors here or is known to pass.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supervisor.errors import EnvironmentFaultError, LongwatchError, UserError
from supervisor.fleet.nats_keys import check_keys

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js.object_store import ObjectStore

DEDUPLICATE_S = 600.0
"""How long the server knows a command that was sent before."""
CONNECT_TIMEOUT_S = 5.0
FIRST_PAUSE_S, LAST_PAUSE_S = 0.05, 1.0
FILES_MAX_AGE_S = 90 * 86400.0
"""Of what was left behind by tasks that nobody ever finished."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsSettings:
    """How the servers are reached."""

    servers: tuple[str, ...]
    """``nats://host:4222``, ``tls://…``."""
    namespace: str = "longwatch"
    """Those with the same one share their tasks; letters, digits, ``_`` and ``-``."""
    credentials: Path | None = None
    """A ``.creds`` file."""
    nkey: Path | None = None
    """A file with the seed of a user's key."""
    token: str | None = None
    user: str | None = None
    password: str | None = None
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    replicas: int = 1
    """Copies of the log in a cluster of servers."""
    patience_s: float = 30.0
    """How long a call tries before it says that the servers cannot be reached."""


async def connect_only(settings: NatsSettings) -> Client:
    """A connection; nothing is made."""
    nats = _library()
    check_keys(settings)
    first = _FirstContact(settings)
    try:
        # The library itself would go on for ever.
        async with asyncio.timeout(settings.patience_s):
            client: Client = await nats.connect(**_options(settings), error_cb=first.hear)
    except LongwatchError:
        raise
    except Exception as error:
        raise unreachable(settings, first.last or error) from error
    first.is_over = True
    return client


async def connect(settings: NatsSettings) -> tuple[Client, ObjectStore]:
    """A connection, with stream and object store made if they are not there."""
    client = await connect_only(settings)
    try:
        return client, await _make(client, settings)
    except Exception as error:
        await client.close()
        raise unreachable(settings, error) from error


def stream_name(namespace: str) -> str:
    """Of the stream of commands."""
    if not namespace or not all(c.isascii() and (c.isalnum() or c in "_-") for c in namespace):
        raise UserError(
            f"the namespace {namespace!r} is no name",
            fix="Use letters, digits, _ and - only.",
            where="[fleet] namespace",
        )
    return f"LONGWATCH_{namespace}"


def _library() -> Any:
    try:
        import nats
    except ImportError as error:
        raise UserError(
            "the nats library is not installed",
            why='[fleet] engine = "nats" needs it',
            fix="pip install 'longwatch[nats]'",
        ) from error
    return nats


def _options(settings: NatsSettings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "servers": list(settings.servers),
        "connect_timeout": CONNECT_TIMEOUT_S,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": 0.5,
        "ping_interval": 10,
        "max_outstanding_pings": 2,
        "allow_reconnect": True,
        "name": "longwatch",
    }
    if settings.credentials is not None:
        options["user_credentials"] = str(settings.credentials)
    if settings.nkey is not None:
        options["nkeys_seed"] = str(settings.nkey)
    if settings.token is not None:
        options["token"] = settings.token
    if settings.user is not None:
        options["user"], options["password"] = settings.user, settings.password or ""
    if settings.tls_ca is not None or settings.tls_cert is not None:
        options["tls"] = _tls(settings)
    return options


class _FirstContact:
    """What goes wrong while the first connection is made; the library would only try again.

    Later every call has its own error, and the library would print a traceback for each.
    """

    def __init__(self, settings: NatsSettings) -> None:
        self._settings = settings
        self.last: Exception | None = None
        self.is_over = False

    async def hear(self, error: Exception) -> None:
        """Raises what no second try mends: it goes up through the library's ``connect``."""
        self.last = error
        refusal = None if self.is_over else refused(self._settings, error)
        if refusal is not None:
            raise refusal


def refused(settings: NatsSettings, error: Exception) -> UserError | None:
    """What is wrong with the credentials or the certificates; None when it is neither."""
    import ssl

    where, servers = "[fleet]", ", ".join(settings.servers)
    reason = (error.reason or "") if isinstance(error, ssl.SSLError) else ""
    if "CERT" in reason or "UNKNOWN_CA" in reason:
        return UserError(
            f"TLS with {servers} failed: {reason}",
            why=f"expected a certificate signed by {settings.tls_ca or 'an authority known here'} "
            "that names this server",
            fix="Check tls_ca, the name in servers and, if the server wants one, tls_cert",
            where=where,
        )
    said = str(error).lower()
    if "authorization violation" in said or "authentication expired" in said:
        given = "no credentials were given"
        if settings.credentials is not None:
            given = f"with {settings.credentials}"
        elif settings.nkey is not None:
            given = f"with the key in {settings.nkey}"
        elif settings.token is not None:
            given = "with the token of token_env"
        elif settings.user is not None:
            given = f"as the user {settings.user}"
        return UserError(
            f"{servers} refused us, {given}: {error}",
            why="expected credentials that it knows",
            fix="Check user and password_env, token_env, nkey, or credentials (a .creds file)",
            where=where,
        )
    return None


def _tls(settings: NatsSettings) -> Any:
    import ssl

    try:
        context = ssl.create_default_context(
            cafile=str(settings.tls_ca) if settings.tls_ca is not None else None
        )
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            f"the certificates cannot be used: {error}", fix="Check tls_ca, tls_cert and tls_key."
        ) from error
    return context


async def _make(client: Client, settings: NatsSettings) -> ObjectStore:
    from nats.js.api import ObjectStoreConfig, RetentionPolicy, StorageType, StreamConfig
    from nats.js.errors import BadRequestError, NotFoundError

    js = client.jetstream(timeout=CONNECT_TIMEOUT_S)
    name = stream_name(settings.namespace)
    try:
        await js.stream_info(name)
    except NotFoundError:
        with suppress(BadRequestError):  # Somebody else made it just now.
            await js.add_stream(
                StreamConfig(
                    name=name,
                    subjects=[f"{name}.commands"],
                    retention=RetentionPolicy.LIMITS,
                    storage=StorageType.FILE,
                    num_replicas=settings.replicas,
                    duplicate_window=DEDUPLICATE_S,
                    max_msgs=-1,
                    max_bytes=-1,
                )
            )
    files = f"{name}_files"
    try:
        await js.stream_info(files)
    except NotFoundError:
        with suppress(BadRequestError):
            await js.add_stream(
                StreamConfig(
                    name=files,
                    subjects=[f"{files}.>"],
                    retention=RetentionPolicy.LIMITS,
                    storage=StorageType.FILE,
                    num_replicas=settings.replicas,
                    max_age=FILES_MAX_AGE_S,
                )
            )
    bucket = f"{name}_blobs"
    try:
        return await js.object_store(bucket)
    except NotFoundError:
        with suppress(BadRequestError):
            return await js.create_object_store(
                bucket, config=ObjectStoreConfig(replicas=settings.replicas)
            )
    return await js.object_store(bucket)


async def patiently(settings: NatsSettings, work: Callable[[], Awaitable[Any]]) -> Any:
    """Try again while the servers cannot be reached, at most ``patience_s``."""
    end, pause = time.monotonic() + settings.patience_s, FIRST_PAUSE_S
    while True:
        try:
            return await work()
        except LongwatchError:
            raise
        except Exception as error:
            if not may_pass(error) or time.monotonic() + pause > end:
                raise unreachable(settings, error) from error
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE_S)


def may_pass(error: Exception) -> bool:
    """Whether the same call may work in a moment."""
    import nats.errors
    from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError

    if isinstance(error, NoStreamResponseError | ServiceUnavailableError):
        return True
    return isinstance(error, nats.errors.Error | OSError) and not isinstance(error, APIError)


def unreachable(settings: NatsSettings, error: Exception) -> EnvironmentFaultError:
    """What the user is told."""
    return EnvironmentFaultError(
        f"the NATS servers {', '.join(settings.servers)} do not answer as they should: "
        f"{error or type(error).__name__}",
        why="tasks and their results are kept there",
        fix="Check that they run with JetStream and can be reached; what runs here goes on.",
    )

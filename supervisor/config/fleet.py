"""``[fleet]``: where several machines share their tasks."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from supervisor.config.model import Span, Table, wrong
from supervisor.errors import UserError

_NAME = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


_NAMESPACE = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


def _server(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(("nats://", "tls://", "ws://", "wss://")):
        raise wrong("no address of a NATS server", "nats://host:4222 or tls://host:4222")
    return value


def _address(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(
        r"[^\s:/]+:\d{1,5}|\[[^\s\]]+\]:\d{1,5}", value
    ):
        raise wrong("no address of a Temporal cluster", "host:7233")
    return value


class FleetTable(Table):
    """``[fleet]``."""

    engine: Literal["nats", "temporal"] | None = None
    servers: list[Annotated[str, BeforeValidator(_server)]] = Field(default_factory=list)
    """Of NATS."""
    address: Annotated[str, BeforeValidator(_address)] | None = None
    """Of the Temporal cluster: ``host:7233``."""
    namespace: _NAMESPACE | None = None
    """NATS: those with the same one share their tasks; None is ``longwatch``. Temporal: its own,
    which has to exist; None is ``default``."""
    prefix: _NAME = "longwatch"
    """What the names of workflows and task queues in Temporal begin with."""
    host: _NAME | None = None
    """How this machine is called in the fleet; None is its host name."""
    credentials: str | None = None
    """NATS: a ``.creds`` file. Of this, ``nkey``, ``user`` and ``token_env`` at most one."""
    nkey: str | None = None
    """NATS: a file with the seed of a user's key (``SU…``)."""
    user: str | None = None
    password_env: str | None = None
    """The variable that holds the password."""
    token_env: str | None = None
    """NATS: the variable that holds the token."""
    api_key_env: str | None = None
    """The variable that holds the API key of a Temporal cluster."""
    tls: bool = False
    """Temporal over TLS with the machine's own authorities; a key or certificate implies it."""
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    replicas: int = Field(default=1, ge=1, le=5)
    operate: bool = False
    """Whether the other machines may show and operate this one."""
    lease: Span = 30.0
    """How long the tasks of a dead machine wait for another one."""
    deadline: Span | None = None
    """Temporal ends a task that is not done by then, over all deliveries; None is no limit."""


def path_in(directory: Path, text: str | None) -> Path | None:
    """A path of the table; relative ones begin at the project."""
    return None if text is None else directory / Path(text).expanduser()


def secret_of(table: FleetTable, key: str, environ: Mapping[str, str] = os.environ) -> str | None:
    """What the variable holds that ``key`` names: secrets never stand in the file.

    UserError when it is not set: without it the servers would only say that we are refused.
    """
    name: str | None = getattr(table, key)
    if name is None:
        return None
    if not environ.get(name):
        raise UserError(
            f"the environment variable {name} is not set",
            why=f"[fleet] {key} names it",
            fix="Set it where longwatch is started, then: longwatch restart-engine",
            where=f"[fleet] {key}",
        )
    return environ[name]

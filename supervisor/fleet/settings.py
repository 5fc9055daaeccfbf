"""``[fleet]`` of config.toml as the settings of a connection."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from supervisor.config.fleet import FleetTable, path_in, secret_of
from supervisor.errors import UserError
from supervisor.fleet.nats_connection import NatsSettings
from supervisor.fleet.temporal_connection import TemporalSettings

if TYPE_CHECKING:
    from supervisor.config.paths import Project


def host_name(table: FleetTable | None) -> str:
    """How this machine is called in the fleet."""
    return (table.host if table is not None else None) or socket.gethostname()


def nats_settings(project: Project, table: FleetTable) -> NatsSettings:
    """How its servers are reached; UserError when it names none."""
    if not table.servers:
        raise UserError("[fleet] names no servers", fix='servers = ["nats://host:4222"]')
    given = [key for key in ("credentials", "nkey", "user", "token_env") if getattr(table, key)]
    if len(given) > 1:
        raise UserError(
            f"[fleet] has {' and '.join(given)}",
            why="expected one way to show who we are",
            fix="Leave one of them",
            where=str(project.config_file),
        )
    here = project.directory
    return NatsSettings(
        servers=tuple(table.servers),
        namespace=table.namespace or "longwatch",
        credentials=path_in(here, table.credentials),
        nkey=path_in(here, table.nkey),
        user=table.user,
        password=secret_of(table, "password_env"),
        token=secret_of(table, "token_env"),
        tls_ca=path_in(here, table.tls_ca),
        tls_cert=path_in(here, table.tls_cert),
        tls_key=path_in(here, table.tls_key),
        replicas=table.replicas,
    )


def temporal_settings(project: Project, table: FleetTable) -> TemporalSettings:
    """How its cluster is reached; UserError when it names none."""
    if table.address is None:
        raise UserError("[fleet] names no address", fix='address = "host:7233"')
    here = project.directory
    return TemporalSettings(
        address=table.address,
        namespace=table.namespace or "default",
        prefix=table.prefix,
        lease_s=table.lease,
        deadline_s=table.deadline,
        api_key=secret_of(table, "api_key_env"),
        is_tls=table.tls,
        tls_ca=path_in(here, table.tls_ca),
        tls_cert=path_in(here, table.tls_cert),
        tls_key=path_in(here, table.tls_key),
    )

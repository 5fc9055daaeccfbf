"""``[fleet]`` of config.toml as the settings of a connection."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from supervisor.config.fleet import FleetTable, password_of, path_in
from supervisor.errors import UserError
from supervisor.fleet.nats_connection import NatsSettings

if TYPE_CHECKING:
    from supervisor.config.paths import Project


def host_name(table: FleetTable | None) -> str:
    """How this machine is called in the fleet."""
    return (table.host if table is not None else None) or socket.gethostname()


def nats_settings(project: Project, table: FleetTable) -> NatsSettings:
    """How its servers are reached; UserError when it names none."""
    if not table.servers:
        raise UserError("[fleet] names no servers", fix='servers = ["nats://host:4222"]')
    here = project.directory
    return NatsSettings(
        servers=tuple(table.servers),
        namespace=table.namespace,
        credentials=path_in(here, table.credentials),
        user=table.user,
        password=password_of(table),
        tls_ca=path_in(here, table.tls_ca),
        tls_cert=path_in(here, table.tls_cert),
        tls_key=path_in(here, table.tls_key),
        replicas=table.replicas,
    )

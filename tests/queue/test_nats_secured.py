"""NATS servers that want TLS and credentials: what fits gets in, what does not is said at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import authority, signed
from nats_servers import NatsServer

from supervisor.errors import UserError
from supervisor.fleet.nats_connection import NatsSettings, connect, connect_only

AT_ONCE_S = 10.0
"""Well under the patience of 60 s that is set here."""


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[NatsSettings]:
    """A server with TLS and one user, and what fits it."""
    ca = authority(tmp_path, "ours")
    authority(tmp_path, "foreign")
    cert, key = signed(tmp_path, "server", "ours")
    server = NatsServer(
        tmp_path,
        f'tls {{ cert_file: "{cert}", key_file: "{key}" }}\n'
        'authorization { user: "fleet", password: "right" }\n',
    )
    server.start()
    yield NatsSettings(
        servers=(server.url.replace("nats://", "tls://"),),
        user="fleet", password="right", tls_ca=ca, patience_s=60.0,
    )  # fmt: skip
    server.kill()


async def refusal(settings: NatsSettings) -> str:
    began = time.monotonic()
    with pytest.raises(UserError) as told:
        await connect_only(settings)
    assert time.monotonic() - began < AT_ONCE_S
    return str(told.value)


async def test_what_fits_gets_in_and_makes_its_streams(secured: NatsSettings) -> None:
    client, _files = await connect(secured)
    await client.close()


async def test_a_wrong_password_and_none_are_said_at_once(secured: NatsSettings) -> None:
    said = await refusal(replace(secured, password="wrong"))
    assert "[fleet]" in said and "as the user fleet" in said and "password_env" in said
    assert "wrong" not in said, "the password is shown"
    said = await refusal(replace(secured, user=None, password=None))
    assert "no credentials were given" in said


async def test_a_foreign_authority_is_said_at_once(secured: NatsSettings, tmp_path: Path) -> None:
    said = await refusal(replace(secured, tls_ca=tmp_path / "foreign.pem"))
    assert "TLS" in said and "foreign.pem" in said and "tls_ca" in said

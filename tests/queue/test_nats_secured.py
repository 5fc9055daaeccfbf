"""NATS servers that want TLS and credentials: what fits gets in, what does not is said at once."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from nats_servers import NatsServer

from supervisor.errors import UserError
from supervisor.fleet.nats_connection import NatsSettings, connect, connect_only

AT_ONCE_S = 10.0
"""Well under the patience of 60 s that is set here."""


def openssl(*words: object) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=20)


def authority(directory: Path, name: str) -> Path:
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-days", 2, "-subj", f"/CN={name}", "-keyout", directory / f"{name}.key",
        "-out", directory / f"{name}.pem", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
    )  # fmt: skip
    return directory / f"{name}.pem"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[NatsSettings]:
    """A server with TLS and one user, and what fits it."""
    ca = authority(tmp_path, "ours")
    authority(tmp_path, "foreign")
    key, asked, cert = (tmp_path / name for name in ("server.key", "server.csr", "server.pem"))
    openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-subj", "/CN=nats", "-keyout", key, "-out", asked,
    )  # fmt: skip
    names = tmp_path / "names"
    names.write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(
        "x509", "-req", "-in", asked, "-CA", ca, "-CAkey", tmp_path / "ours.key", "-days", 2,
        "-CAcreateserial", "-extfile", names, "-out", cert,
    )  # fmt: skip
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

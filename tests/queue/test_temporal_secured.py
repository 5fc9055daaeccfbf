"""A Temporal cluster behind TLS: what fits gets in and works, what does not is said at once.

The development server has no TLS, so a relay with certificates made here stands before it.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import authority, signed
from tcp_relay import Relay
from temporal_servers import TemporalServer

pytest.importorskip("temporalio")

from supervisor.core.task import NewTask
from supervisor.errors import UserError
from supervisor.fleet.temporal_connection import TemporalSettings, connect
from supervisor.fleet.temporal_queue import TemporalTaskQueue

AT_ONCE_S = 25.0
"""Well under the patience of 60 s that is set here."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TemporalServer, Path]]:
    """A server, and certificates: of ours, and of a foreign authority."""
    directory = tmp_path_factory.mktemp("temporal")
    authority(directory, "ours")
    authority(directory, "foreign")
    for name in ("server", "machine"):
        signed(directory, name, "ours")
    server = TemporalServer(directory)
    server.start()
    yield server, directory
    server.kill()


@pytest.fixture
def behind_tls(
    made: tuple[TemporalServer, Path], request: pytest.FixtureRequest
) -> Iterator[TemporalSettings]:
    """What gets through; with the mark ``both`` machines need a certificate as well."""
    server, directory = made
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.set_alpn_protocols(["h2"])
    settings = TemporalSettings(address="", tls_ca=directory / "ours.pem", patience_s=60.0)
    if getattr(request, "param", None) == "both":
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(directory / "ours.pem")
        settings = replace(
            settings, tls_cert=directory / "machine.pem", tls_key=directory / "machine.key"
        )
    relay = Relay(server.port, tls=context)
    yield replace(settings, address=relay.address)
    relay.close()


async def refusal(settings: TemporalSettings) -> str:
    began = time.monotonic()
    with pytest.raises(UserError) as told:
        await connect(settings)
    assert time.monotonic() - began < AT_ONCE_S
    said = str(told.value)
    assert "tonic" not in said and "Custom {" not in said
    return said


@pytest.mark.parametrize("behind_tls", ["server", "both"], indirect=True)
async def test_a_task_is_worked_on_through_tls(behind_tls: TemporalSettings) -> None:
    queue = await TemporalTaskQueue.open(behind_tls)
    try:
        (submitted,) = await queue.submit([NewTask(queue="q", payload="1")])
        lease = None
        while lease is None:
            lease = next(iter(await queue.claim("q", "here", 30.0, wait_s=20.0)), None)
        assert lease.task.id == submitted.id
        assert await queue.complete(lease.token, "2")
        done = await queue.get(submitted.id)
        assert done is not None and done.result == "2"
    finally:
        await queue.close()


async def test_certificates_that_do_not_fit_are_said_with_the_key_to_look_at(
    behind_tls: TemporalSettings, made: tuple[TemporalServer, Path]
) -> None:
    server, directory = made
    await connect(replace(behind_tls, api_key="a key that this server does not look at"))
    said = await refusal(replace(behind_tls, tls_ca=directory / "foreign.pem"))
    assert "not signed by" in said and "foreign.pem" in said and "tls_ca" in said
    port = behind_tls.address.rpartition(":")[2]
    said = await refusal(replace(behind_tls, address=f"localhost:{port}"))
    assert "127.0.0.1" in said and "not for this address" in said
    said = await refusal(replace(behind_tls, tls_ca=None, is_tls=True))
    assert "an authority that this machine trusts" in said
    said = await refusal(replace(behind_tls, tls_ca=None))
    assert "If it speaks TLS" in said
    said = await refusal(replace(behind_tls, address=server.address))
    assert "speaks no TLS" in said
    said = await refusal(replace(behind_tls, tls_cert=directory / "machine.pem"))
    assert "tls_cert and tls_key belong together" in said


@pytest.mark.parametrize("behind_tls", ["both"], indirect=True)
async def test_a_machine_without_the_certificate_that_is_asked_for_hears_of_it(
    behind_tls: TemporalSettings,
) -> None:
    said = await refusal(replace(behind_tls, tls_cert=None, tls_key=None))
    assert "hung up" in said and "tls_cert and tls_key" in said


async def test_a_namespace_that_is_not_there_is_said_with_how_to_make_it(
    made: tuple[TemporalServer, Path],
) -> None:
    server, _directory = made
    settings = TemporalSettings(address=server.address, namespace="nowhere", patience_s=60.0)
    said = await refusal(settings)
    assert "no namespace 'nowhere'" in said and "namespace create" in said

"""NATS servers that know tokens, keys and signed credentials: who fits gets in, who does not hears
why at once, and no secret is shown."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from nats_identities import Operator, user
from nats_servers import NatsServer

from supervisor.config.fleet import FleetTable
from supervisor.config.paths import Project
from supervisor.core.task import NewTask
from supervisor.errors import UserError
from supervisor.fleet.nats_connection import NatsSettings, connect_only
from supervisor.fleet.settings import nats_settings
from supervisor.fleet.shared_queue import SharedTaskQueue

AT_ONCE_S = 20.0
"""Well under the patience of 60 s that is set here."""
Start = Callable[[str], NatsServer]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Servers with this in their configuration."""
    made: list[NatsServer] = []

    def begin(extra: str) -> NatsServer:
        made.append(NatsServer(tmp_path, extra))
        made[-1].start()
        return made[-1]

    yield begin
    for server in made:
        server.kill()


async def takes_a_task(settings: NatsSettings, tmp_path: Path) -> bool:
    """Whether a queue over this connection works from one end to the other."""
    queue = await SharedTaskQueue.open(settings, tmp_path / "fleet.db")
    try:
        await queue.submit([NewTask(queue="q", payload="1")])
        (lease,) = await queue.claim("q", "here", 30.0, wait_s=20.0)
        return await queue.complete(lease.token, "2")
    finally:
        await queue.close()


async def refusal(settings: NatsSettings) -> str:
    began = time.monotonic()
    with pytest.raises(UserError) as told:
        await connect_only(settings)
    assert time.monotonic() - began < AT_ONCE_S
    return str(told.value)


def settings_of(server: NatsServer, directory: Path, **keys: str) -> NatsSettings:
    """As ``[fleet]`` with these keys says."""
    table = FleetTable(engine="nats", servers=[server.url], **keys)  # type: ignore[arg-type]
    return nats_settings(Project(directory), table)


async def test_a_token_from_the_environment_gets_in_and_a_wrong_one_is_not_shown(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start('authorization { token: "open-sesame" }')
    monkeypatch.setenv("FLEET_TOKEN", "open-sesame")
    assert await takes_a_task(settings_of(server, tmp_path, token_env="FLEET_TOKEN"), tmp_path)
    monkeypatch.setenv("FLEET_TOKEN", "close-sesame")
    said = await refusal(settings_of(server, tmp_path, token_env="FLEET_TOKEN"))
    assert "token_env" in said and "sesame" not in said
    monkeypatch.delenv("FLEET_TOKEN")
    with pytest.raises(UserError, match="FLEET_TOKEN is not set"):
        settings_of(server, tmp_path, token_env="FLEET_TOKEN")


async def test_the_key_that_the_server_knows_gets_in_and_another_does_not(
    start: Start, tmp_path: Path
) -> None:
    known, other = user(), user()
    server = start(f"authorization {{ users: [ {{ nkey: {known.public} }} ] }}")
    (tmp_path / "fleet.nk").write_bytes(known.seed + b"\n")
    assert await takes_a_task(settings_of(server, tmp_path, nkey="fleet.nk"), tmp_path)
    (tmp_path / "fleet.nk").write_bytes(other.seed)
    said = await refusal(settings_of(server, tmp_path, nkey="fleet.nk"))
    assert "fleet.nk" in said and other.seed.decode() not in said


async def test_credentials_that_the_operator_signed_get_in_and_foreign_ones_do_not(
    start: Start, tmp_path: Path
) -> None:
    ours, foreign = Operator(), Operator()
    server = start(ours.configuration())
    ours.credentials(tmp_path / "fleet.creds")
    settings = settings_of(server, tmp_path, credentials="fleet.creds")
    assert await takes_a_task(settings, tmp_path)
    foreign.credentials(tmp_path / "fleet.creds")
    said = await refusal(settings)
    assert "refused us" in said and "fleet.creds" in said


@pytest.mark.parametrize("key", ["credentials", "nkey"])
async def test_a_file_that_holds_no_key_is_said_before_anybody_is_asked(
    tmp_path: Path, key: str
) -> None:
    server = NatsServer(tmp_path)  # Never started.
    settings = settings_of(server, tmp_path, **{key: "fleet.key"})
    said = await refusal(settings)
    assert "fleet.key cannot be read" in said and f"[fleet] {key}" in said
    (tmp_path / "fleet.key").write_text("SUANOTHINGATALL")
    said = await refusal(settings)
    assert "not what it should be" in said and "ANOTHING" not in said


def test_two_ways_to_show_who_we_are_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nkey and user"):
        settings_of(NatsServer(tmp_path), tmp_path, nkey="a.nk", user="me")

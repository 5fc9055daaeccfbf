"""Hostile and careless clients: closed with a reason, the others undisturbed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from raw_clients import closed_with_error, is_served, path_of, raw, until

from supervisor.control.client import Client
from supervisor.control.messages import (
    ConnectionLostError,
    notice_line,
)
from supervisor.control.server import Server
from supervisor.errors import EnvironmentFaultError, HeldElsewhereError, NotRunningError

BOUND_S = 5.0


async def test_a_huge_frame_is_refused_before_it_is_held(server: Server) -> None:
    reader, writer = await raw(server)
    writer.write(b'{"x":"' + b"a" * 2**20)
    assert "longer than" in await closed_with_error(reader, -32600)
    await is_served(server)
    writer.close()


async def test_a_frame_of_exactly_the_limit_is_taken(server: Server) -> None:
    head = b'{"jsonrpc":"2.0","id":1,"method":"echo","params":{"x":"'
    reader, writer = await raw(server)
    writer.write(head + b"a" * (2**20 - len(head) - 3) + b'"}}\n')
    reply = await asyncio.wait_for(reader.readline(), BOUND_S)
    assert b"result" in reply[:60]
    writer.close()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"\xff\xfe\n", -32700),
        (b"{\n", -32700),
        (b'{"a": NaN}\n', -32700),
        (b"[" * 100_000 + b"\n", -32700),
        (b"[]\n", -32600),
        (b"3\n", -32600),
        (b"null\n", -32600),
    ],
)
async def test_what_is_no_object_is_an_error_and_the_end(
    server: Server, line: bytes, code: int
) -> None:
    reader, writer = await raw(server)
    writer.write(line)
    await closed_with_error(reader, code)
    await is_served(server)
    writer.close()


async def test_random_bytes_never_disturb_the_others(server: Server) -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    source = random.Random(seed)
    for _ in range(40):
        reader, writer = await raw(server)
        writer.write(source.randbytes(source.randrange(1, 5000)) + b"\n")
        writer.write_eof()
        await asyncio.wait_for(reader.read(), BOUND_S)
        writer.close()
    await is_served(server)
    await until(lambda: not server.connections, "all of them are gone")


@pytest.mark.parametrize(
    "message",
    [
        {"id": 1, "method": "echo"},
        {"jsonrpc": "2.0", "id": 1, "method": 7},
        {"jsonrpc": "2.0", "id": 1, "method": "echo", "params": [1]},
        {"jsonrpc": "2.0", "id": [1], "method": "echo"},
        {"jsonrpc": "2.0", "id": 1},
    ],
)
async def test_an_object_that_is_no_call_is_refused_and_the_client_stays(
    server: Server, message: dict[str, Any]
) -> None:
    reader, writer = await raw(server)
    writer.write(json.dumps(message).encode() + b"\n")
    reply = json.loads(await asyncio.wait_for(reader.readline(), BOUND_S))
    assert reply["error"]["code"] == -32600
    writer.write(b'{"jsonrpc":"2.0","id":2,"method":"echo","params":{}}\n')
    assert json.loads(await asyncio.wait_for(reader.readline(), BOUND_S))["id"] == 2
    writer.close()


async def test_half_a_frame_and_then_silence_is_closed(server: Server) -> None:
    server.half_line_s = 0.1
    reader, writer = await raw(server)
    writer.write(b'{"jsonrpc":')
    assert "silence" in await closed_with_error(reader, -32600)
    writer.close()


async def test_a_client_that_never_reads_is_closed_at_4_mib(server: Server) -> None:
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(str(path_of(server)))
    deaf.sendall(b'{"jsonrpc":"2.0","id":1,"method":"subscribe"}\n')
    async with await Client.connect(path_of(server)) as good:
        await good.call("subscribe")
        await until(lambda: len(server.subscribers) == 2, "both subscribed")
        line = notice_line("events", {"x": "a" * 65_000})
        got = sent = 0
        for _ in range(200):
            server.broadcast(line)
            sent += 1
            async for _notice in good.notices():
                got += 1
                break
            if len(server.subscribers) == 1:
                break
        assert len(server.subscribers) == 1, "the deaf client was not closed"
        assert sent * 65_000 < 6 * 2**20 and got == sent
    deaf.close()


async def test_a_client_that_calls_and_never_reads_is_closed(server: Server) -> None:
    _reader, writer = await raw(server)
    writer.transport.pause_reading()
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {"x": "a" * 500_000}})
    for _ in range(30):
        writer.write(body.encode() + b"\n")
    await until(lambda: not server.connections, "the client is closed")
    await is_served(server)
    writer.close()


async def test_the_client_over_the_limit_is_told_so_and_300_do_no_harm(server: Server) -> None:
    async with await Client.connect(path_of(server)) as first:
        sockets = []
        for _ in range(300):
            made = socket.socket(socket.AF_UNIX)
            made.setblocking(False)
            await asyncio.get_running_loop().sock_connect(made, str(path_of(server)))
            sockets.append(made)
        await until(lambda: len(server.connections) <= 256, "those over the limit are gone")
        told = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(sockets[-1], 9999), 5)
        assert json.loads(told)["error"]["data"]["code"] == "busy"
        assert await first.call("echo", {"a": 1}) == {"a": 1}
        for made in sockets:
            made.close()
    await until(lambda: not server.connections, "all are gone")
    await is_served(server)


async def test_another_uid_is_refused(server: Server, short_dir: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another uid")
    short_dir.chmod(0o711)
    path_of(server).chmod(0o666)
    script = (
        "import os,socket,sys\nos.setgid(65534); os.setuid(65534)\n"
        "s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        'try: s.sendall(b\'{"jsonrpc":"2.0","id":1,"method":"echo"}\\n\')\n'
        "except OSError: pass\n"
        "s.settimeout(5); data=b''\n"
        "try:\n"
        "    while chunk := s.recv(9999): data += chunk\n"
        "except ConnectionResetError: pass\n"
        "sys.stdout.write(data.decode())"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", script, str(path_of(server)), stdout=subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(child.communicate(), 10)
    (line,) = out.splitlines()
    assert "65534 may not use" in json.loads(line)["error"]["message"]
    await until(lambda: not server.connections, "it is gone")


async def test_the_socket_is_for_its_owner_only(server: Server, short_dir: Path) -> None:
    assert path_of(server).lstat().st_mode & 0o777 == 0o600
    assert sorted(entry.name for entry in short_dir.iterdir()) == ["s"]


async def test_a_stale_socket_is_replaced_and_the_new_one_removed_at_the_end(
    short_dir: Path,
) -> None:
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(str(short_dir / "s"))
    stale.close()
    with pytest.raises(NotRunningError):
        await Client.connect(short_dir / "s")
    server = Server(short_dir / "s")
    await server.start()
    client = await Client.connect(short_dir / "s")
    assert client.is_connected
    await server.close()
    assert not (short_dir / "s").exists()
    with pytest.raises(ConnectionLostError):
        await client.call("echo")
    await client.close()


async def test_a_live_socket_is_never_stolen(server: Server) -> None:
    with pytest.raises(HeldElsewhereError):
        await Server(path_of(server)).start()
    await is_served(server)


async def test_a_file_or_an_open_directory_in_its_place_is_refused(short_dir: Path) -> None:
    (short_dir / "f").write_text("x")
    with pytest.raises(EnvironmentFaultError):
        await Server(short_dir / "f").start()
    assert (short_dir / "f").read_text() == "x"
    short_dir.chmod(0o755)
    with pytest.raises(EnvironmentFaultError, match="only you"):
        await Server(short_dir / "s").start()
    (short_dir / "real").mkdir(0o700)
    (short_dir / "link").symlink_to("real")
    with pytest.raises(EnvironmentFaultError):
        await Server(short_dir / "link" / "s").start()

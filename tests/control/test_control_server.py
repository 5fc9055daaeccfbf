"""The control socket over real sockets: order, caps, hostile clients, nobody else disturbed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.control.client import Client
from supervisor.control.connection import Connection
from supervisor.control.messages import (
    CallRefusedError,
    ConnectionLostError,
    InvalidParamsError,
    notice_line,
)
from supervisor.control.server import Server
from supervisor.control.sync_client import SyncClient
from supervisor.errors import EnvironmentFaultError, HeldElsewhereError, NotRunningError

BOUND_S = 5.0


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """Unix sockets need a short path."""
    directory = Path(tempfile.mkdtemp(prefix="lw", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
async def server(short_dir: Path) -> AsyncIterator[Server]:
    async def echo(_connection: Connection, params: dict[str, Any]) -> Any:
        return params

    async def refuse(_connection: Connection, _params: dict[str, Any]) -> Any:
        raise CallRefusedError("no run X", code="unknown_run", why="it is not here", fix="Look.")

    async def misuse(_connection: Connection, _params: dict[str, Any]) -> Any:
        raise InvalidParamsError("names is missing")

    async def fail(_connection: Connection, _params: dict[str, Any]) -> Any:
        raise KeyError("a secret value")

    async def subscribe(connection: Connection, _params: dict[str, Any]) -> Any:
        connection.subscribe()
        await asyncio.sleep(0)
        return {"seq": 0}

    made = Server(short_dir / "s")
    for method, handler in {
        "echo": echo, "refuse": refuse, "misuse": misuse, "fail": fail, "subscribe": subscribe,
    }.items():  # fmt: skip
        made.register(method, handler)
    await made.start()
    yield made
    await made.close()


def path_of(server: Server) -> Path:
    return server._path


async def raw(server: Server) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(path_of(server), limit=2**25)


async def until(condition: Any, what: str) -> None:
    ends_at = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < ends_at, f"never: {what}"
        await asyncio.sleep(0.005)


async def is_served(server: Server) -> None:
    async with await Client.connect(path_of(server)) as client:
        assert await client.call("echo", {"a": 1}, timeout_s=BOUND_S) == {"a": 1}


async def closed_with_error(reader: asyncio.StreamReader, code: int) -> str:
    started = time.monotonic()
    data = await asyncio.wait_for(reader.read(), BOUND_S)
    assert time.monotonic() - started < 1.5
    error = json.loads(data.splitlines()[-1])["error"]
    assert error["code"] == code
    return str(error["message"])


async def test_a_call_gets_its_result_and_its_latency_is_printed(server: Server) -> None:
    times = []
    async with await Client.connect(path_of(server)) as client:
        for number in range(500):
            started = time.perf_counter()
            assert await client.call("echo", {"n": number}) == {"n": number}
            times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    print(f"call: p50 {times[250]:.3f} ms, p95 {times[475]:.3f} ms")


async def test_refusals_carry_code_why_and_fix(server: Server) -> None:
    async with await Client.connect(path_of(server)) as client:
        with pytest.raises(CallRefusedError) as refused:
            await client.call("refuse")
        error = refused.value
        assert (error.what, error.code, error.why, error.fix) == (
            "no run X", "unknown_run", "it is not here", "Look.",
        )  # fmt: skip
        for method, code in {"nothing": "unknown_method", "misuse": "invalid_params"}.items():
            with pytest.raises(CallRefusedError) as refused:
                await client.call(method)
            assert refused.value.code == code


async def test_a_bug_in_a_handler_is_an_internal_error_without_its_values(server: Server) -> None:
    seen: list[tuple[str, Exception]] = []
    server._on_failure = lambda method, error: seen.append((method, error))
    async with await Client.connect(path_of(server)) as client:
        with pytest.raises(CallRefusedError) as refused:
            await client.call("fail")
    assert refused.value.code == "internal" and "secret" not in str(refused.value)
    assert [method for method, _ in seen] == ["fail"]


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


async def test_a_frame_in_many_pieces_is_one_call(server: Server) -> None:
    reader, writer = await raw(server)
    for byte in b'{"jsonrpc":"2.0","id":5,"method":"echo","params":{"k":"v"}}\n':
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    reply = json.loads(await asyncio.wait_for(reader.readline(), BOUND_S))
    assert reply == {"jsonrpc": "2.0", "id": 5, "result": {"k": "v"}}
    writer.close()


async def test_a_client_that_sends_and_ends_still_gets_its_reply(server: Server) -> None:
    reader, writer = await raw(server)
    writer.write(b'{"jsonrpc":"2.0","id":5,"method":"echo","params":{}}\n')
    writer.write_eof()
    data = await asyncio.wait_for(reader.read(), BOUND_S)
    assert json.loads(data)["result"] == {}
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


async def test_a_large_snapshot_does_not_close_the_client_that_asked_for_it(
    server: Server,
) -> None:
    async def snapshot(connection: Connection, _params: dict[str, Any]) -> Any:
        connection.subscribe()
        return {"x": "s" * (8 * 2**20)}

    server.register("snapshot", snapshot)
    async with await Client.connect(path_of(server)) as client:
        asking = asyncio.create_task(client.call("snapshot"))
        await until(lambda: server.subscribers, "subscribed")
        for number in range(20):
            server.broadcast(notice_line("events", {"n": number}))
        assert len((await asking)["x"]) == 8 * 2**20
        notices = client.notices()
        assert [(await anext(notices)).params["n"] for _ in range(20)] == list(range(20))


async def test_broadcasts_reach_all_in_order_without_a_gap_from_the_reply_on(
    server: Server,
) -> None:
    sent = 0
    going = True

    async def subscribe(connection: Connection, _params: dict[str, Any]) -> Any:
        connection.subscribe()
        since = sent
        await asyncio.sleep(0.02)  # Broadcasts happen while the reply is being made.
        return {"since": since}

    server.register("slow", subscribe)

    async def talk() -> None:
        nonlocal sent
        while going:
            sent += 1
            server.broadcast(notice_line("events", {"n": sent}))
            await asyncio.sleep(0)

    talking = asyncio.create_task(talk())

    async def follow() -> None:
        async with await Client.connect(path_of(server)) as client:
            expected = (await client.call("slow"))["since"]
            async for notice in client.notices():
                expected += 1
                assert notice.params["n"] == expected
                if expected > 3000:
                    return

    await asyncio.wait_for(asyncio.gather(*(follow() for _ in range(8))), 30)
    going = False
    await talking


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


async def test_a_call_goes_on_when_its_client_vanishes(server: Server) -> None:
    begun, finished = asyncio.Event(), asyncio.Event()

    async def slow(_connection: Connection, _params: dict[str, Any]) -> Any:
        begun.set()
        await asyncio.sleep(0.05)
        finished.set()

    server.register("slow", slow)
    client = await Client.connect(path_of(server))
    asking = asyncio.create_task(client.call("slow"))
    await asyncio.wait_for(begun.wait(), BOUND_S)
    await client.close()
    with pytest.raises(ConnectionLostError):
        await asking
    await asyncio.wait_for(finished.wait(), BOUND_S)


async def test_a_call_without_id_gets_no_reply(server: Server) -> None:
    reader, writer = await raw(server)
    writer.write(b'{"jsonrpc":"2.0","method":"echo"}\n{"jsonrpc":"2.0","id":9,"method":"echo"}\n')
    assert json.loads(await asyncio.wait_for(reader.readline(), BOUND_S))["id"] == 9
    writer.close()


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
        "while chunk := s.recv(9999): data += chunk\n"
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


async def test_the_end_of_the_engine_ends_notices_with_the_reason(server: Server) -> None:
    client = await Client.connect(path_of(server))
    await client.call("subscribe")
    server.broadcast(notice_line("events", {"n": 1}))
    seen = []
    closing = asyncio.get_running_loop().create_task(server.close())
    with pytest.raises(ConnectionLostError):  # noqa: PT012 - what came before it counts too
        async for notice in client.notices():
            seen.append(notice.params)
    assert seen == [{"n": 1}]
    await closing
    await client.close()


async def test_a_call_that_gets_no_answer_times_out(server: Server) -> None:
    async def never(_connection: Connection, _params: dict[str, Any]) -> Any:
        await asyncio.sleep(0.3)

    server.register("never", never)
    async with await Client.connect(path_of(server)) as client:
        with pytest.raises(TimeoutError):
            await client.call("never", timeout_s=0.05)
        assert await client.call("echo", {"n": 1}) == {"n": 1}


async def test_the_client_speaks_over_any_connected_socket(server: Server) -> None:
    """As ``ssh … longwatch dial`` joins it: bytes are carried between two sockets."""
    ours, theirs = socket.socketpair()
    reader, writer = await raw(server)
    far_reader, far_writer = await asyncio.open_unix_connection(sock=theirs)

    async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(1000):
            target.write(data)

    tasks = [
        asyncio.create_task(carry(far_reader, writer)),
        asyncio.create_task(carry(reader, far_writer)),
    ]
    async with await Client.over(ours) as client:
        assert await client.call("echo", {"far": True}) == {"far": True}
    await asyncio.wait_for(tasks[0], BOUND_S)
    writer.close()
    await asyncio.wait_for(tasks[1], BOUND_S)
    far_writer.close()


async def test_the_blocking_client_calls_follows_and_fails_alike(server: Server) -> None:
    def use() -> list[int]:
        with SyncClient.connect(path_of(server)) as client:
            assert client.call("echo", {"a": "ü"}) == {"a": "ü"}
            with pytest.raises(CallRefusedError) as refused:
                client.call("refuse")
            assert refused.value.code == "unknown_run"
            client.call("subscribe")
            seen = []
            with pytest.raises(TimeoutError):  # noqa: PT012 - what came before it counts too
                for _method, params in client.notices(timeout_s=0.3):
                    seen.append(params["n"])
            return seen

    using = asyncio.create_task(asyncio.to_thread(use))
    await until(lambda: server.subscribers, "subscribed")
    for number in range(100):
        server.broadcast(notice_line("events", {"n": number}))
    assert await asyncio.wait_for(using, BOUND_S) == list(range(100))


async def test_the_blocking_client_says_why_it_was_closed(server: Server) -> None:
    server.max_clients = 0

    def use() -> None:
        with SyncClient.connect(path_of(server)) as client, pytest.raises(ConnectionLostError) as e:
            client.call("echo")
        assert "clients already" in str(e.value)

    await asyncio.wait_for(asyncio.to_thread(use), BOUND_S)

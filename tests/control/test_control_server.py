"""The control socket over real sockets: calls, order, broadcasts, both clients."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from raw_clients import path_of, raw, until

from supervisor.control.client import Client
from supervisor.control.connection import Connection
from supervisor.control.messages import (
    CallRefusedError,
    ConnectionLostError,
    notice_line,
)
from supervisor.control.server import Server
from supervisor.control.sync_client import SyncClient

BOUND_S = 5.0


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


async def test_the_reply_comes_before_the_broadcasts_that_follow_its_snapshot(
    server: Server,
) -> None:
    async def subscribe(connection: Connection, _params: dict[str, Any]) -> Any:
        connection.subscribe()
        server.broadcast(notice_line("events", {"n": 1}))
        await asyncio.sleep(0.01)
        return {"seq": 0}

    server.register("slow", subscribe)
    reader, writer = await raw(server)
    writer.write(b'{"jsonrpc":"2.0","id":1,"method":"slow"}\n')
    lines = [json.loads(await asyncio.wait_for(reader.readline(), BOUND_S)) for _ in range(2)]
    assert lines[0]["result"] == {"seq": 0} and lines[1]["params"] == {"n": 1}
    writer.close()


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

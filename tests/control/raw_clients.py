"""What the tests of the control socket share."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from supervisor.control.client import Client
from supervisor.control.server import Server

BOUND_S = 5.0


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

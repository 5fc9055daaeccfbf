"""A server with a few methods, on a short path."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervisor.control.connection import Connection
from supervisor.control.messages import (
    CallRefusedError,
    InvalidParamsError,
)
from supervisor.control.server import Server

sys.path.insert(0, str(Path(__file__).parent))  # The tests share helpers, whatever the import mode.

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

"""Where the socket is: published, found, checked; and what a short command has to load."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.config.paths import Project
from supervisor.control import locate
from supervisor.control.client import Client
from supervisor.control.server import Server
from supervisor.errors import EnvironmentFaultError, NotRunningError


@pytest.fixture
def room() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="lw", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


def project_in(directory: Path) -> Project:
    directory.mkdir(parents=True, exist_ok=True)
    project = Project(directory.resolve())
    project.ensure()
    return project


async def serve_and_find(project: Project) -> None:
    server = Server(project.control_socket())
    await server.start()
    locate.publish(project, project.control_socket())
    async with await Client.connect(locate.find(project)) as client:
        assert client.is_connected
    await server.close()
    locate.withdraw(project)


async def test_the_socket_is_usually_beside_the_state(room: Path) -> None:
    project = project_in(room / "p")
    assert project.control_socket().parent == project.state_dir
    await serve_and_find(project)


async def test_a_long_path_moves_the_socket_to_the_runtime_directory(
    room: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(room))
    project = project_in(room / ("d" * 60) / ("e" * 60))
    path = project.control_socket()
    assert path.parent.parent == room and len(os.fsencode(path)) <= 100
    await serve_and_find(project)


def test_nothing_published_means_nothing_runs(room: Path) -> None:
    project = project_in(room / "p")
    with pytest.raises(NotRunningError):
        locate.find(project)
    locate.publish(project, project.control_socket())
    with pytest.raises(NotRunningError):
        locate.connect(locate.find(project), 1.0)
    assert project.socket_pointer.stat().st_mode & 0o777 == 0o600


def test_a_socket_in_an_open_directory_is_not_trusted(room: Path) -> None:
    (room / "open").mkdir()
    (room / "open").chmod(0o777)
    with pytest.raises(EnvironmentFaultError, match="only you"):
        locate.connect(room / "open" / "s", 1.0)


def test_a_path_that_no_socket_can_have_is_said_so(room: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="107"):
        locate.connect(room / ("x" * 200), 1.0)


def test_the_blocking_client_loads_neither_asyncio_nor_pydantic() -> None:
    code = (
        "import sys, supervisor.control.sync_client\n"
        "print([m for m in ('asyncio','pydantic','textual','sqlite3') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert out.stdout.strip() == "[]", out.stderr

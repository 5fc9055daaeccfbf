"""A real keeper with a relay for its engine, so that a KeeperLink in the test is its engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from supervisor.process.daemon import start_keeper
from supervisor.process.keeper_orders import SpawnOrder

LIMIT_S = 15.0
RELAY = """
import os, select, socket, sys
own = socket.socket(fileno=int(os.environ["LONGWATCH_KEEPER_FD"]))
test = socket.socket(socket.AF_UNIX)
test.connect(sys.argv[1])
while True:
    for end in select.select([own, test], [], [])[0]:
        data = end.recv(1 << 16)
        if not data:
            sys.exit(0)
        (test if end is own else own).sendall(data)
"""


class KeeperHome:
    """A project directory with a keeper in the background."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_dir = directory / ".longwatch"
        self.state_dir.mkdir(mode=0o700)
        self._relay = directory / "relay.py"
        self._relay.write_text(RELAY)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "s"))
        self._listener.listen(8)
        self._listener.settimeout(LIMIT_S)
        self.keeper_pid = 0

    def start(self) -> int:
        argv = [sys.executable, "-I", "-S", str(self._relay), str(self.directory / "s")]
        self.keeper_pid = start_keeper(self.state_dir, self.directory, argv)
        return self.keeper_pid

    def engine_fd(self) -> int:
        """What an engine would find in LONGWATCH_KEEPER_FD."""
        return self._listener.accept()[0].detach()

    def order(self, run: str, script: str, epoch: int = 1) -> SpawnOrder:
        at = str(self.state_dir / run)
        return SpawnOrder(
            run=run,
            epoch=epoch,
            argv=("/bin/sh", "-c", script),
            env={
                "PATH": os.environ["PATH"],
                "LONGWATCH_RUN_ID": run,
                "LONGWATCH_EPOCH": str(epoch),
                "LONGWATCH_RUN_DIR": str(self.state_dir / "runs" / run),
                "KEPT_BY_TEST": str(self.directory),
            },
            cwd=str(self.directory),
            out=f"{at}.out",
            err=f"{at}.err",
            lock=f"{at}.lock",
            record=f"{at}-{epoch}.json",
            deadline=None,
            deadline_kind="task",
            stop_signal=15,
            grace=5.0,
        )

    def end(self) -> None:
        self._listener.close()
        marker = f"KEPT_BY_TEST={self.directory}".encode()
        with contextlib.suppress(psutil.Error):
            keeper = psutil.Process(self.keeper_pid)
            if str(self.state_dir) in keeper.cmdline():
                keeper.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.keeper_pid, 0)
        for pid in psutil.pids():
            with contextlib.suppress(OSError):
                if marker in Path(f"/proc/{pid}/environ").read_bytes():
                    os.kill(pid, signal.SIGKILL)


@pytest.fixture
def home() -> Iterator[KeeperHome]:
    directory = Path(tempfile.mkdtemp(prefix="lwp-", dir="/tmp")).resolve()
    home = KeeperHome(directory)
    try:
        yield home
    finally:
        home.end()
        shutil.rmtree(directory, ignore_errors=True)

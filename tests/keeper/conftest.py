"""A real keeper whose engine is a relay: the tests speak the protocol themselves."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import supervisor

LIMIT_S = 15.0
"""Bound of every wait; a healthy machine needs a fraction of it."""
KEEPER = Path(supervisor.__file__).parent / "keeper"
RELAY = """
import os, select, socket, sys
own = socket.socket(fileno=int(os.environ["LONGWATCH_KEEPER_FD"]))
test = socket.socket(socket.AF_UNIX)
test.connect(sys.argv[1])
test.sendall(b"%d\\n" % os.getpid())
while True:
    for end in select.select([own, test], [], [])[0]:
        data = end.recv(1 << 16)
        if not data:
            sys.exit(0)
        (test if end is own else own).sendall(data)
"""


def wait_until(what: str, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
    """The first true value of ``condition``."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.005)
    pytest.fail(f"{what}: not within {limit_s} s")


def is_alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except OSError:
        return False


class RelayedEngine:
    """The test's end of one engine's life."""

    def __init__(self, end: socket.socket) -> None:
        end.settimeout(LIMIT_S)
        self.end = end
        self._lines = end.makefile("rb")
        self.pid = int(self._lines.readline())
        self.notices: list[dict[str, Any]] = []
        self._replies: dict[Any, dict[str, Any]] = {}
        self._ids = 0

    def read(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "the keeper closed the connection"
        return json.loads(line)

    def send(self, call: str, **fields: Any) -> int:
        self._ids += 1
        message = {"id": self._ids, "call": call, **fields}
        self.end.sendall(json.dumps(message).encode() + b"\n")
        return self._ids

    def reply_to(self, call_id: int | None) -> dict[str, Any]:
        while call_id not in self._replies:
            self._sort(self.read())
        return self._replies.pop(call_id)

    def _sort(self, message: dict[str, Any]) -> None:
        if "notice" in message:
            self.notices.append(message)
        else:
            self._replies[message["id"]] = message

    def call(self, call: str, **fields: Any) -> dict[str, Any]:
        return self.reply_to(self.send(call, **fields))

    def exited(self, run: str, epoch: int = 1) -> dict[str, Any]:
        """The exit notice of an attempt, waited for."""
        while True:
            for notice in self.notices:
                if (notice["run"], notice["epoch"]) == (run, epoch):
                    self.notices.remove(notice)
                    return notice
            self._sort(self.read())

    def close(self) -> None:
        self._lines.close()
        self.end.close()


class KeptDirectory:
    """A state directory, its keeper, and everything that was started there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._relay = directory / "relay.py"
        self._relay.write_text(RELAY)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(directory / "s"))
        self._listener.listen(8)
        self._listener.settimeout(LIMIT_S)
        self._engines: list[RelayedEngine] = []
        self.keepers: list[subprocess.Popen[bytes]] = []

    wait_until = staticmethod(wait_until)

    @property
    def log(self) -> str:
        return (self.directory / "keeper.log").read_text()

    def start(self, *, umask: int = 0o022, **options: Any) -> subprocess.Popen[bytes]:
        with (self.directory / "keeper.log").open("ab") as log:
            keeper = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", "-E", KEEPER, self.directory),
                    *(sys.executable, "-I", "-S", self._relay, self.directory / "s"),
                ],
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
                umask=umask,
                **options,
            )
        self.keepers.append(keeper)
        return keeper

    def engine(self) -> RelayedEngine:
        """The next engine that the keeper starts."""
        engine = RelayedEngine(self._listener.accept()[0])
        self._engines.append(engine)
        return engine

    def order(self, run: str, argv: list[str], epoch: int = 1, **changes: Any) -> dict[str, Any]:
        return {
            "run": run,
            "epoch": epoch,
            "argv": argv,
            "env": {
                "PATH": os.environ["PATH"],
                "LONGWATCH_RUN_ID": run,
                "LONGWATCH_EPOCH": str(epoch),
                "LONGWATCH_RUN_DIR": str(self.directory / "runs" / run),
                "KEPT_BY_TEST": str(self.directory),
            },
            "cwd": str(self.directory),
            "out": str(self.directory / f"{run}.out"),
            "err": str(self.directory / f"{run}.err"),
            "lock": str(self.directory / f"{run}.lock"),
            "record": str(self.directory / f"{run}-{epoch}.json"),
            "deadline": None,
            "deadline_kind": "task",
            "stop_signal": 15,
            "grace": 5.0,
            **changes,
        }

    def shell(self, run: str, script: str, epoch: int = 1, **changes: Any) -> dict[str, Any]:
        return self.order(run, ["/bin/sh", "-c", script], epoch, **changes)

    def out(self, run: str) -> str:
        return (self.directory / f"{run}.out").read_text()

    def record(self, run: str, epoch: int = 1) -> dict[str, Any]:
        return json.loads((self.directory / f"{run}-{epoch}.json").read_text())

    def pid_in(self, name: str) -> int:
        """The pid that a script writes into a file of that name."""
        path = self.directory / name
        return int(wait_until(name, lambda: path.exists() and path.read_text().strip()))

    def ours(self) -> list[int]:
        """Everything started here that lives, by a variable that all of it inherits."""
        marker = f"KEPT_BY_TEST={self.directory}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and marker in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
        return [pid for pid in found if is_alive(pid)]

    def end(self) -> None:
        for keeper in self.keepers:
            if keeper.poll() is None:
                keeper.kill()
            keeper.wait(LIMIT_S)
        for engine in self._engines:
            engine.close()
            # One that a test had stopped does not see the end of its connections.
            with contextlib.suppress(OSError):
                if str(self._relay).encode() in Path(f"/proc/{engine.pid}/cmdline").read_bytes():
                    os.kill(engine.pid, signal.SIGKILL)
        self._listener.close()
        for pid in self.ours():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def kept() -> Iterator[KeptDirectory]:
    directory = Path(tempfile.mkdtemp(prefix="lwk-", dir="/tmp")).resolve()
    kept = KeptDirectory(directory)
    try:
        yield kept
    finally:
        kept.end()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def engine(kept: KeptDirectory) -> RelayedEngine:
    """The first engine of a started keeper."""
    kept.start()
    return kept.engine()

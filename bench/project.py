"""A project directory with the real command, for measurements."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import tomli_w


class BenchProject:
    """Made empty, ended with everything it started."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lwb-"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        subprocess.run(
            self.command("down", "--stop-agents"),
            cwd=self.directory,
            capture_output=True,
            check=False,
            timeout=180,
        )
        shutil.rmtree(self.directory, ignore_errors=True)

    def configure(self, agents: dict[str, Any]) -> None:
        """Write ``config.toml``."""
        (self.directory / "config.toml").write_text(tomli_w.dumps({"agents": agents}))

    def command(self, *words: str) -> list[str]:
        """The argv of a verb."""
        return [sys.executable, "-m", "supervisor.cli.main", *words]

    def run(self, *words: str) -> str:
        """Output of a verb; CalledProcessError when it fails."""
        done = subprocess.run(
            self.command(*words),
            cwd=self.directory,
            capture_output=True,
            check=True,
            text=True,
            timeout=180,
        )
        return done.stdout

    def status(self) -> dict[str, Any]:
        """``status --json``."""
        result: dict[str, Any] = json.loads(self.run("status", "--json"))
        return result

    def socket(self) -> Path:
        """The control socket of the running engine."""
        pointer = self.directory / ".longwatch" / "socket"
        return Path(os.fsdecode(pointer.read_bytes().split(b"\n")[0]))

    def daemons(self) -> list[psutil.Process]:
        """Keeper and engine."""
        locks = [self.directory / ".longwatch" / name for name in ("keeper.lock", "engine.lock")]
        return [psutil.Process(json.loads(lock.read_text())["pid"]) for lock in locks]

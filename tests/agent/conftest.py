"""A run directory and real processes in it, started as the engine starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 30
PRELUDE = "import os, sys, time\nfrom supervisor.agent import Agent\n"


class Room:
    """One run: its directory, and the attempts in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.run_id = "01JROOMROOMROOMROOMROOMRM1"
        self.epoch = 0
        self.prelude = PRELUDE

    def start(self, body: str, *, epoch: int | None = None, **env: str) -> subprocess.Popen[str]:
        """The next attempt, of a program whose text is ``body`` after the usual imports."""
        self.epoch = self.epoch + 1 if epoch is None else epoch
        program = self.folder / "program.py"
        program.write_text(self.prelude + body)
        checkpoint = self.run_dir / "checkpoint.json"
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",  # what was printed before os._exit is seen
            "LONGWATCH_RUN_DIR": str(self.run_dir),
            "LONGWATCH_RUN_ID": self.run_id,
            "LONGWATCH_AGENT": "tested",
            "LONGWATCH_EPOCH": str(self.epoch),
            "LONGWATCH_ATTEMPT": str(self.epoch),
            "LONGWATCH_PROTOCOL": "1",
            **({"LONGWATCH_RESUME_FROM": str(checkpoint)} if checkpoint.exists() else {}),
            **env,
        }
        return subprocess.Popen(
            # Without site-packages, as the SDK needs none, unless the program asks for them.
            [sys.executable, *([] if "SITE" in env else ["-S"]), str(program)],
            cwd=self.folder,
            env={key: value for key, value in variables.items() if value},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, body: str, *, epoch: int | None = None, **env: str) -> tuple[int, str, str]:
        """The exit status, output and errors of a whole attempt."""
        process = self.start(body, epoch=epoch, **env)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            process.kill()
        return process.returncode, out, err

    def read(self, name: str) -> Any:
        return json.loads((self.run_dir / name).read_text())

    def write(self, name: str, value: Any) -> None:
        (self.run_dir / name).write_text(json.dumps(value))

    def requests(self) -> list[Path]:
        return sorted((self.run_dir / "requests").glob("*.json"))

    def journal(self) -> list[Any]:
        path = self.run_dir / "journal.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def wait_for(self, condition: Callable[[], Any]) -> Any:
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            try:
                value = condition()
            except (FileNotFoundError, ValueError):
                value = None
            if value:
                return value
            time.sleep(0.005)
        raise AssertionError("the condition never became true")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)

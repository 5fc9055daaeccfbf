"""The bundled agents as real processes in a run directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Bundled:
    """One run of a bundled agent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_dir = folder / "run"
        self.run_dir.mkdir()
        self.reports = folder / "reports"
        self.epoch = 0

    def start(self, script: str, *args: str, **env: str) -> subprocess.Popen[str]:
        self.epoch += 1
        checkpoint = self.run_dir / "checkpoint.json"
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "REPORT_DIR": str(self.reports),
            "LONGWATCH_RUN_DIR": str(self.run_dir),
            "LONGWATCH_RUN_ID": "01JBUNDLEDBUNDLEDBUNDLEDBB",
            "LONGWATCH_EPOCH": str(self.epoch),
            **({"LONGWATCH_RESUME_FROM": str(checkpoint)} if checkpoint.exists() else {}),
            **env,
        }
        return subprocess.Popen(
            [sys.executable, str(ROOT / "agents" / script), *args],
            cwd=self.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script: str, *args: str, **env: str) -> tuple[int, str]:
        process = self.start(script, *args, **env)
        try:
            out, err = process.communicate(timeout=90)
        finally:
            process.kill()
        return process.returncode, out + err

    def read(self, name: str) -> Any:
        return json.loads((self.run_dir / name).read_text())


@pytest.fixture
def bundled(tmp_path: Path) -> Bundled:
    return Bundled(tmp_path)

"""The loopback provider as a process, and services that nobody else shares."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


class LoopbackProvider:
    """The provider as its tests see it."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def script(self, *steps: str) -> None:
        """What the next requests get, in order."""
        self._call("/script", list(steps))

    def always(self, step: str) -> None:
        """What requests get when the script is empty."""
        self._call("/always", step)

    def log(self) -> list[dict[str, Any]]:
        """The requests that came."""
        found: list[dict[str, Any]] = self._call("/log", None)
        return found

    def steps(self) -> list[str]:
        """What they got."""
        return [entry["step"] for entry in self.log()]

    def _call(self, path: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}{path}", data, timeout=10) as reply:
            return json.load(reply)


@pytest.fixture
def provider() -> Iterator[LoopbackProvider]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "loopback_provider.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        yield LoopbackProvider(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(timeout=10)


class Settings:
    """The settings that the engine hands to agents."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def write(self, **changes: Any) -> None:
        """Quick settings for ``anthropic`` and ``search``, changed by ``changes``."""
        table = {
            "retry_config": {"base_delay_seconds": 0.01, "max_delay_seconds": 0.05},
            "timeouts": {"first_token": 0.4, "gap": 0.4, "response": 5.0, "connect": 1.0},
            "minimum_calls": 50,
            "cool_down_seconds": 0.5,
            "spread_seconds": 0.1,
            **changes,
        }
        self.file.write_text(json.dumps({"services": {"anthropic": table, "search": table}}))


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with short times, and a shared directory of one's own."""
    importlib.import_module("supervisor.calls.service")
    module = sys.modules["supervisor.calls.service"]  # the package has a function of that name
    monkeypatch.setattr(module, "_services", {})
    monkeypatch.setattr(module, "_shared", None)
    settings = Settings(tmp_path / "services.json")
    monkeypatch.setenv("LONGWATCH_SHARED_DIR", str(tmp_path / "shared"))
    monkeypatch.setenv("LONGWATCH_SERVICES_FILE", str(settings.file))
    settings.write()
    return settings

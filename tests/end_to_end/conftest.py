"""The real command on a real project directory, ended without a trace after each test."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # The tests share helpers, whatever the import mode.

from sshd_box import Box, why_not

LIMIT_S = 45.0
"""Bound of every wait; a healthy machine needs a fraction of it."""
REPOSITORY = Path(__file__).resolve().parents[2]


class LiveProject:
    """A directory with a ``config.toml``, and the ``longwatch`` command in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = {**os.environ, "LANG": "C.UTF-8"}
        self.followers: list[subprocess.Popen[str]] = []

    def configure(self, text: str) -> None:
        (self.directory / "config.toml").write_text(text)

    def script(self, name: str, source: str) -> Path:
        path = self.directory / name
        path.write_text(source)
        return path

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "supervisor.cli.main", *arguments]

    def run(self, *arguments: str, check: int | None = 0, timeout_s: float = LIMIT_S) -> Any:
        done = subprocess.run(
            self.command(*arguments),
            check=False,
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=timeout_s,
        )
        if check is not None:
            assert done.returncode == check, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments: str, check: int | None = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", check=check).stdout)

    def follow(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            **options,
        )
        self.followers.append(process)
        return process

    def wait(self, what: str, condition: Callable[[], Any], limit_s: float = LIMIT_S) -> Any:
        """The first true value of ``condition``; fails with ``what`` and the state otherwise."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        status = self.run("status", check=None)
        pytest.fail(f"{what}: not within {limit_s} s\n{status.stdout}{status.stderr}")

    def runs(self) -> list[dict[str, Any]]:
        done = self.run("status", "--json", check=None)
        return json.loads(done.stdout)["runs"] if done.returncode == 0 else []

    def status_of(self, agent: str) -> dict[str, Any]:
        found = [run for run in self.runs() if run["agent"] == agent]
        return found[-1] if found else {"status": "none"}

    def wait_for(self, agent: str, *statuses: str) -> dict[str, Any]:
        def reached() -> dict[str, Any] | None:
            run = self.status_of(agent)
            return run if run["status"] in statuses else None

        return self.wait(f"{agent} to be {' or '.join(statuses)}", reached)

    def run_dir(self, run: dict[str, Any]) -> Path:
        return self.directory / ".longwatch" / "runs" / run["id"]

    def daemon_pids(self) -> list[int]:
        pids = []
        for name in ("keeper.lock", "engine.lock"):
            try:
                pids.append(json.loads((self.directory / ".longwatch" / name).read_text())["pid"])
            except (OSError, ValueError, KeyError):
                continue
        return pids

    def leave_nothing(self) -> None:
        """End the engine, and then whatever still works in this directory."""
        for follower in self.followers:
            if follower.poll() is None:
                os.killpg(follower.pid, signal.SIGKILL)
            follower.wait(10)
            if follower.stdout:
                follower.stdout.close()
        try:
            self.run("down", "--stop-agents", check=None, timeout_s=20)
        finally:
            for process in self._ours():
                process.kill()
            psutil.wait_procs(self._ours(), timeout=5)

    def _ours(self) -> list[psutil.Process]:
        """Processes whose working directory or arguments lie in this project's directory."""
        marker, found = str(self.directory), []
        for process in psutil.process_iter():
            try:
                if process.pid != os.getpid() and (
                    process.cwd().startswith(marker)
                    or any(marker in part for part in process.cmdline())
                ):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


@pytest.fixture
def project() -> Iterator[LiveProject]:
    yield from _made()


@pytest.fixture
def second_project() -> Iterator[LiveProject]:
    """Another directory with an engine of its own."""
    yield from _made()


@pytest.fixture
def projects() -> Iterator[Callable[[], LiveProject]]:
    """As many directories as a test asks for, each with an engine of its own."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(contextmanager(_made)())


def _made() -> Iterator[LiveProject]:
    directory = Path(tempfile.mkdtemp(prefix="lw-", dir="/tmp")).resolve()
    live = LiveProject(directory)
    try:
        yield live
    finally:
        live.leave_nothing()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A machine to reach over ssh: this one."""
    if reason := why_not():
        pytest.skip(reason)
    directory = Path(tempfile.mkdtemp(prefix="lw-ssh-", dir="/tmp")).resolve()
    made = Box(directory)
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(directory, ignore_errors=True)

"""A real project directory for the fault suite: the command, who lives in it, and a clean end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from supervisor.config.paths import Project
from supervisor.control.messages import CallRefusedError, ConnectionLostError
from supervisor.control.sync_client import SyncClient
from supervisor.errors import LongwatchError
from supervisor.process.daemon import is_held

T = TypeVar("T")
only_long = pytest.mark.skipif(
    "LONGWATCH_LONG" not in os.environ, reason="only in the long version: set LONGWATCH_LONG=1"
)
"""For what random kills or a room's own tests reach too, at a second or more each."""
LIMIT_S = 30.0
"""Bound of every wait."""
HOOKS = Path(__file__).with_name("hooks")
LEDGER_AGENT = Path(__file__).with_name("ledger_agent.py")


class NotInTimeError(AssertionError):
    """Something that had to happen did not."""


class FaultProject:
    """A directory under /tmp (short, for the socket) from ``__init__`` to ``end``."""

    def __init__(self, parent: Path = Path("/tmp")) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="lwf-", dir=parent)).resolve()
        self.files = Project(self.directory)
        self.ledgers = self.directory / "ledgers"
        self.ledgers.mkdir()
        self.environment = {**os.environ, "LANG": "C.UTF-8"}

    def hook(self) -> None:
        """Let the engines started from now on import ``hooks/sitecustomize.py``."""
        known = self.environment.get("PYTHONPATH", "")
        if str(HOOKS) not in known:
            self.environment["PYTHONPATH"] = f"{HOOKS}{os.pathsep}{known}".rstrip(os.pathsep)

    # The command.

    def command(self, *arguments: str) -> list[str]:
        """How ``longwatch`` is called here."""
        return [sys.executable, "-m", "supervisor.cli.main", *arguments]

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """A command in a group of its own, not waited for."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, check: int | None = 0) -> subprocess.CompletedProcess[str]:
        """A command to its end; AssertionError for another exit status than ``check``."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S * 2,
            check=False,
        )
        if check is not None and done.returncode != check:
            raise AssertionError(f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    # The engine, asked directly.

    def client(self) -> SyncClient | None:
        """A connection, or None when no engine answers now."""
        path = self.files.read_socket_path()
        if path is None:
            return None
        try:
            return SyncClient.connect(path, 2.0)
        except (LongwatchError, OSError):
            return None

    def ask(self, method: str, **params: Any) -> Any:
        """The result of a call, or None when the engine is not there or says no."""
        client = self.client()
        if client is None:
            return None
        try:
            return client.call(method, params, 5.0)
        except (CallRefusedError, ConnectionLostError, TimeoutError, OSError):
            return None
        finally:
            client.close()

    def states(self) -> dict[str, dict[str, Any]]:
        """The newest run of each agent as the engine shows it; empty when it does not answer."""
        found = self.ask("snapshot") or {"runs": []}
        return {run["agent"]: run for run in sorted(found["runs"], key=lambda run: run["id"])}

    def wait(self, what: str, condition: Callable[[], T | None], limit_s: float = LIMIT_S) -> T:
        """The first true value; NotInTimeError with what is known otherwise."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if value := condition():
                return value
            time.sleep(0.02)
        raise NotInTimeError(f"{what}: not within {limit_s:g} s\n{self.account()}")

    def wait_for(self, agent: str, *statuses: str, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The newest run of ``agent`` once it has one of ``statuses``."""

        def reached() -> dict[str, Any] | None:
            run = self.states().get(agent)
            return run if run is not None and run["status"] in statuses else None

        return self.wait(f"{agent} to be {' or '.join(statuses)}", reached, limit_s)

    def account(self) -> str:
        """What a person would want to see after a failure."""
        lines = [
            f"{name}: {run['status']} (epoch {run.get('epoch', 0)}): {run['reason']}"
            for name, run in self.states().items()
        ]
        lines += [f"alive: {self.agent_pids()}; {self.holders()}"]
        for log in (self.files.engine_log, self.files.keeper_log):
            if log.exists():
                tail = log.read_text(errors="replace").splitlines()[-15:]
                lines += [f"{log.name}: {line}" for line in tail]
        return "\n".join(lines)

    # Who lives here.

    def holders(self) -> dict[str, int]:
        """Pids of ``keeper`` and ``engine``, where one lives."""
        found = {}
        for name, lock in (
            ("keeper", self.files.keeper_lock),
            ("engine", self.files.engine_lock),
        ):
            if is_held(lock):
                try:
                    found[name] = int(json.loads(lock.read_text())["pid"])
                except (OSError, ValueError, KeyError):
                    continue  # It is being written.
        return found

    def agent_pids(self) -> dict[int, str]:
        """Living processes that carry a run of this directory, with its run id."""
        found = {}
        inside = f"LONGWATCH_RUN_DIR={self.directory}/".encode()
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                environ = (process / "environ").read_bytes().split(b"\0")
                state = (process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if state not in ("Z", "X") and any(entry.startswith(inside) for entry in environ):
                run = next(e for e in environ if e.startswith(b"LONGWATCH_RUN_ID="))
                found[int(process.name)] = run.partition(b"=")[2].decode()
        return found

    def kill(self, pid: int, number: int = signal.SIGKILL) -> bool:
        """Signal a process of this directory; whether it was there."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def ledger(self, agent: str) -> list[dict[str, Any]]:
        """What an agent wrote down, oldest first; a torn last line is none."""
        path = self.ledgers / f"{agent}.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    # The end.

    def end(self) -> None:
        """Leave no process and no file."""
        for _ in range(3):
            for pid in (*self.holders().values(), *self.agent_pids()):
                self.kill(pid)
            time.sleep(0.05)
        shutil.rmtree(self.directory, ignore_errors=True)

"""How this attempt was started: by the supervisor's variables, or alone in a local directory.

Alone, this is also where a run begins and ends: a finished one is set aside, an unfinished one
goes on with the next epoch.
"""

from __future__ import annotations

import os
import sys

from supervisor.agent.faults import AlreadyRunsError, EnvironmentVariableError
from supervisor.agent.run_files import CHECKPOINT, EPOCH, PROGRESS, RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LOCAL_DIRECTORY = ".longwatch-local"
PROTOCOL = "1"


class Launch:
    """The facts of one attempt; they do not change while it lives."""

    __slots__ = (
        "agent_name",
        "attempt",
        "deadline",
        "epoch",
        "is_supervised",
        "lock",
        "resume_from",
        "run_dir",
        "run_id",
        "task_file",
        "woken",
    )

    def __init__(self, *, run_dir: str, run_id: str, agent_name: str, epoch: int) -> None:
        self.run_dir = run_dir
        self.run_id = run_id
        self.agent_name = agent_name
        self.epoch = epoch
        self.attempt = epoch
        self.deadline: float | None = None
        """Unix seconds; None is no deadline."""
        self.task_file: str | None = None
        self.resume_from: str | None = None
        """Path of the checkpoint to resume from; None starts from nothing."""
        self.woken: frozenset[float] = frozenset()
        """Unix seconds: sleeps until these are over, because the operator woke the run."""
        self.is_supervised = True
        self.lock: int | None = None
        """Descriptor that keeps a second local run out; inherited by nobody."""

    def unlock(self) -> None:
        """Let the next local run begin; nothing to do under a supervisor."""
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


def read_launch(environ: Mapping[str, str]) -> Launch:
    """The launch that ``environ`` describes; without LONGWATCH_RUN_DIR a local one.

    Raises EnvironmentVariableError for half a set of variables, AlreadyRunsError when the same
    script already runs locally.
    """
    run_dir = environ.get("LONGWATCH_RUN_DIR")
    return _supervised(environ, run_dir) if run_dir else _local(environ)


def _supervised(environ: Mapping[str, str], run_dir: str) -> Launch:
    spoken = environ.get("LONGWATCH_PROTOCOL", PROTOCOL)
    if spoken != PROTOCOL:
        raise EnvironmentVariableError(
            f"LONGWATCH_PROTOCOL is {spoken}, this SDK speaks {PROTOCOL}; "
            "install the same longwatch for the agent and the supervisor"
        )
    run_id = environ.get("LONGWATCH_RUN_ID", "")
    if not run_id:
        raise EnvironmentVariableError("LONGWATCH_RUN_DIR is set but LONGWATCH_RUN_ID is not")
    epoch = _whole_number(environ, "LONGWATCH_EPOCH")
    launch = Launch(
        run_dir=os.path.abspath(run_dir),
        run_id=run_id,
        agent_name=environ.get("LONGWATCH_AGENT", "agent"),
        epoch=epoch,
    )
    if "LONGWATCH_ATTEMPT" in environ:
        launch.attempt = _whole_number(environ, "LONGWATCH_ATTEMPT")
    if environ.get("LONGWATCH_DEADLINE"):
        launch.deadline = _seconds(environ, "LONGWATCH_DEADLINE")
    launch.task_file = environ.get("LONGWATCH_TASK_FILE") or None
    launch.resume_from = environ.get("LONGWATCH_RESUME_FROM") or None
    launch.woken = _moments(environ, "LONGWATCH_WOKEN")
    return launch


def _moments(environ: Mapping[str, str], name: str) -> frozenset[float]:
    text = environ.get(name, "")
    try:
        return frozenset(float(part) for part in text.split(",") if part)
    except ValueError:
        raise EnvironmentVariableError(
            f"{name} is {text!r}; Unix seconds separated by commas were expected"
        ) from None


def _whole_number(environ: Mapping[str, str], name: str) -> int:
    text = environ.get(name, "")
    if not text.isdecimal():
        raise EnvironmentVariableError(f"{name} is {text!r}; a whole number was expected")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str) -> float:
    try:
        return float(environ[name])
    except ValueError:
        raise EnvironmentVariableError(
            f"{name} is {environ[name]!r}; Unix seconds were expected"
        ) from None


def _local(environ: Mapping[str, str]) -> Launch:
    name = os.path.splitext(os.path.basename(sys.argv[0] or ""))[0] or "interactive"
    run_dir = os.path.join(os.path.abspath(LOCAL_DIRECTORY), name)
    os.makedirs(run_dir, mode=0o700, exist_ok=True)
    lock = _lock_local(f"{run_dir}.lock")
    files = RunFiles(run_dir)
    if (files.read_object(PROGRESS) or {}).get("status") == "done":
        _set_aside(run_dir)
    files.prepare()
    known = files.read("run_id")
    run_id = known.decode().strip() if known else f"local-{os.urandom(8).hex()}"
    if not known:
        files.write("run_id", f"{run_id}\n".encode(), durable=True)
    epoch = int(files.read(EPOCH) or 0) + 1
    launch = Launch(run_dir=run_dir, run_id=run_id, agent_name=name, epoch=epoch)
    launch.is_supervised = False
    launch.lock = lock
    launch.task_file = environ.get("LONGWATCH_TASK_FILE") or None
    if os.path.exists(files.path(CHECKPOINT)):
        launch.resume_from = files.path(CHECKPOINT)
    return launch


def _lock_local(path: str) -> int:
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunsError(
            f"this script already runs from this directory: {path} is locked. "
            "Wait for it, stop it, or start from another directory"
        ) from None
    return descriptor


def _set_aside(run_dir: str) -> None:
    """Keep the last finished run beside the new one, under ``<name>.done``."""
    done = f"{run_dir}.done"
    if os.path.isdir(done):
        import shutil

        shutil.rmtree(done)
    os.rename(run_dir, done)
    os.makedirs(run_dir, mode=0o700)

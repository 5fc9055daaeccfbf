"""Where everything of one project is (architecture.md, "Directories"), and making it safely.

Owns the names below ``.longwatch``; nobody else spells them. A run id that is not one of ours
never becomes part of a path. Imports nothing heavy: ``longwatch status`` pays for it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from supervisor.config.defaults import MAX_SOCKET_PATH_BYTES
from supervisor.core.ids import is_run_id
from supervisor.errors import EnvironmentFaultError, UserError

CONFIG_NAME = "config.toml"
STATE_NAME = ".longwatch"
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Project:
    """One directory with a ``config.toml``, and the state beside it."""

    directory: Path
    """Absolute, symbolic links resolved: two ways to the same place are one project."""
    state_dir: Path = field(init=False, repr=False, compare=False)
    """``.longwatch``, 0700."""
    runs_dir: Path = field(init=False, repr=False, compare=False)
    """The agents' own rooms, watched."""
    records_dir: Path = field(init=False, repr=False, compare=False)
    """Our own notes on each run; agents have no business here."""

    def __post_init__(self) -> None:
        """Joined once: a restart asks for thirty paths below these."""
        state_dir = self.directory / STATE_NAME
        object.__setattr__(self, "state_dir", state_dir)
        object.__setattr__(self, "runs_dir", state_dir / "runs")
        object.__setattr__(self, "records_dir", state_dir / "records")

    @classmethod
    def find(cls, directory: Path | None = None, *, start: Path | None = None) -> Project:
        """The project of ``-C DIR``, or of ``start`` (the current directory) or above it.

        With ``directory`` nothing above it is looked at. A directory that has state but lost its
        config.toml still counts, so that what runs there can be stopped. Raises UserError.
        """
        if directory is not None:
            here = _resolved(directory)
            if not here.is_dir():
                raise UserError(
                    f"no directory {here}", fix="Give -C an existing directory.", where="-C"
                )
            if _is_project(here):
                return cls(here)
            raise _no_config(here)
        here = _resolved(start or Path())
        above = (here, *here.parents)
        for name in (CONFIG_NAME, STATE_NAME):
            for candidate in above:
                if os.path.lexists(candidate / name):
                    return cls(candidate)
        raise _no_config(here)

    @property
    def config_file(self) -> Path:
        """What the user writes."""
        return self.directory / CONFIG_NAME

    @property
    def state_db(self) -> Path:
        """SQLite: the event log."""
        return self.state_dir / "state.db"

    @property
    def log_id(self) -> Path:
        """Which log ``state_db`` holds: under this id its seals are kept, see ``core.seal``."""
        return self.state_dir / "log.id"

    @property
    def approvals(self) -> Path:
        """A copy of the rules that approve for good, for the day ``state_db`` is lost."""
        return self.state_dir / "approvals.json"

    @property
    def keeper_lock(self) -> Path:
        """Flocked while a keeper lives; JSON {pid, boot, started, version}."""
        return self.state_dir / "keeper.lock"

    @property
    def engine_lock(self) -> Path:
        """Flocked while an engine lives; JSON {pid, boot, started, version}."""
        return self.state_dir / "engine.lock"

    @property
    def keeper_log(self) -> Path:
        """Standard error of the keeper."""
        return self.state_dir / "keeper.log"

    @property
    def engine_log(self) -> Path:
        """Standard error of the engine."""
        return self.state_dir / "engine.log"

    @property
    def socket_pointer(self) -> Path:
        """A file of one line: the path of the control socket. Written by the engine."""
        return self.state_dir / "socket"

    @property
    def payloads_dir(self) -> Path:
        """Payloads on their way to the engine that are too large for the socket."""
        return self.state_dir / "payloads"

    @property
    def otlp_file(self) -> Path:
        """Traces on their way to a collector."""
        return self.state_dir / "otlp.json"

    @property
    def outbox(self) -> Path:
        """What people still have to be told; see ``core.outbox``."""
        return self.state_dir / "notify.json"

    @property
    def oom_file(self) -> Path:
        """How often the kernel's OOM killer had killed when an engine last looked, as JSON."""
        return self.state_dir / "oom-kills.json"

    @property
    def usual_file(self) -> Path:
        """What is usual of each agent, as JSON; derived, see ``engine.anomalies``."""
        return self.state_dir / "usual.json"

    @property
    def services_file(self) -> Path:
        """How agents call what is outside, as JSON: ``[services]`` and ``[prices]``."""
        return self.state_dir / "services.json"

    def run_dir(self, run_id: str) -> Path:
        """LONGWATCH_RUN_DIR of that run; ValueError for what is no run id."""
        return self.runs_dir / _checked_id(run_id)

    def record_dir(self, run_id: str) -> Path:
        """Our side of that run; ValueError for what is no run id."""
        return self.records_dir / _checked_id(run_id)

    def run_lock(self, run_id: str) -> Path:
        """Flocked by every attempt of the run."""
        return self.record_dir(run_id) / "lock"

    def out_log(self, run_id: str) -> Path:
        """Standard output of all attempts."""
        return self.record_dir(run_id) / "out.log"

    def err_log(self, run_id: str) -> Path:
        """Standard error of all attempts."""
        return self.record_dir(run_id) / "err.log"

    def exit_record(self, run_id: str, epoch: int) -> Path:
        """Written by the keeper when nothing of that attempt lives any more."""
        return self.record_dir(run_id) / f"exit-{int(epoch)}.json"

    def checkpoints_dir(self, run_id: str) -> Path:
        """Kept copies, one file a generation."""
        return self.record_dir(run_id) / "checkpoints"

    def set_aside_dir(self, run_id: str) -> Path:
        """Checkpoints that could not be used."""
        return self.record_dir(run_id) / "set-aside"

    def control_socket(self) -> Path:
        """Where a new engine binds; a pure function of the directory, uid and environment.

        Clients read ``read_socket_path`` instead: their environment may differ.
        """
        usual = self.state_dir / "control.sock"
        if len(os.fsencode(usual)) <= MAX_SOCKET_PATH_BYTES:
            return usual
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        name = f"longwatch-{os.getuid()}"
        runtime = os.environ.get("XDG_RUNTIME_DIR", "")
        if runtime.startswith("/") and Path(runtime).is_dir():
            elsewhere = Path(runtime) / name / f"{digest}.sock"
            if len(os.fsencode(elsewhere)) <= MAX_SOCKET_PATH_BYTES:
                return elsewhere
        return Path("/tmp") / name / f"{digest}.sock"  # noqa: S108 - checked 0700 and ours before use

    def read_socket_path(self) -> Path | None:
        """What the pointer says, None when there is none (yet) or it makes no sense."""
        try:
            with self.socket_pointer.open("rb") as file:
                line = file.read(4096).split(b"\n", 1)[0]
        except OSError:
            return None
        return Path(os.fsdecode(line)) if line.startswith(b"/") and b"\0" not in line else None

    def ensure(self) -> None:
        """Make ``.longwatch`` and what belongs in it, all 0700; may be called again.

        Raises EnvironmentFaultError for a symbolic link, a foreign owner or a failed mkdir: an
        attacker's directory would otherwise become the place of our locks and sockets.
        """
        ensure_private(self.state_dir)
        for directory in (self.runs_dir, self.records_dir, self.control_socket().parent):
            ensure_private(directory)
        _ignore_in_git(self.state_dir)

    def ensure_run(self, run_id: str) -> None:
        """Make the directories of one run, 0700; may be called again."""
        run_dir, record_dir = self.run_dir(run_id), self.record_dir(run_id)
        for directory in (run_dir, run_dir / "requests", run_dir / "answers", record_dir):
            ensure_private(directory)
        for directory in (self.checkpoints_dir(run_id), self.set_aside_dir(run_id)):
            ensure_private(directory)


def ensure_private(directory: Path) -> None:
    """Make ``directory`` with 0700, or check that it is a real directory of ours and close it.

    Raises EnvironmentFaultError. The parent has to exist.
    """
    try:
        try:
            # The mode is given at once: between mkdir and chmod another user could step in.
            directory.mkdir(mode=PRIVATE)
        except FileExistsError:
            pass
        found = directory.lstat()
    except OSError as error:
        raise EnvironmentFaultError(
            f"cannot make the directory {directory}: {error.strerror}",
            why="the state of the runs has to be stored there",
            fix="Check the permissions of its parent, or use -C with a directory of yours.",
        ) from error
    if not stat.S_ISDIR(found.st_mode):
        kind = "a symbolic link" if stat.S_ISLNK(found.st_mode) else "not a directory"
        raise EnvironmentFaultError(
            f"{directory} is {kind}",
            why="state is only kept in a real directory, so that nobody can redirect it",
            fix="Move it away and start again.",
        )
    if found.st_uid != os.getuid():
        raise EnvironmentFaultError(
            f"{directory} belongs to uid {found.st_uid}, not to you (uid {os.getuid()})",
            why="its owner could read and change what your agents do",
            fix="Run as its owner, or use another project directory.",
        )
    if stat.S_IMODE(found.st_mode) != PRIVATE:
        directory.chmod(PRIVATE)


def _resolved(path: Path) -> Path:
    try:
        return path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"cannot use the directory {path}: {error}", where="-C") from error


def _is_project(directory: Path) -> bool:
    return any(os.path.lexists(directory / name) for name in (CONFIG_NAME, STATE_NAME))


def _no_config(directory: Path) -> UserError:
    return UserError(
        f"no {CONFIG_NAME} in {directory}",
        why="it says which agents there are",
        fix="Go to your project, name it with -C DIR, or make one: longwatch init --demo",
    )


def _checked_id(run_id: str) -> str:
    if not is_run_id(run_id):
        raise ValueError(f"{run_id!r} is no run id and never becomes part of a path")
    return run_id


def _ignore_in_git(state_dir: Path) -> None:
    """Keep state, which may hold private data, out of the project's commits."""
    try:
        with (state_dir / ".gitignore").open("x", encoding="ascii") as file:
            file.write("*\n")
    except OSError:
        pass  # It exists, or the disk is full: neither is a reason not to supervise.

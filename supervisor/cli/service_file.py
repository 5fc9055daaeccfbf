"""The file of a project's service: where it belongs, what it should say, what stands there now.

Writes and removes that one file. Never follows a link and never replaces what is not its own: a
link there is a masked unit or somebody's arrangement.
"""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.core import service_plist, service_unit
from supervisor.core.service_unit import Found, Service
from supervisor.errors import EnvironmentFaultError, UserError

SYSTEMD = "systemd"
LAUNCHD = "launchd"
MODE = 0o644
"""It holds no secret, and the service manager reads it."""
MAX_BYTES = 1 << 20
ENVIRONMENT_NAME = "service.env"


@dataclass(frozen=True, slots=True)
class ServiceFile:
    """One service of one project, and what was found in its place."""

    kind: str
    """``systemd`` or ``launchd``."""
    name: str
    path: Path
    wanted: str
    there: str | None
    found: Found
    owner: str | None
    """The project that the file there is for."""

    @property
    def unit(self) -> str:
        """What the service manager calls it."""
        return self.path.name

    def write(self) -> None:
        """Put the wanted text in its place, whole or not at all."""
        from supervisor.protocol.atomic import write_atomic

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, self.wanted.encode())
            self.path.chmod(MODE)
        except OSError as error:
            raise _fault("write", self.path, error) from error

    def remove(self) -> None:
        """Take it away; fine when it is gone."""
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _fault("remove", self.path, error) from error


def environment_file(project: Project) -> Path:
    """Variables of the service, one NAME=value a line; beside the state, so never in a commit."""
    return project.state_dir / ENVIRONMENT_NAME


def kind_here() -> str:
    """The service manager of this system."""
    return LAUNCHD if sys.platform == "darwin" else SYSTEMD


def look(project: Project, name: str | None, kind: str) -> ServiceFile:
    """What should be there and what is. UserError for what no service manager takes."""
    service = _service(project)
    words = (service.directory, service.path, *service.argv)
    if problem := service_unit.problem_with(words):
        raise UserError(problem, fix="Rename it, or start the engine from a place without it.")
    name = _checked(name) or service_unit.service_name(service.directory)
    if kind == LAUNCHD:
        path = Path.home() / "Library" / "LaunchAgents" / service_plist.plist_name(name)
        log = str(project.state_dir / "service.log")
        wanted = service_plist.plist_text(service, name, log)
        owner_of = service_plist.directory_of
    else:
        path = _config_home() / "systemd" / "user" / service_unit.unit_name(name)
        wanted, owner_of = service_unit.unit_text(service), service_unit.directory_of
    there = _read(path)
    owner = owner_of(there) if there is not None else None
    found = service_unit.compare(there, wanted, service.directory, owner)
    return ServiceFile(kind, name, path, wanted, there, found, owner)


def _service(project: Project) -> Service:
    directory = str(project.directory)
    program = (sys.executable, "-P", "-m", "supervisor.cli.main", "-C", directory)
    return Service(
        directory=directory,
        argv=(*program, "up", "--foreground"),
        reload_argv=(*program, "upgrade-engine", "--keeper"),
        path=os.environ.get("PATH", os.defpath),
        environment_file=str(environment_file(project)),
    )


def _checked(name: str | None) -> str | None:
    if name is not None and not service_unit.NAME.fullmatch(name):
        raise UserError(
            f"found the name {name[:80]!r}",
            why="expected letters, digits, '_', '.' and '-', at most 64, the first no sign",
            where="--name",
        )
    return name


def _config_home() -> Path:
    said = os.environ.get("XDG_CONFIG_HOME", "")
    return Path(said) if said.startswith("/") else Path.home() / ".config"


def _read(path: Path) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if path.is_symlink():
            raise UserError(
                f"{path} is a symbolic link to {path.readlink()}",
                why="a masked service, or an arrangement of yours: it is left alone",
                fix="Remove the link, or give another name with --name.",
            ) from error
        raise _fault("read", path, error) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise UserError(f"{path} is not a regular file", fix="Move it away, or use --name.")
        return os.read(fd, MAX_BYTES).decode(errors="replace")
    finally:
        os.close(fd)


def _fault(what: str, path: Path, error: OSError) -> EnvironmentFaultError:
    return EnvironmentFaultError(
        f"cannot {what} {path}: {error.strerror}",
        fix="Check its permissions and those of its directory.",
    )

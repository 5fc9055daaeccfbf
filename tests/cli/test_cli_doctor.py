"""``longwatch doctor``: what it finds, and that it says when something is not well."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.cli.findings import Health
from supervisor.cli.project_checks import lock_holder, look, mount_type
from supervisor.config.paths import Project

REPOSITORY = Path(__file__).parents[2]
GOOD = '[agents.a]\ncommand = ["true"]\n'


def doctor(cwd: Path, *, paths: str = "") -> tuple[int, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.cli.main", "doctor", "--json"],
        cwd=cwd, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def healths(project: Project) -> dict[str, Health]:
    return {finding.name: finding.health for finding in look(project)}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config.toml").write_text(GOOD)
    return Project.find(tmp_path)


def test_a_sound_machine_and_project_are_well(project: Project) -> None:
    project.ensure()
    status, told = doctor(project.directory)
    assert status == 0 and told["ok"] is True
    names = {check["name"] for check in told["checks"]}  # type: ignore[attr-defined]
    assert {"python", "package", "supervisord", "sqlite", "inotify", "pidfd", "subreaper"} <= names
    assert {"terminal", "locale", "config", "file system", "disk", "state", "socket"} <= names


def test_it_works_where_no_project_is(tmp_path: Path) -> None:
    status, told = doctor(tmp_path)
    assert status == 0
    assert told["checks"][-1]["name"] == "project"  # type: ignore[index]


def test_a_bad_configuration_is_not_well(project: Project) -> None:
    project.config_file.write_text("nonsense = 1\n")
    status, told = doctor(project.directory)
    assert status == 1 and told["ok"] is False


@pytest.mark.parametrize(
    ("fleet", "where"),
    [
        ('engine = "temporal"\naddress = "127.0.0.1:1"', "127.0.0.1:1"),
        ('engine = "nats"\nservers = ["nats://127.0.0.1:1"]', "nats://127.0.0.1:1"),
        ('engine = "temporal"\naddress = "127.0.0.1:1"\napi_key_env = "NOT_SET"', "NOT_SET"),
    ],
)
def test_servers_of_the_fleet_that_do_not_answer_are_not_well(
    project: Project, fleet: str, where: str
) -> None:
    pytest.importorskip("temporalio")
    pytest.importorskip("nats")
    project.config_file.write_text(f"{GOOD}[fleet]\n{fleet}\n")
    status, told = doctor(project.directory)
    (found,) = [check for check in told["checks"] if check["name"] == "fleet"]  # type: ignore[attr-defined]
    assert status == 1 and found["health"] == "bad"
    assert where in found["message"] and found["fix"]


def test_supervisord_on_the_path_is_not_well(project: Project, tmp_path: Path) -> None:
    # Behind ours: in front of us it would leave no command of ours to say so.
    other = tmp_path / "other"
    (other / "supervisor").mkdir(parents=True)
    (other / "supervisor" / "supervisord.py").write_text("")
    status, told = doctor(project.directory, paths=f"{REPOSITORY}{os.pathsep}{other}")
    bad = [c["name"] for c in told["checks"] if c["health"] == "bad"]  # type: ignore[attr-defined]
    assert (status, bad) == (1, ["supervisord"])


def test_an_open_state_directory_is_noted_and_a_link_is_not_well(project: Project) -> None:
    project.state_dir.mkdir(mode=0o755)
    assert healths(project)["state"] is Health.NOTE
    project.state_dir.rmdir()
    project.state_dir.symlink_to("/nowhere")
    assert healths(project)["state"] is Health.BAD


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc/locks is Linux")
def test_a_held_lock_is_told_from_a_left_one_without_taking_it(project: Project) -> None:
    project.ensure()
    project.keeper_lock.write_text(json.dumps({"pid": os.getpid()}))

    def said() -> str:
        return next(f.message for f in look(project) if f.name == "keeper lock")

    assert said().startswith("not held")
    with project.keeper_lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert said() == f"held by pid {os.getpid()}"
    assert said().startswith("not held")


def test_a_waiter_for_a_lock_is_not_its_holder(tmp_path: Path) -> None:
    found = tmp_path.stat()
    place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    waits = f"1: -> FLOCK  ADVISORY  WRITE 7 {place} 0 EOF\n"
    holds = f"2: FLOCK  ADVISORY  WRITE 8 {place} 0 EOF\n"
    assert lock_holder(found, waits) is None
    assert lock_holder(found, waits + holds) == 8


MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:40 / /home rw - nfs4 box:/home rw
31 30 0:41 / /home/me/my\\040disk rw master:1 - tmpfs tmpfs rw
32 30 0:42 / /home/me/my\\040disk rw - xfs /dev/sdb rw
broken line
"""


@pytest.mark.parametrize(
    ("directory", "kind"),
    [("/srv", "ext4"), ("/home/me", "nfs4"), ("/homework", "ext4"), ("/home/me/my disk/x", "xfs")],
)
def test_the_file_system_is_that_of_the_innermost_mount(directory: str, kind: str) -> None:
    assert mount_type(Path(directory), MOUNTINFO) == kind

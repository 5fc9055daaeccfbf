"""Where a project and its files are, and that they are made safely."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.config.paths import Project, ensure_private
from supervisor.errors import EnvironmentFaultError, UserError

RUN = "01JD3Z5W8QZX5V1N7H3F7K2M9P"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config.toml").write_text("")
    return Project.find(tmp_path)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_nearest_configuration_above_is_the_project(project: Project) -> None:
    deep = project.directory / "a" / "b"
    deep.mkdir(parents=True)
    assert Project.find(start=deep) == project
    (project.directory / "a" / "config.toml").write_text("")
    assert Project.find(start=deep).directory == project.directory / "a"


def test_a_named_directory_is_taken_alone_and_not_what_is_above_it(project: Project) -> None:
    below = project.directory / "below"
    below.mkdir()
    with pytest.raises(UserError, match=r"no config\.toml"):
        Project.find(below)
    with pytest.raises(UserError, match="no directory"):
        Project.find(below / "nowhere")


def test_state_without_a_configuration_is_still_a_project(tmp_path: Path) -> None:
    (tmp_path / ".longwatch").mkdir()
    assert Project.find(tmp_path).directory == tmp_path
    assert Project.find(start=tmp_path).directory == tmp_path


def test_two_ways_to_one_directory_are_one_project(project: Project, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(project.directory)
    assert Project.find(link) == project


def test_everything_is_made_private_and_making_it_again_changes_nothing(project: Project) -> None:
    before = os.umask(0)
    try:
        project.ensure()
        project.ensure_run(RUN)
        project.ensure()
        project.ensure_run(RUN)
    finally:
        os.umask(before)
    made = [project.state_dir, *(p for p in project.state_dir.rglob("*") if p.is_dir())]
    assert project.checkpoints_dir(RUN) in made and project.set_aside_dir(RUN) in made
    assert {mode_of(path) for path in made} == {0o700}
    assert (project.state_dir / ".gitignore").read_text() == "*\n"


def test_an_open_state_directory_of_ours_is_closed(project: Project) -> None:
    project.state_dir.mkdir(mode=0o755)
    project.ensure()
    assert mode_of(project.state_dir) == 0o700


def test_a_symbolic_link_as_state_directory_is_refused(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.state_dir.symlink_to(elsewhere)
    with pytest.raises(EnvironmentFaultError, match="symbolic link"):
        project.ensure()
    assert list(elsewhere.iterdir()) == []


def test_a_file_or_a_dangling_link_as_state_directory_is_refused(project: Project) -> None:
    project.state_dir.write_text("")
    with pytest.raises(EnvironmentFaultError, match="not a directory"):
        project.ensure()
    project.state_dir.unlink()
    project.state_dir.symlink_to("/nowhere/at/all")
    with pytest.raises(EnvironmentFaultError, match="symbolic link"):
        project.ensure()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a directory of somebody else")
def test_a_directory_of_somebody_else_is_refused(project: Project) -> None:
    project.state_dir.mkdir()
    os.chown(project.state_dir, 12345, 12345)
    with pytest.raises(EnvironmentFaultError, match="belongs to uid 12345"):
        project.ensure()


def test_a_parent_that_is_missing_names_the_repair(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="cannot make"):
        ensure_private(tmp_path / "a" / "b")


@pytest.mark.parametrize("run_id", ["../../x", "", "a/b", RUN.lower(), RUN + "\n", "."])
def test_what_is_no_run_id_never_becomes_part_of_a_path(project: Project, run_id: str) -> None:
    for place in (project.run_dir, project.record_dir, project.out_log, project.set_aside_dir):
        with pytest.raises(ValueError, match="no run id"):
            place(run_id)


def test_the_files_are_where_the_contract_says(project: Project) -> None:
    def below(path: Path) -> str:
        return str(path.relative_to(project.state_dir))

    assert below(project.state_db) == "state.db"
    assert below(project.keeper_lock) == "keeper.lock"
    assert below(project.engine_lock) == "engine.lock"
    assert below(project.socket_pointer) == "socket"
    assert below(project.control_socket()) == "control.sock"
    assert below(project.run_dir(RUN)) == f"runs/{RUN}"
    assert below(project.run_lock(RUN)) == f"records/{RUN}/lock"
    assert below(project.out_log(RUN)) == f"records/{RUN}/out.log"
    assert below(project.err_log(RUN)) == f"records/{RUN}/err.log"
    assert below(project.exit_record(RUN, 7)) == f"records/{RUN}/exit-7.json"
    assert below(project.checkpoints_dir(RUN)) == f"records/{RUN}/checkpoints"
    assert below(project.set_aside_dir(RUN)) == f"records/{RUN}/set-aside"


def test_a_long_path_moves_the_socket_to_a_short_one_that_is_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = Project(tmp_path / ("d" * 120))
    runtime = tmp_path / "r"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    first = deep.control_socket()
    assert first == deep.control_socket() and len(os.fsencode(first)) <= 100
    assert first != Project(tmp_path / ("e" * 120)).control_socket()
    for useless in ("", "relative", str(tmp_path / "nowhere"), str(tmp_path / ("x" * 90))):
        monkeypatch.setenv("XDG_RUNTIME_DIR", useless)
        assert str(deep.control_socket()).startswith(f"/tmp/longwatch-{os.getuid()}/")


@pytest.mark.parametrize(
    ("content", "path"),
    [(b"/x/y.sock\n", "/x/y.sock"), (b"", None), (b"relative\n", None), (b"/a\0b\n", None)],
)
def test_the_socket_pointer_is_read_with_care(
    project: Project, content: bytes, path: str | None
) -> None:
    assert project.read_socket_path() is None
    project.ensure()
    project.socket_pointer.write_bytes(content)
    assert project.read_socket_path() == (Path(path) if path else None)


def test_finding_a_project_does_not_load_the_configuration_machinery() -> None:
    code = (
        "import sys, supervisor.config.paths, supervisor.config.defaults, supervisor.cli.main;"
        "print(sorted({'pydantic', 'textual', 'tomllib', 'psutil', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"

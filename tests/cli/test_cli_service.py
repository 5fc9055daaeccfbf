"""``longwatch service``: one file in the user's own place, and nobody else's ever touched.

No user manager is reached from here: what a test writes must start nothing on this machine.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from supervisor.cli.main import main

CONFIG = '[agents.a]\ncommand = ["true"]\nenv_pass = ["A_KEY_OF_MINE", "NOT_SET_ANYWHERE"]\n'
HOSTILE = ["plain", "two words", "100%h", 'it\'s "so"', "a\\b", "[a]*", "$HOME"]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nowhere/bus")
    monkeypatch.setenv("A_KEY_OF_MINE", "value")
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path


def project_at(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "config.toml").write_text(CONFIG)
    return place


def units(home: Path) -> list[Path]:
    return sorted((home / "config" / "systemd" / "user").glob("*"))


def service(project: Path, *words: str) -> int:
    return main(["-C", str(project), "service", *words])


def test_install_writes_one_unit_and_says_what_to_type(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    assert service(project, "install") == 0
    said = capsys.readouterr().out
    (unit,) = units(home)
    assert unit.name == "longwatch-watched.service"
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644
    assert "systemctl --user enable --now longwatch-watched.service" in said
    assert "will not have A_KEY_OF_MINE of" in said and "service.env" in said
    assert "NOT_SET_ANYWHERE" not in said, "what this shell lacks too is no surprise"
    assert "value" not in unit.read_text()
    # Again is fine, and does not touch it.
    before = unit.stat().st_mtime_ns
    assert service(project, "install") == 0
    assert unit.stat().st_mtime_ns == before


def test_a_variable_in_the_services_own_file_is_not_missed(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    (project / ".longwatch").mkdir(mode=0o700)
    (project / ".longwatch" / "service.env").write_text("# mine\nA_KEY_OF_MINE=v\n")
    assert service(project, "install", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["missing_environment"] == [] and told["written"] is True


@pytest.mark.parametrize("name", HOSTILE)
def test_systemd_finds_nothing_wrong_with_the_unit(
    home: Path, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    project = project_at(home / name)
    assert service(project, "install") == 0
    runtime = tmp_path_factory.mktemp("run")
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(units(home)[0])],
        check=False, capture_output=True, text=True, timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime)},
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_edited_unit_is_kept_until_it_is_said_by_force(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    service(project, "install")
    (unit,) = units(home)
    unit.write_text(unit.read_text().replace("RestartSec=2", "RestartSec=9"))
    capsys.readouterr()
    assert service(project, "install") == 2
    said = capsys.readouterr().err
    assert "- RestartSec=9" in said and "+ RestartSec=2" in said and "--force" in said
    assert "RestartSec=9" in unit.read_text()
    assert service(project, "install", "--force") == 0
    assert "RestartSec=2" in unit.read_text()


def test_the_service_of_another_project_of_that_name_is_never_replaced(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = project_at(home / "one" / "watched"), project_at(home / "two" / "watched")
    service(first, "install")
    text = units(home)[0].read_text()
    for words in (["install"], ["install", "--force"], ["uninstall", "--force"]):
        assert service(second, *words) == 2
        assert str(first) in capsys.readouterr().err
        assert units(home)[0].read_text() == text
    assert service(second, "install", "--name", "watched-2") == 0
    assert [unit.name for unit in units(home)] == [
        "longwatch-watched-2.service", "longwatch-watched.service",
    ]  # fmt: skip


def test_a_unit_of_somebody_else_and_a_link_are_left_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    place = home / "config" / "systemd" / "user"
    place.mkdir(parents=True)
    unit = place / "longwatch-watched.service"
    unit.write_text("[Service]\nExecStart=/bin/true\n")
    for action in ("install", "uninstall"):
        assert service(project, action) == 2
    assert "not made by longwatch" in capsys.readouterr().err
    unit.unlink()
    unit.symlink_to("/dev/null")
    for words in (["install", "--force"], ["uninstall", "--force"]):
        assert service(project, *words) == 2
        assert "symbolic link to /dev/null" in capsys.readouterr().err
    assert unit.is_symlink()


def test_uninstall_takes_away_what_install_wrote(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    assert service(project, "uninstall") == 2, "there is none yet"
    service(project, "install")
    capsys.readouterr()
    assert service(project, "uninstall") == 0
    assert "what runs goes on" in capsys.readouterr().out
    assert units(home) == []


def test_status_says_what_is_there_and_is_not_well_without_a_keeper(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    assert service(project, "status") == 1
    assert "not installed" in capsys.readouterr().out
    service(project, "install")
    capsys.readouterr()
    assert service(project, "status", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == "as installed" and told["keeper_pid"] is None
    assert told["manager_answers"] is False and told["well"] is False


@pytest.mark.parametrize("kind", ["systemd", "launchd"])
def test_show_prints_either_file_and_writes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    project = project_at(home / "watched")
    assert service(project, "show", "--kind", kind) == 0
    text = capsys.readouterr().out
    assert "up" in text and str(project) in text
    assert ("KillMode=process" in text) == (kind == "systemd")
    assert ("AbandonProcessGroup" in text) == (kind == "launchd")
    assert units(home) == [] and not (project / ".longwatch").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["install", "--name", "../x"], "found the name '../x'"),
        (["install", "--kind", "launchd"], "--kind is of `show` alone"),
    ],
)
def test_wrong_use_is_one_clear_error(
    home: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    project = project_at(home / "watched")
    assert service(project, *words) == 2
    assert said in capsys.readouterr().err
    assert units(home) == []


def test_a_wrong_configuration_installs_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "watched")
    (project / "config.toml").write_text("[agents.a]\ncomand = 1\n")
    assert service(project, "install") == 2
    assert "comand" in capsys.readouterr().err
    assert units(home) == []


def test_a_directory_with_a_newline_is_refused_before_anything_is_written(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = project_at(home / "a\nExecStart=x")
    assert service(project, "install") == 2
    assert "no service manager takes" in capsys.readouterr().err
    assert units(home) == []

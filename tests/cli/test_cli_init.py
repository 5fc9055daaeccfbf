"""``longwatch init``: a project from nothing, and nothing ever overwritten."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from supervisor.cli import init
from supervisor.config.advice import advise
from supervisor.config.load import check_config
from supervisor.config.paths import Project
from supervisor.errors import EnvironmentFaultError, UserError


def run_init(directory: Path, *, demo: bool = False, as_json: bool = False) -> int:
    return init.run(argparse.Namespace(directory=directory, demo=demo, json=as_json))


@pytest.mark.parametrize("demo", [False, True])
def test_what_init_writes_is_a_configuration_without_problems(tmp_path: Path, demo: bool) -> None:
    assert run_init(tmp_path / "new" / "project", demo=demo) == 0
    project = Project.find(tmp_path / "new" / "project")
    config, problems = check_config(project)
    assert config is not None
    advise(project, config, problems)
    assert list(map(str, problems)) == []
    assert any(spec.autostart for spec in config.agents.values())


def test_the_demo_has_every_file_its_configuration_names(tmp_path: Path) -> None:
    run_init(tmp_path, demo=True)
    config, _ = check_config(Project.find(tmp_path))
    assert config is not None and "license-audit" in config.agents
    for spec in config.agents.values():
        assert (tmp_path / spec.command[1]).is_file()
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.parametrize("demo", [False, True])
def test_an_existing_configuration_is_never_overwritten(tmp_path: Path, demo: bool) -> None:
    (tmp_path / "config.toml").write_text("mine")
    with pytest.raises(UserError, match=r"already has config\.toml"):
        run_init(tmp_path, demo=demo)
    assert (tmp_path / "config.toml").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_one_file_in_the_way_stops_all_of_the_demo(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "heartbeat.sh").symlink_to("/nowhere")
    with pytest.raises(UserError, match=r"agents/heartbeat\.sh"):
        run_init(tmp_path, demo=True)
    assert not (tmp_path / "config.toml").exists()


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFaultError, match="cannot write"):
        run_init(tmp_path / "file" / "project")


def test_json_lists_what_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_init(tmp_path, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told == {"directory": str(tmp_path), "written": [str(tmp_path / "config.toml")]}

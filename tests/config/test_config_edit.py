"""One setting is changed: everything else in the file stays, and nothing bad is ever written."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest

from supervisor.config.edit import ChangedMeanwhileError, change, read_value, set_value
from supervisor.config.load import check_config, load_config
from supervisor.config.paths import Project
from supervisor.config.problems import Problems
from supervisor.config.read import read_source
from supervisor.errors import ConfigError, EnvironmentFaultError

TEXT = """\
# Ours.
[defaults]                 # any key of an agent
timeout = "2h"             # of a whole run

[agents.crawl]             # the crawler
command = ["{python}", "crawl.py"]
restart = "never"          # always | on-failure | never
retry = { max_retries = 2 }
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config.toml").write_text(TEXT)
    (tmp_path / "config.toml").chmod(0o640)
    return Project.find(tmp_path)


def text_of(project: Project) -> str:
    return project.config_file.read_text()


def test_a_value_is_changed_and_every_comment_stays_in_its_place(project: Project) -> None:
    set_value(project, ("agents", "crawl", "restart"), "always")
    lines = text_of(project).splitlines()
    assert lines[6] == 'restart = "always"          # always | on-failure | never'
    assert [line for n, line in enumerate(lines) if n != 6] == [
        line for n, line in enumerate(TEXT.splitlines()) if n != 6
    ]
    assert load_config(project).agents["crawl"].restart.value == "always"


def files(project: Project) -> list[str]:
    return sorted(path.name for path in project.directory.iterdir())


@pytest.mark.parametrize(
    ("key", "typed", "found"),
    [
        (("agents", "crawl", "stall_timeout"), "10m", "10m"),
        (("agents", "crawl", "stall_timeout"), "90", 90),
        (("agents", "crawl", "autostart"), "true", True),
        (("agents", "crawl", "description"), "2026", "2026"),
        (("agents", "crawl", "env_pass"), '["A", "B"]', ["A", "B"]),
        (("agents", "crawl", "retry", "max_retries"), "7", 7),
        (("defaults", "retry", "jitter_fraction"), "0.5", 0.5),
        (("notify", "quiet_hours"), "22:00-07:30", "22:00-07:30"),
        (("tui", "theme"), '"light"', "light"),
    ],
)
def test_new_keys_and_tables_come_to_where_they_belong(
    project: Project, key: tuple[str, ...], typed: str, found: object
) -> None:
    set_value(project, key, typed)
    data = tomllib.loads(text_of(project))
    for part in key:
        data = data[part]
    assert data == found
    assert "# the crawler" in text_of(project)


def test_taken_out_its_default_counts_again(project: Project) -> None:
    change(project, ("agents", "crawl", "restart"), None)
    assert "restart" not in text_of(project)
    assert load_config(project).agents["crawl"].restart.value == "on-failure"
    change(project, ("fleet", "lease"), None)
    assert "fleet" not in text_of(project), "what was not there stays so"


@pytest.mark.parametrize(
    ("key", "typed", "says"),
    [
        (("defaults", "timeout"), "soon", "a duration above 0"),
        (("agents", "crawl", "restart"), "allways", 'Did you mean "always"'),
        (("agents", "crawl", "retry", "max_retries"), "-1", "0 or more"),
        (("agents", "crawl", "retry", "max_delay_seconds"), "0.1", "less than base_delay_seconds"),
        (("agents", "crawl", "nonsense"), "1", "unknown key"),
        (("agents", "crawl", "command"), "sh -c x", "never a shell line"),
        (("agents", "crawl"), "1", "a table"),
    ],
)
def test_what_would_be_wrong_is_said_and_nothing_is_written(
    project: Project, key: tuple[str, ...], typed: str, says: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        set_value(project, key, typed)
    assert says in str(refused.value)
    assert text_of(project) == TEXT
    assert files(project) == ["config.toml"]


def test_a_fault_that_was_there_hinders_no_other_change_and_can_be_mended(
    project: Project,
) -> None:
    project.config_file.write_text(TEXT.replace('"never"', '"nver"'))
    set_value(project, ("defaults", "timeout"), "3h")
    assert check_config(project)[0] is None
    set_value(project, ("agents", "crawl", "restart"), "never")
    assert check_config(project)[0] is not None


def test_the_one_before_stays_beside_it_and_the_mode_is_kept(project: Project) -> None:
    written = set_value(project, ("defaults", "timeout"), "3h")
    assert written.backup.name == "config.toml.bak" and written.backup.read_text() == TEXT
    assert project.config_file.stat().st_mode & 0o777 == 0o640
    assert written.backup.stat().st_mode & 0o777 == 0o640
    source = read_source(project.config_file, Problems())
    assert source is not None and source.sha256 == written.sha256
    assert files(project) == ["config.toml", "config.toml.bak"]


def test_a_file_that_changed_meanwhile_is_left_alone(project: Project) -> None:
    source = read_source(project.config_file, Problems())
    assert source is not None
    theirs = TEXT.replace('"2h"', '"5h"')
    project.config_file.write_text(theirs)
    with pytest.raises(ChangedMeanwhileError, match="changed by somebody else"):
        set_value(project, ("defaults", "timeout"), "3h", expected=source.sha256)
    assert text_of(project) == theirs


def test_a_link_stays_a_link_and_what_it_means_is_changed(project: Project) -> None:
    real = project.directory / "real.toml"
    project.config_file.rename(real)
    project.config_file.symlink_to(real)
    set_value(project, ("defaults", "timeout"), "3h")
    assert project.config_file.is_symlink() and '"3h"' in real.read_text()


def test_windows_line_ends_stay_as_they_are(project: Project) -> None:
    project.config_file.write_bytes(TEXT.replace("\n", "\r\n").encode())
    set_value(project, ("defaults", "timeout"), "3h")
    assert project.config_file.read_bytes() == (
        TEXT.replace('"2h" ', '"3h" ').replace("\n", "\r\n").encode()
    )


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_one_clear_error(project: Project) -> None:
    project.directory.chmod(0o500)
    try:
        with pytest.raises(EnvironmentFaultError, match="cannot be written"):
            set_value(project, ("defaults", "timeout"), "3h")
    finally:
        project.directory.chmod(0o700)


def test_what_is_typed_is_toml_or_plain_text() -> None:
    assert read_value("90") == 90 and read_value("90s") == "90s"
    assert read_value('["a"]') == ["a"] and read_value(" x y ") == "x y"
    assert read_value("1\nother = 2") == "1\nother = 2"

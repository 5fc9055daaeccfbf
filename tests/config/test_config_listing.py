"""Every key of config.toml is listed with what people need to know of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import about
from supervisor.config.listing import DEFAULT, DEFAULTS, FILE, Setting, list_settings
from supervisor.config.paths import Project
from supervisor.config.whole import ConfigTables

WHOLE = """\
[defaults]
timeout = "2h"
[agents.a]
command = ["x"]
description = "2026"
env = { API_TOKEN = "very-secret", PLAIN = "seen" }
[services.s]
[prices."m"]
input = 1
output = 2
[hosts.h]
address = "box"
[pools.p]
agent = "a"
[pipelines.l]
stages = [{ name = "one", agent = "a" }]
[notify]
urls = ["slack://very-secret"]
"""


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, Setting]:
    (tmp_path / "config.toml").write_text(WHOLE)
    listing = list_settings(Project.find(tmp_path))
    assert listing.problems == ()
    return {".".join(setting.key): setting for setting in listing.settings}


def test_every_key_that_the_models_know_has_its_words(settings: dict[str, Setting]) -> None:
    assert {setting.key[0] for setting in settings.values()} == set(ConfigTables.model_fields)
    assert [name for name, one in settings.items() if not one.about or not one.takes] == []
    assert [name for name, one in settings.items() if not one.allowed] == []


def test_no_words_are_left_of_keys_that_are_gone(settings: dict[str, Setting]) -> None:
    listed = {(setting.key[0], setting.name) for setting in settings.values()}
    assert {(section, name) for section, keys in about.KEYS.items() for name in keys} <= listed


def test_each_says_where_its_value_comes_from(settings: dict[str, Setting]) -> None:
    assert settings["agents.a.command"].source == FILE
    assert (
        settings["agents.a.timeout"].source == DEFAULTS and settings["agents.a.timeout"].line == 2
    )
    assert settings["agents.a.stop_grace"].source == DEFAULT
    assert settings["agents.a.stop_grace"].shown == "10s"
    assert settings["agents.a.log_cap"].shown == "16MiB"
    assert settings["agents.a.retry.base_delay_seconds"].shown == "500ms"


def test_what_is_secret_is_not_in_it(settings: dict[str, Setting]) -> None:
    assert "very-secret" not in str(settings) and "seen" in settings["agents.a.env"].shown


def test_what_an_editor_begins_with_means_what_stands_there(settings: dict[str, Setting]) -> None:
    assert settings["defaults.timeout"].typed == "2h"
    assert settings["agents.a.description"].typed == '"2026"'
    assert settings["agents.a.command"].typed == '["x"]'

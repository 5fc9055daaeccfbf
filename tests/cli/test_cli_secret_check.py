"""``doctor`` finds what an older version stored of a secret, without ever showing it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from supervisor.cli.findings import Health
from supervisor.cli.secret_check import look
from supervisor.config.paths import Project

PASSWORD = "correct-horse-battery-7"
TOKEN = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7cF0iL3oR6"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config.toml").write_text('[agents.a]\ncommand = ["true"]\n')
    found = Project.find(tmp_path)
    found.ensure()
    return found


def store(path: Path, **data: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY, data TEXT)")
        connection.execute("INSERT INTO events (data) VALUES (?)", (json.dumps(data),))
        connection.commit()


def test_a_value_of_the_environment_and_the_shape_of_a_token_are_found_and_not_shown(
    project: Project,
) -> None:
    store(project.state_db, cause="exit status 1")
    store(project.state_db, output=f"login with {PASSWORD} failed")
    store(project.state_db, output=f"remote: bad credentials {TOKEN}")
    (found,) = look(project, {"DB_PASSWORD": PASSWORD, "HOME": "/root"})
    assert found.health is Health.NOTE
    assert "2 of 3 events" in found.message and "the oldest is 2" in found.message
    assert PASSWORD not in found.message + found.fix and TOKEN not in found.message


def test_what_was_stored_clean_is_well_and_a_file_set_aside_is_looked_at_too(
    project: Project,
) -> None:
    store(project.state_db, cause="exit status 1", sha256="ab12" * 16)
    store(project.state_db.with_name("state.db.damaged-20261123T120000"), output=TOKEN)
    found = {finding.message.split(":")[0].rpartition("/")[2]: finding.health
             for finding in look(project, {})}  # fmt: skip
    assert list(found.values()).count(Health.OK) == 1
    assert list(found.values()).count(Health.NOTE) == 1


def test_what_is_no_database_is_said_and_stops_nothing(project: Project) -> None:
    project.state_db.write_bytes(b"not a database at all, by any means" * 50)
    (found,) = look(project, {})
    assert found.health is Health.NOTE and "cannot be looked through" in found.message

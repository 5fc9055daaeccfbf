"""The text of a service: what it says for a project, and that nothing in a path acts in it."""

from __future__ import annotations

import plistlib
import re
from dataclasses import replace

import pytest

from supervisor.core import service_plist
from supervisor.core.service_unit import (
    Found,
    Service,
    compare,
    differences,
    directory_of,
    problem_with,
    service_name,
    unit_name,
    unit_text,
)

PLAIN = Service(
    directory="/home/me/watched",
    argv=("/usr/bin/python3", "-P", "-m", "it", "-C", "/home/me/watched", "up", "--foreground"),
    reload_argv=("/usr/bin/python3", "-m", "it", "upgrade-engine", "--keeper"),
    path="/usr/bin:/bin",
    environment_file="/home/me/watched/.longwatch/service.env",
)


def keys(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if not line.startswith(("#", "[")))
    return {name: value for name, _, value in pairs if name}


def words(value: str) -> list[str]:
    """A command line as systemd reads it: quotes, backslashes and %% undone."""
    found = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', value)
    undone = (re.sub(r"\\(.)", r"\1", quoted) if quoted else bare for quoted, bare in found)
    return [word.replace("%%", "%") for word in undone]


def test_a_stop_of_the_service_ends_the_keeper_alone() -> None:
    said = keys(unit_text(PLAIN))
    assert said["KillMode"] == "process"
    assert said["OOMPolicy"] == "continue", "else one agent's memory would end the service"
    assert said["Restart"] == "on-failure"
    assert said["WantedBy"] == "default.target"
    assert said["StartLimitIntervalSec"] == "0", "it never gives up"


@pytest.mark.parametrize(
    "name",
    ["a b", "100%", "%h", 'a"b', "a'b", "a\\b", "end\\", "$HOME", "${HOME}", "-rf", "…", " x "],
)
def test_a_hostile_directory_stays_one_word(name: str) -> None:
    directory = f"/srv/{name}"
    argv = ("/usr/bin/python3", "-C", directory, "up")
    text = unit_text(replace(PLAIN, directory=directory, argv=argv))
    command = keys(text)["ExecStart"]
    assert words(command) == [":/usr/bin/python3", "-C", directory, "up"]
    assert "%" not in command.replace("%%", "")
    assert directory_of(text) == directory
    assert not any(line.endswith("\\") for line in text.splitlines()), "it would join two lines"


def test_the_colon_turns_variables_off() -> None:
    assert keys(unit_text(PLAIN))["ExecStart"].startswith(":/usr/bin/python3 ")


def test_a_program_that_systemd_refuses_is_started_by_a_shell_with_fixed_words() -> None:
    argv = ('/opt/it\'s "mine"/python', "-C", "/srv/x", "up")
    found = words(keys(unit_text(replace(PLAIN, argv=argv)))["ExecStart"])
    assert found == [":/bin/sh", "-c", 'exec "$0" "$@"', *argv]


def test_the_file_of_variables_is_no_pattern() -> None:
    file = "/srv/[a]*?/.longwatch/service.env"
    said = keys(unit_text(replace(PLAIN, environment_file=file)))["EnvironmentFile"]
    assert said == "-/srv/\\[a]\\*\\?/.longwatch/service.env"


@pytest.mark.parametrize("word", ["/srv/a\nb", "/srv/\x1b[2J", "/srv/\udcff", "/srv/\u202e", ""])
def test_what_no_service_manager_takes_is_named(word: str) -> None:
    problem = problem_with(("/srv/fine", word))
    assert (problem is None) == (word == "")
    assert problem is None or ascii(word)[1:-1].split("\\")[0] in problem


def test_a_name_is_that_of_the_directory_or_one_that_cannot_clash() -> None:
    assert unit_name(service_name("/home/me/watched")) == "longwatch-watched.service"
    assert service_name("/home/me/watched/") == "watched"
    strange = [service_name(f"/srv/{name}") for name in ("a b", "a%b", "a@b", "-a", "…", "x" * 90)]
    assert len(set(strange)) == len(strange)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name) for name in strange)
    assert service_name("/") != service_name("/srv/project")


def test_what_stands_there_is_told_apart() -> None:
    mine = unit_text(PLAIN)
    other = unit_text(replace(PLAIN, directory="/home/you/watched"))
    edited = mine.replace("RestartSec=2", "RestartSec=9")
    here = PLAIN.directory
    assert compare(None, mine, here, None) is Found.NOTHING
    assert compare(mine, mine, here, directory_of(mine)) is Found.SAME
    assert compare(edited, mine, here, directory_of(edited)) is Found.CHANGED
    assert compare(other, mine, here, directory_of(other)) is Found.OTHER_PROJECT
    assert compare("[Service]\n", mine, here, directory_of("[Service]\n")) is Found.FOREIGN
    assert differences(edited, mine) == ("- RestartSec=9", "+ RestartSec=2")


def test_the_property_list_of_launchd_holds_the_same_service() -> None:
    hostile = replace(PLAIN, directory='/Users/me/a <b> & "c"')
    text = service_plist.plist_text(hostile, "watched", "/Users/me/service.log")
    content = plistlib.loads(text.encode())
    assert content["ProgramArguments"] == list(PLAIN.argv)
    assert content["AbandonProcessGroup"] is True and content["RunAtLoad"] is True
    assert content["KeepAlive"] == {"SuccessfulExit": False}
    assert content["EnvironmentVariables"] == {"PATH": PLAIN.path}
    assert service_plist.directory_of(text) == hostile.directory
    assert service_plist.directory_of("<plist") is None
    assert service_plist.plist_name("watched") == "longwatch.watched.plist"

"""Completion in real shells: verbs, options, choices, and the names of this directory."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from supervisor.cli.completion_scripts import DIRECTORY, scripts

LIMIT_S = 60
CONFIG = '[agents.nightly]\ncommand = ["true"]\n[agents.night-watch]\ncommand = ["true"]\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with two agents, and ``longwatch`` on PATH."""
    (tmp_path / "config.toml").write_text(CONFIG)
    command = tmp_path / "bin" / "longwatch"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m supervisor.cli.main "$@"\n')
    command.chmod(0o755)
    return tmp_path


def in_shell(project: Path, argv: list[str], cwd: Path | None = None) -> list[str]:
    environment = {**os.environ, "PATH": f"{project / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        argv, cwd=cwd or project, env=environment, capture_output=True, text=True,
        timeout=LIMIT_S, check=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


def bash(project: Path, *words: str, cwd: Path | None = None) -> list[str]:
    """What Tab offers after these words, the last of which is begun."""
    script = (
        f"source {DIRECTORY / 'longwatch.bash'}\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))\n'
        "_shtab_longwatch 2>/dev/null\n"
        "printf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    return in_shell(project, ["bash", "--norc", "-c", script, "bash", "longwatch", *words], cwd)


class Shell:
    """An interactive one on a terminal of its own."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._seen = ""

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def wait_for(self, *words: str) -> None:
        """Until all of them were printed since the last wait."""
        end = time.monotonic() + LIMIT_S
        while not all(word in self._seen for word in words):
            ready, _, _ = select.select([self._terminal], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"no {words} in: {self._seen!r}"
            self._seen += os.read(self._terminal, 65536).decode(errors="replace")
        self._seen = ""


@contextmanager
def zsh(project: Path) -> Iterator[Shell]:
    ours, theirs = pty.openpty()
    environment = {
        **os.environ, "PATH": f"{project / 'bin'}:{os.environ['PATH']}", "TERM": "xterm", "PS1": "",
        "ZDOTDIR": str(project), "COLUMNS": "100",
    }  # fmt: skip
    process = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=project, env=environment, start_new_session=True,
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield Shell(ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_the_scripts_that_are_shipped_are_what_the_parsers_make() -> None:
    for name, text in scripts().items():
        assert (DIRECTORY / name).read_text() == text, "run: make completions"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_command_prints_the_script(project: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "supervisor.cli.main", "completion", shell],
        capture_output=True, text=True, timeout=LIMIT_S, check=True,
    )  # fmt: skip
    assert done.stdout == (DIRECTORY / f"longwatch.{shell}").read_text()


def test_bash_completes_verbs_options_and_choices(project: Path) -> None:
    assert bash(project, "stat") == ["status"]
    assert set(bash(project, "re")) >= {"restart", "requests", "resume"}
    assert "--headless" in bash(project, "run", "--h")
    assert bash(project, "config", "ch") == ["check"]


def test_bash_completes_the_names_of_the_directory_it_stands_in(project: Path) -> None:
    assert set(bash(project, "why", "ni")) == {"nightly", "night-watch"}
    assert bash(project, "logs", "nightl") == ["nightly"]


def test_bash_completes_the_names_of_the_directory_that_is_named(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert bash(project, "-C", str(project), "why", "ni", cwd=elsewhere) != []
    assert bash(project, "why", "ni", cwd=elsewhere) == []


def test_a_name_that_a_shell_would_run_is_never_offered(project: Path) -> None:
    (project / "config.toml").write_text('[agents."$(touch owned)"]\ncommand = ["true"]\n')
    bash(project, "why", "")
    assert not (project / "owned").exists()


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("way", ["source {script}", 'eval "$(longwatch completion zsh)"'])
def test_zsh_completes_verbs_and_names_at_a_press_of_tab(project: Path, way: str) -> None:
    with zsh(project) as shell:
        shell.type("autoload -U compinit; compinit -u -D\n")
        shell.type(way.format(script=DIRECTORY / "longwatch.zsh") + "; echo load''ed\n")
        shell.wait_for("loaded")
        shell.type("longwatch chec\t")
        shell.wait_for("checkpoints")
        shell.type("\x15longwatch why ni\t\t")
        shell.wait_for("nightly", "night-watch")


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes_verbs_and_names(project: Path) -> None:
    load = f"source {DIRECTORY / 'longwatch.fish'}"
    assert "status" in in_shell(
        project, ["fish", "-N", "-c", f"{load}; complete -C 'longwatch st'"]
    )
    found = in_shell(project, ["fish", "-N", "-c", f"{load}; complete -C 'longwatch why ni'"])
    assert {"nightly", "night-watch"} <= set(found)


def test_the_script_for_fish_names_every_verb_and_quotes_what_it_says() -> None:
    lines = (DIRECTORY / "longwatch.fish").read_text().splitlines()
    offered = [line for line in lines if line.startswith("complete ")]
    assert any(" -a answer -d " in line for line in offered)
    assert all(line.count("'") % 2 == line.count("\\'") % 2 for line in offered)

"""The other machine has another version of longwatch: said, and handled."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from sshd_box import REPOSITORY, Box, program

from supervisor import __version__

AGENT = '[agents.sleeper]\ncommand = ["sleep", "600"]\n'


def other_version(directory: Path, version: str, protocol: int) -> Path:
    """A whole longwatch of that version; returns its program."""
    parent = directory / f"v{version}-{protocol}"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "supervisor", parent / "supervisor", ignore=ignored)
    for file, before, after in (
        ("__init__.py", f'__version__ = "{__version__}"', f'__version__ = "{version}"'),
        ("control/messages.py", "PROTOCOL = 1\n", f"PROTOCOL = {protocol}\n"),
    ):
        path = parent / "supervisor" / file
        text = path.read_text()
        assert before in text
        path.write_text(text.replace(before, after))
    return program(parent / "longwatch", parent)


class There:
    """A machine whose longwatch is another one."""

    def __init__(self, project: Any, box: Box, version: str, protocol: int) -> None:
        self.project = project
        self.here = box.directory / f"here-{version}-{protocol}"
        self.here.mkdir()
        self.environment = box.environment()
        far = other_version(box.directory, version, protocol)
        project.configure(AGENT)
        (self.here / "config.toml").write_text(
            f'[hosts.far]\naddress = "box"\ndirectory = "{project.directory}"\n'
            f'command = ["{far}"]\n'
        )

    def run(self, *words: str, check: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.project.command("--host", "far", *words), check=False, cwd=self.here,
            env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
            timeout=60,
        )  # fmt: skip
        assert done.returncode == check, (words, done.stdout, done.stderr)
        return done


def test_another_version_with_the_same_protocol_works_and_is_said(project: Any, box: Box) -> None:
    there = There(project, box, "99.1", 1)
    there.run("up")
    started = there.run("start", "sleeper", "--json")
    assert f"far runs longwatch 99.1, here is {__version__}" in started.stderr
    assert json.loads(started.stdout)["runs"][0]["action"] == "started"
    assert "sleeper: stopped" in there.run("stop", "sleeper").stdout


def test_another_protocol_is_for_looking_only(project: Any, box: Box) -> None:
    there = There(project, box, "99.2", 2)
    there.run("up")
    looked = there.run("status", "--json")
    assert json.loads(looked.stdout)["engine"]["protocol"] == 2
    assert "looking only; to act, upgrade longwatch on this machine" in looked.stderr
    refused = there.run("start", "sleeper", check=1).stderr
    assert "start is refused: this client speaks another protocol and may only look" in refused
    assert json.loads(there.run("status", "--json").stdout)["runs"] == []
    there.run("down")

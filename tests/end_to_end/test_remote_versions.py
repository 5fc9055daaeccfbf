"""The other machine has another version of longwatch: said, and handled."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sshd_box import REPOSITORY, Box, program

from supervisor import __version__
from supervisor.control.host import RemoteHost
from supervisor.tui.app import LongwatchApp
from supervisor.tui.remote import HostBackend

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
        self.program = far = other_version(box.directory, version, protocol)
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

    async def look_in_the_interface(self) -> None:
        """It shows the agents, says why it only looks, and is refused when it acts."""
        ssh = tuple(shlex.split(self.environment["LONGWATCH_SSH"]))
        directory = str(self.project.directory)
        host = RemoteHost("far", "box", directory, command=(str(self.program),), ssh=ssh)
        app = LongwatchApp({"far": HostBackend(host)})
        async with app.run_test(size=(160, 30)) as pilot:

            async def until(words: str) -> None:
                for _ in range(1000):
                    await pilot.pause()
                    strips = app.screen._compositor.render_strips()
                    text = "\n".join("".join(part.text for part in strip) for strip in strips)
                    if words in text:
                        return
                    await asyncio.sleep(0.02)
                pytest.fail(f"never {words!r}:\n{text}")

            await until("sleeper")
            await until("looking only")
            await until("upgrade longwatch on this machine")
            await pilot.press("s")
            await until("this client speaks another protocol and may only look")


def test_another_version_with_the_same_protocol_works_and_is_said(project: Any, box: Box) -> None:
    there = There(project, box, "99.1", 1)
    there.run("up")
    started = there.run("start", "sleeper", "--json")
    assert f"far runs longwatch 99.1, here is {__version__}" in started.stderr
    assert json.loads(started.stdout)["runs"][0]["action"] == "started"
    assert "sleeper: stopped" in there.run("stop", "sleeper").stdout


async def test_another_protocol_is_for_looking_only(project: Any, box: Box) -> None:
    there = There(project, box, "99.2", 2)
    there.run("up")
    looked = there.run("status", "--json")
    assert json.loads(looked.stdout)["engine"]["protocol"] == 2
    assert "looking only; to act, upgrade longwatch on this machine" in looked.stderr
    refused = there.run("start", "sleeper", check=1).stderr
    assert "start is refused: this client speaks another protocol and may only look" in refused
    assert json.loads(there.run("status", "--json").stdout)["runs"] == []
    await there.look_in_the_interface()
    there.run("down")

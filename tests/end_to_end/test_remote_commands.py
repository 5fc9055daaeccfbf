"""``--host``: every command over a real sshd."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from sshd_box import Box

ASKING = """
from supervisor.agent import Agent
with Agent() as agent:
    print("working", flush=True)
    answer = agent.approve("Publish it?", action={"argv": ["publish"]})
    print("answered", bool(answer), flush=True)
"""


class Far:
    """The longwatch command here, acting there."""

    def __init__(self, project: Any, box: Box, **changes: str) -> None:
        self.project = project
        self.environment = box.environment(**changes)
        self.here = box.directory / "here"
        self.here.mkdir(exist_ok=True)
        self.where = f"box:{project.directory}"

    def run(self, *words: str, check: int | None = 0, host: str = "") -> Any:
        command = self.project.command("--host", host or self.where, *words)
        done = subprocess.run(
            command, check=False, cwd=self.here, env=self.environment, capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=60,
        )  # fmt: skip
        if check is not None:
            assert done.returncode == check, (words, done.returncode, done.stdout, done.stderr)
        return done


def test_the_commands_act_on_the_engine_of_the_other_machine(project: Any, box: Box) -> None:
    script = project.script("asking.py", ASKING)
    project.configure(f"[agents.asker]\ncommand = {json.dumps(['{python}', str(script)])}\n")
    far = Far(project, box)
    nothing = far.run("status", check=4)
    assert "nothing runs for" in nothing.stderr and "on box" in nothing.stderr
    up = json.loads(far.run("up", "--json").stdout)
    assert up["started"] is True
    far.run("start", "asker")
    project.wait("a request", lambda: json.loads(far.run("requests", "--json").stdout)["requests"])
    request = json.loads(far.run("requests", "--json").stdout)["requests"][0]
    hint = f"longwatch --host {far.where} answer {request['id']} --allow"
    assert hint in far.run("requests").stdout, "what is shown to be typed works from here"
    assert request["title"] == "Publish it?"
    far.run("answer", request["id"], "--allow", "--hash", request["hash"])
    project.wait_for("asker", "succeeded")
    status = json.loads(far.run("status", "--json").stdout)
    assert [run["status"] for run in status["runs"]] == ["succeeded"]
    assert status["engine"]["directory"] == str(project.directory)
    assert "answered True" in far.run("logs", "asker").stdout
    assert "RunSucceeded" in far.run("events", "--json").stdout
    assert far.run("status", "nobody", check=1).stderr.startswith("longwatch: no run of 'nobody'")
    far.run("down")
    far.run("status", check=4)


def test_a_headless_run_starts_the_engine_there_and_follows(project: Any, box: Box) -> None:
    project.configure('[agents.short]\ncommand = ["sh", "-c", "echo done"]\n')
    far = Far(project, box)
    done = far.run("run", "short", "--headless")
    assert "short: succeeded" in done.stdout
    assert not any(Path(far.here).iterdir()), "nothing of it is kept on this side"


def test_what_is_wrong_with_the_way_is_said_with_what_to_do(project: Any, box: Box) -> None:
    far = Far(project, box)

    def said(**changes: str) -> str:
        far.environment = box.environment(**changes)
        return str(far.run("status", check=1).stderr)

    refused = said(IdentityFile=f"{box.directory}/other_key")
    assert "box refused the key" in refused and "ssh-copy-id box" in refused
    unknown = said(UserKnownHostsFile="/dev/null")
    assert "the key of box is not known here yet" in unknown and "ssh box" in unknown
    assert "nothing accepts ssh at box" in said(Port="1")
    nowhere = said(HostName="no-such-machine.invalid")
    assert "no machine is called box" in nowhere
    far.environment = {**far.environment, "LONGWATCH_SSH": "/nowhere/ssh"}
    assert "cannot run /nowhere/ssh" in far.run("status", check=1).stderr
    assert "expected user@box" in far.run("status", check=2, host="box;id").stderr


def test_a_directory_without_a_project_is_said_as_it_is_there(project: Any, box: Box) -> None:
    far = Far(project, box)
    missing = far.run("status", check=2, host="box:/no/such/place")
    assert "on box: no directory /no/such/place" in missing.stderr


def test_a_machine_without_longwatch_is_told_from_one_without_an_engine(
    project: Any, box: Box
) -> None:
    project.configure('[agents.a]\ncommand = ["true"]\n')
    far = Far(project, box)
    (far.here / "config.toml").write_text(
        f'[hosts.bare]\naddress = "box"\ndirectory = "{project.directory}"\n'
        'command = ["/nowhere/longwatch"]\n'
        f'[hosts.other]\naddress = "box"\ncommand = ["echo", "welcome"]\n'
    )
    try:
        bare = far.run("status", check=1, host="bare").stderr
        assert "longwatch is not installed on bare" in bare and "[hosts.bare] command" in bare
        other = far.run("status", check=1, host="other").stderr
        assert "what answered on other is not longwatch" in other and "welcome" in other
    finally:
        (far.here / "config.toml").unlink()

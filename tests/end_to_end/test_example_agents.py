"""The examples of docs/agents.md under the real supervisor, and that the page quotes them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "agents" / "examples"
PROGRAMS = {"py": ["{python}"], "sh": ["bash"], "mjs": ["node"]}
NEEDED = {"py": [], "sh": ["bash", "jq"], "mjs": ["node"]}


def needs(kind: str) -> None:
    for program in NEEDED[kind]:
        if not shutil.which(program):
            pytest.skip(f"needs {program}, which is not installed")


def release(fifo: Path, data: bytes) -> bool:
    """Write ``data`` to whoever reads ``fifo``; False while nobody does."""
    try:
        descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return False
    os.write(descriptor, data)
    os.close(descriptor)
    return True


def has_done_two(project: Any) -> bool:
    """Two files are in what a restart goes on from: the journal of the SDK, or the checkpoint."""
    run = project.status_of("sums")
    if "id" not in run:
        return False
    run_dir = project.run_dir(run)
    journal, checkpoint = run_dir / "journal.jsonl", run_dir / "checkpoint.json"
    if journal.exists():
        return len(journal.read_text().splitlines()) == 3  # the listing is a step too
    return checkpoint.exists() and len(json.loads(checkpoint.read_text())) == 2


def sums(files: dict[str, bytes]) -> str:
    return "".join(f"{hashlib.sha256(data).hexdigest()}  in/{n}\n" for n, data in files.items())


@pytest.mark.parametrize("kind", PROGRAMS)
def test_an_example_goes_on_after_a_crash_and_publishes_once_it_is_allowed(
    project: Any, kind: str
) -> None:
    needs(kind)
    inputs = project.directory / "in"
    inputs.mkdir()
    (inputs / "a").write_bytes(b"first")
    (inputs / "b b").write_bytes("zwei ü".encode())
    os.mkfifo(inputs / "c")  # the third file blocks until somebody writes it
    command = json.dumps([*PROGRAMS[kind], str(EXAMPLES / f"checksums.{kind}"), "in"])
    retry = "[agents.sums.retry]\nbase_delay_seconds = 0\n"
    project.configure(f"[agents.sums]\ncommand = {command}\n{retry}")
    project.run("up")
    project.run("start", "sums")
    project.wait("two files done", lambda: has_done_two(project))
    (inputs / "a").write_bytes(b"changed since: who reads it again, publishes another sum")
    os.kill(project.status_of("sums")["pid"], signal.SIGKILL)
    project.wait("a second attempt", lambda: project.status_of("sums")["attempt"] == 2)
    project.wait("somebody to read the third", lambda: release(inputs / "c", b"third"))

    project.wait_for("sums", "parked", "failed", "held")
    (request,) = project.json("requests")["requests"]
    expected = sums({"a": b"first", "b b": "zwei ü".encode(), "c": b"third"})
    assert request["title"] == "Publish 3 checksums?"
    assert request["action"] == {
        "write": "SHA256SUMS", "sha256": hashlib.sha256(expected.encode()).hexdigest()
    }  # fmt: skip
    assert not (project.directory / "SHA256SUMS").exists()
    project.run("answer", request["id"], "--allow")
    run = project.wait_for("sums", "succeeded", "failed", "held")
    assert run["status"] == "succeeded", project.run("logs", "sums", "--stderr").stdout
    assert (project.directory / "SHA256SUMS").read_text() == expected


@pytest.mark.parametrize("kind", ["sh", "mjs"])
def test_an_example_takes_no_answer_to_another_question(tmp_path: Path, kind: str) -> None:
    needs(kind)
    run = tmp_path / "run"
    (run / "answers").mkdir(parents=True)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("x")
    program = [sys.executable if part == "{python}" else part for part in PROGRAMS[kind]]

    def start() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*program, str(EXAMPLES / f"checksums.{kind}"), "in"],
            cwd=tmp_path, env={"PATH": os.environ["PATH"], "LONGWATCH_RUN_DIR": str(run)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert start().returncode == 75
    (asked,) = (run / "requests").iterdir()
    answer = run / "answers" / asked.name
    answer.write_text(json.dumps({"request_sha256": "0" * 64, "allow": True}))
    refused = start()
    assert refused.returncode == 65 and "another question" in refused.stderr
    assert not (tmp_path / "SHA256SUMS").exists()


def test_the_page_quotes_the_examples_as_they_are() -> None:
    page = (ROOT / "docs" / "agents.md").read_text()
    for kind, language in (("py", "python"), ("sh", "bash"), ("mjs", "js")):
        quoted = f"```{language}\n{(EXAMPLES / f'checksums.{kind}').read_text()}```\n"
        assert quoted in page, f"docs/agents.md does not quote checksums.{kind} as it is"

"""The command line as a script meets it: exit status, messages, JSON, start-up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supervisor import __version__
from supervisor.cli.verbs import VERBS

TIMEOUT_S = 60
BAD = '[agents.a]\ncomand = ["x"]\ntimeout = "soon"\n'
GOOD = '[agents.a]\ncommand = ["true"]\n'


def longwatch(
    *words: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supervisor.cli.main", *words],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_the_version_is_printed_quickly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spans = []
    for _ in range(3):
        before = time.perf_counter()
        done = longwatch("--version", cwd=tmp_path)
        spans.append(time.perf_counter() - before)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"longwatch {__version__}\n", "")
    with capsys.disabled():
        print(f"\nlongwatch --version: {min(spans) * 1000:.0f} ms at best of 3")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["statsu"], 2, "Did you mean: longwatch status?"),
        (["xyzzy"], 2, "See: longwatch --help"),
        (["-X", "status"], 2, "unrecognized arguments: -X"),
        (["config"], 2, "See: longwatch config --help"),
        (["config", "chek"], 2, "check"),
        (["config", "check", "--jsno"], 2, "Did you mean --json?"),
        (["-C"], 2, "expected one argument"),
        (["-C", "/nowhere/at/all", "config", "check"], 2, "no directory /nowhere/at/all"),
        (["config", "check"], 2, "longwatch init --demo"),
        (["status"], 2, "longwatch init --demo"),
        (["--host", "me@box;id", "config", "check"], 2, "expected user@box or user@box:dir"),
        (["config", "check", "--host", "me@-box -x"], 2, "expected user@box or user@box:dir"),
        (["--host", "a@b", "--host", "c@d", "status"], 2, "this command takes one --host, found 2"),
        (["--host", "me@box"], 2, "needs a terminal"),
        (["serve", "--port", "99999"], 2, "expected 0 to 65535"),
        ([], 2, "needs a terminal"),
    ],
)
def test_wrong_use_exits_2_with_what_to_do_and_no_traceback(
    tmp_path: Path, words: list[str], status: int, said: str
) -> None:
    done = longwatch(*words, cwd=tmp_path)
    assert done.returncode == status
    assert said in done.stderr and done.stderr.startswith("longwatch")
    assert done.stdout == "" and "Traceback" not in done.stderr


def test_help_goes_to_standard_output_and_names_every_verb(tmp_path: Path) -> None:
    for words in (["--help"], ["-h"], ["help"]):
        done = longwatch(*words, cwd=tmp_path)
        assert done.returncode == 0 and done.stderr == ""
        assert all(f"\n  {verb.name} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", ["config", "init", "doctor"])
def test_each_verb_without_an_engine_has_help(tmp_path: Path, verb: str) -> None:
    done = longwatch(verb, "--help", cwd=tmp_path)
    assert done.returncode == 0 and f"usage: longwatch {verb}" in done.stdout


def test_config_check_of_a_good_file_exits_0(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(GOOD)
    below = tmp_path / "below"
    below.mkdir()
    done = longwatch("config", "check", cwd=below)
    assert done.returncode == 0 and "1 agent, no errors" in done.stdout


def test_config_check_of_a_bad_file_says_every_error_and_exits_2(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(BAD)
    done = longwatch("config", "check", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "longwatch: 3 problems in the configuration"
    assert [line.split(": ")[0] for line in lines[1:]] == [
        "config.toml:1", "config.toml:2", "config.toml:3",
    ]  # fmt: skip
    assert 'Did you mean "command"?' in done.stderr


def test_config_check_json_is_on_standard_output_with_the_same_status(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(BAD)
    done = longwatch("-C", str(tmp_path), "config", "check", "--json", cwd=Path("/"))
    told = json.loads(done.stdout)
    assert done.returncode == 2 and done.stderr == "" and told["ok"] is False
    assert {"file", "line", "key", "found", "expected", "fix", "severity", "message"} <= set(
        told["problems"][0]
    )
    (tmp_path / "config.toml").write_text(GOOD)
    done = longwatch("config", "check", "--json", "-C", str(tmp_path), cwd=Path("/"))
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"], told["agents"]) == (0, True, ["a"])


def test_the_schema_names_every_key_of_an_agent(tmp_path: Path) -> None:
    done = longwatch("config", "schema", cwd=tmp_path)
    schema = json.loads(done.stdout)
    keys = schema["$defs"]["AgentTable"]["properties"]
    assert done.returncode == 0
    assert {"command", "timeout", "retry", "env", "unattended", "description"} <= set(keys)
    assert schema["$defs"]["AgentTable"]["additionalProperties"] is False


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    line = f"{sys.executable} -m supervisor.cli.main config schema | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", "")


def test_a_full_disk_behind_standard_output_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "supervisor.cli.main", "--version"],
            cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    assert done.returncode == 1 and "cannot write the output" in done.stderr
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr


def test_an_ascii_terminal_gets_escapes_and_no_crash(tmp_path: Path) -> None:
    env = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = longwatch("--help", cwd=tmp_path, env=env)
    assert done.returncode == 0 and "usage: longwatch" in done.stdout


def test_the_commands_for_an_engine_load_neither_pydantic_nor_the_interface(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.toml").write_text(GOOD)
    code = (
        "import sys; from supervisor.cli.main import main; main(['status'])\n"
        "print(sorted({'pydantic', 'textual', 'supervisor.config.load'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"

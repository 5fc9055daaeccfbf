"""What an agent gets of our environment, and what a failed one's last words give away."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.paths import Project
from supervisor.core.moment import Moment
from supervisor.core.redact import Redactor
from supervisor.core.run import Attempt, RunState, Status
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy
from supervisor.engine.agent_environment import build_environment
from supervisor.engine.last_words import MAX_LINES, last_words

RUN_ID = "01J0000000000000000000ABCD"
NOW = Moment(1_800_000_000.0, 1.0, "boot")


def a_run() -> RunState:
    spec = AgentSpec(
        name="a",
        command=("true",),
        cwd="/",
        autostart=False,
        checkpoint="checkpoint.json",
        timeout_s=None,
        attempt_timeout_s=None,
        stall_timeout_s=None,
        stop_signal="TERM",
        stop_grace_s=10.0,
        restart=Restart.ON_FAILURE,
        retry=RetryPolicy(
            max_retries=5,
            base_delay_s=0.5,
            max_delay_s=30.0,
            exponential_base=2.0,
            jitter_fraction=0.0,
            crash_loop_deaths=6,
            crash_loop_window_s=600.0,
        ),
        env={"REPORT": "full", "SIGNING_SECRET": "written-down"},
        env_pass=("ANTHROPIC_API_KEY",),
    )
    return RunState(
        id=RUN_ID,
        agent="a",
        spec=spec,
        created_at=NOW.wall,
        status=Status.RUNNING,
        reason="",
        status_since=NOW,
        epoch=2,
        attempt=2,
        attempts=(Attempt(2, 2, time.time()),),
    )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    found = Project(tmp_path.resolve())
    found.ensure()
    found.ensure_run(RUN_ID)
    return found


def test_only_what_is_allowed_or_named_reaches_an_agent() -> None:
    own = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "ANTHROPIC_API_KEY": "passed",
        "AWS_SECRET_ACCESS_KEY": "not-for-you",
        "GITHUB_TOKEN": "nor-this",
        "SSH_AUTH_SOCK": "/tmp/agent",
        "LONGWATCH_KEEPER_FD": "3",
        "LD_PRELOAD": "evil.so",
    }
    env = build_environment(own, a_run(), Path("/runs/x"), None, NOW)
    assert {"AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SSH_AUTH_SOCK"}.isdisjoint(env)
    assert {"LONGWATCH_KEEPER_FD", "LD_PRELOAD", "LONGWATCH_RESUME_FROM"}.isdisjoint(env)
    assert (env["PATH"], env["ANTHROPIC_API_KEY"], env["REPORT"]) == ("/bin", "passed", "full")
    assert (env["LONGWATCH_RUN_ID"], env["LONGWATCH_EPOCH"]) == (RUN_ID, "2")


def test_last_words_are_few_clean_and_without_secrets(project: Project) -> None:
    lines = [f"line {number}" for number in range(100)]
    lines += ["\x1b]52;c;ZXZpbA==\x07", "key is passed-down, signed with written-down"]
    project.err_log(RUN_ID).write_text("\n".join(lines) + "\n")
    known = {"passed-down": "ANTHROPIC_API_KEY", "written-down": "SIGNING_SECRET"}
    words = last_words(project, a_run(), Redactor(known).text)
    assert len(words) == MAX_LINES
    assert words[-1] == "key is [redacted ANTHROPIC_API_KEY], signed with [redacted SIGNING_SECRET]"
    assert all(word.isprintable() for word in words)


def test_last_words_come_from_standard_output_when_there_is_no_error(project: Project) -> None:
    project.out_log(RUN_ID).write_bytes(b"\xff\xfe\0said on the way out\n" + b"\0" * 5000)
    assert "said on the way out" in " ".join(last_words(project, a_run(), str))


def test_last_words_are_none_without_output_or_of_an_earlier_attempt_or_through_a_link(
    project: Project, tmp_path: Path
) -> None:
    assert last_words(project, a_run(), str) == ()
    log = project.err_log(RUN_ID)
    log.write_text("old\n")
    os.utime(log, (1000.0, 1000.0))
    assert last_words(project, a_run(), str) == ()
    log.unlink()
    (tmp_path / "elsewhere").write_text("secret of another file\n")
    log.symlink_to(tmp_path / "elsewhere")
    assert last_words(project, a_run(), str) == ()
    log.unlink()
    os.mkfifo(log)
    assert last_words(project, a_run(), str) == ()


def test_an_attempt_is_told_which_sleeps_are_over_as_long_as_they_are_ahead() -> None:
    ahead = NOW.wall + 0.1 + 0.2
    run = replace(a_run(), woken=(NOW.wall - 1.0, ahead))
    env = build_environment({}, run, Path("/r"), None, NOW)
    assert float(env["LONGWATCH_WOKEN"]) == ahead
    assert "LONGWATCH_WOKEN" not in build_environment({}, a_run(), Path("/r"), None, NOW)

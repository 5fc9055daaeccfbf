"""Which logs are looked at and when they are cut, with real files under a real flood."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.paths import Project
from supervisor.core.run import FINAL, RunState
from supervisor.engine.log_bounds import LogBounds
from supervisor.process.output import Kept
from tests.core.builders import RUN_ID, Story, a_spec

CAP = 256 * 1024
OTHER = RUN_ID[:-1] + "F"


class SomeRuns:
    """The runs that are not over."""

    def __init__(self, *states: RunState) -> None:
        self.known = list(states)

    def active(self) -> list[RunState]:
        return [state for state in self.known if state.status not in FINAL]

    def states(self) -> Iterator[RunState]:
        return iter(self.known)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config.toml").touch()
    found = Project.find(tmp_path)
    found.ensure()
    for run_id in (RUN_ID, OTHER):
        found.ensure_run(run_id)
    return found


def a_run(cap: int = CAP) -> RunState:
    return Story(a_spec(log_cap_bytes=cap)).start().state


def fill(path: Path, size: int) -> None:
    path.write_bytes(b"0123456789abcde\n" * (size // 16))


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


async def until(what: str, condition: Callable[[], bool], limit_s: float = 15.0) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, what
        await asyncio.sleep(0.02)


async def test_output_and_errors_of_living_runs_and_our_own_logs_are_bounded(
    project: Project,
) -> None:
    logs = [project.out_log(RUN_ID), project.err_log(RUN_ID)]
    for log in logs:
        fill(log, 4 * CAP)
    fill(project.engine_log, 17 * 1024 * 1024)
    await LogBounds(project, SomeRuns(a_run())).look_at_all()
    assert [on_disk(log) <= CAP for log in logs] == [True, True]
    assert on_disk(project.engine_log) <= 16 * 1024 * 1024


async def test_each_run_has_its_own_cap_and_a_changed_one_applies(project: Project) -> None:
    small, large = project.out_log(RUN_ID), project.out_log(OTHER)
    fill(small, 3 * CAP)
    fill(large, 3 * CAP)
    runs = SomeRuns(a_run(), replace(a_run(8 * CAP), id=OTHER))
    bounds = LogBounds(project, runs)
    await bounds.look_at_all()
    assert on_disk(small) <= CAP and on_disk(large) >= 3 * CAP
    runs.known[1] = replace(a_run(), id=OTHER)
    await bounds.look_at_all()
    assert on_disk(large) <= CAP


async def test_what_was_written_between_the_last_look_and_the_end_is_bounded_too(
    project: Project,
) -> None:
    runs = SomeRuns(a_run())
    bounds = LogBounds(project, runs)
    await bounds.look_at_all()
    fill(project.out_log(RUN_ID), 4 * CAP)
    runs.known.clear()
    await bounds.look_at_all()
    assert on_disk(project.out_log(RUN_ID)) <= CAP


async def test_a_log_that_was_flooded_while_no_engine_lived_is_bounded_at_the_start(
    project: Project,
) -> None:
    fill(project.out_log(RUN_ID), 4 * CAP)
    story = Story(a_spec(log_cap_bytes=CAP)).start()
    story.exits(0)
    await LogBounds(project, SomeRuns(story.state)).look_at_all()
    assert on_disk(project.out_log(RUN_ID)) <= CAP


async def test_a_flood_is_held_near_its_cap_while_it_goes_on(project: Project) -> None:
    log, cap = project.out_log(RUN_ID), 4 * 1024 * 1024
    following = asyncio.create_task(LogBounds(project, SomeRuns(a_run(cap))).follow())
    flood = "import sys\nblock = b'x' * 65536\nwhile True: sys.stdout.buffer.write(block)"
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    writer = subprocess.Popen([sys.executable, "-I", "-S", "-c", flood], stdout=descriptor)
    try:
        await until("the flood", lambda: log.stat().st_size > 40 * cap)
    finally:
        writer.kill()
        writer.wait()
        os.close(descriptor)
    await until("the log to be bounded", lambda: on_disk(log) <= cap)
    following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following


async def test_a_file_that_cannot_be_bounded_is_said_once_and_stops_nobody(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def cut(path: str, _cap_bytes: int) -> Kept | None:
        asked.append(path)
        raise OSError(5, "Input/output error")

    for log in (project.out_log(RUN_ID), project.err_log(RUN_ID)):
        fill(log, 2 * CAP)
    bounds = LogBounds(project, SomeRuns(a_run()), cut)
    for _ in range(3):
        await bounds.look_at_all()
    assert len(asked) == 6
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "cannot be bounded" in said[0]


async def test_a_log_within_its_cap_is_never_opened(project: Project) -> None:
    fill(project.out_log(RUN_ID), CAP)
    asked: list[str] = []
    bounds = LogBounds(
        project,
        SomeRuns(a_run()),
        lambda path, _cap_bytes: asked.append(path),  # type: ignore[func-returns-value]
    )
    await bounds.look_at_all()
    assert asked == []

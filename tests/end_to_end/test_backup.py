"""``longwatch backup``: a copy taken while agents work, and going on from it in another place."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

COUNTER = """
import os, time
from supervisor.agent import Agent

def double(item):
    with open("steps", "a") as file:
        file.write(f"{item}\\n")
    return item * 2

with Agent() as agent:
    total = 0
    for item in agent.track(list(range(40)), stage="count", unit="items"):
        total += agent.step(double, item)
        while item == int(os.environ["STOP_AT"]) and not os.path.exists("go"):
            time.sleep(0.02)
    print("sum", total, flush=True)
"""
ASKING = """
from supervisor.agent import Agent

with Agent() as agent:
    print("yes" if agent.approve("Publish?", action={"argv": ["true"]}) else "no", flush=True)
"""


def configure(project: Any, stop_at: int) -> None:
    project.script("count.py", COUNTER)
    project.script("ask.py", ASKING)
    project.configure(
        '[agents.count]\ncommand = ["{python}", "count.py"]\n'
        f'env = {{ STOP_AT = "{stop_at}" }}\n'
        '[agents.asker]\ncommand = ["{python}", "ask.py"]\n'
    )


def lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def stands_at_25(project: Any) -> Any:
    steps = project.directory / "steps"
    run = project.status_of("count")
    return run.get("checkpoint") and steps.exists() and "\n25\n" in steps.read_text() and run


def restored(copy: Path, project: Any) -> None:
    """What docs/operations.md says: the state into a directory that has the scripts."""
    shutil.copytree(copy / ".longwatch", project.directory / ".longwatch", symlinks=True)
    configure(project, 25)


def test_a_copy_of_a_working_project_goes_on_elsewhere_and_the_first_one_never_notices(
    projects: Callable[[], Any], tmp_path: Path
) -> None:
    first, second = projects(), projects()
    configure(first, 25)
    first.run("up")
    first.run("start", "count", "asker")
    first.wait_for("asker", "parked")
    stood = first.wait("the item it waits at", lambda: stands_at_25(first))

    copy = tmp_path / "copy"
    told = json.loads(first.run("backup", str(copy), "--json").stdout)
    assert told["left_out"] == [] and told["files"] > 5
    assert sorted(path.name for path in copy.iterdir()) == [".longwatch", "config.toml"]
    assert not list(copy.rglob("*.sock")) and not list(copy.rglob("keeper.lock"))

    restored(copy, second)
    second.run("up")
    (second.directory / "go").touch()
    done = second.wait_for("count", "succeeded", "failed", "held")
    assert (done["status"], done["id"]) == ("succeeded", stood["id"])
    steps = [int(line) for line in (second.directory / "steps").read_text().split()]
    assert steps == list(range(26, 40)), "completed steps came over, the rest was done here"
    (request,) = second.json("requests")["requests"]
    second.run("answer", request["id"], "--allow", "--hash", request["hash"])
    assert second.wait_for("asker", "succeeded", "failed")["status"] == "succeeded"
    assert second.run("audit", "verify").returncode == 0

    # Same pid, same boot, same start time in both stores: it is the first one's all the same.
    still = first.status_of("count")
    assert (still["pid"], still["attempt"]) == (stood["pid"], 1) and lives(still["pid"])
    (first.directory / "go").touch()
    assert first.wait_for("count", "succeeded", "failed")["status"] == "succeeded"
    assert "sum 1560" in first.run("logs", "count").stdout


def test_a_moved_project_finds_its_agents_at_work(project: Any) -> None:
    configure(project, 5)
    project.run("up")
    project.run("start", "count")
    before = project.wait_for("count", "running")
    project.run("down")
    old = project.directory
    moved = old.with_name(f"{old.name}-moved")
    old.rename(moved)
    project.directory = moved
    try:
        project.run("up")
        after = project.wait_for("count", "running")
        assert (after["pid"], after["attempt"]) == (before["pid"], 1)
        project.run("stop", "count")
        assert not lives(before["pid"])
        project.run("down", "--stop-agents")
    finally:
        moved.rename(old)
        project.directory = old


def test_hostile_files_of_an_agent_neither_stop_the_copy_nor_lead_out_of_it(
    project: Any, tmp_path: Path
) -> None:
    project.configure('[agents.a]\ncommand = ["true"]\n')
    project.run("run", "--headless", "a")
    (run_dir,) = (project.directory / ".longwatch" / "runs").iterdir()
    secret = tmp_path / "secret"
    secret.write_text("not in the copy")
    (run_dir / "door").symlink_to(secret)
    (run_dir / "house").symlink_to(tmp_path)
    os.mkfifo(run_dir / "pipe")
    (run_dir / "\udcff\n\x1b[2J").write_text("odd")
    deep = run_dir
    for _ in range(70):
        deep = deep / "d"
        deep.mkdir()
    with (run_dir / "sparse").open("wb") as file:
        file.truncate(1 << 30)
        file.seek(1 << 29)
        file.write(b"middle")

    copy = tmp_path / "copy"
    told = json.loads(project.run("backup", str(copy), "--json").stdout)
    reasons = sorted(line.rpartition(": ")[2] for line in told["left_out"])
    assert reasons == ["a link", "a link", "more than 64 folders deep", "not a regular file"]
    names = {path.name for path in copy.rglob("*")}
    assert "\udcff\n\x1b[2J" in names and not names & {"door", "house", "pipe", "secret"}
    (sparse,) = copy.rglob("sparse")
    assert sparse.stat().st_size == 1 << 30 and sparse.stat().st_blocks < 4096
    with sparse.open("rb") as file:
        file.seek(1 << 29)
        assert file.read(6) == b"middle"
    said = project.run("backup", str(tmp_path / "again")).stdout
    assert "left out:" in said and "\x1b" not in said


def test_a_copy_replaces_nothing_and_a_failed_one_leaves_nothing(
    project: Any, tmp_path: Path
) -> None:
    project.configure('[agents.a]\ncommand = ["true"]\n')
    project.run("run", "--headless", "a")
    (tmp_path / "there").mkdir()
    for target, said in (
        (tmp_path / "there", "exists"),
        (tmp_path / "no" / "where", "no directory"),
        (project.directory / ".longwatch" / "x", "inside of what is copied"),
    ):
        assert said in project.run("backup", str(target), check=2).stderr
    project.run("down", check=None)
    database = project.directory / ".longwatch" / "state.db"
    database.write_bytes(database.read_bytes()[:5000] + b"\0" * 5000)
    for side in ("-wal", "-shm"):
        Path(f"{database}{side}").unlink(missing_ok=True)
    failed = project.run("backup", str(tmp_path / "bad"), check=1)
    assert "state.db" in failed.stderr and "Traceback" not in failed.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there"]


def test_the_copied_database_stands_alone(project: Any, tmp_path: Path) -> None:
    project.configure('[agents.a]\ncommand = ["true"]\n')
    project.run("run", "--headless", "a")
    project.run("up")
    project.run("backup", str(tmp_path / "copy"))
    state = tmp_path / "copy" / ".longwatch"
    assert not list(state.glob("state.db-*"))
    assert (state.stat().st_mode & 0o777, (state / "state.db").stat().st_mode & 0o777) == (
        0o700, 0o600,
    )  # fmt: skip
    with sqlite3.connect(state / "state.db") as copy:
        assert copy.execute("SELECT count(*) FROM runs").fetchone() == (1,)

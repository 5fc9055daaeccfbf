"""The Ralph loop with a deterministic stand-in for the agent, as real processes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).parents[2]
STAND_IN = str(Path(__file__).with_name("ralph_stand_in.py"))
KILL_POINTS = Path(__file__).with_name("kill_points")
THREE = "# Plan\n\n- [ ] one\n- [ ] two\n  with a detail\n- [ ] three\n"
CHECK = 'import sys, pathlib; t = sys.argv[1]; p = pathlib.Path("made", t)\n' \
    'sys.exit(0) if p.exists() else sys.exit(f"no {t} here")\n'  # fmt: skip


class Ralph:
    """A folder with a list, a plan for the stand-in, and the loop on it."""

    def __init__(self, folder: Path, bundled: Any) -> None:
        self.folder = folder
        self.bundled = bundled
        (folder / "check.py").write_text(CHECK)
        self.plan({})
        self.settings()

    def plan(self, plan: dict[str, list[str]]) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))

    def settings(self, **settings: Any) -> None:
        given = {"command": [sys.executable, STAND_IN], "watch": ["."], **settings}
        lines = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
        (self.folder / "ralph.toml").write_text("\n".join(lines))

    def list(self, text: str, *, check: bool = True) -> None:
        """``text`` with a verification for each top task."""
        lines = []
        for line in text.splitlines(keepends=True):
            lines.append(line)
            if check and line.startswith("- ["):
                lines.append(f"  verify: {sys.executable} check.py {line[5:].strip()}\n")
        (self.folder / "TASKS.md").write_text("".join(lines))

    def run(self, *args: str, **env: str) -> tuple[int, str]:
        return self.bundled.run("ralph.py", *args, **env)

    @property
    def ledger(self) -> list[str]:
        path = self.folder / "ledger"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split(" ", 1)[1] for line in lines]

    @property
    def marks(self) -> str:
        text = (self.folder / "TASKS.md").read_text()
        return "".join(line[3] for line in text.splitlines() if line.startswith("- ["))

    @property
    def progress(self) -> str:
        path = self.folder / "PROGRESS.md"
        return path.read_text() if path.exists() else ""

    def question(self) -> Any:
        (request,) = (self.bundled.run_dir / "requests").iterdir()
        return json.loads(request.read_text())

    def anomalies(self) -> set[str]:
        return {entry["kind"] for entry in self.bundled.read("progress.json")["anomalies"]}


@pytest.fixture
def ralph(tmp_path: Path, bundled: Any) -> Ralph:
    return Ralph(tmp_path, bundled)


def test_every_task_is_worked_on_in_order_verified_and_ticked(ralph: Ralph) -> None:
    ralph.list(THREE)
    (ralph.folder / "NOTES.md").write_text("mind the \x1b[31mgap\n")
    code, said = ralph.run()
    assert code == 0, said
    assert (ralph.ledger, ralph.marks) == (["one", "two", "three"], "xxx")
    before = THREE.replace("[ ]", "[x]").splitlines()
    after = (ralph.folder / "TASKS.md").read_text().splitlines()
    assert [line for line in after if "verify:" not in line] == before
    prompt = (ralph.folder / "last_prompt").read_text()
    assert "mind the ^[[31mgap" in prompt and "## 1 · one: done" in prompt
    assert "check.py three" in prompt and "\x1b" not in ralph.progress
    progress = ralph.bundled.read("progress.json")
    assert (progress["stage"]["name"], progress["stage"]["total"]) == ("three", 3)
    assert (progress["step"]["completed"], progress["step"]["total"]) == (3, 3)


def test_saying_it_is_done_does_not_make_it_so(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n")
    ralph.plan({"one": ["lie touch", "lie touch", "work"]})
    code, said = ralph.run()
    assert code == 75, said
    assert "the same error 2 times" in ralph.question()["title"]
    assert ralph.marks == " " and ralph.ledger == ["one", "one"]
    assert "All done!" in ralph.progress and "not yet" in ralph.progress
    assert "verification-failed" in ralph.anomalies()


def test_what_an_agent_ticks_itself_is_verified_or_unticked(ralph: Ralph) -> None:
    ralph.list(THREE)
    (ralph.folder / "made").mkdir()
    (ralph.folder / "made" / "three").write_text("x")
    ralph.plan({"one": ["tick work"], "two": ["fail"]})
    code, said = ralph.run("--max-iterations", "2")
    assert code == 1 and "max_iterations" in said, said
    assert ralph.marks == "x x"  # three passes its verification, two does not
    assert "ticked-unverified" in ralph.anomalies()


def test_a_task_that_an_agent_removed_is_not_a_task_done(ralph: Ralph) -> None:
    ralph.list(THREE, check=False)
    ralph.settings(verify=[["true"]])
    ralph.plan({"one": ["drop"]})
    code, said = ralph.run()
    assert code == 75, said
    asked = ralph.question()
    assert asked["kind"] == "approve" and asked["action"]["tasks"] == ["three", "two"]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"max_iterations": 2}, "max_iterations: 2 of 2"),
        ({"max_cost_usd": 0.5}, "max_cost_usd: 0.60 of 0.5"),
    ],
)
def test_each_cap_stops_the_loop_and_says_what_is_open(
    ralph: Ralph, settings: dict[str, Any], named: str
) -> None:
    ralph.list(THREE)
    ralph.settings(**settings)
    spoken = {"type": "result", "result": "ok", "total_cost_usd": 0.3, "usage": {"input_tokens": 7}}
    code, said = ralph.run(STAND_IN_SAYS=json.dumps(spoken))
    assert code == 1 and named in said and "is still open" in said and " " in ralph.marks
    errors = ralph.bundled.read("progress.json")["errors"]
    assert errors[-1]["retryable"] is False and named in errors[-1]["message"]
    assert ralph.bundled.read("progress.json")["usage"]["cost_usd"] >= 0.3
    # A raised cap goes on from where it was; nothing finished runs again.
    ralph.settings()
    code, said = ralph.run()
    assert (code, ralph.marks) == (0, "xxx"), said
    assert ralph.ledger == ["one", "two", "three"]


def test_the_cap_on_time_ends_the_call_and_then_the_loop(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n")
    ralph.settings(max_time="2s")
    ralph.plan({"one": ["wait"]})
    code, said = ralph.run()
    assert code == 1 and "max_time" in said and "'one' is still open" in said
    assert ralph.ledger == ["one"] and ralph.marks == " "


def test_a_cost_cap_on_an_agent_that_tells_no_cost_is_said_at_the_start(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n")
    ralph.settings(max_cost_usd=1.0)
    assert ralph.run()[0] == 0
    assert "cost-unknown" in ralph.anomalies() and "cost unknown" in ralph.progress


def test_two_calls_that_change_nothing_stop_the_loop(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n", check=False)
    # An error that is new every time, so that only the missing change can be what stops it.
    ralph.settings(verify=[["sh", "-c", "wc -c < .n; echo x >> .n; exit 1"]], watch=["made"])
    ralph.plan({"one": ["lie"]})
    code, said = ralph.run()
    assert code == 75, said
    asked = ralph.question()
    assert "nothing changed in the work tree 2 times" in asked["title"]
    assert asked["options"] == ["try again with a hint", "skip this task", "stop"]


def test_the_same_error_of_the_agent_itself_stops_the_loop(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n", check=False)
    ralph.settings(verify=[["sh", "-c", "wc -c < .n; echo x >> .n; exit 1"]])
    ralph.plan({"one": ["touch fail"]})
    assert ralph.run()[0] == 75
    assert "the same error 2 times" in ralph.question()["title"]
    assert "credit balance is too low" in ralph.progress


def test_settings_name_every_problem_at_once_and_are_not_retried(ralph: Ralph) -> None:
    ralph.settings(max_iteration=3, max_time="soon", verify="pytest", command=["no-such-agent"])
    code, said = ralph.run()
    assert code == 78 and "Traceback" not in said
    for part in ("did you mean max_iterations", '"soon"', '"pytest"', "no-such-agent", "TASKS.md"):
        assert part in said
    ralph.settings()
    ralph.list("- [ ] never verified\n", check=False)
    code, said = ralph.run()
    assert code == 78 and "'never verified' has no verification" in said
    assert ralph.ledger == []


def test_a_call_over_its_limit_is_ended_with_everything_it_started(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n")
    ralph.settings(call_timeout="2s", max_iterations=1)
    ralph.plan({"one": ["wait"]})
    code, said = ralph.run()
    assert code == 1, said
    assert "ended after its limit of 2 s" in ralph.progress
    pid = int((ralph.folder / "ledger").read_text().split()[0])
    assert not psutil.pid_exists(pid)


def test_wrong_use_of_the_command_line_is_not_retried_either(ralph: Ralph) -> None:
    code, said = ralph.run("--max-iterations", "many")
    assert code == 78 and "--max-iterations: invalid int value: 'many'" in said


@pytest.mark.parametrize("name", ["TASKS.md", "NOTES.md", "PROGRESS.md"])
def test_an_agent_that_replaces_a_file_by_a_pipe_does_not_hang_the_loop(
    ralph: Ralph, name: str
) -> None:
    ralph.list(THREE)
    ralph.plan({"one": [f"work pipe:{name}"]})
    code, said = ralph.run()
    if name == "NOTES.md":
        assert (code, ralph.marks) == (0, "xxx"), said
    else:
        assert code == 1 and f"{name}: not a regular file" in said
        (ralph.folder / name).unlink()
        ralph.list(THREE)
        assert ralph.run()[0] == 0
        assert ralph.ledger == ["one", "two", "three"]


def test_a_replay_moves_no_checkpoint_so_a_crash_loop_is_seen(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n- [ ] two\n")
    ralph.settings(max_iterations=1)
    assert ralph.run()[0] == 1
    before = ralph.bundled.read("checkpoint.json")
    assert ralph.run()[0] == 1
    assert ralph.bundled.read("checkpoint.json") == before


def wait_for(condition: Any, what: str) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_the_agent_does_not_survive_a_loop_that_is_killed(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n")
    ralph.plan({"one": ["wait work"]})
    process = ralph.bundled.start("ralph.py")
    wait_for(lambda: ralph.ledger, "the call to begin")
    pid = int((ralph.folder / "ledger").read_text().split()[0])
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for(lambda: not psutil.pid_exists(pid), "the agent to end with its loop")
    (ralph.folder / "go").touch()
    code, said = ralph.run()
    assert code == 0, said
    assert ralph.ledger == ["one", "one"] and "ran 2 times" in ralph.progress
    assert "left its changes" in (ralph.folder / "last_prompt").read_text()


def test_killed_at_random_no_finished_iteration_is_lost_or_repeated(ralph: Ralph) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    most_kills = 200 if os.environ.get("LONGWATCH_LONG") == "1" else 4
    names = [f"task{n}" for n in range(4 if most_kills == 4 else 40)]
    ralph.list("".join(f"- [ ] {name}\n" for name in names))
    ralph.plan({name: ["lie touch", "work touch"] for name in names})
    code, kills = None, 0
    while code != 0:
        process = ralph.bundled.start("ralph.py", "--max-iterations", "1000")
        end = time.monotonic() + (rng.uniform(0.1, 0.9) if kills < most_kills else 90)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        _out, err = process.communicate()
        code = process.returncode
        assert code in (0, -9), err
        for name, mark in zip(names, ralph.marks, strict=True):
            assert mark == " " or (ralph.folder / "made" / name).exists()
    print(f"{kills} kills")
    told = [line for line in ralph.progress.splitlines() if line.startswith("## ")]
    numbers = [int(line.split()[1]) for line in told]
    assert numbers == list(range(1, len(told) + 1))  # each iteration written down exactly once
    begun = [json.loads(li) for li in (ralph.bundled.run_dir / "calls.jsonl").open()]
    ended = [li["iteration"] for li in begun if li["event"] == "ended" and li["kind"] == "call"]
    assert set(ended) == set(numbers) and len(ended) <= len(numbers) + kills
    assert ralph.marks == "x" * len(names)


def test_killed_at_each_durable_write_nothing_is_lost_repeated_or_ticked_unverified(
    ralph: Ralph,
) -> None:
    """Before the Nth fsync, fdatasync or rename, for every N of the run (a sample by default)."""
    is_long = os.environ.get("LONGWATCH_LONG") == "1"
    path = f"{KILL_POINTS}{os.pathsep}{ROOT}"
    point, survived, finished_at = 1, 0, 0
    while not finished_at:
        for name in ("ledger", "PROGRESS.md", "made", "run"):
            target = ralph.folder / name
            if target.exists():
                shutil.rmtree(target) if target.is_dir() else target.unlink()
        ralph.bundled.run_dir.mkdir()
        ralph.list("- [ ] one\n")
        ralph.plan({"one": ["work tick"]})
        code, said = ralph.run(PYTHONPATH=path, KILL_AT=str(point))
        if code == 0:
            finished_at = point
        else:
            assert code == -9, said
            survived += 1
            # The agent ticks the box itself; the truth is what a restart makes of it.
            code, said = ralph.run()
            assert code == 0, f"killed at {point}: {said}"
        assert ralph.marks == "x" and (ralph.folder / "made" / "one").exists()
        assert ralph.progress.count("## 1 · one: done") == 1
        begun = [json.loads(li) for li in (ralph.bundled.run_dir / "calls.jsonl").open()]
        ended = [li["kind"] for li in begun if li["event"] == "ended"]
        assert len(ralph.ledger) <= 2 and ended.count("call") <= 2
        point += 1 if is_long else 6
    assert survived >= 3
    print(f"{survived} points of about {finished_at}")


def test_it_works_alone_and_stops_with_a_clear_message(ralph: Ralph) -> None:
    ralph.list("- [ ] one\n")
    ralph.plan({"one": ["lie", "lie", "lie", "lie", "work"]})
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "agents" / "ralph.py")]
    for calls in (2, 4):
        done = subprocess.run(
            command, cwd=ralph.folder, env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 1 and "one: the same error 2 times" in done.stderr
        assert "Traceback" not in done.stderr
        assert len(ralph.ledger) == calls

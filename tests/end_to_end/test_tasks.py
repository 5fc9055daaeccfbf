"""Tasks under the real engine: pools, redeliveries that resume, dead letters, pipelines, deaths."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]

WORKER = """
import json, os, sys, time
task = json.load(open(os.environ["LONGWATCH_TASK_FILE"]))
run_dir, value = os.environ["LONGWATCH_RUN_DIR"], task["payload"]
here = os.path.dirname(os.path.abspath(__file__))
with open(here + "/ledger", "a") as ledger:
    ledger.write(f"{value['n']} begins\\n")
if value.get("fails", 0) >= task["delivery"] and not os.path.exists(here + "/mended"):
    sys.exit(3)
while value.get("waits") and not os.path.exists(here + "/go"):
    time.sleep(0.02)
json.dump(value.get("leaves", {"result": value["n"] * 2}), open(run_dir + "/result.json", "w"))
with open(here + "/ledger", "a") as ledger:
    ledger.write(f"{value['n']} ends\\n")
"""

CONFIG = """
[pools.work]
command = ["{python}", "-P", "work.py"]
workers = 3
max_deliveries = 3
[pools.work.retry]
base_delay_seconds = 0.05
max_delay_seconds = 0.2
"""


def begin(project: Any, config: str = CONFIG, worker: str = WORKER) -> None:
    project.script("work.py", worker)
    project.configure(config)
    project.run("up")


def submit(project: Any, *payloads: Any, queue: str = "work", more: tuple[str, ...] = ()) -> list:
    lines = "".join(json.dumps(payload) + "\n" for payload in payloads)
    (project.directory / "tasks.jsonl").write_text(lines)
    return [task["id"] for task in project.json("submit", queue, "tasks.jsonl", *more)["tasks"]]


def row(project: Any, name: str = "work") -> dict[str, Any]:
    (found,) = [r for r in project.json("queue")["queues"] if r["name"] == name]
    return found


def ledger(project: Any) -> list[str]:
    path = project.directory / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def test_every_task_is_done_once_and_its_result_kept(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n} for n in range(8)))
    project.run("queue", "--wait")
    assert [project.json("task", i)["result"] for i in ids] == [n * 2 for n in range(8)]
    assert sorted(ledger(project)) == sorted(
        f"{n} {word}" for n in range(8) for word in ("begins", "ends")
    )
    assert (row(project)["done"], row(project)["dead"]) == (8, 0)


def test_a_key_is_worked_on_once(project: Any) -> None:
    begin(project)
    for _ in range(2):
        submit(project, {"n": 1, "k": "a"}, {"n": 2, "k": "b"}, more=("--key-field", "k"))
    project.run("queue", "--wait")
    assert row(project)["done"] == 2
    assert len(ledger(project)) == 4


def test_a_failing_task_is_delivered_again_and_one_that_never_works_is_a_dead_letter(
    project: Any,
) -> None:
    begin(project)
    flaky, broken, _good = submit(project, {"n": 1, "fails": 2}, {"n": 2, "fails": 9}, {"n": 3})
    project.run("queue", "--wait", check=1)
    assert (row(project)["done"], row(project)["dead"]) == (2, 1)
    assert project.json("task", flaky)["deliveries"] == 3
    (dead,) = project.json("dead", "list")["tasks"]
    assert dead["id"] == broken and "exit status 3" in dead["problem"]
    assert ledger(project).count("2 begins") == 3
    refused = project.run("restart", broken[-6:], check=1)
    assert "dead requeue" in refused.stderr
    (project.directory / "mended").touch()
    project.run("dead", "requeue", broken[-6:])
    project.run("queue", "--wait")
    assert project.json("task", broken)["result"] == 4
    events = project.run("events").stdout
    assert "task is a dead letter: exit status 3" in events and "requeued by" in events


def test_a_dropped_dead_letter_is_gone(project: Any) -> None:
    begin(project)
    (broken,) = submit(project, {"n": 2, "fails": 9})
    project.run("queue", "--wait", check=1)
    project.run("dead", "drop", "--all")
    assert project.json("dead", "list")["tasks"] == []
    project.run("task", broken, check=1)


def test_a_permanent_error_is_no_reason_to_try_again(project: Any) -> None:
    begin(project, worker="import sys\nsys.exit(65)\n")
    (broken,) = submit(project, {"n": 1})
    project.run("queue", "--wait", check=1)
    assert project.json("task", broken)["deliveries"] == 1


@pytest.mark.parametrize(
    ("leaves", "said"),
    [
        ({"result": 1, "next": [{"queue": "nowhere"}]}, "no pool or pipeline 'nowhere'"),
        ({"result": 1, "next": [{"payload": 1}]}, "names no queue"),
        ({"result": 1, "next": [{"queue": "work", "priority": 70}]}, "next[0].priority"),
    ],
)
def test_an_outcome_that_cannot_be_used_is_said_and_completes_nothing(
    project: Any, leaves: Any, said: str
) -> None:
    begin(project, CONFIG.replace("max_deliveries = 3", "max_deliveries = 1"))
    submit(project, {"n": 1, "leaves": leaves})
    project.run("queue", "--wait", check=1)
    (dead,) = project.json("dead", "list")["tasks"]
    assert said in dead["problem"]


RESUMING = """
import os, sys
from supervisor.agent import Agent

with Agent() as agent:
    with open(os.path.dirname(os.path.abspath(__file__)) + "/ledger", "a", buffering=1) as ledger:
        for item in agent.track(list(range(10)), stage="count", unit="items"):
            if item in (3, 6) and agent.attempt == item // 3:
                os.kill(os.getpid(), 9)
            ledger.write(f"{item}\\n")
"""


def test_a_redelivered_task_goes_on_from_its_checkpoint(project: Any) -> None:
    begin(project, worker=RESUMING)
    (task,) = submit(project, None)
    project.run("queue", "--wait")
    assert ledger(project) == [str(n) for n in range(10)]
    found = project.json("task", task)
    assert (found["deliveries"], found["state"]) == (3, "done")
    run = project.status_of("work")
    assert run["id"] == task and run["attempt"] == 3


def test_a_pool_has_as_many_workers_as_it_is_told_at_any_moment(project: Any) -> None:
    begin(project)
    submit(project, *({"n": n, "waits": True} for n in range(6)))

    def busy(wanted: int) -> bool:
        found = row(project)
        assert found["busy"] <= max(wanted, 3)
        return len([line for line in ledger(project) if "begins" in line]) == wanted

    project.wait("three at work", lambda: busy(3))
    project.run("pool", "work", "--workers", "5")
    project.wait("five at work", lambda: busy(5))
    project.run("restart-engine")
    assert row(project)["workers"] == 5
    project.configure(CONFIG.replace("workers = 3", "workers = 6"))
    project.wait("all at work", lambda: busy(6))
    (project.directory / "go").touch()
    project.run("queue", "--wait")
    assert row(project)["done"] == 6


def test_an_engine_that_is_killed_loses_no_task_and_does_none_twice(project: Any) -> None:
    begin(project)
    submit(project, *({"n": n, "waits": n < 3} for n in range(9)))
    project.wait("work begins", lambda: len(ledger(project)) >= 3)
    for _ in range(2):
        engine = json.loads((project.directory / ".longwatch" / "engine.lock").read_text())["pid"]
        os.kill(engine, signal.SIGKILL)
        project.wait("another engine", lambda: project.run("queue", check=None).returncode == 0)
    (project.directory / "go").touch()
    project.run("queue", "--wait")
    assert row(project)["done"] == 9
    assert sorted(ledger(project)) == sorted(
        f"{n} {word}" for n in range(9) for word in ("begins", "ends")
    )


def test_stopping_everything_gives_the_tasks_back(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n, "waits": True} for n in range(4)))
    project.wait("three at work", lambda: len(ledger(project)) == 3)
    project.run("down", "--stop-agents")
    (project.directory / "go").touch()
    project.run("up")
    project.run("queue", "--wait")
    found = [project.json("task", i) for i in ids]
    assert {task["state"] for task in found} == {"done"}
    assert {task["deliveries"] for task in found} == {1}


def test_a_stop_by_the_operator_is_a_verdict_on_the_task(project: Any) -> None:
    begin(project)
    (task,) = submit(project, {"n": 1, "waits": True})
    project.wait("it works", lambda: ledger(project))
    project.run("stop", task[-6:])
    project.run("queue", "--wait", check=1)
    (dead,) = project.json("dead", "list")["tasks"]
    assert "stopped by" in dead["problem"]


PIPELINE = """
[agents.worker]
command = ["{python}", "-P", "work.py"]
[agents.worker.retry]
base_delay_seconds = 0.05
[pipelines.contracts]
stages = [
    { name = "split", agent = "worker" },
    { name = "read", agent = "worker", workers = 3, max_deliveries = 2 },
    { name = "check", agent = "worker", workers = 2 },
    { name = "report", agent = "worker", join = true },
]
"""

STAGES = """
import json, os, sys
task = json.load(open(os.environ["LONGWATCH_TASK_FILE"]))
value, stage = task["payload"], task["queue"]
if stage == "contracts.split":
    out = {"result": len(value), "next": [{"payload": name} for name in value]}
elif stage == "contracts.read":
    if value == "torn":
        sys.exit(3)
    out = {"result": {"name": value}}
elif stage == "contracts.check":
    out = {"result": value["name"].upper()}
else:
    out = {"result": {"read": value["results"], "lost": len(value["failed"])}}
json.dump(out, open(os.environ["LONGWATCH_RUN_DIR"] + "/result.json", "w"))
"""


def test_a_pipeline_fans_out_and_in_and_a_bad_document_does_not_stop_the_others(
    project: Any,
) -> None:
    begin(project, PIPELINE, STAGES)
    project.json("submit", "contracts", "--payload", '["a", "torn", "b", "c"]')
    project.run("queue", "contracts", "--wait", check=1)
    (report,) = project.json("queue", "contracts.report", "--tasks", "done")["tasks"]
    result = project.json("task", report["id"])["result"]
    assert (sorted(result["read"]), result["lost"]) == (["A", "B", "C"], 1)
    (dead,) = project.json("dead", "list")["tasks"]
    assert dead["queue"] == "contracts.read"
    counts = {r["name"].split(".")[1]: r["done"] for r in project.json("queue")["queues"]}
    assert counts == {"split": 1, "read": 3, "check": 3, "report": 1}


def test_a_queue_that_nobody_works_on_is_said_loudly(project: Any) -> None:
    begin(project)
    project.run("pool", "work", "--workers", "0")
    submit(project, {"n": 1})
    project.configure('[agents.other]\ncommand = ["true"]\n')
    project.wait("the pool to be gone", lambda: row(project)["nobody"])
    assert "NOBODY CAN RUN THIS" in project.run("queue").stdout
    refused = project.run("submit", "work", check=1)
    assert "Nobody would ever work on it" in refused.stderr
    project.configure(CONFIG)
    project.wait("the pool to be back", lambda: not row(project)["nobody"])
    project.run("pool", "work", "--workers", "1")  # What was set by hand holds until then.
    project.run("queue", "--wait")
    assert row(project)["done"] == 1


def test_a_payload_of_three_megabytes_goes_through(project: Any) -> None:
    begin(project)
    (project.directory / "big.json").write_text(json.dumps({"n": 4, "text": "x" * (3 << 20)}))
    (task,) = project.json("submit", "work", "big.json")["tasks"]
    project.run("queue", "--wait")
    found = project.json("task", task["id"])
    assert found["result"] == 8 and len(found["payload"]["text"]) == 3 << 20
    assert not list((Path(project.directory) / ".longwatch" / "payloads").iterdir())


def test_a_state_db_that_is_deleted_takes_no_running_task_with_it(project: Any) -> None:
    begin(project)
    ids = submit(project, *({"n": n, "waits": True} for n in range(2)))
    project.wait("they work", lambda: len(ledger(project)) == 2)
    project.run("down")
    for path in (project.directory / ".longwatch").glob("state.db*"):
        path.unlink()
    project.run("up")
    (project.directory / "go").touch()
    project.wait("both done", lambda: row(project)["done"] == 2)
    assert sorted(project.json("task", i)["result"] for i in ids) == [0, 2]
    assert len(ledger(project)) == 4


def test_a_file_that_appears_in_an_intake_becomes_a_task_once(project: Any) -> None:
    inbox = project.directory / "inbox"
    worker = (
        "import json, os\n"
        'task = json.load(open(os.environ["LONGWATCH_TASK_FILE"]))\n'
        'json.dump({"result": task["payload"]},'
        ' open(os.environ["LONGWATCH_RUN_DIR"] + "/result.json", "w"))\n'
    )
    begin(project, CONFIG.replace("workers = 3", 'workers = 3\nintake = "inbox"'), worker)
    project.wait("the directory", inbox.is_dir)
    (inbox / "one.json").write_text('{"n": 1}')
    (inbox / "many.jsonl").write_text('{"n": 2}\n\n{"n": 3}\n')
    (inbox / "letter $(id).txt").write_text("hello")
    (inbox / "bad.json").write_text('{"n": ')
    (inbox / ".hidden").write_text("no")
    (inbox / "link").symlink_to("/etc/passwd")
    project.wait("four done", lambda: row(project)["done"] == 4)
    done = project.json("queue", "work", "--tasks", "done")["tasks"]
    results = [project.json("task", task["id"])["result"] for task in done]
    letter = next(result for result in results if "path" in result)
    assert Path(letter["path"]).read_text() == "hello" and letter["name"] == "letter $(id).txt"
    assert sorted(result["n"] for result in results if "n" in result) == [1, 2, 3]
    assert sorted(path.name for path in inbox.iterdir()) == [".hidden", "link", "refused", "taken"]
    assert [path.name.partition("-")[2] for path in (inbox / "refused").iterdir()] == ["bad.json"]
    assert "bad.json' is refused" in (project.directory / ".longwatch/engine.log").read_text()


DOCUMENTS = """
[agents.stage]
command = ["{python}", "%s/agents/document_stage.py"]
unattended = true
env = { REPORT_DIR = "%s/reports" }
[pipelines.documents]
stages = [
    { name = "extract", agent = "stage", workers = 3 },
    { name = "review", agent = "stage", workers = 2 },
    { name = "report", agent = "stage", join = true },
]
"""


def test_the_bundled_document_pipeline_runs_as_a_pipeline(project: Any) -> None:
    samples = sorted((REPOSITORY / "agents" / "sample_contracts").iterdir())
    torn = project.directory / "torn.txt"
    torn.write_bytes(b"\xff\xfe bad")
    project.configure(DOCUMENTS % (REPOSITORY, project.directory))
    project.run("up")
    project.run("submit", "documents", "--together", *map(str, samples), str(torn))
    project.run("queue", "--wait", check=1)
    report = json.loads((project.directory / "reports" / "documents.json").read_text())
    assert len(report["documents"]) == len(samples)
    assert "torn.txt is no UTF-8 text" in report["failed"][0]["problem"]
    assert report["contradictions"] and all("decision" in one for one in report["contradictions"])
    (dead,) = project.json("dead", "list")["tasks"]
    assert dead["queue"] == "documents.extract" and dead["deliveries"] == 1

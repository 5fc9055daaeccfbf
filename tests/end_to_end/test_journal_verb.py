"""``longwatch journal``: what a run has done for good, and making part of it run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from supervisor.protocol.journal import journal_lines

AGENT = """
import os
from supervisor.agent import Agent

def load(path):
    return open(path).read()
def count(text):
    with open('ledger', 'a') as ledger:
        ledger.write('counted\\n')
    token = os.environ['API_TOKEN']
    return {'words': len(text.split()), 'odd': 'red \\x1b[31m text', 'token': token}
with Agent() as agent:
    agent.step(str, 'first')
    found = agent.step(count, load('input.txt'))
    agent.sleep(0.01)
    agent.approve('Publish?', action=found['words'])
"""


def begin(project: Any) -> dict[str, Any]:
    project.script("agent.py", AGENT)
    (project.directory / "input.txt").write_text("one two")
    project.configure(
        '[agents.counter]\ncommand = ["{python}", "agent.py"]\n'
        'env = { API_TOKEN = "hush-hush-hush" }\n'
    )
    project.run("up")
    project.run("start", "counter")
    run: dict[str, Any] = project.wait_for("counter", "parked", "failed")
    assert run["status"] == "parked"
    return run


def test_a_changed_input_is_a_mismatch_until_the_journal_is_cut_before_that_step(
    project: Any,
) -> None:
    run = begin(project)
    shown = project.run("journal", "counter").stdout
    assert "\x1b" not in shown and "u001b[31m" in shown
    assert "hush" not in shown + project.run("journal", "counter", "--json").stdout
    assert [line.split()[1:3] for line in shown.splitlines()[1:]] == [
        ["done", "str"],
        ["done", "count"],
        ["value", "sleep()"],
    ]
    newest = project.json("journal", "counter", "--last", "2")["steps"]
    assert [line["name"] for line in newest] == ["count", "sleep()"]
    assert "from 1 on" in project.run("journal", "counter", "--last", "0", check=2).stderr
    (project.directory / "input.txt").write_text("one two three")
    project.run("restart", "counter")
    failed = project.wait_for("counter", "failed", "parked", "held")
    assert failed["status"] == "failed"
    err = project.run("logs", "counter", "--stderr").stdout
    command = f"longwatch journal {run['id']} truncate --from 2"
    assert "program's step count" in err and "journal's step count" in err and command in err
    project.run(*command.split()[1:], check=2)  # nobody is there to confirm it
    cut = project.json(*command.split()[1:], "--yes")
    assert (cut["from"], cut["dropped"]) == (2, 2)
    assert len(Path(cut["kept"]).read_bytes().splitlines()) == 3
    assert "journal cut before step 2 by " in project.run("events").stdout
    project.run("restart", "counter")
    project.wait_for("counter", "parked")
    lines = project.json("journal", "counter")["steps"]
    assert [line["name"] for line in lines] == ["str", "count", "sleep()"]
    assert json.loads(lines[1]["preview"])["words"] == 3
    assert (project.directory / "ledger").read_text() == "counted\n" * 2


def test_the_journal_of_a_living_run_is_shown_but_not_cut(project: Any) -> None:
    project.script(
        "agent.py",
        "import time\nfrom supervisor.agent import Agent\n"
        "with Agent() as agent:\n    agent.step(str, 1)\n    time.sleep(600)\n",
    )
    project.configure('[agents.slow]\ncommand = ["{python}", "agent.py"]\n')
    project.run("up")
    project.run("start", "slow")
    project.wait("a step", lambda: project.json("journal", "slow")["steps"])
    refused = project.run("journal", "slow", "truncate", "--from", "1", "--yes", check=1)
    assert "living process" in refused.stderr and "longwatch stop slow" in refused.stderr
    project.run("stop", "slow")
    wrong = project.run("journal", "slow", "truncate", "--from", "7", "--yes", check=1)
    assert "no step 7: the last one is 1" in wrong.stderr
    project.run("journal", "slow", "truncate", check=2)
    project.run("journal", "slow", "truncate", "--from", "str", "--yes")
    assert "no durable steps yet" in project.run("journal", "slow").stdout


def test_a_large_result_is_shown_by_its_beginning_without_a_secret_in_it(project: Any) -> None:
    project.script(
        "agent.py",
        "import os\nfrom supervisor.agent import Agent\n"
        "def load():\n    return 'key ' + os.environ['API_TOKEN'] + ' x' * 300_000\n"
        "with Agent() as agent:\n    agent.step(load)\n",
    )
    project.configure(
        '[agents.large]\ncommand = ["{python}", "agent.py"]\n'
        'env = { API_TOKEN = "hush-hush-hush" }\n'
    )
    project.run("up")
    project.run("start", "large")
    project.wait_for("large", "succeeded", "failed")
    [step] = project.json("journal", "large")["steps"]
    assert "600020 bytes in results/" in step["preview"] and " x x x" in step["preview"]
    assert step["file"].startswith("results/") and "hush" not in step["preview"]


def test_a_damaged_line_is_shown_and_can_be_cut_away(project: Any) -> None:
    run = begin(project)
    path = project.run_dir(run) / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"words":2', b'"words":9'))
    states = [line["state"] for line in project.json("journal", "counter")["steps"]]
    assert states == ["done", "damaged", "value"]
    project.run("restart", "counter")
    project.wait_for("counter", "failed")
    assert "truncate --from 2" in project.run("logs", "counter", "--stderr").stdout
    project.run("journal", "counter", "truncate", "--from", "2", "--yes")
    project.run("restart", "counter")
    project.wait_for("counter", "parked")


def test_hostile_lines_are_damaged_lines_and_nothing_else() -> None:
    from supervisor.agent.journal_file import checked_line

    bodies = (
        b'"epoch":1,"scope":"","name":"a","occurrence":0,"args":"x","result":1}',
        b'"epoch":"1"}',
        b'"epoch":1,"name":5}',
        b'"epoch":1,"at":1e400,"name":"n"}',
        b'"epoch":1,"result":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'"epoch":1,"skip":-5}',
        b"\xff",
    )
    lines = journal_lines(b"".join(map(checked_line, bodies)) + b"half")
    states = [line.state for line in lines]
    assert states == [
        "done", "damaged", "damaged", "done", "damaged", "note", "damaged", "torn",
    ]  # fmt: skip
    assert lines[3].at is None

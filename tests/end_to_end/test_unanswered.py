"""Questions nobody answers, answers that come too late, and two that come at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

ASKER = """
from supervisor.agent import Agent

with Agent() as agent:
    answer = agent.approve("Publish?", action={"argv": ["publish"]}, HOW)
    print("allowed" if answer else "denied", answer.comment, flush=True)
"""

MANY = """
cd "$LONGWATCH_RUN_DIR"
mkdir -p requests
for n in 1 2 3 4; do
    printf '{"kind": "approve", "title": "Question %s?"}' $n > requests/.tmp
    mv requests/.tmp requests/q$n.json
done
exec sleep 600
"""


def asker(project: Any, how: str = "", **settings: Any) -> None:
    project.script("ask.py", ASKER.replace(", HOW", f", {how}" if how else ""))
    lines = ["[agents.asker]", 'command = ["{python}", "ask.py"]']
    lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    project.configure("\n".join(lines) + "\n")


def said(project: Any, run: dict[str, Any]) -> str:
    records = project.directory / ".longwatch" / "records" / run["id"]
    return (records / "out.log").read_text()


def open_request(project: Any) -> dict[str, Any]:
    """The one that is open; waits out an engine that is just being replaced."""

    def found() -> list[dict[str, Any]]:
        done = project.run("requests", "--json", check=None)
        return json.loads(done.stdout)["requests"] if done.returncode == 0 else []

    return project.wait("a question", found)[0]


def reminders(project: Any, run: dict[str, Any]) -> list[int]:
    lines = project.run("events", "--json").stdout.splitlines()
    return [
        event["data"]["number"]
        for event in map(json.loads, lines)
        if event["type"] == "RequestReminded" and event["run_id"] == run["id"]
    ]


def test_reminders_grow_are_counted_and_survive_the_death_of_the_engine(project: Any) -> None:
    asker(project, remind_after="300ms")
    follower = project.follow("run", "--headless")
    run = project.wait_for("asker", "parked")
    project.wait("the first reminder", lambda: open_request(project)["reminded"] >= 1)
    engine = json.loads((project.directory / ".longwatch" / "engine.lock").read_text())["pid"]
    os.kill(engine, signal.SIGKILL)
    project.wait("more of them", lambda: open_request(project)["reminded"] >= 3)
    request = open_request(project)
    assert request["waiting_since"] == request["created_at"]
    numbers = reminders(project, run)
    assert numbers == list(range(1, len(numbers) + 1))
    assert project.status_of("asker")["retries"] == 0
    project.run("answer", request["id"], "--allow")
    assert follower.wait(30) == 0
    output = follower.stdout.read()
    assert f"{request['id']} still waits for you, since " in output
    assert output.count(f"answer with: longwatch answer {request['id']}") >= 3


def test_a_denial_reaches_the_agent_with_its_reason(project: Any) -> None:
    asker(project)
    project.run("up")
    project.run("start", "asker")
    request = open_request(project)
    project.run("answer", request["id"], "--deny", "--comment", "not before the release")
    run = project.wait_for("asker", "succeeded")
    assert said(project, run) == "denied not before the release\n"


def test_silence_is_a_denial_where_the_agent_asked_for_that_and_late_answers_hear_it(
    project: Any,
) -> None:
    asker(project, 'expires_in=1.5, on_timeout="deny"')
    project.run("up")
    project.run("start", "asker")
    request = open_request(project)
    run = project.wait_for("asker", "succeeded")
    assert said(project, run).startswith("denied nobody answered in time")
    late = project.run("answer", request["id"], "--allow", check=1)
    assert f"{request['id']} was closed at 20" in late.stderr
    assert "nobody answered in time" in late.stderr


def test_a_question_that_stays_parked_says_that_its_time_is_over_and_is_still_answered(
    project: Any,
) -> None:
    asker(project, "expires_in=1.5", remind_after="never")
    follower = project.follow("run", "--headless")
    request = open_request(project)
    project.wait("the word", lambda: open_request(project)["overdue"])
    assert project.status_of("asker")["status"] == "parked"
    project.run("answer", request["id"], "--allow", "--comment", "late but yes")
    assert follower.wait(30) == 0
    assert "its time to answer is over, it stays open" in follower.stdout.read()


def test_of_two_answers_at_once_exactly_one_counts_and_the_other_is_told_which(
    project: Any,
) -> None:
    project.script("many.sh", MANY)
    project.configure('[agents.many]\ncommand = ["sh", "many.sh"]\n')
    project.run("up")
    project.run("start", "many")
    four = "four questions", lambda: len(project.json("requests")["requests"]) == 4
    project.wait(*four)
    run = project.status_of("many")
    ids = [request["id"] for request in project.json("requests")["requests"]]
    racers = {
        (request_id, verdict): subprocess.Popen(
            project.command("answer", request_id, f"--{verdict}"),
            cwd=project.directory,
            env=project.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for request_id in ids
        for verdict in ("allow", "deny")
    }
    ends = {
        key: (*racer.communicate(timeout=40), racer.returncode) for key, racer in racers.items()
    }
    for place, request_id in enumerate(ids, start=1):
        allow, deny = ends[request_id, "allow"], ends[request_id, "deny"]
        assert sorted((allow[2], deny[2])) == [0, 1], (allow, deny)
        winner, loser = ("allowed", deny) if allow[2] == 0 else ("denied", allow)
        assert f"{request_id} was already answered by " in loser[1]
        assert f" UTC: {winner}" in loser[1]
        answer = project.run_dir(run) / "answers" / f"q{place}.json"
        assert json.loads(answer.read_text())["allow"] is (winner == "allowed")


PATIENT = """
cd "$LONGWATCH_RUN_DIR"
mkdir -p requests
printf '{"kind": "approve", "title": "Go on?"}' > requests/.tmp
mv requests/.tmp requests/q1.json
until [ -e answers/q1.json ]; do sleep 0.1; done
"""


def test_waiting_for_a_person_beyond_every_limit_burns_none_of_them(project: Any) -> None:
    project.script("patient.sh", PATIENT)
    limits = "".join(f'{key} = "2s"\n' for key in ("timeout", "attempt_timeout", "stall_timeout"))
    project.configure(
        f'[agents.patient]\ncommand = ["sh", "patient.sh"]\nremind_after = "1s"\n{limits}'
    )
    project.run("up")
    project.run("start", "patient")
    # The second reminder comes three seconds after the question, later than any limit.
    project.wait("two reminders", lambda: open_request(project)["reminded"] >= 2)
    waiting = project.status_of("patient")
    assert (waiting["status"], waiting["attempt"], waiting["retries"]) == ("waiting", 1, 0)
    assert waiting["anomalies"] == []
    project.run("answer", waiting["requests"][0]["id"], "--allow")
    done = project.wait_for("patient", "succeeded")
    assert (done["attempt"], done["retries"], done["anomalies"]) == (1, 0, [])

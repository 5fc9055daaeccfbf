"""Forms, edits and approvals for good, as a shell and an agent live through them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ASKING = """
from supervisor.agent import Agent

with Agent() as agent:
    where = agent.form(
        "Where to?",
        [
            {"name": "target", "type": "choice", "options": ["staging", "live"], "required": True},
            {"name": "count", "type": "number", "default": 3},
            {"name": "dry", "type": "boolean"},
        ],
        about={"argv": ["deploy"]},
    )
    mail = agent.edit("Send it?", "Dear all,\\nwe are late.\\n")
    call = agent.edit("Change it?", action={"argv": ["rm", "x"], "n": 1})
    with open("got.json", "w") as file:
        import json
        json.dump([where["target"], where.fields, mail, call], file)
"""
APPROVING = """
import sys
from supervisor.agent import Agent

with Agent() as agent:
    word = open("word").read()
    answer = agent.approve("Publish?", {"argv": ["scp", word]})
    print("answered by", answer.by if answer else "a no", flush=True)
"""


def the_request(project: Any) -> dict[str, Any]:
    def asked() -> Any:
        found = project.json("requests")["requests"]
        return found[0] if found else None

    found: dict[str, Any] = project.wait("a request", asked)
    return found


def test_a_form_and_two_edits_reach_the_agent_as_they_were_approved(project: Any) -> None:
    project.script("asking.py", ASKING)
    project.configure('[agents.deploy]\ncommand = ["{python}", "asking.py"]\n')
    project.run("up")
    project.run("start", "deploy")
    form = the_request(project)
    assert form["kind"] == "form"
    for arguments, status, told in (
        (("--field", "count=many", "--field", "targe=x"), 2, "count: found 'many', expected a num"),
        (("--field", "count=1"), 1, "target: found nothing, expected one of: staging, live"),
        (("--text", "x"), 1, "asks for a form"),
    ):
        refused = project.run("answer", form["id"], *arguments, check=status)
        assert told in refused.stderr
    project.run("answer", form["id"], "--field", "target=live", "--field", "dry=yes")

    project.wait("the edit", lambda: the_request(project)["kind"] == "edit")
    edit = the_request(project)
    changed = Path(project.directory) / "changed.txt"
    changed.write_text("Dear all,\nwe are early.\n")
    project.run("answer", edit["id"], "--edit", str(changed), "--hash", edit["hash"])

    project.wait("the call", lambda: the_request(project)["title"] == "Change it?")
    call = the_request(project)
    broken = project.run("answer", call["id"], "--text", "{", check=1)
    assert "asks for JSON" in broken.stderr
    project.run("answer", call["id"], "--text", '{"argv": ["ls"], "n": 1}')

    run = project.wait_for("deploy", "succeeded", "failed")
    assert json.loads((Path(project.directory) / "got.json").read_text()) == [
        "live",
        {"target": "live", "count": 3, "dry": True},
        "Dear all,\nwe are early.\n",
        {"argv": ["ls"], "n": 1},
    ]
    assert [answer["answer"] for answer in run["answers"]][1] == (
        "approved with changes, +1 -1 lines"
    )
    for verb in (("events",), ("why", "deploy")):
        shown = project.run(*verb).stdout
        assert "-we are late." in shown and "+we are early." in shown
        assert 'target = "live"' in shown


def test_an_approval_for_good_answers_exactly_this_until_it_is_revoked(project: Any) -> None:
    project.script("approving.py", APPROVING)
    word = Path(project.directory) / "word"
    word.write_text("a.txt")
    agent = 'command = ["{python}", "approving.py"]\n'
    project.configure(f"[agents.one]\n{agent}[agents.two]\n{agent}")
    project.run("up")
    project.run("start", "one")
    asked = the_request(project)
    for wrong in (("--for", "2d"), ("--always", "--for", "500d"), ("--always", "--for", "5s")):
        assert "--" in project.run("answer", asked["id"], "--allow", *wrong, check=2).stderr
    said = project.run("answer", asked["id"], "--allow", "--always", "--for", "2d").stdout
    assert '"a.txt"' in said and "longwatch approvals revoke A1" in said
    project.wait_for("one", "succeeded")

    project.run("start", "one")
    run = project.wait_for("one", "succeeded")
    assert run["answers"][-1]["rule"] == "A1"
    assert "always-rule A1" in project.run("logs", "one").stdout
    assert "always-rule A1" in project.run("events").stdout
    (rule,) = project.json("approvals")["approvals"]
    assert (rule["id"], rule["agent"], rule["hash"]) == ("A1", "one", asked["hash"])

    project.run("start", "two")
    project.wait_for("two", "parked", "waiting")
    assert the_request(project)["agent"] == "two", "never for another agent"
    project.run("stop", "two")
    word.write_text("b.txt")
    project.run("start", "one")
    project.wait_for("one", "parked", "waiting")
    project.run("stop", "one")
    word.write_text("a.txt")
    assert "A1 revoked" in project.run("approvals", "revoke", "a1").stdout
    assert "no rule" in project.run("approvals", "revoke", "a1", check=1).stderr
    project.run("start", "--fresh", "one")
    project.wait_for("one", "parked", "waiting")
    assert the_request(project)["agent"] == "one"

"""An agent that attacks the terminal in every field it has, seen through every verb."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supervisor.core.text import safe_text

EVIL = "\x1b]52;c;aGk=\x07\x9b31m\u202e\u200b\u2800\ue000[@click=app.quit]x[/] Z" + "\u0301" * 500

ATTACKER = """
import json, os, time
EVIL = json.loads(os.environ["EVIL"])
room = os.environ["LONGWATCH_RUN_DIR"]

def write(name, value):
    with open(f"{room}/new.tmp-1", "w") as file:
        json.dump(value, file)
    os.replace(f"{room}/new.tmp-1", f"{room}/{name}")

print(EVIL, flush=True)
os.write(2, EVIL.encode() + b"\\xff\\xfe a line\\rover a line\\n")
write("progress.json", {
    "status": EVIL, "stage": {"name": EVIL, "index": 1, "total": 2}, "stages": [EVIL, "b" + EVIL],
    "step": {"name": EVIL, "completed": 1, "total": 2, "unit": EVIL},
    "anomalies": [{"id": EVIL, "kind": EVIL, "severity": "warning", "message": EVIL}],
    "errors": [{"service": EVIL, "kind": EVIL, "message": EVIL}],
    "usage": {"input_tokens": 1, "model": EVIL}, "services": {EVIL: {"calls": 1}},
})
os.makedirs(f"{room}/requests", exist_ok=True)
write("requests/evil.json", {
    "kind": "choose", "title": EVIL[:400], "action": {EVIL: [EVIL]},
    "explanation": EVIL + "\\nhash 0",
    "options": ["a $(id)", "--allow", "it's"], "default": "it's",
})
time.sleep(600)
"""


def assert_harmless(output: str) -> None:
    for line in output.split("\n"):
        assert line.isprintable() and safe_text(line) == line, ascii(line)


@pytest.fixture
def attacked(project: Any) -> Any:
    project.environment["EVIL"] = json.dumps(EVIL)
    project.environment["PYTHONIOENCODING"] = "utf-8"
    project.script("attacker.py", ATTACKER)
    project.configure(
        '[agents.attacker]\ncommand = ["{python}", "attacker.py"]\n'
        'env_pass = ["EVIL", "PYTHONIOENCODING"]\n'
    )
    project.run("up")
    project.run("start", "attacker")
    project.wait("the question", lambda: project.json("requests")["requests"])
    project.wait("the progress", lambda: project.status_of("attacker")["anomalies"])
    return project


def test_no_verb_lets_a_byte_of_an_agent_act_on_the_terminal(attacked: Any) -> None:
    for words in (
        ["status"],
        ["why", "attacker"],
        ["requests"],
        ["events"],
        ["logs", "attacker"],
        ["answer", "attacker", "--text", EVIL[2:9]],
        ["status", "nobody"],
    ):
        done = attacked.run(*words, check=None)
        assert_harmless(done.stdout)
        assert_harmless(done.stderr)
        assert done.stdout or done.stderr
    for words in (["status"], ["why", "attacker"], ["requests"], ["events"], ["logs", "attacker"]):
        printed = attacked.run(*words, "--json").stdout
        assert printed.isascii() and all(line.isprintable() for line in printed.split("\n"))
    (request,) = attacked.json("requests")["requests"]
    assert request["action"] == {EVIL: [EVIL]}
    assert "^[]52;c" in attacked.run("logs", "attacker").stdout


def test_a_hint_of_a_hostile_question_is_typed_as_it_stands(attacked: Any) -> None:
    (request,) = attacked.json("requests")["requests"]
    shown = attacked.run("requests").stdout
    hint = next(line for line in shown.split("\n") if line.startswith("  answer with: "))
    assert hint.endswith("--option 'a $(id)' | --option=--allow | --option 'it'\\''s'")
    attacked.run("answer", request["id"], "--option=--allow", "--hash", request["hash"])
    assert attacked.json("requests")["requests"] == []

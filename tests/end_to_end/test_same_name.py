"""An agent that uses one name for two questions is never given the answer to the first."""

from __future__ import annotations

from typing import Any

AGENT = """
import json, os, time

run = os.environ["LONGWATCH_RUN_DIR"]

def ask(title):
    path = run + "/requests/q.json"
    with open(path + ".tmp-1", "w") as file:
        json.dump({"kind": "approve", "title": title, "action": {"argv": [title]}}, file)
    os.rename(path + ".tmp-1", path)

def answer():
    try:
        with open(run + "/answers/q.json") as file:
            return json.load(file)
    except FileNotFoundError:
        return None

os.makedirs(run + "/requests", exist_ok=True)
ask("first")
while answer() is None:
    time.sleep(0.02)
print("first", answer()["allow"], flush=True)
ask("second")
while answer() is not None:
    time.sleep(0.02)
print("taken away", flush=True)
while answer() is None:
    time.sleep(0.02)
print("second", answer()["allow"], flush=True)
"""


def test_a_second_question_under_the_same_name_waits_for_its_own_answer(project: Any) -> None:
    project.script("twice.py", AGENT)
    project.configure('[agents.twice]\ncommand = ["{python}", "twice.py"]\n')
    project.run("up")
    project.run("start", "twice")

    def asked(title: str) -> Any:
        found = project.json("requests")["requests"]
        return next((request for request in found if request["title"] == title), None)

    first = project.wait("the first", lambda: asked("first"))
    project.run("answer", first["id"], "--allow")
    second = project.wait("the second", lambda: asked("second"))
    project.wait("no answer", lambda: "taken away" in project.run("logs", "twice").stdout)
    project.run("answer", second["id"], "--deny")
    project.wait_for("twice", "succeeded")
    assert "second False" in project.run("logs", "twice").stdout

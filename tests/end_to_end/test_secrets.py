"""Secrets planted everywhere in a real project: agents get them, and nothing that we keep or show.

Every secret is a canary of its own, so that a failure says which way it came.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from typing import Any

CANARIES = {
    "env": "canary-env-0f1e2d3c4b5a",
    "env shape": "postgres://app:canary-dsn-77aa88bb99@db/x",
    "env_pass": "canary-pass-5566aabbccdd",
    "engine": "canary-engine-deadbeef0001",
    "argv": "sk-ant-api03-canaryargv0123456789abcdef",
    "status": "sk-ant-api03-canarystatus0123456789ab",
    "stage": "ghp_canarystage0123456789abcdefghijkl",
    "step": "github_pat_canarystep0123456789_abcdefgh",
    "error": "AKIACANARYERR2345672",
    "anomaly": "xoxb-canaryanomaly-0123456789",
    "title": "glpat-canarytitle0123456789",
    "action": "sk-proj-canaryaction0123456789abcdef",
    "option": "sk-proj-canaryoption0123456789abcdef",
    "edit": "sk-proj-canaryedit0123456789abcdefgh",
    "explanation": "AIzaCanaryexplanation0123456789abcdefgh",
    "stderr": "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOiJzdGRlcnIifQ.c2lnbmF0dXJl",
    "answer": "sk-ant-api03-canaryanswer0123456789ab",
    "comment": "sk-ant-api03-canarycomment012345678",
    "flood": "canary-flood-00998877665544",
}

AGENT = """
import json, os, signal, sys
from supervisor.agent import Agent

C = json.load(open(os.environ["CANARIES"]))
with Agent() as agent:
    got = {name: os.environ.get(name) for name in ("API_TOKEN", "DATABASE_URL", "PASSED_KEY")}
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(json.dumps({**got, "argv": sys.argv[1:], "attempt": agent.attempt}) + "\\n")
    print("using", os.environ["API_TOKEN"], C["stderr"], flush=True)
    sys.stdout.write("x" * (65536 - 20 - len("using ") - 1) + C["flood"] + " after\\n")
    sys.stdout.flush()
    agent.stage("read with " + C["stage"], 1, 2)
    agent.progress(1, 3, "items", step="step " + C["step"])
    agent.anomaly("odd", "the page held " + C["anomaly"])
    if agent.attempt == 1:
        agent.checkpoint({"n": 1})
        raise RuntimeError("crashed with " + os.environ["API_TOKEN"] + " and " + C["stderr"])
    if agent.attempt == 2:
        path = agent.run_dir + "/progress.json"
        with open(path + ".tmp-1-1", "w") as file:
            json.dump({"status": "x" * 150 + " key " + C["status"], "errors": [{"time":
                "2026-01-01T00:00:00Z", "service": "db", "kind": "auth", "message":
                C["error"] + " and " + os.environ["DATABASE_URL"] + " and " + C["engine"]}]}, file)
        os.rename(path + ".tmp-1-1", path)
        os.kill(os.getpid(), signal.SIGKILL)
    allowed = agent.approve("Use " + C["title"] + "?", action={"argv": ["curl", C["action"]],
        "env": {"API_TOKEN": "canary-by-name-11223344"}}, explanation="because " + C["explanation"])
    option = agent.choose("Which key?", ["none", "key " + C["option"]])
    edited = agent.edit("Mend this", "first\\n" + C["edit"] + "\\nlast")
    text = agent.ask("Your key?")
    with open(os.environ["SEEN"], "a") as seen:
        seen.write(json.dumps({"allowed": bool(allowed), "comment": allowed.comment,
            "option": option, "edited": edited, "text": text}) + "\\n")
"""


def write_config(project: Any, *, more: str = "") -> None:
    env = {
        "API_TOKEN": CANARIES["env"],
        "DATABASE_URL": CANARIES["env shape"],
        "CANARIES": str(project.directory / "canaries.json"),
        "SEEN": str(project.directory / "seen"),
        "PLAIN": "not a secret",
    }
    table = ", ".join(f"{name} = {json.dumps(value)}" for name, value in env.items())
    project.configure(
        f"[agents.spy]\ncommand = ['{{python}}', 'spy.py', '--token', '{CANARIES['argv']}']\n"
        f"env = {{ {table} }}\nenv_pass = ['PASSED_KEY']\n"
        f"[agents.spy.retry]\nbase_delay_seconds = 0.05\n{more}"
    )


def plant(project: Any) -> None:
    project.script("spy.py", AGENT)
    (project.directory / "canaries.json").write_text(json.dumps(CANARIES))
    project.environment["PASSED_KEY"] = CANARIES["env_pass"]
    project.environment["ENGINE_SECRET"] = CANARIES["engine"]
    project.environment["FLOOD_PASSWORD"] = CANARIES["flood"]
    write_config(project)


def open_request(project: Any, kind: str) -> dict[str, Any]:
    def asked() -> dict[str, Any] | None:
        done = project.run("requests", "--json", check=None)
        found = json.loads(done.stdout)["requests"] if done.returncode == 0 else []
        return next((request for request in found if request["kind"] == kind), None)

    return project.wait(f"a question of kind {kind}", asked)


def leaks(text: str) -> list[str]:
    secrets = {**CANARIES, "dsn alone": "canary-dsn-77aa88bb99", "by name": "canary-by-name-112"}
    return [way for way, canary in secrets.items() if canary in text]


def kept_files(project: Any) -> dict[str, str]:
    """Everything below .longwatch but the agent's raw output, its own room and sealed.json."""
    state, found = project.directory / ".longwatch", {}
    for path in sorted(state.rglob("*")):
        own_room = path.is_relative_to(state / "runs")
        raw = (
            path.name in ("out.log", "err.log", "sealed.json") or path.parent.name == "checkpoints"
        )
        if path.is_file() and not own_room and not raw:
            found[str(path.relative_to(state))] = path.read_bytes().decode("latin-1")
    return found


def test_secrets_reach_the_agent_exactly_and_nothing_that_is_kept_or_shown(project: Any) -> None:
    plant(project)
    project.run("up")
    project.run("start", "spy")
    approve = open_request(project, "approve")
    shown = [json.dumps(project.json("requests"))]
    os.kill(project.daemon_pids()[1], signal.SIGKILL)
    open_request(project, "approve")
    project.run("answer", approve["id"], "--allow", "--comment", "ok " + CANARIES["comment"])
    choose = open_request(project, "choose")
    assert len(choose["options"]) == 2 and "[redacted" in choose["options"][1]
    shown.append(json.dumps(choose))
    project.run("upgrade-engine")
    project.run("answer", choose["id"], "--option", choose["options"][1])
    edit = open_request(project, "edit")
    text = edit["action"]["text"]
    assert "[redacted" in text
    (project.directory / "edited").write_text(text.replace("last", CANARIES["answer"] + "\nlast"))
    shown.append(json.dumps(edit))
    project.run("answer", edit["id"], "--edit", "edited")
    project.run("answer", open_request(project, "text")["id"], "--text", CANARIES["answer"])
    shown += [project.run(*words, check=None).stdout for words in views()]
    files = kept_files(project)
    project.wait_for("spy", "succeeded")
    shown += [project.run(*words, check=None).stdout for words in views()]
    project.run("down")
    files = {f"before the end: {name}": text for name, text in files.items()} | kept_files(project)
    assert {name: leaks(text) for name, text in files.items() if leaks(text)} == {}
    assert [(leaks(text), text[:2000]) for text in shown if leaks(text)] == []
    assert "[redacted API_TOKEN]" in shown[-1], shown[-1][-500:]
    check_what_the_agent_got(project)
    log = sqlite3.connect(project.directory / ".longwatch" / "state.db")
    stored = "".join(row[0] for row in log.execute("SELECT data FROM events"))
    assert stored.count("[redacted ") > 20 and "not a secret" in stored
    assert not list((project.directory / ".longwatch").rglob("sealed.json"))


def views() -> list[tuple[str, ...]]:
    return [
        ("status", "--json"), ("status", "spy"), ("events", "--json"), ("events",), ("why", "spy"),
        ("requests", "--json"), ("logs", "spy", "--stderr", "-n", "9999", "--json"),
        ("logs", "spy", "--json", "-n", "9999"),
    ]  # fmt: skip


def check_what_the_agent_got(project: Any) -> None:
    seen = [json.loads(line) for line in (project.directory / "seen").read_text().splitlines()]
    for attempt in seen[:-1]:
        assert attempt["API_TOKEN"] == CANARIES["env"]
        assert attempt["DATABASE_URL"] == CANARIES["env shape"]
        assert attempt["PASSED_KEY"] == CANARIES["env_pass"]
        assert attempt["argv"] == ["--token", CANARIES["argv"]]
    assert seen[-1] == {
        "allowed": True,
        "comment": "ok " + CANARIES["comment"],
        "option": "key " + CANARIES["option"],
        "edited": "first\n" + CANARIES["edit"] + "\n" + CANARIES["answer"] + "\nlast",
        "text": CANARIES["answer"],
    }

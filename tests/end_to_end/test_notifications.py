"""Told while nobody looks: real runs, a real webhook, and an engine that dies in between."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "notify"))

from receivers import Webhook

AGENT = """
from supervisor.agent import Agent
with Agent() as agent:
    agent.stage("read", 1, 2)
    for item in agent.track(range(25), unit="pages"):
        pass
    agent.stage("write", 2, 2)
    if not agent.approve('Publish?', action={'argv': ['publish']}):
        raise SystemExit(64)
"""


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    made = Webhook()
    yield made
    made.close()


def heard(webhook: Webhook) -> str:
    return "\n".join(webhook.texts())


def configure(project: Any, webhook: Webhook, more: str = "") -> None:
    project.script("agent.py", AGENT)
    project.configure(
        f'[notify]\nurls = ["{webhook.url}"]\n{more}\n'
        '[agents.writer]\ncommand = ["{python}", "agent.py"]\n'
        '[agents.broken]\ncommand = ["sh", "-c", "exit 65"]\n'
    )


def test_a_question_an_end_and_a_failure_are_told_once_each(project: Any, webhook: Webhook) -> None:
    configure(project, webhook, 'on = ["needs-input", "completed", "failed", "milestone"]')
    project.run("up")
    project.run("start", "writer", "broken")
    asked = project.wait_for("writer", "parked")["requests"][0]
    project.wait("the question to be told", lambda: "writer asks: Publish?" in heard(webhook))
    assert f"longwatch answer {asked['id']} --allow" in heard(webhook)
    project.wait("the failure to be told", lambda: "broken failed" in heard(webhook))
    project.run("answer", asked["id"], "--allow")
    project.wait("the end to be told", lambda: "writer is done" in heard(webhook))
    text = heard(webhook)
    assert "finished read, is in write" in text
    for once in ("writer asks: Publish?", "broken failed", "writer is done"):
        assert text.count(once) == 1, text
    events = [json.loads(line) for line in project.run("events", "--json").stdout.splitlines()]
    sent = [event for event in events if event["type"] == "NotificationSent"]
    assert any("writer is done" in title for event in sent for title in event["data"]["titles"])
    assert webhook.url.rsplit("/", 1)[1] not in json.dumps(events)


def test_what_could_not_be_told_waits_through_the_engines_death(
    project: Any, webhook: Webhook
) -> None:
    configure(project, webhook)
    webhook.status = 503
    project.run("up")
    project.run("start", "writer")
    asked = project.wait_for("writer", "parked")["requests"][0]

    def waiting() -> Any:
        return json.loads(project.run("notify", "waiting", "--json", check=None).stdout)["waiting"]

    project.wait("a failed try", lambda: any(one["tries"] for one in waiting()))
    assert "could not be told" in project.run("events").stdout
    assert project.run("notify", "test", check=1).stdout.count("503") == 1

    (engine,) = [
        holder["pid"]
        for name in ("engine",)
        if (holder := json.loads((project.directory / f".longwatch/{name}.lock").read_text()))
    ]
    os.kill(engine, signal.SIGKILL)
    webhook.status = 200
    project.wait("the question to be told", lambda: asked["title"] in heard(webhook))
    assert project.run("notify", "waiting").stdout == "nothing waits to be told\n"
    assert "taken" in project.run("notify", "test").stdout


def test_what_waits_for_the_end_of_quiet_hours_is_shown_and_survives_a_killed_engine(
    project: Any, webhook: Webhook
) -> None:
    minute = time.localtime().tm_hour * 60 + time.localtime().tm_min
    begin, end = (minute - 60) % 1440, (minute + 240) % 1440
    span = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    configure(project, webhook, f'quiet_hours = "{span}"')
    project.run("up")
    project.run("start", "broken")
    project.wait_for("broken", "failed")

    def waiting() -> list[str]:
        found = json.loads(project.run("notify", "waiting", "--json").stdout)["waiting"]
        return [one["title"] for one in found]

    project.wait("the failure to be kept", lambda: waiting() == ["broken failed"])
    assert webhook.bodies == []
    old = project.daemon_pids()[1]
    os.kill(old, signal.SIGKILL)
    project.wait("another engine", lambda: project.daemon_pids()[1:] not in ([], [old]))
    assert waiting() == ["broken failed"]
    configure(project, webhook)
    project.wait("the failure to be told", lambda: "broken failed" in heard(webhook))
    assert heard(webhook).count("broken failed") == 1


def test_without_a_target_the_verb_says_what_to_write(project: Any) -> None:
    project.configure('[agents.a]\ncommand = ["true"]\n')
    refused = project.run("notify", "test", check=2).stderr
    assert "[notify]" in refused and "mailto" in refused

"""One message to real receivers: a webhook, a mail server, a command; and what fails is told."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from receivers import Mailbox, Webhook

from supervisor.config.notify import Target
from supervisor.core.notices import Kind, Notice
from supervisor.engine import messengers
from supervisor.engine.messengers import send, shown

# apprise asks for modules that a later Python lacks.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NOTICE = Notice(
    Kind.NEEDS_INPUT, "writer", "01J", "writer asks: Publish?", "longwatch answer 7F3K-1 --allow",
    "warning", 1_800_000_000.0, "k",
)  # fmt: skip


def test_a_chat_webhook_gets_title_and_body(webhook: Webhook) -> None:
    assert send(Target("url", (webhook.url,)), NOTICE) is None
    (text,) = webhook.texts()
    assert "writer asks: Publish?" in text and "longwatch answer 7F3K-1 --allow" in text


def test_a_message_is_longwatchs_and_no_picture_of_another_host_is_in_it(webhook: Webhook) -> None:
    assert send(Target("url", (webhook.url,)), NOTICE) is None
    (body,) = webhook.bodies
    assert body["username"] == "longwatch" and "icon_url" not in body


def test_two_targets_told_at_once_say_each_its_own_problem(webhook: Webhook) -> None:
    webhook.status = 403
    dead = "mmost://127.0.0.1:9/4ccdd113474722377935511fc85d3dd4"
    for _ in range(5):
        with ThreadPoolExecutor(2) as pool:
            refused = pool.submit(send, Target("url", (webhook.url,)), NOTICE)
            nowhere = pool.submit(send, Target("url", (dead,)), NOTICE)
        assert "403" in str(refused.result()) and "onnection" not in str(refused.result())
        assert "onnection" in str(nowhere.result()) and "403" not in str(nowhere.result())


def test_an_agent_calls_nobody_in_a_chat(webhook: Webhook) -> None:
    words = "@everyone and <!channel>: bob@all.example is right"
    assert send(Target("url", (webhook.url,)), replace(NOTICE, title=words, body=words)) is None
    (text,) = webhook.texts()
    assert "@everyone" not in text and "<!" not in text and "&lt;!" not in text
    assert "bob@all.example" in text and "everyone" in text


def test_a_mail_arrives_with_its_subject(mailbox: Mailbox) -> None:
    assert send(Target("url", (mailbox.url,)), NOTICE) is None
    (message,) = mailbox.messages
    assert message["Subject"] == "writer asks: Publish?"
    assert message["To"] == "you@example.org"
    body = message.get_body(("plain", "html"))
    assert body is not None and "7F3K-1" in body.get_content()


def test_a_webhook_that_refuses_is_a_problem_and_its_token_is_not_told(webhook: Webhook) -> None:
    webhook.status = 403
    target = Target("url", (webhook.url,))
    problem = send(target, NOTICE)
    assert problem and "403" in problem
    assert "3ccdd113474722377935511fc85d3dd4" not in problem + shown(target)


def test_an_address_nobody_listens_at_and_one_nobody_knows() -> None:
    assert send(Target("url", ("mmost://127.0.0.1:9/3ccdd113474722377935511fc85d3dd4",)), NOTICE)
    unknown = send(Target("url", ("carrierpigeon://coop",)), NOTICE)
    assert unknown and "apprise" in unknown


def test_a_secret_of_the_environment_completes_the_address(
    webhook: Webhook, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, token = webhook.url.rsplit("/", 1)
    target = Target("url", (f"{head}/{{env:HOOK_TOKEN}}",))
    problem = send(target, NOTICE)
    assert problem and "HOOK_TOKEN" in problem and webhook.bodies == []
    monkeypatch.setenv("HOOK_TOKEN", token)
    assert send(target, NOTICE) is None and len(webhook.bodies) == 1


def test_a_command_gets_the_message_as_json(tmp_path: Path) -> None:
    place = tmp_path / "got"
    script = f"import sys; open({str(place)!r}, 'w').write(sys.stdin.read())"
    assert send(Target("command", (sys.executable, "-c", script)), NOTICE) is None
    got = json.loads(place.read_text())
    assert (got["kind"], got["agent"], got["title"]) == ("needs-input", "writer", NOTICE.title)
    assert got["at"].startswith("2027-01-15T08:00:00")


def test_a_command_that_fails_hangs_or_is_missing_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = "import sys; print('no network', file=sys.stderr); sys.exit(3)"
    failed = send(Target("command", (sys.executable, "-c", script)), NOTICE)
    assert failed and "ended with 3" in failed and "no network" in failed
    missing = send(Target("command", ("no-such-program-at-all",)), NOTICE)
    assert missing and "cannot be started" in missing
    monkeypatch.setattr(messengers, "COMMAND_TIMEOUT_S", 0.3)
    hung = send(Target("command", ("sh", "-c", "sleep 60 & sleep 60")), NOTICE)
    assert hung and "did not end" in hung


def test_without_a_desktop_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "DBUS_SESSION_BUS_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    problem = send(Target("desktop"), NOTICE)
    assert problem and ("desktop" in problem or "not installed" in problem)


def test_the_desktop_program_gets_title_body_and_urgency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "notify-send"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/said\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(sys, "platform", "linux")
    assert send(Target("desktop"), NOTICE) is None
    said = (tmp_path / "said").read_text().splitlines()
    marked = replace(NOTICE, title="a<b", body='<img src="file:///x"> & co')
    assert send(Target("desktop"), marked) is None
    as_sent = (tmp_path / "said").read_text().splitlines()[-2:]
    assert as_sent == ["a<b", '&lt;img src="file:///x"&gt; &amp; co'], "a body there is markup"
    assert said[-3:] == ["--", NOTICE.title, NOTICE.body] and "normal" in said

"""What a yes would mean: for the order in which people look at what waits for them."""

from __future__ import annotations

from typing import Any

import pytest

from supervisor.core.report import request_report
from supervisor.core.risk import Level, risk_of
from supervisor.core.run import Status
from tests.core.builders import a_request, story_in


def level(action: Any, title: str = "May I?", kind: str = "approve") -> Level:
    return risk_of(a_request(title=title, action=action, kind=kind)).level


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"argv": ["rm", "-rf", "build"]}, "removes something: rm"),
        ({"command": "git push origin main"}, "leaves this machine: push"),
        ({"tool": "mail.send", "to": "all"}, "leaves this machine: mail"),
        ({"tool": "delete_file", "path": "x"}, "removes something: delete"),
        ({"tool": "payments", "args": {"do": "transfer", "eur": 5}}, "spends: transfer"),
        ({"argv": ["sudo", "ls"]}, "changes rights or the system: sudo"),
        ({"argv": ["git", "commit", "--no-verify"]}, "forces its way: no-verify"),
        ({"command": "cd /srv && make all test && git add -A . && git push"}, "machine: push"),
        ({"sql": "DROP TABLE users"}, "removes something: drop"),
        ({"steps": [{"argv": ["ls"]}, {"argv": ["kill", "1"]}]}, "rights or the system: kill"),
    ],
)
def test_what_cannot_be_taken_back_is_high_and_says_why(action: Any, why: str) -> None:
    risk = risk_of(a_request(action=action))
    assert risk.level is Level.HIGH and why in risk.why


@pytest.mark.parametrize(
    "action",
    [
        {"argv": ["ls", "-la"]},
        {"argv": ["/bin/cat", "notes.txt"]},
        {"command": "git log -3"},
        {"tool": "read_file", "path": "notes.txt"},
    ],
)
def test_what_only_looks_is_low(action: Any) -> None:
    assert level(action) is Level.LOW


@pytest.mark.parametrize(
    "action",
    [
        None,
        {"argv": ["make"]},
        {"command": "ls > notes.txt"},
        {"command": "cat $(make)"},
        {"argv": ["git", "commit"]},
        {"about": [{"terms": "You may copy, modify, transfer and delete this work as you like."}]},
        {"tool": "write_file", "path": "a", "content": "how to delete a branch and push it"},
        ["anything"],
        "words",
        7,
    ],
)
def test_what_is_not_known_is_in_the_middle(action: Any) -> None:
    assert level(action) is Level.MEDIUM


def test_an_agent_can_raise_its_risk_by_what_it_says_and_never_lower_it() -> None:
    assert level({"argv": ["make", "clean"]}, "Delete the build?") is Level.HIGH
    assert level({"argv": ["rm", "x"]}, "Only looks, nothing changes") is Level.HIGH


def test_a_question_is_low_and_a_text_to_change_in_the_middle() -> None:
    assert level(None, "Which branch?", "choose") is Level.LOW
    assert level({"fields": ["delete"]}, "Your name?", "form") is Level.LOW
    assert level("Dear all", "Look it over?", "edit") is Level.MEDIUM


def test_an_action_without_end_is_read_only_so_far() -> None:
    deep: Any = "rm"
    for _ in range(500):
        deep = [deep]
    assert level(deep) is Level.MEDIUM
    assert level({"argv": ["make", "x" * 10_000_000]}) is Level.MEDIUM


def test_scripts_see_the_risk_too() -> None:
    request = a_request(action={"argv": ["rm", "x"]})
    report = request_report(story_in(Status.WAITING).state, request)
    assert report["risk"] == {"level": "high", "why": "removes something: rm"}

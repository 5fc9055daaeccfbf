"""``events.jsonl``: whatever stands in it, and the agent's side of the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from supervisor.agent.noting import Notes
from supervisor.core.agent_events import AgentEvent, AgentEventsSkipped
from supervisor.protocol.agent_events import EVENTS_NAME, events_in


def same(value: Any) -> Any:
    return value


def test_whole_lines_are_taken_and_the_rest_waits() -> None:
    data = b'{"kind":"thought","text":"a"}\n{"kind":"note"}\n{"kind":"tool'
    first, second = events_in(data, 100, same, 10)
    assert first == AgentEvent("thought", "a", end=130)
    assert second == AgentEvent("note", end=100 + data.rindex(b"\n") + 1)
    (only,) = events_in(data, 100, same, 1)
    assert only == first


@pytest.mark.parametrize(
    ("line", "word"),
    [
        (b"nothing of the kind", "found"),
        (b"[1]", "a JSON object"),
        (b'{"text":"no kind"}', "kind"),
        (b'{"kind":"Not A Word"}', "kind"),
        (b'{"kind":"a\\nb"}', "kind"),
        (b'{"kind":"deep","fields":' + b'{"a":' * 40 + b"1" + b"}" * 41, "deep"),
        (b'{"kind":"big","text":"' + b"x" * 70_000 + b'"}', "bytes"),
        (b"\xff\xfe{}", "UTF"),
        (b'{"kind":"nan","fields":{"a":NaN}}', "NaN"),
    ],
)
def test_a_bad_line_is_left_out_and_said_and_the_next_one_counts(line: bytes, word: str) -> None:
    data = line + b'\n{"kind":"note"}\n'
    event, skipped = events_in(data, 0, same, 10)
    assert isinstance(event, AgentEvent) and event.kind == "note"
    assert isinstance(skipped, AgentEventsSkipped) and skipped.end == len(data)
    assert word in skipped.reason and len(skipped.reason) < 400


def test_empty_lines_do_not_stop_the_reading() -> None:
    (skipped,) = events_in(b"\n\n\n", 5, same, 10)
    assert skipped == AgentEventsSkipped(f"{EVENTS_NAME}: empty lines", 8)
    assert events_in(b"", 5, same, 10) == ()


def test_what_the_sdk_writes_is_what_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / EVENTS_NAME
    notes = Notes(str(path), 3)
    notes.add("thought", "half \ud800 a letter, “quoted”\n" + "x" * 5000, {})
    notes.add("tool_call", "", {"path": tmp_path, "n": 1, "nested": {"a": [None, True]}})
    notes.add("note", "", {"much": "y" * 20_000})
    notes.add("note", "", {"bad": float("nan"), "more": 1})
    with pytest.raises(ValueError, match="tool_call"):
        notes.add("Two Words", "", {})
    found = events_in(path.read_bytes(), 0, same, 10)
    assert [event.kind for event in found if isinstance(event, AgentEvent)] == [
        "thought", "tool_call", "note", "note",
    ]  # fmt: skip
    thought, call, much, bad = (event for event in found if isinstance(event, AgentEvent))
    assert thought.text.startswith("half ? a letter, “quoted”\n") and thought.epoch == 3
    assert call.fields == {"path": str(tmp_path), "n": 1, "nested": {"a": [None, True]}}
    assert "left_out" in much.fields and "left_out" in bad.fields
    assert path.stat().st_mode & 0o777 == 0o600

    path.unlink()
    path.symlink_to("/etc/passwd")
    notes.add("note", "nobody follows a link", {})
    notes.add("note", "and it is said once", {})
    assert capsys.readouterr().err.count("is not written") == 1


def test_secrets_go_before_anything_is_cut() -> None:
    line = json.dumps({"kind": "note", "text": "x" * 1990 + " secret-secret"}).encode() + b"\n"
    (event,) = events_in(
        line, 0, lambda value: json.loads(json.dumps(value).replace("secret-secret", "[gone]")), 5
    )
    assert isinstance(event, AgentEvent) and "secret" not in event.text

"""What the Ralph loop reads and changes: lists, costs, strikes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[2] / "agents"))

from ralph_parts import strikes, tasks, usage

MARKDOWN = (
    b"\xef\xbb\xbf- [ ] first  \r\n"
    b"    - [ ] part of the first\r\n"
    b"\tverify: `pytest -q 'a b'`\r\n"
    b"\r\n"
    b"* [X] done by hand\r\n"
    b"```\n- [ ] an example\n```\n"
    b"text \xff\n"
    b"1. [ ] same\n- [ ] same\n- [ ] same \xc2\x85 not\x0ca new line"
)
STORIES = """{ "project": "p",  "userStories": [
  {"id": "US-2", "title": "Later [\\"x\\"]", "priority": 2, "passes" :  false,"notes": ""},
  {"id": "US-1", "title": "Sooner", "priority": 1, "passes": true,
   "verify": ["make a", ["b", "c d"]]}
]}\r\n"""
STATUSES = (
    '[{"title": "a", "status": "todo"}, {"title": "b", "status": "complete"},\n{"title": "c"}]'
)


def listed(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_markdown_list_has_its_outermost_checkboxes_as_tasks(tmp_path: Path) -> None:
    first, by_hand, *same, last = tasks.read_tasks(listed(tmp_path, "T.md", MARKDOWN))
    assert (first.title, first.is_done, by_hand.is_done) == ("first", False, True)
    assert "part of the first" in first.description
    assert first.verify == (("pytest", "-q", "a b"),)
    assert [task.key for task in same] == ["same", "same#2"]
    assert last.title == "same \x85 not\x0ca new line"


@pytest.mark.parametrize("key", ["first", "same", "same#2"])
def test_ticking_changes_one_byte_and_unticking_changes_it_back(tmp_path: Path, key: str) -> None:
    path = listed(tmp_path, "T.md", MARKDOWN)
    path.chmod(0o640)
    assert tasks.set_mark(path, key, done=True)
    after = path.read_bytes()
    assert [(a, b) for a, b in zip(MARKDOWN, after, strict=True) if a != b] == [(32, ord("x"))]
    assert [task.key for task in tasks.read_tasks(path) if task.is_done] == (
        [key, "done by hand"] if key == "first" else ["done by hand", key]
    )
    assert tasks.set_mark(path, key, done=False)
    assert path.read_bytes() == MARKDOWN and path.stat().st_mode & 0o777 == 0o640
    assert not tasks.set_mark(path, "never there", done=True)


def test_a_json_list_keeps_every_other_byte(tmp_path: Path) -> None:
    path = listed(tmp_path, "prd.json", STORIES)
    later, sooner = tasks.read_tasks(path)
    assert (later.key, sooner.key, sooner.is_done) == ("US-2", "US-1", True)
    assert sooner.priority < later.priority
    assert sooner.verify == (("make", "a"), ("b", "c d"))
    assert tasks.set_mark(path, "US-2", done=True)
    assert path.read_bytes().decode() == STORIES.replace('"passes" :  false', '"passes" :  true')


def test_a_json_status_keeps_the_words_of_its_list(tmp_path: Path) -> None:
    path = listed(tmp_path, "t.json", STATUSES)
    for key in ("a", "c"):
        assert tasks.set_mark(path, key, done=True)
    said = json.loads(path.read_text())
    assert said[0] == {"title": "a", "status": "complete"}
    assert said[2] == {"title": "c", "passes": True}
    assert tasks.set_mark(path, "a", done=False, as_before='"todo"')
    assert path.read_text() == STATUSES.replace('"c"', '"c", "passes": true')


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.json", "{", "line 1"),
        ("t.json", '{"a": 1}', "userStories"),
        ("t.json", '[{"id": 1}]', "task 1 has no title"),
        ("t.json", '[{"title": "a", "passes": "yes"}]', "expected true or false"),
        ("t.json", '[{"title": "a", "verify": 3}]', "verify of 'a'"),
        ("t.md", "- [ ] a\n  verify: 'open\n", "verify of 'a'"),
        ("t.md", "- [ ] \n", "without a task"),
    ],
)
def test_a_list_that_is_none_is_said_with_its_place(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(tasks.ListError) as error:
        tasks.read_tasks(listed(tmp_path, name, content))
    assert said in str(error.value) and name in str(error.value)


CLAUDE = {
    "type": "result", "is_error": False, "result": "Did it.", "total_cost_usd": 0.0123,
    "usage": {"input_tokens": 4, "output_tokens": 9, "cache_read_input_tokens": 100},
}  # fmt: skip
CODEX = [
    {"type": "thread.started"},
    {"type": "item.completed", "item": {"type": "agent_message", "text": "Did it."}},
    {"type": "turn.completed",
     "usage": {"input_tokens": 4, "cached_input_tokens": 100, "output_tokens": 9}},
]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "cost"),
    [
        (json.dumps(CLAUDE), 0.0123),
        (json.dumps([{"type": "system"}, CLAUDE]), 0.0123),
        (
            "noise\n{broken\n" + json.dumps({"type": "assistant"}) + "\n" + json.dumps(CLAUDE),
            0.0123,
        ),
        ("\n".join(json.dumps(event) for event in CODEX), None),
    ],
)
def test_tokens_and_cost_come_from_what_the_agent_prints(output: str, cost: float | None) -> None:
    read = usage.read_output(output)
    assert (read["said"], read["cost_usd"]) == ("Did it.", cost)
    tokens = {"input_tokens": 4, "output_tokens": 9, "cache_read_tokens": 100}
    assert read["tokens"] == tokens


@pytest.mark.parametrize(
    "output",
    ["plain words", "", "[1, 2]", '{"total_cost_usd": "free", "usage": 3}', "[" * 50_000,
     '{"total_cost_usd": NaN, "usage": {"input_tokens": -4}}', '{"total_cost_usd": true}'],
)  # fmt: skip
def test_output_that_tells_no_cost_costs_unknown(output: str) -> None:
    read = usage.read_output(output)
    assert read["cost_usd"] is None and read["tokens"]["input_tokens"] == 0


def test_the_same_failure_at_another_time_is_the_same_error() -> None:
    one = "FAILED at 12:01:02 in 0.31s, 5 failed (/tmp/pytest-1/x 0x7f00)"
    other = "FAILED at 13:11:42 in 1.04s, 5 failed (/tmp/pytest-22/x 0x7f8a)"
    assert strikes.error_hash(one) == strikes.error_hash(other)
    assert strikes.error_hash(one) != strikes.error_hash(one.replace("5 failed", "4 failed"))


def count(*rounds: tuple[str, bool, str]) -> list[str | None]:
    counted = strikes.Strikes()
    said = []
    for key, is_changed, error in rounds:
        work: dict[str, Any] = {"is_changed": is_changed, "error": None}
        said.append(counted.count(key, work, {"is_passed": not error, "error": error or None}))
    return said


def test_two_strikes_count_in_a_row_and_for_one_task_alone() -> None:
    again = "the same error 2 times"
    assert count(("a", True, "x"), ("a", True, "x")) == [None, again]
    assert count(("a", True, "x"), ("a", True, "y"), ("a", True, "x")) == [None] * 3
    assert count(("a", False, "x"), ("b", False, "x")) == [None, None]
    assert count(("a", False, "x"), ("a", False, "y"))[1] == (
        "nothing changed in the work tree 2 times"
    )
    assert count(("a", False, "x"), ("a", False, "")) == [None, None]

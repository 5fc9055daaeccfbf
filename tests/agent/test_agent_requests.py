"""Questions to the operator, answered by files written as the engine writes them."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

ASK = """
with Agent() as agent:
    agent.log('before')
    answer = agent.approve('Publish?', action={'argv': ['cp', 'ä']}, explanation='why', park=PARK)
    print(bool(answer), answer.comment, answer.by)
"""
PARKED = ASK.replace("PARK", "True")
WAITING = ASK.replace("PARK", "False")


def question_hash(question: dict[str, Any]) -> str:
    covered = {
        "kind": question["kind"],
        "title": question["title"],
        "action": question.get("action"),
        "options": question.get("options", []),
    }
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def answer(room: Any, **fields: Any) -> None:
    """Answer the newest request; with ``request_sha256=…`` for something else."""
    path = room.requests()[-1]
    question = json.loads(path.read_text())
    base = {"allow": None, "option": None, "text": None, "comment": None, "by": "test"}
    head = {"id": path.stem, "request_sha256": question_hash(question), "expired": False}
    room.write(f"answers/{path.name}", base | head | fields)


def test_parking_exits_75_with_the_request_on_disk_and_the_answer_resumes_it(room: Any) -> None:
    code, out, err = room.run(PARKED)
    assert (code, out, err) == (75, "before\n", "")
    assert room.read("progress.json")["status"] == "parked"
    (path,) = room.requests()
    question = json.loads(path.read_text())
    assert question["kind"] == "approve" and question["explanation"] == "why"
    assert path.stem == f"approve-{question_hash(question)[:12]}-0"
    answer(room, allow=True, comment="go on")
    code, out, err = room.run(PARKED)
    assert (code, out, err) == (0, "before\nTrue go on test\n", "")
    assert len(room.requests()) == 1


def test_a_denial_and_an_expiry_are_no_consent(room: Any) -> None:
    room.run(PARKED)
    answer(room, allow=False)
    assert room.run(PARKED)[1] == "before\nFalse None test\n"
    answer(room, allow=True, expired=True)
    assert room.run(PARKED)[1] == "before\nFalse None test\n"


def test_an_answer_for_another_request_is_refused_and_said(room: Any) -> None:
    room.run(PARKED)
    answer(room, allow=True, request_sha256="0" * 64)
    assert room.run(PARKED)[0] == 75
    (anomaly,) = room.read("progress.json")["anomalies"]
    assert anomaly["kind"] == "answer-refused" and "000000000000" in anomaly["message"]


def test_waiting_in_place_takes_the_answer_when_it_comes(room: Any) -> None:
    process = room.start(WAITING)
    room.wait_for(lambda: room.read("progress.json").get("status") == "waiting")
    answer(room, allow=True, request_sha256="f" * 64)
    room.wait_for(lambda: room.read("progress.json").get("anomalies"))
    answer(room, allow=True)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "before\nTrue None test\n", "")


def test_the_four_kinds_give_what_was_answered(room: Any) -> None:
    body = """
with Agent() as agent:
    print(agent.choose('Which?', ['a', 'b']))
    print(agent.ask('What?'))
    print(agent.edit('Better?', 'a text'))
"""
    answers = [{"option": "b"}, {"text": "words"}, {"text": "a better text"}]
    for number, fields in enumerate(answers):
        assert room.run(body)[0] == 75
        open_ones = [p for p in room.requests() if not (room.run_dir / "answers" / p.name).exists()]
        assert len(open_ones) == 1, number
        question = json.loads(open_ones[0].read_text())
        base = {"request_sha256": question_hash(question), "by": "t"}
        room.write(f"answers/{open_ones[0].name}", base | fields)
    assert room.run(body)[1] == "b\nwords\na better text\n"


def test_a_denied_choice_is_an_error_that_says_who_and_why(room: Any) -> None:
    body = "with Agent() as agent:\n    agent.choose('Which?', ['a', 'b'])\n"
    room.run(body)
    answer(room, allow=False, comment="neither")
    code, _out, err = room.run(body)
    assert code == 1 and "RequestRefusedError" in err and "test denied it (neither)" in err


def test_the_same_question_about_another_item_is_another_question(room: Any) -> None:
    body = """
with Agent() as agent:
    for item in agent.track(['x', 'y'], key=str):
        print(item, bool(agent.approve('Sure?')))
"""
    assert room.run(body)[0] == 75
    answer(room, allow=True)
    code, out, _err = room.run(body)
    assert (code, out) == (75, "x True\n")
    assert len(room.requests()) == 2


def test_an_expiry_is_not_moved_by_a_restart(room: Any) -> None:
    body = "with Agent() as agent:\n    agent.approve('Sure?', expires_in=3600)\n"
    room.run(body)
    first = room.requests()[0].read_text()
    room.run(body)
    assert room.requests()[0].read_text() == first
    assert json.loads(first)["expires_at"] > json.loads(first)["created_at"]


def test_without_a_supervisor_the_default_is_taken_and_kept(room: Any) -> None:
    body = """
with Agent() as agent:
    print(bool(agent.approve('Sure?', default=True)), agent.choose('Which?', 'ab', default='b'))
    if agent.epoch == 1: os._exit(9)
"""
    assert room.run(body, LONGWATCH_RUN_DIR="")[:2] == (9, "True b\n")
    answers = room.folder / ".longwatch-local" / "program" / "answers"
    assert {json.loads(p.read_text())["by"] for p in answers.iterdir()} == {"default"}
    assert room.run(body, LONGWATCH_RUN_DIR="")[1] == "True b\n"


def test_with_nobody_to_ask_the_error_names_where_to_put_the_answer(room: Any) -> None:
    body = "with Agent() as agent:\n    print(agent.ask('Who are you?'))\n"
    code, _out, err = room.run(body, LONGWATCH_RUN_DIR="")
    assert code == 1 and "NobodyToAskError" in err
    local = room.folder / ".longwatch-local" / "program"
    (request,) = (local / "requests").iterdir()
    path = local / "answers" / request.name
    assert str(path) in err
    digest = question_hash(json.loads(request.read_text()))
    path.write_text(json.dumps({"request_sha256": digest, "text": "me"}))
    assert room.run(body, LONGWATCH_RUN_DIR="")[1] == "me\n"


def test_a_terminal_is_asked_and_no_control_character_reaches_it(tmp_path: Path) -> None:
    program = tmp_path / "asks.py"
    program.write_text(
        "from supervisor.agent import Agent\n"
        "with Agent() as agent:\n"
        "    print(bool(agent.approve('Sure\\x1b[2J?', action={'rm': '\\u202e'})))\n"
    )
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-S", str(program)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
    )
    os.close(slave)
    seen = b""
    while b"[y/n]" not in seen:
        seen += os.read(master, 4096)
    os.write(master, b"y\n")
    out, _err = process.communicate(timeout=20)
    os.close(master)
    assert out == b"True\n"
    assert b"\x1b" not in seen and b"<U+001B>" in seen
    assert "\u202e".encode() not in seen

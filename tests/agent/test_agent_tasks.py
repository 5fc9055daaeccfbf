"""The SDK's side of a task: reading it, leaving an outcome, refusing it."""

from __future__ import annotations

import json
from typing import Any

TASK = {
    "id": "01JROOMROOMROOMROOMROOMRM1",
    "queue": "contracts.read",
    "payload": {"document": "a.txt"},
    "key": "a",
    "delivery": 2,
    "max_deliveries": 5,
    "group": "g",
    "submitted_at": "2026-03-01T11:02:00.000Z",
}


def deliver(room: Any, body: str, task: Any = TASK) -> tuple[int, str, str]:
    (room.run_dir / "task.json").write_text(json.dumps(task))
    process = room.start(body, LONGWATCH_TASK_FILE=str(room.run_dir / "task.json"))
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def outcome(room: Any) -> Any:
    return json.loads((room.run_dir / "result.json").read_text())


def test_a_task_is_what_was_submitted(room: Any) -> None:
    code, out, err = deliver(
        room,
        "with Agent() as agent:\n"
        "    t = agent.task\n"
        "    print(t.id, t.queue, t.payload['document'], t.key, t.delivery, t.max_deliveries,"
        " t.group)\n",
    )
    assert (code, err) == (0, "")
    assert out.split() == [
        "01JROOMROOMROOMROOMROOMRM1", "contracts.read", "a.txt", "a", "2", "5", "g"
    ]  # fmt: skip
    assert not (room.run_dir / "result.json").exists()


def test_an_outcome_is_a_result_and_the_tasks_that_follow(room: Any) -> None:
    code, _out, err = deliver(
        room,
        "from supervisor.agent import Next\n"
        "with Agent() as agent:\n"
        "    for task in agent.tasks():\n"
        "        task.complete({'n': (1, 2)}, next=['b', Next('c', 'other', key='k', priority=9,"
        " delay_seconds=1.5)])\n",
    )
    assert (code, err) == (0, "")
    assert outcome(room) == {
        "result": {"n": [1, 2]},
        "next": [
            {"payload": "b"},
            {"payload": "c", "queue": "other", "key": "k", "priority": 9, "delay_seconds": 1.5},
        ],
    }


def test_the_end_of_the_loop_completes_a_task_that_nobody_completed(room: Any) -> None:
    code, _out, _err = deliver(
        room, "with Agent() as agent:\n    for task in agent.tasks():\n        pass\n"
    )
    assert code == 0 and outcome(room) == {"result": None}


def test_a_rejected_task_is_declared_as_beyond_help(room: Any) -> None:
    code, _out, err = deliver(
        room,
        "with Agent() as agent:\n"
        "    for task in agent.tasks():\n"
        "        task.reject('no such document')\n",
    )
    assert code == 1 and "no such document" in err
    progress = json.loads((room.run_dir / "progress.json").read_text())
    assert progress["errors"][-1]["retryable"] is False
    assert not (room.run_dir / "result.json").exists()


def test_a_run_without_a_task_has_none(room: Any) -> None:
    process = room.start("with Agent() as agent:\n    print(agent.task, list(agent.tasks()))\n")
    out, err = process.communicate(timeout=30)
    assert (out.strip(), err) == ("None []", "")


def test_a_result_that_json_cannot_carry_is_refused_by_name(room: Any) -> None:
    code, _out, err = deliver(
        room, "with Agent() as agent:\n    agent.task.complete(float('nan'))\n"
    )
    assert code == 1 and "the result of the task" in err


def test_a_task_file_that_is_torn_is_said(room: Any) -> None:
    (room.run_dir / "task.json").write_text('{"id": ')
    process = room.start(
        "with Agent() as agent:\n    agent.task\n",
        LONGWATCH_TASK_FILE=str(room.run_dir / "task.json"),
    )
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "cannot read the task" in err

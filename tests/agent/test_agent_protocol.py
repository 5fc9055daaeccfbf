"""What the SDK writes is what the supervisor reads, without one complaint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from supervisor.core.progress import Progress
from supervisor.core.run import Answer, RequestState
from supervisor.protocol.answer import answer_to_json
from supervisor.protocol.bounded_json import parse_json
from supervisor.protocol.checkpoint import CheckpointFacts, checkpoint_check
from supervisor.protocol.progress import ProgressReport, progress_from_json
from supervisor.protocol.request import RequestDraft, request_from_json


def test_progress_is_read_without_a_problem(room: Any) -> None:
    code, _out, err = room.run("""
with Agent() as agent:
    agent.stages(['a', 'b'])
    agent.stage('b')
    agent.progress(3, 10, 'files', step='a name that is no UTF-8: \\udcff, and ü')
    agent.progress(completed=float('nan'))
    agent.anomaly('odd', 'it is \\x1b[31m odd')
    agent.error('slow', service='api', status_code=529, retryable=True)
    agent.usage(input_tokens=1, cost_usd=float('inf'), model='m')
    agent.step(str, 1)
""")
    assert (code, err) == (0, "")
    value = parse_json((room.run_dir / "progress.json").read_bytes())
    report = progress_from_json(value)
    assert isinstance(report, ProgressReport), report
    progress = next(part for part in report if isinstance(part, Progress))
    assert report.problems == ()
    assert (progress.status, progress.completed_steps) == ("done", 1)
    assert progress.step is not None and progress.step.completed == 3
    assert progress.last_error is not None and progress.last_error.retryable is True


def test_a_checkpoint_is_accepted_with_its_epoch_and_sequence(room: Any) -> None:
    room.run("""
with Agent() as agent:
    for item in agent.track(['ä', 'b'], key=str):
        agent.stash({'sum': 0.1, 9: 'number', 10: 'keys'})
""")
    data = (room.run_dir / "checkpoint.json").read_bytes()
    facts = checkpoint_check(data, room.run_id, "checkpoint.json")
    assert isinstance(facts, CheckpointFacts), facts
    assert (facts.epoch, facts.sequence) == (1, 2)


@pytest.mark.parametrize(
    ("ask", "reply", "printed"),
    [
        ("bool(agent.approve('Sure?', action={'argv': ['ä', 1.5]}))", {"allow": True}, "True"),
        ("agent.choose('Which?', ['a', 'b'], default='a')", {"option": "b"}, "b"),
        ("agent.ask('What?', default='x')", {"text": "words"}, "words"),
        ("agent.edit('Better?', 'so so')", {"text": "good"}, "good"),
    ],
)
def test_a_question_is_read_hashed_and_answered_alike(
    room: Any, ask: str, reply: dict[str, Any], printed: str
) -> None:
    body = f"with Agent() as agent:\n    print({ask})\n"
    assert room.run(body)[0] == 75
    (path,) = room.requests()
    draft = request_from_json(path.stem, parse_json(path.read_bytes()))
    assert isinstance(draft, RequestDraft) and draft.problems == (), draft
    answer = Answer(by="test", at=1.0, sha256=draft.request.sha256, **reply)
    request = type(draft.request)
    fields = {name: getattr(draft.request, name) for name in request.__slots__}
    answered = request(**fields | {"state": RequestState.ANSWERED, "answer": answer})
    room.write(f"answers/{path.name}", answer_to_json(answered))
    assert room.run(body)[:2] == (0, printed + "\n")


@pytest.mark.parametrize(
    "ask",
    [
        "agent.approve('')",
        "agent.approve('x' * 1001)",
        "agent.approve('Sure?', action=['\\udcff'])",
        "agent.approve('Sure?', action=[0] * 10_000)",
        "agent.approve('Sure?', action='x' * 2_000_000)",
        "agent.choose('Which?', [])",
        "agent.choose('Which?', ['a', 'a'])",
        "agent.choose('Which?', ['two\\nlines'])",
        "agent.choose('Which?', ['a'], default='b')",
        "agent.approve('Sure?', on_timeout='default')",
    ],
)
def test_what_could_not_be_shown_is_refused_before_it_parks_a_run(room: Any, ask: str) -> None:
    code, _out, err = room.run(f"with Agent() as agent:\n    {ask}\n")
    assert code == 1 and "UnfitValueError" in err
    assert room.requests() == []
    assert json.loads((room.run_dir / "progress.json").read_text())["status"] == "failed"

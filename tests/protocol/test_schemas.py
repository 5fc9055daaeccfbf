"""The shipped JSON Schemas say what the models say, and loading the room costs what it should."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from supervisor.protocol import exit_status, schemas
from supervisor.protocol.checkpoint import CheckpointEnvelope, CheckpointFacts, checkpoint_check
from supervisor.protocol.exit_record import ExitRecord
from supervisor.protocol.progress import ProgressReport, progress_from_json
from supervisor.protocol.request import RequestDraft, request_from_json


def test_the_schema_files_are_up_to_date() -> None:
    assert schemas.stale_schemas() == [], "run: make schemas"
    assert schemas.main(["--check"]) == 0


def test_a_stale_schema_is_told_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schemas, "DIRECTORY", tmp_path / "schemas")
    assert schemas.main(["--check"]) == 1
    assert "stale schemas/progress.json" in capsys.readouterr().out
    assert schemas.main([]) == 0
    assert schemas.main(["--check"]) == 0


@pytest.mark.parametrize("name", schemas.MODELS)
def test_every_field_that_a_schema_requires_it_describes(name: str) -> None:
    schema = schemas.schema_of(name)
    assert set(schema.get("required", ())) <= set(schema["properties"])
    assert schema["type"] == "object"
    assert schema.get("additionalProperties", True) is True, "unknown fields are kept"


@pytest.mark.parametrize("name", schemas.MODELS)
def test_the_example_in_every_schema_is_valid(name: str) -> None:
    shipped = json.loads((schemas.DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    for example in shipped["examples"]:
        schemas.MODELS[name].model_validate(example)
        assert set(example) <= set(shipped["properties"])


def test_the_examples_are_taken_without_a_complaint() -> None:
    report = progress_from_json(schemas.EXAMPLES["progress"])
    assert isinstance(report, ProgressReport)
    assert report.problems == ()
    draft = request_from_json("q", schemas.EXAMPLES["request"])
    assert isinstance(draft, RequestDraft)
    assert draft.problems == ()
    envelope = schemas.EXAMPLES["checkpoint"]
    facts = checkpoint_check(json.dumps(envelope).encode(), envelope["run_id"], "c.json")
    assert isinstance(facts, CheckpointFacts)


def test_times_are_text_or_numbers_in_the_schema() -> None:
    text = json.dumps(schemas.schema_of("request")["properties"]["expires_at"])
    assert "date-time" in text
    assert '"number"' in text


def test_the_keepers_record_fits_its_model() -> None:
    record: dict[str, Any] = {
        "run": "01JX0000000000000000000001", "epoch": 2, "pid": 77, "code": None, "signal": 9,
        "ended_by": "deadline:task", "reason": "late", "at": 1.5, "at_mono": 9.25, "known": True,
        "leftovers": 1, "notice": "exited",
    }  # fmt: skip
    assert ExitRecord.model_validate(record).signal == 9


def test_the_envelope_has_the_fields_of_the_contract() -> None:
    names = {"longwatch_checkpoint", "run_id", "epoch", "sequence", "sha256", "state"}
    assert set(CheckpointEnvelope.model_fields) == names


def test_permanent_statuses_leave_out_what_may_pass() -> None:
    assert exit_status.TEMPFAIL not in exit_status.PERMANENT
    assert {64, 65, 66, 67, 68, 69, 70, 76, 77, 78} == exit_status.PERMANENT


def test_reading_and_writing_files_loads_neither_pydantic_nor_asyncio() -> None:
    code = (
        "import sys\n"
        "from supervisor.protocol import atomic, bounded_json, canonical, environment, "
        "exit_status, problem, request_name, safe_files\n"
        "from supervisor.watch import scan\n"
        "print(sorted({'pydantic', 'asyncio', 'watchfiles', 'supervisor.core'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert ran.stdout.strip() == "[]"

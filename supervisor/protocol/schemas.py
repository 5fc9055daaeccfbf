"""Generates the JSON Schemas of the file protocol; ``make schemas`` writes them.

``python -m supervisor.protocol.schemas [--check]``: with ``--check`` nothing is written, and the
exit status is 1 when a file does not match its model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from supervisor.protocol.agent_events import AgentEventLine
from supervisor.protocol.answer import AnswerFile
from supervisor.protocol.canonical import canonical_sha256
from supervisor.protocol.checkpoint import CheckpointEnvelope
from supervisor.protocol.exit_record import ExitRecord
from supervisor.protocol.progress import ProgressFile
from supervisor.protocol.request import RequestFile
from supervisor.protocol.task import ResultFile, TaskFile
from supervisor.protocol.wake import WakeFile

DIRECTORY = Path(__file__).parent / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "progress": ProgressFile,
    "checkpoint": CheckpointEnvelope,
    "request": RequestFile,
    "answer": AnswerFile,
    "exit": ExitRecord,
    "wake": WakeFile,
    "task": TaskFile,
    "result": ResultFile,
    "event": AgentEventLine,
}

_HASH = "61ff5d21d4c5ea6dd3ad5e4a5aa6a7ec1cb3b0c8a7e2f9d5c4b3a29180706f5e"
EXAMPLES: dict[str, dict[str, Any]] = {
    "progress": {
        "status": "comparing licences",
        "stage": {"name": "compare", "index": 2, "total": 3},
        "stages": ["collect", "compare", "report"],
        "step": {"name": "httpx", "completed": 14, "total": 80, "unit": "packages"},
        "estimated_completion": "2026-03-01T12:00:00Z",
        "anomalies": [
            {
                "id": "slow-1",
                "time": "2026-03-01T11:02:00Z",
                "kind": "slow-service",
                "severity": "warning",
                "message": "the registry answers in 9 s",
            }
        ],
        "errors": [
            {"service": "registry", "status_code": 503, "retryable": True, "message": "503"}
        ],
        "usage": {"input_tokens": 1200, "output_tokens": 340, "cost_usd": 0.02},
        "services": {"registry": {"calls": 15, "retries": 1, "failures": 0, "breaker": "closed"}},
        "updated_at": "2026-03-01T11:02:01.250Z",
    },
    "checkpoint": {
        "longwatch_checkpoint": 1,
        "run_id": "01JX0000000000000000000001",
        "epoch": 2,
        "sequence": 14,
        "sha256": canonical_sha256({"position": 14}),
        "state": {"position": 14},
    },
    "request": {
        "kind": "approve",
        "title": "Publish the report?",
        "action": {"argv": ["scp", "report.md", "web:"]},
        "explanation": "All 80 packages are checked.",
        "default": False,
        "expires_at": "2026-03-02T12:00:00Z",
        "on_timeout": "deny",
    },
    "answer": {
        "id": "approve-61ff5d21d4c5-1",
        "request_sha256": _HASH,
        "allow": True,
        "option": None,
        "text": None,
        "fields": None,
        "comment": "go ahead",
        "by": "tui",
        "answered_at": "2026-03-01T12:30:00.000Z",
        "expired": False,
    },
    "exit": {
        "run": "01JX0000000000000000000001",
        "epoch": 2,
        "pid": 4711,
        "code": None,
        "signal": 9,
        "ended_by": None,
        "reason": None,
        "at": 1772366400.5,
        "at_mono": 86400.25,
        "boot": "b5f0c8c4-0a50-4ae5-9d6b-2f0f3c1f3a55",
        "known": True,
        "leftovers": 0,
    },
    "wake": {"at": "2026-03-02T06:00:00Z", "reason": "nightly pause", "epoch": 2},
    "task": {
        "id": "01JX0000000000000000000001",
        "queue": "contracts.extract",
        "payload": {"document": "contracts/0001.txt"},
        "key": "0001",
        "delivery": 1,
        "max_deliveries": 5,
        "group": "01JX0000000000000000000000",
        "submitted_at": "2026-03-01T11:02:00.000Z",
    },
    "result": {
        "result": {"parties": 2, "ends": "2027-01-01"},
        "next": [{"payload": {"clause": 7}, "queue": "contracts.review", "key": "0001-7"}],
    },
    "event": {
        "kind": "tool_call",
        "text": "looks for the licence of httpx",
        "fields": {"tool": "search", "arguments": {"query": "httpx licence"}},
        "at": "2026-03-01T11:02:01.250Z",
        "epoch": 2,
    },
}
"""One of each, shown in its schema."""


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file; KeyError for a name not in ``MODELS``."""
    schema = MODELS[name].model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"Longwatch {name} file, version 1",
        "examples": [EXAMPLES[name]],
    }


def schema_text(name: str) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def stale_schemas() -> list[str]:
    """Names whose file is missing or does not match the model."""
    return [name for name in MODELS if _stored(name) != schema_text(name)]


def _stored(name: str) -> str | None:
    path = DIRECTORY / f"{name}.json"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def main(arguments: list[str]) -> int:
    """Write what is stale, or with ``--check`` only say so."""
    stale = stale_schemas()
    is_check = "--check" in arguments
    for name in stale:
        sys.stdout.write(f"{'stale' if is_check else 'wrote'} schemas/{name}.json\n")
        if not is_check:
            DIRECTORY.mkdir(exist_ok=True)
            (DIRECTORY / f"{name}.json").write_text(schema_text(name), encoding="utf-8")
    if is_check and stale:
        sys.stdout.write("Run: make schemas\n")
    return 1 if is_check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

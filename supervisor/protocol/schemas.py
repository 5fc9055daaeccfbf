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

from supervisor.protocol.answer import AnswerFile
from supervisor.protocol.checkpoint import CheckpointEnvelope
from supervisor.protocol.exit_record import ExitRecord
from supervisor.protocol.progress import ProgressFile
from supervisor.protocol.request import RequestFile

DIRECTORY = Path(__file__).parent / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "progress": ProgressFile,
    "checkpoint": CheckpointEnvelope,
    "request": RequestFile,
    "answer": AnswerFile,
    "exit": ExitRecord,
}


def schema_of(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one kind of file; KeyError for a name not in ``MODELS``."""
    schema = MODELS[name].model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": f"Longwatch {name} file, version 1",
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

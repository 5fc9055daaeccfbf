"""Writes the answer file that an agent waits for, or will look for when it starts again."""

from __future__ import annotations

import json
from pathlib import Path

from supervisor.core.run import Request
from supervisor.protocol.answer import answer_to_json
from supervisor.protocol.atomic import write_atomic_within


def write_answer(run_dir: Path, request: Request) -> None:
    """Write ``answers/<file id>.json``; the same request always gives the same bytes.

    Raises EnvironmentFaultError when the disk refuses, AgentError when a link is in the way.
    Blocks for an fsync.
    """
    encoded = json.dumps(answer_to_json(request), ensure_ascii=False, indent=1)
    data = encoded.encode("utf-8", "replace")
    write_atomic_within(run_dir, f"answers/{request.file_id}.json", data)

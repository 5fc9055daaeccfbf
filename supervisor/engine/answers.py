"""Writes the answer file that an agent waits for, or will look for when it starts again."""

from __future__ import annotations

import json
import os
from pathlib import Path

from supervisor.core.run import Request
from supervisor.protocol.answer import answer_to_json
from supervisor.protocol.atomic import write_atomic_within
from supervisor.protocol.safe_files import open_parent


def write_answer(run_dir: Path, request: Request) -> None:
    """Write ``answers/<file id>.json``; the same request always gives the same bytes.

    Raises EnvironmentFaultError when the disk refuses, AgentError when a link is in the way.
    Blocks for an fsync.
    """
    encoded = json.dumps(answer_to_json(request), ensure_ascii=False, indent=1)
    data = encoded.encode("utf-8", "replace")
    write_atomic_within(run_dir, f"answers/{request.file_id}.json", data)


def remove_answer(run_dir: Path, file_id: str) -> None:
    """Remove ``answers/<file id>.json`` if it is there; never through a link in its way."""
    try:
        with open_parent(run_dir, f"answers/{file_id}.json") as (folder, name):
            os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass

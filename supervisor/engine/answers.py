"""Writes the answer file that an agent waits for, or will look for when it starts again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from supervisor.core.run import Request, RequestState
from supervisor.protocol.atomic import write_atomic


def write_answer(run_dir: Path, request: Request) -> None:
    """Write ``answers/<file id>.json``; the same request always gives the same bytes.

    Raises EnvironmentFaultError when the disk refuses. Blocks for an fsync.
    """
    answer = request.answer
    at = answer.at if answer else request.expires_at or request.created_at
    content = {
        "id": request.file_id,
        "request_sha256": request.sha256,
        "allow": answer.allow if answer else False if request.kind == "approve" else None,
        "option": answer.option if answer else None,
        "text": answer.text if answer else None,
        "comment": answer.comment if answer else request.closed_why,
        "by": answer.by if answer else "timeout",
        "answered_at": datetime.fromtimestamp(at, UTC).isoformat(),
        "expired": request.state is RequestState.EXPIRED,
    }
    directory = run_dir / "answers"
    directory.mkdir(mode=0o700, exist_ok=True)
    encoded = json.dumps(content, ensure_ascii=False, indent=1).encode()
    write_atomic(directory / f"{request.file_id}.json", encoded)

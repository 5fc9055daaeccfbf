"""``records/<run>/sealed.json``: the secrets that a run cannot go on without, and nothing else.

The one place where a secret is written, 0600 and never shown: values of its settings, for a
launch when ``config.toml`` does not have them any more, and words of questions and answers, which
have to reach the agent exactly. Removed with the run's success, else with its records.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping

from supervisor.config.paths import Project
from supervisor.core.redact import Hidden
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_bytes

NAME = "sealed.json"
LIMIT_BYTES = 8 << 20
SETTINGS = "settings"
"""Part of the run's own settings; every other part is named by a question or an answer."""
_VERSION = 1


class Sealed:
    """Every run's sealed values, by part: marker → what it stands for. Any thread may call."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._lock = threading.Lock()
        self._read: dict[str, dict[str, Hidden]] = {}

    def part(self, run_id: str, part: str) -> Hidden:
        """What that part holds; empty when there is none. Blocks on one read."""
        with self._lock:
            return dict(self._parts(run_id).get(part, {}))

    def keep(self, run_id: str, part: str, hidden: Mapping[str, str]) -> None:
        """Have exactly this on disk, and durable; cheap when it is already. Blocks for an fsync.

        Raises EnvironmentFaultError: nothing may then be acknowledged that needs it.
        """
        with self._lock:
            parts = self._parts(run_id)
            if parts.get(part, {}) == hidden:
                return
            changed = {**parts, part: dict(hidden)}
            if not hidden:
                del changed[part]
            content = {"version": _VERSION, "parts": changed}
            path = self._project.record_dir(run_id) / NAME
            write_atomic(path, json.dumps(content, sort_keys=True).encode("ascii"))
            self._read[run_id] = changed

    def forget(self, run_id: str) -> None:
        """Remove the run's file; it may be missing."""
        with self._lock:
            self._read.pop(run_id, None)
            (self._project.record_dir(run_id) / NAME).unlink(missing_ok=True)

    def _parts(self, run_id: str) -> dict[str, Hidden]:
        if run_id not in self._read:
            self._read[run_id] = _read(self._project, run_id)
        return self._read[run_id]


def _read(project: Project, run_id: str) -> dict[str, Hidden]:
    data = read_bytes(project.record_dir(run_id), NAME, limit_bytes=LIMIT_BYTES)
    if isinstance(data, Problem):
        return {}
    try:
        parts = json.loads(data)["parts"]
        return {
            str(part): {str(marker): str(value) for marker, value in hidden.items()}
            for part, hidden in parts.items()
        }
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return {}

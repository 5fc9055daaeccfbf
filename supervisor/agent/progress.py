"""``progress.json``: what people see of the run while it works.

It is written without fsync: losing the last second of a display in a power cut costs nothing,
and the next write brings it back; what must not be lost is in the checkpoint and the journal.

Writes are coalesced without a thread: each one takes a token, tokens come back every 0.1 s, and
what found none is written by a later call or by ``flush``. A few tokens are kept in stock so
that a stage and its first counter, set in one breath before an hour of silence, both show.
"""

from __future__ import annotations

import json
import time
from _thread import RLock

from supervisor.agent.canonical import now_text, sha256
from supervisor.agent.run_files import PROGRESS, RunFiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTERVAL_S = 0.1
"""Between writes while the agent reports more often than that."""
BURST = 4
"""Writes that may come at once after a quiet time."""
KEPT_ANOMALIES = 50
KEPT_ERRORS = 20
MESSAGE_LIMIT = 2000
"""Characters of a message; the file must stay under the reader's 1 MiB."""


class ProgressFile:
    """The fields of ``progress.json`` and when they are written."""

    def __init__(self, files: RunFiles) -> None:
        self._files = files
        self._tokens = float(BURST)
        self._counted_at = time.monotonic()
        self._is_pending = False
        self._is_closed = False
        self._lock = RLock()  # a signal may end a write and begin the last one
        self.status = "running"
        self.stage: dict[str, Any] | None = None
        self.stages: list[str] = []
        self.step: dict[str, Any] = {}
        self.completed_steps = 0
        self.anomalies: list[dict[str, Any]] = []
        self.errors: list[dict[str, Any]] = []
        self.usage: dict[str, Any] = {}
        self.services: dict[str, dict[str, Any]] = {}

    def resume(self) -> object:
        """Take over what belongs to the whole run from the attempt before: its sums and lists.

        Returns the status that attempt had last.
        """
        old = self._files.read_object(PROGRESS) or {}
        for name in ("anomalies", "errors"):
            kept = old.get(name)
            if isinstance(kept, list):
                setattr(self, name, [entry for entry in kept if isinstance(entry, dict)])
        for name in ("usage", "services"):
            if isinstance(old.get(name), dict):
                setattr(self, name, old[name])
        if isinstance(old.get("stages"), list):
            self.stages = [name for name in old["stages"] if isinstance(name, str)]
        return old.get("status")

    def set_stage(self, name: str, index: int | None, total: int | None) -> None:
        """Begin a stage: its counter starts afresh."""
        if name in self.stages:
            index = index if index is not None else self.stages.index(name) + 1
            total = total if total is not None else len(self.stages)
        stage = {"name": name, "index": index, "total": total}
        self.stage = {key: value for key, value in stage.items() if value is not None}
        self.step = {}
        self.flush()

    def set_step(self, **changes: Any) -> None:
        """Change the given fields of the step; None leaves one as it was, and so does NaN."""
        for key, value in changes.items():
            if value is not None and not _is_no_number(value):
                self.step[key] = value
        self.touch()

    def add_anomaly(self, kind: str, message: str, severity: str) -> None:
        """Note an anomaly; the same kind and message again only moves its time."""
        identity = sha256(f"{kind}\0{message}".encode(errors="replace"))[:12]
        entry = {
            "id": identity,
            "time": now_text(),
            "kind": kind,
            "severity": severity,
            "message": message[:MESSAGE_LIMIT],
        }
        others = [known for known in self.anomalies if known.get("id") != identity]
        self.anomalies = [*others, entry][-KEPT_ANOMALIES:]
        self.flush()

    def add_error(self, entry: dict[str, Any]) -> None:
        """Note an error; the newest one decides whether the supervisor retries."""
        stated = {key: value for key, value in entry.items() if value is not None}
        stated["message"] = str(stated.get("message", ""))[:MESSAGE_LIMIT]
        self.errors = [*self.errors, {"time": now_text(), **stated}][-KEPT_ERRORS:]
        self.flush()

    def add_usage(
        self,
        amounts: dict[str, float],
        model: str | None,
        context: tuple[int, int] | None = None,
    ) -> None:
        """Add to the sums over the whole run, of all models and of this one."""
        sums = [self.usage]
        if model is not None:
            self.usage["model"] = model
            sums.append(self.usage.setdefault("models", {}).setdefault(model, {}))
        for key, amount in amounts.items():
            if amount and not _is_no_number(amount):
                for sum_of in sums:
                    sum_of[key] = sum_of.get(key, 0) + amount
        if context is not None:
            self.usage["context_tokens"], self.usage["context_limit"] = context
        self.touch()

    def add_service(self, name: str, counts: dict[str, int], breaker: str | None) -> None:
        """Add to what was asked of one external service."""
        service = self.services.setdefault(name, {})
        for key, count in counts.items():
            if count:
                service[key] = service.get(key, 0) + count
        if breaker is not None:
            service["breaker"] = breaker
        self.touch()

    def touch(self) -> None:
        """Something changed: write it now if a token is left, else keep it for later."""
        self._is_pending = True
        now = time.monotonic()
        refill = (now - self._counted_at) / INTERVAL_S
        self._tokens = min(float(BURST), self._tokens + refill)
        self._counted_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            self.flush()

    def flush_pending(self) -> None:
        """Write what coalescing held back, if anything."""
        if self._is_pending:
            self.flush()

    def flush(self) -> None:
        """Write everything now."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._is_closed:
            return
        self._is_pending = False
        fields = {
            "status": self.status,
            "stage": self.stage,
            "stages": self.stages,
            "step": self.step,
            "completed_steps": self.completed_steps,
            "anomalies": self.anomalies,
            "errors": self.errors,
            "usage": self.usage,
            "services": self.services,
            "updated_at": now_text(),
        }
        said = {key: value for key, value in fields.items() if value not in (None, [], {})}
        # An agent may name a file whose name is no valid UTF-8; the reader takes nothing else.
        data = json.dumps(said, ensure_ascii=False).encode(errors="replace")
        self._files.write(PROGRESS, data, durable=False)

    def close(self, status: str) -> None:
        """The last word of this attempt."""
        self.status = status
        self.flush()
        self._is_closed = True


def _is_no_number(value: Any) -> bool:
    """NaN or infinite: JSON has no such thing, and one would spoil the whole file."""
    return isinstance(value, float) and value - value != 0

"""What was spent: a line for every call begun and ended, on the disk before the loop goes on.

The caps are held against this file and not against the finished iterations, so that a call that
was interrupted again and again is counted each time.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from ralph_parts.settings import Settings


class Account:
    """``calls.jsonl`` in the run directory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._alive = path.with_suffix(".alive")
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.truncate(path, len(whole))  # a torn last line
        self._lines: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]

    def begin(self, kind: str, iteration: int) -> int:
        """Note that a call or a verification begins; how often this one had begun before."""
        before = sum(
            line["event"] == "began" and (line["kind"], line["iteration"]) == (kind, iteration)
            for line in self._lines
        )
        line = {"event": "began", "kind": kind, "iteration": iteration, "at": time.time()}
        self._append({**line, "lost_s": self._lost_s()})
        self.still_alive()
        return before

    def end(self, kind: str, iteration: int, elapsed_s: float, cost_usd: float | None) -> None:
        """Note how long it took, and what it cost where that is known."""
        self._append(
            {
                "event": "ended", "kind": kind, "iteration": iteration,
                "elapsed_s": elapsed_s, "cost_usd": cost_usd,
            }
        )  # fmt: skip

    def still_alive(self) -> None:
        """Note that the call goes on: an interrupted one took at least until now."""
        self._alive.touch()

    @property
    def calls(self) -> int:
        """Calls of the agent, the interrupted ones included."""
        return sum(line["event"] == "began" and line["kind"] == "call" for line in self._lines)

    @property
    def cost_usd(self) -> float:
        """The sum of the known costs."""
        return sum(line.get("cost_usd") or 0.0 for line in self._lines)

    @property
    def elapsed_s(self) -> float:
        """Of calls and verifications, the interrupted ones as far as they were seen alive."""
        finished = sum(line["elapsed_s"] for line in self._lines if line["event"] == "ended")
        return float(finished + sum(line.get("lost_s", 0.0) for line in self._lines))

    def _lost_s(self) -> float:
        """How long the last call lived, if nobody saw its end: to its last sign of life."""
        last = self._lines[-1] if self._lines else None
        if last is None or last["event"] != "began" or not self._alive.exists():
            return 0.0
        return max(0.0, self._alive.stat().st_mtime - float(last["at"]))

    def reached(self, settings: Settings) -> str | None:
        """Which cap is reached, in words; None while there is room for another call."""
        if self.calls >= settings.max_iterations:
            return f"max_iterations: {self.calls} of {settings.max_iterations} calls were made"
        if settings.max_time_s is not None and self.elapsed_s >= settings.max_time_s:
            return f"max_time: {self.elapsed_s:.0f} of {settings.max_time_s:g} s were worked"
        if settings.max_cost_usd is not None and self.cost_usd >= settings.max_cost_usd:
            return f"max_cost_usd: {self.cost_usd:.2f} of {settings.max_cost_usd:g} USD were spent"
        return None

    def _append(self, line: dict[str, Any]) -> None:
        with self._path.open("ab") as file:
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._lines.append(line)

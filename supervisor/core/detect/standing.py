"""Detectors of a run that does not get anywhere: stalled, spinning, silent, done and not gone."""

from __future__ import annotations

from typing import ClassVar

from supervisor.core.describe import duration
from supervisor.core.detect.look import Look, Terms

BUSY_PERCENT = 5.0
"""Of a core: who uses more may compute, and is given twice the time."""
COMPUTING_PERCENT = 50.0
"""Who uses so much computes: it is not stalled, but perhaps slow or spinning."""
DONE_WORDS = frozenset({"completed", "complete", "done", "finished", "success", "succeeded"})
PATIENCE = 2.0
"""Times what was usual before: a third run that is a little slower is no anomaly."""
REGULAR_LINES = 6
"""Looks in which a log grew, before its silence says anything."""
SILENCE_FACTOR = 10.0
"""Times the longest gap of this run: logs come in bursts."""


class Stalled:
    """No progress, no log line, no token and hardly any CPU for long."""

    kind: ClassVar[str] = "stalled"

    def __init__(self) -> None:
        self._busy_s = 0.0
        self._computed_s = 0.0

    def see(self, look: Look, terms: Terms) -> str | None:
        """Longer than the threshold, and than twice what this agent's good runs had."""
        cpu = look.cpu_percent or 0.0
        self._busy_s = look.work_s if cpu >= BUSY_PERCENT else self._busy_s
        self._computed_s = look.work_s if cpu >= COMPUTING_PERCENT else self._computed_s
        limit_s = max(terms.stalled_after_s, PATIENCE * look.usual.quiet_s)
        quiet_s = look.work_s - max(look.stirred_s, self._computed_s)
        idle_s = look.work_s - max(look.stirred_s, self._busy_s)
        if idle_s < limit_s and quiet_s < 2 * limit_s:
            return None
        usual = f"; usual is {duration(look.usual.quiet_s)} at most" if look.usual.runs else ""
        return f"{_says(look)}nothing has changed for {duration(quiet_s)}{usual}"


class Spinning:
    """A core kept busy and nothing to show for it."""

    kind: ClassVar[str] = "cpu-spin"

    def __init__(self) -> None:
        self._since_s: float | None = None

    def see(self, look: Look, terms: Terms) -> str | None:
        """All looks of that time were busy, and nothing was seen of the run meanwhile."""
        if look.cpu_percent is None or look.cpu_percent < terms.spin_percent:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = look.work_s
        spun_s = look.work_s - max(self._since_s, look.stirred_s)
        if spun_s < max(terms.spin_after_s, PATIENCE * look.usual.quiet_s):
            return None
        return f"{look.cpu_percent:.0f} % CPU for {duration(spun_s)} without progress or output"


class Silent:
    """A log that was regular and has stopped, while the run goes on otherwise."""

    kind: ClassVar[str] = "log-silence"

    def __init__(self) -> None:
        self._bytes = 0
        self._grown_at_s = 0.0
        self._growths = 0
        self._longest_s = 0.0

    def see(self, look: Look, terms: Terms) -> str | None:
        """Ten times longer than any gap of this run, and longer than its good runs were silent."""
        if look.log_bytes != self._bytes:
            if self._growths:
                self._longest_s = max(self._longest_s, look.work_s - self._grown_at_s)
            self._bytes, self._grown_at_s = look.log_bytes, look.work_s
            self._growths += 1
            return None
        silent_s = look.work_s - self._grown_at_s
        limit_s = max(
            terms.silent_after_s,
            SILENCE_FACTOR * self._longest_s,
            PATIENCE * look.usual.log_quiet_s,
        )
        goes_on = look.stirred_s > self._grown_at_s or (look.cpu_percent or 0.0) >= BUSY_PERCENT
        if self._growths < REGULAR_LINES or silent_s < limit_s or not goes_on:
            return None
        before = duration(max(1.0, self._longest_s))
        return f"no log line for {duration(silent_s)}; until then at least one every {before}"


class DoneNotGone:
    """It says that it is done, and its process goes on, or failed."""

    kind: ClassVar[str] = "claims-done"

    def __init__(self) -> None:
        self._epoch = 0
        self._claimed = ""
        """What the attempt before said at its end."""

    def see(self, look: Look, terms: Terms) -> str | None:
        """Still there long after it said so; or the attempt that said so ended with a failure."""
        state, words = look.state, _claim(look)
        if state.epoch != self._epoch:
            was_claimed, self._epoch, self._claimed = self._claimed, state.epoch, ""
            before = state.attempts[-2] if len(state.attempts) > 1 else None
            if was_claimed and before is not None and before.exit is not None:
                return f"{was_claimed}, but attempt {before.number} ended: {before.exit.cause}"
        if words and state.progress_epoch == state.epoch:
            self._claimed = words
            if look.still_s >= terms.done_after_s:
                return f"{words}, and its process goes on since {duration(look.still_s)}"
        elif not words:
            self._claimed = ""
        return None


def _claim(look: Look) -> str:
    progress = look.progress
    if progress is None:
        return ""
    if progress.status.strip().lower() in DONE_WORDS:
        return f"says {progress.status.strip().lower()!r}"
    step, stage = progress.step, progress.stage
    is_last = stage is None or stage.total is None or stage.index == stage.total
    if is_last and step is not None and step.total and step.completed == step.total:
        return f"says {step.completed:g} of {step.total:g}" if stage is not None else ""
    return ""


def _says(look: Look) -> str:
    """What it claims, to be held against what is seen."""
    step = look.progress.step if look.progress else None
    if step is None or step.completed is None or not step.total or step.completed > step.total:
        return ""
    return f"says {100 * step.completed / step.total:.0f} %, but "

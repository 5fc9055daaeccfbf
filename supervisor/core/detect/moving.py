"""Detectors of a run that moves, but wrongly: in circles, backwards, too slowly, into errors."""

from __future__ import annotations

from typing import ClassVar

from supervisor.core.describe import duration
from supervisor.core.detect.look import Look, Terms
from supervisor.core.progress import LastError
from supervisor.core.text import safe_text

MAX_PERIOD = 3
"""Actions of a circle: the same one, ping-pong, and a triangle."""
WORDS = 60
"""Characters of an action in the evidence."""
MIN_RUNS = 3
"""Runs that succeeded before slower than usual means anything."""
AUTH_STATUS = frozenset({401, 403})
AUTH_KINDS = frozenset({"authentication", "permission", "auth", "unauthorized", "forbidden"})
QUOTA_STATUS = frozenset({402})
QUOTA_KINDS = frozenset({"spent-credit", "quota", "insufficient_quota", "billing"})


class Looping:
    """The same action, or the same two or three in turn, while the work stands still."""

    kind: ClassVar[str] = "looping"

    def see(self, look: Look, terms: Terms) -> str | None:
        """So many rounds of the same at the end of the log, and no progress in that time.

        A plain heartbeat looks the same, so without any tokens used it has to go on for as long
        as a stall; with tokens every round costs.
        """
        limit_s = terms.loop_after_s if look.tokens_since else terms.stalled_after_s
        if look.still_s < max(limit_s, look.usual.quiet_s):
            return None
        for period in range(1, MAX_PERIOD + 1):
            rounds = _rounds(look.actions, period)
            if rounds >= terms.loop_repeats:
                circle = " → ".join(safe_text(one, limit=WORDS) for one in look.actions[-period:])
                return f"the same {rounds} times in a row without progress: {circle}"
        return None


class WentBack:
    """Progress that goes backwards within an attempt."""

    kind: ClassVar[str] = "progress-back"

    def __init__(self) -> None:
        self._epoch = 0
        self._place: tuple[object, ...] = ()
        self._completed = 0.0
        self._falls = 0

    def see(self, look: Look, terms: Terms) -> str | None:
        """By much, or for the second time by anything; a new step or stage counts anew."""
        progress = look.progress
        step = progress.step if progress else None
        if progress is None or step is None or step.completed is None or step.total is None:
            return None
        place = (progress.stage, step.name, step.total)
        before, self._completed = self._completed, step.completed
        is_same = self._epoch == look.state.epoch and place == self._place
        self._epoch, self._place = look.state.epoch, place
        if not is_same or step.completed >= before:
            return None
        self._falls += 1
        if before - step.completed < max(1.0, terms.back_share * step.total) and self._falls < 2:
            return None
        again = f", {self._falls} times now" if self._falls > 1 else ""
        return f"went from {before:g} back to {step.completed:g} of {step.total:g}{again}"


class SlowerThanUsual:
    """A stage that takes much longer than in the agent's earlier runs."""

    kind: ClassVar[str] = "slower-than-usual"

    def __init__(self) -> None:
        self._stage = ""
        self._since_s = 0.0

    def see(self, look: Look, terms: Terms) -> str | None:
        """Times the median, and longer than it ever was."""
        stage = look.progress.stage.name if look.progress and look.progress.stage else ""
        if stage != self._stage:
            self._stage, self._since_s = stage, look.work_s
        usual = sorted(look.usual.stages.get(stage, ()))
        if len(usual) < MIN_RUNS:
            return None
        took_s, median_s = look.work_s - self._since_s, usual[len(usual) // 2]
        if took_s < max(terms.slow_factor * median_s, 1.5 * usual[-1], terms.strike_s):
            return None
        span = f"{duration(usual[0])} to {duration(usual[-1])} in {len(usual)} runs"
        return f"in stage {stage!r} for {duration(took_s)}; usual are {duration(median_s)} ({span})"


class ErrorStreak:
    """One error after the other and no progress between them."""

    kind: ClassVar[str] = "error-streak"

    def __init__(self) -> None:
        self._newest: LastError | None = None
        self._failures = 0
        self._moved_s = -1.0
        self._count = 0

    def see(self, look: Look, terms: Terms) -> str | None:
        """Declared errors and failed calls since the last move."""
        progress = look.progress
        if progress is None:
            return None
        failures = sum(service.failures for service in progress.services.values())
        if look.moved_s != self._moved_s:
            self._moved_s, self._count = look.moved_s, 0
        elif progress.last_error is not None and progress.last_error != self._newest:
            self._count += 1
        elif failures > self._failures:
            self._count += failures - self._failures
        self._newest, self._failures = progress.last_error, failures
        if self._count < terms.errors:
            return None
        last = f"; last: {self._newest.message}" if self._newest else ""
        return f"{self._count} errors in a row without progress{last}"


class Refused:
    """A service does not know or does not allow us: no wait and no retry will help."""

    kind: ClassVar[str] = "authentication"

    def see(self, look: Look, _terms: Terms) -> str | None:
        """By the status or the kind that the agent declared of its newest error."""
        error = _own_error(look)
        if error is None or not (error.status_code in AUTH_STATUS or error.kind in AUTH_KINDS):
            return None
        return f"{error.service or 'a service'} refuses our credentials: {error.message}"


class UsedUp:
    """A quota or the credit is used up, until a stated time where the service says one."""

    kind: ClassVar[str] = "quota"

    def see(self, look: Look, _terms: Terms) -> str | None:
        """By the status or the kind that the agent declared of its newest error."""
        error = _own_error(look)
        if error is None or not (error.status_code in QUOTA_STATUS or error.kind in QUOTA_KINDS):
            return None
        return f"the quota of {error.service or 'a service'} is used up: {error.message}"


def _own_error(look: Look) -> LastError | None:
    """The newest error, when this attempt declared it."""
    is_own = look.state.progress_epoch == look.state.epoch
    return look.progress.last_error if look.progress is not None and is_own else None


def _rounds(actions: tuple[str, ...], period: int) -> int:
    """How often the last ``period`` actions stand at the end, one after the other."""
    circle = actions[-period:]
    if len(circle) < period or (period > 1 and len(set(circle)) < 2):
        return 0
    rounds, end = 0, len(actions)
    while end >= period and actions[end - period : end] == circle:
        rounds, end = rounds + 1, end - period
    return rounds

"""One run under all detectors: what they see of it, and how often each has found something.

Pure but for its own memory. A finding is told at its first strike; only the second one, at least
``strike_s`` of work later, may lead to an action. A finding that went away for long is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from supervisor.core.detect.look import Detector, Finding, Look, Terms, Usual
from supervisor.core.detect.moving import (
    ErrorStreak,
    Looping,
    Refused,
    SlowerThanUsual,
    UsedUp,
    WentBack,
)
from supervisor.core.detect.spending import (
    ClockJump,
    ContextFull,
    MemoryGrowth,
    SchemaViolation,
    StaleCheckpoint,
    TokenBurn,
)
from supervisor.core.detect.standing import DoneNotGone, Silent, Spinning, Stalled
from supervisor.core.detect.usual import Lesson
from supervisor.core.moment import Moment
from supervisor.core.run import RunState, Status

DETECTORS: tuple[Callable[[], Detector], ...] = (
    Stalled, Spinning, Silent, DoneNotGone, Looping, WentBack, SlowerThanUsual, ErrorStreak,
    Refused, UsedUp, MemoryGrowth, TokenBurn, ContextFull, StaleCheckpoint, SchemaViolation,
    ClockJump,
)  # fmt: skip
"""One of each a run."""
KINDS = tuple(sorted(str(make().kind) for make in DETECTORS))
"""What they find; also the keys of ``[anomalies.actions]``."""
FORGOTTEN_S = 3600.0
"""Of work without the finding, after which the next one is a first strike again."""
MAX_GAP = 3.0
"""Intervals between two looks; after more nobody looked, and the time is not counted."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the machine says of a run at one moment."""

    cpu_percent: float | None = None
    rss_bytes: int | None = None
    log_bytes: int = 0
    """Size of its log; smaller than before when it was cut."""
    actions: tuple[str, ...] = ()
    asleep_s: float | None = None
    """Seconds that the machine was suspended since it booted; None where nobody can tell."""


@dataclass(frozen=True, slots=True)
class Raised:
    """A finding that is to be told (``strike`` 1) or acted on (2)."""

    finding: Finding
    strike: int
    key: str
    """The same for the same episode."""


@dataclass(slots=True)
class _Strike:
    since_s: float
    seen_s: float
    episode: int
    is_acted: bool = False


@dataclass(slots=True)
class Watch:
    """Of one run, from the first look to its end."""

    interval_s: float
    lesson: Lesson = field(default_factory=Lesson)
    _detectors: list[Detector] = field(default_factory=lambda: [make() for make in DETECTORS])
    _strikes: dict[str, _Strike] = field(default_factory=dict)
    _episodes: int = 0
    _work_s: float = 0.0
    _moved_s: float = 0.0
    _stirred_s: float = 0.0
    _log_s: float = 0.0
    _before: Moment | None = None
    """The look before, while the run worked then."""
    _mark: tuple[object, ...] = ()
    _stir: tuple[object, ...] = ()
    _log_size: int = 0
    _log_bytes: int = 0
    _tokens_at_move: int = 0
    _asleep_s: float | None = None

    def see(
        self, state: RunState, at: Moment, measured: Measured, usual: Usual, terms: Terms
    ) -> list[Raised]:
        """Look at the run; what is to be told or acted on now."""
        if state.status is not Status.RUNNING or state.open_requests:
            self._before = None
            return []
        look = self._look(state, at, measured, usual)
        self._learn(look)
        raised = []
        for detector in self._detectors:
            evidence = detector.see(look, terms)
            told = self._strike(detector.kind, evidence, terms)
            if told is not None:
                raised.append(told)
        return raised

    def _look(self, state: RunState, at: Moment, measured: Measured, usual: Usual) -> Look:
        passed_s, wall_off_s = 0.0, 0.0
        if self._before is not None and self._before.boot == at.boot:
            mono_s = at.mono - self._before.mono
            wall_off_s = self._wall_off(at.wall - self._before.wall - mono_s, measured.asleep_s)
            passed_s = mono_s if 0 <= mono_s <= MAX_GAP * self.interval_s else 0.0
        self._before = at
        self._work_s += passed_s
        self._see_log(measured.log_bytes)
        mark = (state.progress_at, state.newest_generation, state.epoch)
        before = self._mark
        if mark != before:
            self._mark, self._moved_s = mark, self._work_s
        usage = state.progress.usage if state.progress else None
        services = state.progress.services if state.progress else None
        # What the agent flags is a sign of life; what is flagged of it is none.
        flagged = [one.id for one in state.anomalies if one.source == "agent"][-1:]
        stir = (mark, self._log_bytes, usage, services, flagged)
        if stir != self._stir:
            self.lesson.quiet_s = max(self.lesson.quiet_s, self._work_s - self._stirred_s)
            self._stir, self._stirred_s = stir, self._work_s
        return Look(
            self._work_s,
            self._moved_s,
            self._stirred_s,
            state,
            usual,
            self._tokens_since(state, is_moved=mark != before),
            measured.cpu_percent,
            measured.rss_bytes,
            self._log_bytes,
            measured.actions,
            wall_off_s,
        )

    def _wall_off(self, off_s: float, asleep_s: float | None) -> float:
        """Without the time of a suspend; where that is unknown, no jump forward is believed."""
        before, self._asleep_s = self._asleep_s, asleep_s
        if asleep_s is None or before is None:
            return min(0.0, off_s)
        return off_s - (asleep_s - before)

    def _see_log(self, size: int) -> None:
        if size == self._log_size:
            return
        self._log_bytes += size - self._log_size if size > self._log_size else size
        self._log_size = size
        self.lesson.log_quiet_s = max(self.lesson.log_quiet_s, self._work_s - self._log_s)
        self._log_s = self._work_s

    def _tokens_since(self, state: RunState, *, is_moved: bool) -> int:
        usage = state.progress.usage if state.progress else None
        tokens = usage.input_tokens + usage.output_tokens if usage else 0
        used = max(0, tokens - self._tokens_at_move)
        if not is_moved:
            return used
        self.lesson.tokens_between = max(self.lesson.tokens_between, used)
        self._tokens_at_move = tokens
        return 0

    def _learn(self, look: Look) -> None:
        lesson = self.lesson
        lesson.rss_bytes = max(lesson.rss_bytes, look.rss_bytes or 0)
        for stage in look.state.stage_times:
            lesson.stages[stage.name] = stage.used_s
        if look.progress is not None and look.progress.stage is not None:
            name = look.progress.stage.name
            running = next((t for t in look.state.stage_times if t.name == name), None)
            if running is not None and running.since is not None and self._before is not None:
                used_s = running.used_s + max(0.0, self._before.mono - running.since.mono)
                lesson.stages[name] = used_s

    def _strike(self, kind: str, evidence: str | None, terms: Terms) -> Raised | None:
        strike = self._strikes.get(kind)
        if evidence is None:
            if strike is not None and self._work_s - strike.seen_s > FORGOTTEN_S:
                del self._strikes[kind]
            return None
        if strike is None:
            self._episodes += 1
            strike = self._strikes[kind] = _Strike(self._work_s, self._work_s, self._episodes)
            return self._raised(kind, evidence, 1, strike)
        strike.seen_s = self._work_s
        if strike.is_acted or self._work_s - strike.since_s < terms.strike_s:
            return None
        strike.is_acted = True
        return self._raised(kind, evidence, 2, strike)

    def _raised(self, kind: str, evidence: str, number: int, strike: _Strike) -> Raised:
        return Raised(Finding(kind, evidence), number, str(strike.episode))

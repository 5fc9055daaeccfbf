"""How an attempt ends: stop signal, grace, SIGKILL to everything, and the proof that all is over.

An attempt is over only when nothing of it lives. With the leader dead and no orphan anywhere that
is one cheap question to the nursery; otherwise a survey of all processes decides, shared by all
attempts that end at that moment. Every signal goes to a process whose identity is certain: a
leader that we have not reaped, or (pid, start time) held by a pidfd. Never blocks, never gives
up: what cannot be killed (uninterruptible, or another user's) is looked at once a second.
"""

from __future__ import annotations

import os
import signal
import time

from supervisor.keeper.system import say
from supervisor.keeper.tree import Survey, send_signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from supervisor.keeper.attempt import Attempt, Key
    from supervisor.keeper.nursery import Nursery
    from supervisor.keeper.tree import Process

LOOKS_AT_ONCE = 3
"""Surveys in a row while each finds something new: what forks while it is killed."""
EMPTY_LOOKS = 3
"""Surveys that must find nothing while an orphan without any mark lives (it may be in an exec)."""
FIRST_PAUSE_S = 0.002
LAST_PAUSE_S = 1.0
GRACE_PAUSE_S = 0.1
"""Between two looks at a group that outlives its leader within the grace."""
SURVEY_SHARE = 4
"""Surveys prompted by dying orphans take at most a fifth of our time."""
MAX_HOLD_LOOKS = 5


class Ending:
    """Ends attempts and says when they are over (``over`` is called once for each).

    ``arm`` is called whenever ``next_due`` of an attempt may have become earlier.
    """

    def __init__(
        self,
        attempts: dict[Key, Attempt],
        nursery: Nursery,
        engine_pid: Callable[[], Iterable[int]],
        runs_dir: str,
        *,
        arm: Callable[[Attempt], None],
        over: Callable[[Attempt], None],
    ) -> None:
        self._attempts = attempts
        self._nursery = nursery
        self._engine_pid = engine_pid
        self.runs_dir = runs_dir
        """With its last slash: where the attempts of this directory work."""
        self._arm = arm
        self._over = over
        self._ending: dict[Key, Attempt] = {}
        self._survey_at = 0.0

    def next_due(self, attempt: Attempt) -> float:
        """Monotonic moment of the next thing to do for it; infinity when nothing is."""
        due = float("inf")
        if attempt.key in self._ending:
            due = attempt.check_at
        if attempt.kill_at is not None and not attempt.is_killing:
            due = min(due, attempt.kill_at)
        if attempt.deadline is not None and not attempt.is_leader_dead:
            due = min(due, attempt.deadline)
        return due

    def stop(self, attempt: Attempt, number: int, grace: float, reason: str) -> None:
        """Stop signal to its group, SIGKILL to everything after ``grace`` seconds.

        A repetition may only shorten the grace, and sends no signal twice.
        """
        if not attempt.is_leader_dead and attempt.ended_by is None:
            attempt.ended_by, attempt.reason = "stop", reason
        self._begin(attempt, number, grace)

    def review(self, attempt: Attempt) -> None:
        """Do what is due: its deadline, or the end of its grace."""
        now = time.monotonic()
        deadline = attempt.deadline
        if deadline is not None and now >= deadline and not attempt.is_leader_dead:
            attempt.deadline = None
            if attempt.ended_by is None:
                attempt.ended_by = f"deadline:{attempt.deadline_kind}"
                attempt.reason = "its deadline was reached"
            self._begin(attempt, attempt.stop_signal, attempt.grace)
        if attempt.kill_at is not None and now >= attempt.kill_at and not attempt.is_killing:
            self._kill(attempt)

    def leader_died(self, attempt: Attempt) -> None:
        """Its leader is dead (unreaped, if it is our child): end what it left."""
        attempt.is_leader_dead = True
        if attempt.is_own and not self._nursery.may_have_orphans():
            self._finish(attempt)
            return
        attempt.check_at = time.monotonic()
        self._ending[attempt.key] = attempt

    def resume(self, attempt: Attempt) -> None:
        """Go on with one that another life of this process had begun to end, or not."""
        if attempt.is_leader_dead or attempt.is_killing:
            attempt.check_at = time.monotonic()
            self._ending[attempt.key] = attempt

    def orphan_died(self) -> None:
        """Some orphan died: perhaps it was the last of an attempt."""
        for attempt in self._ending.values():
            if attempt.is_leader_dead:
                attempt.check_at = min(attempt.check_at, self._survey_at)
                self._arm(attempt)

    def sweep(self, attempt: Attempt) -> None:
        """Kill what lives of an attempt whose leader is long gone."""
        attempt.is_leader_dead = True
        self._kill(attempt)

    def settle(self) -> None:
        """Look at all that is due now."""
        touched: dict[Key, Attempt] = {}
        for _ in range(LOOKS_AT_ONCE):
            now = time.monotonic()
            due = [attempt for attempt in self._ending.values() if attempt.check_at <= now]
            if due and all(attempt.is_leader_dead and attempt.is_own for attempt in due):
                due = self._without_finished(due)
            if not due:
                break
            survey = self._survey()
            for attempt in due:
                touched[attempt.key] = attempt
                self._look(attempt, survey)
        for key, attempt in touched.items():
            if key in self._ending:
                self._arm(attempt)

    def hold(self, attempt: Attempt, *, is_still: bool) -> None:
        """SIGSTOP or SIGCONT to everything of it; what is being ended stands still no more."""
        if is_still and (attempt.sent_signal is not None or attempt.is_killing):
            return
        attempt.is_held = is_still
        number = signal.SIGSTOP if is_still else signal.SIGCONT
        self._signal_group(attempt, number)
        reached: set[tuple[int, int]] = set()
        for _ in range(MAX_HOLD_LOOKS):
            before = len(reached)
            for process in self._survey().members(attempt):
                if (process.pid, process.started) not in reached and _send(process, number):
                    reached.add((process.pid, process.started))
            if len(reached) == before:
                return

    def _begin(self, attempt: Attempt, number: int, grace: float) -> None:
        kill_at = time.monotonic() + grace
        attempt.kill_at = kill_at if attempt.kill_at is None else min(attempt.kill_at, kill_at)
        if grace > 0 and attempt.sent_signal != number and not attempt.is_killing:
            attempt.sent_signal = number
            self._signal_group(attempt, number)
            if attempt.is_held or not attempt.is_own:
                # What is stopped cannot use its grace; another keeper may have stopped it.
                self.hold(attempt, is_still=False)
        if grace <= 0:
            self._kill(attempt)
        self._arm(attempt)

    def _kill(self, attempt: Attempt) -> None:
        attempt.begin_killing(time.monotonic())
        self._ending[attempt.key] = attempt

    def _without_finished(self, due: list[Attempt]) -> list[Attempt]:
        if self._nursery.may_have_orphans():
            return due
        for attempt in due:
            self._finish(attempt)
        return []

    def _survey(self) -> Survey:
        began = time.monotonic()
        survey = Survey(self._attempts.values(), tuple(self._engine_pid()), self.runs_dir)
        ended = time.monotonic()
        self._survey_at = ended + SURVEY_SHARE * (ended - began)
        return survey

    def _look(self, attempt: Attempt, survey: Survey) -> None:
        living = survey.members(attempt)
        if attempt.is_leader_dead and not living:
            since = survey.unplaced_since
            attempt.empty_looks += 1
            if since is None or since < attempt.started or attempt.empty_looks >= EMPTY_LOOKS:
                self._finish(attempt)
            else:
                self._look_again(attempt, FIRST_PAUSE_S)
            return
        attempt.empty_looks = 0
        if not attempt.is_killing:
            if self._has_grace(attempt, living):
                self._look_again(attempt, GRACE_PAUSE_S)
                return
            attempt.begin_killing(time.monotonic())
        if self._kill_all(attempt, living):
            attempt.check_at = time.monotonic()
        else:
            self._look_again(attempt, LAST_PAUSE_S)

    def _has_grace(self, attempt: Attempt, living: list[Process]) -> bool:
        """Whether others got the stop signal with the leader and may still use their grace."""
        return (
            attempt.kill_at is not None
            and time.monotonic() < attempt.kill_at
            and attempt.sent_signal is not None
            and any(process.group == attempt.pid for process in living)
        )

    def _look_again(self, attempt: Attempt, longest_s: float) -> None:
        pause = min(longest_s, FIRST_PAUSE_S * 2 ** min(attempt.checks, 20))
        attempt.checks += 1
        attempt.check_at = time.monotonic() + pause

    def _kill_all(self, attempt: Attempt, living: list[Process]) -> bool:
        """SIGKILL to each; whether one of them was new."""
        is_new = False
        for process in living:
            identity = process.pid, process.started
            if not _send(process, signal.SIGKILL) or identity in attempt.killed:
                continue
            is_new = True
            attempt.killed.add(identity)
            if attempt.is_leader_dead:
                attempt.leftovers += 1
        # What was forked since the survey is in the group or found by the next one.
        if attempt.is_own:
            self._signal_group(attempt, signal.SIGKILL)
        return is_new

    def _signal_group(self, attempt: Attempt, number: int) -> None:
        if not attempt.is_own:
            # Nobody keeps the group's number for us: one by one.
            for process in self._survey().members(attempt):
                if process.group == attempt.pid:
                    _send(process, number)
            return
        try:
            # The leader is not reaped before the end, so the number is its own.
            os.killpg(attempt.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _finish(self, attempt: Attempt) -> None:
        self._ending.pop(attempt.key, None)
        self._over(attempt)


def _send(process: Process, number: int) -> bool:
    try:
        return send_signal(process, number)
    except PermissionError:
        say(f"may not signal pid {process.pid}, which an agent started under another user")
        return False

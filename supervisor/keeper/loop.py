"""The keeper itself: one loop over signals, the engine's socket, pidfds and timers.

Owns the list of attempts and the two promises about it: whoever died is noticed, and an exit is
on record before anybody is told. It decides nothing about runs and must never end by a fault of
one attempt, one call or the engine. Nothing is polled: an idle keeper sleeps.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import time
import traceback

from supervisor.keeper import handover, system
from supervisor.keeper.calls import Calls
from supervisor.keeper.ending import Ending
from supervisor.keeper.engine_child import GRACE_S, NEEDS_A_PERSON, EngineChild
from supervisor.keeper.lock import take_lock, write_lock
from supervisor.keeper.nursery import Nursery
from supervisor.keeper.records import exit_line, write_record
from supervisor.keeper.spawn import Spawner
from supervisor.keeper.system import say
from supervisor.keeper.timers import Timers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from supervisor.keeper.attempt import Attempt, Key

HELD = 3
"""Exit status when another keeper holds this directory."""
RECORD_RETRY_S = 5.0
"""After a full disk; the notice was sent all the same."""
FALLBACK_LOOK_S = 1.0
"""Between two looks at an adopted process on a system without pidfds."""


def keep(state_dir: str, engine_argv: list[str]) -> int:
    """Hold the directory, keep the agents, and return the exit status."""
    inherited = handover.take()
    lock = inherited.lock if inherited else take_lock(os.path.join(state_dir, "keeper.lock"))
    if lock is None:
        return HELD
    keeper = Keeper(state_dir, engine_argv, inherited)
    write_lock(lock, keeper.boot)
    # What exists now exists to the end: the collector need not look at it while an agent waits.
    gc.collect()
    gc.freeze()
    keeper.run()
    while keeper.is_upgrading:
        try:
            handover.become_successor(lock, state_dir, engine_argv, keeper.pack())
        except OSError as error:
            say(f"cannot become a new keeper, going on as the old one: {error}")
            keeper.is_upgrading = False
            keeper.run()
    return 0


class Keeper:
    """Parent of every agent and of the engine."""

    def __init__(
        self, state_dir: str, engine_argv: list[str], inherited: handover.Inherited | None = None
    ) -> None:
        self.boot = system.boot_id()
        self.attempts: dict[Key, Attempt] = {}
        self.is_leaving = False
        self.is_upgrading = False
        """The engine is to end, and then we execute ourselves anew."""
        is_subreaper = system.become_subreaper()
        if not is_subreaper:
            say("no subreaper here: escaped processes are looked for, but may be missed")
        self._nursery = Nursery(is_subreaper)
        raised = system.raise_file_limit()
        self._file_limit = inherited.file_limit if inherited else raised
        self.spawner = Spawner(self._nursery, self._file_limit)
        self.ending = Ending(
            self.attempts,
            self._nursery,
            self._engine_pids,
            os.path.join(state_dir, "runs", ""),
            arm=self.arm,
            over=self._over,
        )
        self._engine = EngineChild(engine_argv, os.path.join(state_dir, "engine.log"), self.spawner)
        self._calls = Calls(self)
        self._timers = Timers()
        self._selector = selectors.DefaultSelector()
        self._leaders: dict[int, Attempt] = {}
        self._runs: set[str] = set()
        self._unrecorded: dict[Key, tuple[str, bytes]] = {}
        self._after: list[Callable[[], None]] = []
        self._link_events = 0
        self._got_sigterm = False
        self._wakeup = self._catch_signals()
        if inherited is not None:
            self._take_over(inherited)

    # What calls use.

    def send(self, message: dict[str, Any]) -> None:
        """To the engine, if there is one; nothing is kept for a later one."""
        if self._engine.link is not None:
            self._engine.link.send(message)

    def after_this(self, action: Callable[[], None]) -> None:
        """Call ``action`` after the reply to this call."""
        self._after.append(action)

    def has_attempt_of(self, run: str) -> bool:
        """Whether something of a run lives: there is never more than one attempt."""
        return run in self._runs

    def add(self, attempt: Attempt) -> None:
        """Keep a new attempt."""
        self.attempts[attempt.key] = attempt
        self._runs.add(attempt.run)
        if attempt.is_own:
            self._leaders[attempt.pid] = attempt
        elif attempt.pidfd >= 0:
            self._selector.register(
                attempt.pidfd, selectors.EVENT_READ, lambda _: self._adopted_died(attempt)
            )
        elif attempt.on_gone is None:
            self._look_by_hand(attempt)
        self.arm(attempt)

    def arm(self, attempt: Attempt) -> None:
        """Set its timer to the next thing that is due."""
        due = self.ending.next_due(attempt)
        if due < attempt.timer_at:
            attempt.timer_at = due
            self._timers.at(due, lambda: self._on_timer(attempt))

    def repeat_unrecorded(self) -> None:
        """Tell a new engine what no record tells it."""
        for _, line in self._unrecorded.values():
            self._send_line(line)

    def leave(self) -> None:
        """End when the engine has ended, by itself or after 5 s; agents go on."""
        if not self.is_leaving:
            self.is_leaving = True
            self._timers.at(time.monotonic() + GRACE_S, self._end_engine)

    def upgrade(self) -> None:
        """Become a new keeper when the engine has ended, by itself or after 5 s."""
        if not self.is_leaving and not self.is_upgrading:
            self.is_upgrading = True
            self._timers.at(time.monotonic() + GRACE_S, self._end_engine)

    def pack(self) -> bytes:
        """What a new keeper in this process has to know."""
        return handover.pack(self.attempts.values(), self._unrecorded, self._file_limit)

    def _take_over(self, inherited: handover.Inherited) -> None:
        for attempt in inherited.attempts:
            if attempt.is_own:
                self._nursery.strangers.add(attempt.pid)
            self.ending.resume(attempt)
            self.add(attempt)
        for key, path, line in inherited.unrecorded:
            self._record(key, path, line)
        say(f"a new keeper in the same process; {len(self.attempts)} attempts go on")
        self.notice_deaths()

    def notice_deaths(self) -> None:
        """See which of our children have died and handle each."""
        orphans = self._nursery.dead_orphans
        self._nursery.may_have_orphans()
        for dead in iter(self._next_dead, None):
            attempt = self._leaders.get(dead.si_pid)
            if attempt is not None:
                if dead.si_code == os.CLD_EXITED:
                    attempt.code = dead.si_status
                else:
                    attempt.signal = dead.si_status
                self._guarded(self.ending.leader_died, attempt)
                continue
            os.waitid(os.P_PID, dead.si_pid, os.WEXITED)
            if dead.si_pid == self._engine.pid:
                self._engine_died(dead.si_status)
            else:
                self._nursery.dead_orphans += 1
        if self._nursery.dead_orphans != orphans:
            self.ending.orphan_died()

    # The loop.

    def run(self) -> None:
        """Until told to leave."""
        self._start_engine()
        self._guarded(self.ending.settle)
        while not ((self.is_leaving or self.is_upgrading) and self._engine.pid is None):
            for key, mask in self._selector.select(self._timers.wait_s()):
                self._guarded(key.data, mask)
            for action in self._timers.take_due():
                self._guarded(action)
            self._guarded(self.ending.settle)
            self._guarded(self._watch_link)
        if self.is_leaving:
            self.is_upgrading = False
            say(f"leaving; {len(self.attempts)} attempts go on")

    def _guarded(self, action: Callable[..., None], *arguments: object) -> None:
        try:
            action(*arguments)
        except Exception:  # noqa: BLE001 - one event; the agents need a keeper that lives
            say(f"a fault of ours: {traceback.format_exc()}")

    def _catch_signals(self) -> int:
        read_end, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Ctrl-C reaches it only in the foreground; agents and engine are in sessions of their own.
        signal.signal(signal.SIGINT, self._on_sigterm)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        self._selector.register(read_end, selectors.EVENT_READ, lambda _: self._on_wakeup())
        return read_end

    def _on_sigterm(self, *_: object) -> None:
        self._got_sigterm = True

    def _on_wakeup(self) -> None:
        try:
            os.read(self._wakeup, 4096)
        except BlockingIOError:
            pass
        self.notice_deaths()
        if self._got_sigterm:
            self._got_sigterm = False
            self.is_leaving = True
            self._end_engine()

    def _on_timer(self, attempt: Attempt) -> None:
        attempt.timer_at = float("inf")
        if self.attempts.get(attempt.key) is attempt:
            self.notice_deaths()
        if self.attempts.get(attempt.key) is attempt:
            self.ending.review(attempt)
            if self.ending.next_due(attempt) > time.monotonic():
                self.arm(attempt)

    def _adopted_died(self, attempt: Attempt) -> None:
        # A pidfd stays readable for ever after.
        self._selector.unregister(attempt.pidfd)
        self.ending.leader_died(attempt)

    def _look_by_hand(self, attempt: Attempt) -> None:
        if self.attempts.get(attempt.key) is not attempt or attempt.is_leader_dead:
            return
        if system.start_time(attempt.pid) != attempt.started:
            self.ending.leader_died(attempt)
        else:
            again = time.monotonic() + FALLBACK_LOOK_S
            self._timers.at(again, lambda: self._look_by_hand(attempt))

    # Deaths.

    def _next_dead(self) -> os.waitid_result | None:
        """A dead child that was not handled yet; it stays unreaped."""
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            dead = os.waitid(os.P_ALL, 0, options)
            known = self._leaders.get(dead.si_pid) if dead else None
            if known is None or not known.is_leader_dead:
                return dead
        except ChildProcessError:
            return None
        # A leader that waits for the end of what it left hides the others: ask one by one.
        candidates = [pid for pid, attempt in self._leaders.items() if not attempt.is_leader_dead]
        for pid in (*self._engine_pids(), *candidates):
            dead = os.waitid(os.P_PID, pid, options)
            if dead is not None:
                return dead
        return None

    def _over(self, attempt: Attempt) -> None:
        """Nothing of it lives: reap it, put it on record, tell the engine."""
        if attempt.is_own:
            os.waitid(os.P_PID, attempt.pid, os.WEXITED)
            self._nursery.strangers.discard(attempt.pid)
            del self._leaders[attempt.pid]
        elif attempt.pidfd >= 0:
            os.close(attempt.pidfd)
        del self.attempts[attempt.key]
        self._runs.discard(attempt.run)
        if attempt.on_gone is not None:
            attempt.on_gone()
            return
        line = exit_line(attempt, self.boot)
        self._record(attempt.key, attempt.record, line)
        self._send_line(line)

    def _send_line(self, line: bytes) -> None:
        if self._engine.link is not None:
            self._engine.link.send_line(line)

    def _record(self, key: Key, path: str, line: bytes) -> None:
        try:
            write_record(path, line)
            self._unrecorded.pop(key, None)
        except OSError as error:
            if key not in self._unrecorded:
                say(f"{path}: the exit could not be recorded, trying again: {error}")
            self._unrecorded[key] = path, line
            again = time.monotonic() + RECORD_RETRY_S
            self._timers.at(again, lambda: self._record(key, path, line))

    # The engine.

    def _engine_pids(self) -> tuple[int, ...]:
        return () if self._engine.pid is None else (self._engine.pid,)

    def _start_engine(self) -> None:
        if self.is_leaving or self.is_upgrading:
            return
        delay = self._engine.start()
        if delay is not None:
            self._timers.at(time.monotonic() + delay, self._start_engine)
        elif self._engine.link is not None:
            self._link_events = selectors.EVENT_READ
            self._selector.register(self._engine.link, selectors.EVENT_READ, self._on_link)

    def _end_engine(self, only: int | None = None) -> None:
        if self._engine.pid is not None and only in (None, self._engine.pid):
            self._engine.end()
            self._timers.at(time.monotonic() + GRACE_S, self._engine.kill_if_late)

    def _engine_died(self, status: int) -> None:
        delay = self._engine.died(status)
        # What it said before it died still counts: a stop, or that we are to leave.
        while self._take_calls():
            pass
        self._close_link()
        if not self.is_leaving and status == NEEDS_A_PERSON and not self.attempts:
            say(f"the engine ended (status {status}), which needs a person: see its log; leaving")
            self.is_leaving = True
        if not self.is_leaving and not self.is_upgrading:
            say(f"the engine ended (status {status}); starting it again in {delay:.1f} s")
            self._timers.at(time.monotonic() + delay, self._start_engine)

    def _on_link(self, mask: int) -> None:
        link = self._engine.link
        if link is None:
            return
        if mask & selectors.EVENT_WRITE:
            link.flush()
        if mask & selectors.EVENT_READ:
            self._take_calls()
        if link.is_closed:
            self._close_link()
            if self._engine.pid is not None and self._engine.end_by is None:
                pid = self._engine.pid
                self._timers.at(time.monotonic() + GRACE_S, lambda: self._end_engine(pid))

    def _take_calls(self) -> bool:
        """Answer what has arrived; False when nothing had."""
        frames = self._engine.link.receive() if self._engine.link is not None else None
        for frame in frames or ():
            self._calls.answer(frame)
            after, self._after = self._after, []
            for action in after:
                action()
        return frames is not None

    def _watch_link(self) -> None:
        link = self._engine.link
        if link is None:
            return
        events = 0 if link.is_paused else selectors.EVENT_READ
        if link.wants_to_write:
            events |= selectors.EVENT_WRITE
        if events != self._link_events:
            self._link_events = events
            self._selector.modify(link, events, self._on_link)

    def _close_link(self) -> None:
        if self._engine.link is not None:
            self._selector.unregister(self._engine.link)
            self._engine.link.close()
            self._engine.link = None

"""``decide`` under any facts in any order at any time: hypothesis looks for the story that breaks.

The rules are those of the simulation; this looks for short stories, the simulation for long ones.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.decide import decide
from supervisor.core.due import keeper_deadline, next_wake_s, start_left_s
from supervisor.core.events import Event
from supervisor.core.facts import Fact
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.progress import LastError, Progress, Step
from supervisor.core.record import event_from_plain, event_to_plain, from_plain, to_plain
from supervisor.core.run import ON_THE_CLOCK, Anomaly, RunState, Status
from supervisor.core.spec import Restart
from tests.core.builders import RUN_ID, SHA, T0, a_request, a_spec, an_answer
from tests.core.simulation.rules import Budget, check_decision

small = st.integers(0, 4)
seconds = st.sampled_from((0.0, 0.1, 0.5, 1.0, 9.9, 30.0, 3600.0, 1e7))
files = st.sampled_from(("ask", "tell", "pay"))
kinds = st.sampled_from(("approve", "choose", "text", "edit"))
defaults = st.sampled_from((None, True, False, "a", "free text"))
exit_codes = st.sampled_from((None, 0, 1, 2, 64, 70, 71, 75, 78, 127, 255))
limits = st.sampled_from((None, 0.5, 10.0, 3600.0))


class AnyOrder(RuleBasedStateMachine):
    """One run, told anything."""

    @initialize(
        timeout=limits,
        attempt=limits,
        stall=limits,
        restart=st.sampled_from(list(Restart)),
        retries=small,
        deaths=st.integers(1, 4),
        base=st.sampled_from((0.0, 0.5, 60.0)),
        memory=st.sampled_from((None, 1000)),
        unattended=st.booleans(),
        seed=st.integers(0, 9),
    )
    def create(self, timeout: Any, attempt: Any, stall: Any, restart: Restart, **more: Any) -> None:
        """A run of an agent with any limits."""
        retry = {
            "max_retries": more["retries"],
            "crash_loop_deaths": more["deaths"],
            "base_delay_s": more["base"],
            "jitter_fraction": 0.2,
        }
        spec = a_spec(
            timeout_s=timeout,
            attempt_timeout_s=attempt,
            stall_timeout_s=stall,
            restart=restart,
            retry=retry,
            max_memory_bytes=more["memory"],
            unattended=more["unattended"],
        )
        self.now = T0
        self.boots = 1
        self.rng = random.Random(more["seed"])
        self.budget = Budget()
        self.log: list[tuple[Moment, Event]] = [(T0, e.RunCreated(spec, "told"))]
        self.state = apply(None, RUN_ID, self.log[0][1], T0)

    def tell(self, fact: Fact) -> None:
        """Decide, judge, and go on from there."""
        before = self.state
        decision = decide(before, fact, self.now, self.rng)
        check_decision(before, fact, self.now, decision)
        state = before
        for event in decision.events:
            state = apply(state, RUN_ID, event, self.now)
            self.budget.see(state, event)
            self.log.append((self.now, event))
            name, data = event_to_plain(event)
            assert event_from_plain(name, json.loads(json.dumps(data))) == event
        assert state == decision.state
        self.state = decision.state

    @rule(used=st.sampled_from((1000, 1001)), behind=st.integers(0, 1))
    def memory_is_seen(self, used: int, behind: int) -> None:
        """At the limit or just above it, of this attempt or the one before."""
        self.tell(f.MemorySeen(self.state.epoch - behind, used))

    @rule(ahead=seconds, is_lead=st.booleans())
    def others_failed_alike(self, ahead: float, is_lead: bool) -> None:
        """A shared start, long past or far ahead."""
        until = self.now.plus(ahead - 30.0)
        self.tell(f.AlikeSeen("1", ("a", "b", "c"), "exit status 1", until, is_lead))

    # -- time ---------------------------------------------------------------------------------

    @rule(passed=seconds)
    def time_passes(self, passed: float) -> None:
        """Both clocks."""
        self.now = self.now.plus(passed)

    @rule(jump=st.sampled_from((-1e9, -3600.0, -1.0, 3600.0, 1e9)))
    def wall_clock_jumps(self, jump: float) -> None:
        """Somebody sets the clock, or the laptop slept."""
        self.now = Moment(self.now.wall + jump, self.now.mono, self.now.boot)

    @rule(jump=st.sampled_from((-1e9, 0.0, 30.0, 1e6)), mono=st.sampled_from((0.0, 5.0, 1e6)))
    def machine_boots(self, jump: float, mono: float) -> None:
        """Another boot: only the wall clock connects it with the one before."""
        self.boots += 1
        self.now = Moment(self.now.wall + jump, mono, f"boot-{self.boots}")

    @rule()
    def tick(self) -> None:
        """Time is looked at."""
        self.tell(f.Tick())

    @rule()
    def wait_until_due(self) -> None:
        """Time passes to what is due next."""
        wait = next_wake_s(self.state, self.now)
        assert wait is None or wait >= 0.0
        if wait is not None:
            self.now = self.now.plus(wait)
            self.tell(f.Tick())

    # -- the keeper ---------------------------------------------------------------------------

    @rule()
    def start(self) -> None:
        """A queued run may start."""
        self.tell(f.StartWanted())

    @rule(late=small, adopted=st.booleans())
    def spawned(self, late: int, adopted: bool) -> None:
        """Of this epoch, or of an older one."""
        epoch = self.state.epoch - max(0, late - 2)
        self.tell(f.SpawnDone(epoch, 100 + epoch, 7, adopted))

    @rule(late=small, permanent=st.booleans())
    def refused(self, late: int, permanent: bool) -> None:
        """The keeper could not."""
        epoch = self.state.epoch - max(0, late - 2)
        self.tell(f.SpawnRefused(epoch, "no", permanent, self.now.wall))

    @rule(
        late=small,
        code=exit_codes,
        number=st.sampled_from((None, 9, 15, 4095)),
        known=st.booleans(),
        by=st.sampled_from((None, None, "stop", "deadline:task", "deadline:attempt")),
        leftovers=st.sampled_from((0, 0, 2)),
    )
    def exited(self, late: int, code: int | None, number: int | None, **more: Any) -> None:
        """Any exit, of this attempt or of an older one."""
        epoch = self.state.epoch - max(0, late - 2)
        exited = f.Exited(epoch, self.now.wall, code, number)
        self.tell(
            replace(
                exited,
                is_known=more["known"],
                ended_by=more["by"],
                leftovers=more["leftovers"],
            )
        )

    # -- the files ----------------------------------------------------------------------------

    @rule(
        status=st.sampled_from(("working", "done")),
        done=st.none() | st.floats(0, 10),
        retryable=st.none() | st.booleans(),
        problems=st.sampled_from(((), ("step.total: -1",))),
    )
    def progress(self, status: str, done: float | None, retryable: Any, problems: Any) -> None:
        """Any good progress file."""
        error = LastError("oops", retryable=retryable) if retryable is not None else None
        said = Progress(status, step=Step("s", done, 10.0), last_error=error)
        self.tell(f.ProgressSeen(said, (), problems))

    @rule()
    def bad_progress(self) -> None:
        """A torn one."""
        self.tell(f.ProgressBad("torn"))

    @rule(epoch=st.none() | small, sequence=st.none() | small, sha=small)
    def checkpoint(self, epoch: int | None, sequence: int | None, sha: int) -> None:
        """Any whole checkpoint file."""
        self.tell(f.CheckpointSeen(f"{sha:064x}", 1, epoch, sequence))

    @rule()
    def bad_checkpoint(self) -> None:
        """A torn one."""
        self.tell(f.CheckpointBad("torn"))

    @rule(generation=small)
    def rollback(self, generation: int) -> None:
        """To any generation, kept or not."""
        self.tell(f.RollbackWanted(generation, "damaged"))

    @rule(
        file_id=files,
        kind=kinds,
        sha=st.sampled_from((SHA, "cd" * 32)),
        default=defaults,
        on_timeout=st.sampled_from(("park", "default", "deny")),
        expires=st.none() | st.sampled_from((-5.0, 0.0, 1.0, 3600.0)),
    )
    def request(self, file_id: str, kind: str, sha: str, default: Any, **more: Any) -> None:
        """Any question, new, known or changed."""
        expires = None if more["expires"] is None else self.now.wall + more["expires"]
        draft = a_request(file_id, kind=kind, sha256=sha, default=default, options=("a", "b"))
        self.tell(f.RequestSeen(replace(draft, on_timeout=more["on_timeout"], expires_at=expires)))

    @rule(file_id=files)
    def request_gone(self, file_id: str) -> None:
        """Taken back."""
        self.tell(f.RequestGone(file_id))

    @rule(identity=st.sampled_from("abc"))
    def noticed(self, identity: str) -> None:
        """Something odd."""
        anomaly = Anomaly(identity, "odd", "info", "odd", self.now.wall, "longwatch")
        self.tell(f.Noticed(anomaly))

    # -- people -------------------------------------------------------------------------------

    @rule(number=st.integers(1, 5), sha=st.sampled_from(("", SHA, "cd" * 32)), allow=st.booleans())
    def answer(self, number: int, sha: str, allow: bool) -> None:
        """To any request, with any hash."""
        answer = an_answer(sha256=sha, allow=allow, option="a", text="t")
        self.tell(f.AnswerGiven(f"{RUN_ID[-4:]}-{number}", answer))

    @rule(
        wish=st.sampled_from(
            (
                f.StopWanted("kim", "enough"),
                f.RestartWanted("kim"),
                f.PauseWanted("kim"),
                f.ResumeWanted("kim"),
            )
        )
    )
    def operator(self, wish: Fact) -> None:
        """Any wish."""
        self.tell(wish)

    @rule(timeout=limits, stall=limits)
    def settings_change(self, timeout: float | None, stall: float | None) -> None:
        """The configuration is edited."""
        spec = replace(self.state.spec, timeout_s=timeout, stall_timeout_s=stall)
        self.tell(f.SpecWanted(spec))

    # -- always -------------------------------------------------------------------------------

    @invariant()
    def derived_clocks_make_sense(self) -> None:
        """No deadline where the clock stands; no wait that is negative."""
        if not hasattr(self, "state"):
            return
        due = keeper_deadline(self.state, self.now)
        assert due is None or (due.in_s >= 0.0 and self.state.status in ON_THE_CLOCK)
        left = start_left_s(self.state, self.now)
        assert (left is None) == (self.state.status is not Status.BACKOFF)
        assert (self.state.next_start is not None) == (self.state.status is Status.BACKOFF)

    def teardown(self) -> None:
        """The log alone gives the state, and JSON carries it."""
        if not hasattr(self, "state"):
            return
        state: RunState | None = None
        for at, event in self.log:
            state = apply(state, RUN_ID, event, at)
        assert state == self.state
        assert from_plain(RunState, json.loads(json.dumps(to_plain(state)))) == state


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)

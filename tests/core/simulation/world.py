"""One simulated world: a run, its agent, a keeper, engines that die, an operator, and time.

Everything is drawn from one seed, each part from a stream of its own, so that a change in one
part does not reshuffle the others. ``live`` is the safety mode: faults all the time, every rule
checked. ``heal`` is the liveness mode: no more faults, and the run has to end or to wait for a
person.
"""

from __future__ import annotations

import json
import random

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.moment import Moment
from supervisor.core.record import event_from_plain, event_to_plain, from_plain, to_plain
from supervisor.core.run import ALIVE, FINAL, Answer, RunState, Status
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy
from tests.core.simulation.agents import draw_nature
from tests.core.simulation.engine import RUN_ID, Disk, Engine
from tests.core.simulation.keeper import Keeper
from tests.core.simulation.rules import Budget, ViolationError

STEPS = 110
"""Things that happen in the safety mode of one world."""
HEALING_ROUNDS = 600
"""Rounds after the faults within which the run must come to rest."""

ORDINARY = ("agent", "look", "flush", "perform", "hear", "pass", "tick")
WEIGHTS = (34, 12, 20, 22, 12, 14, 4)
WISHES = (
    ("stop", "restart", "pause", "resume", "answer", "answer"),
    ("pause", "resume", "resume", "answer", "wake"),
    ("restart", "answer", "answer"),
)
"""What the operator of a world is given to: one who also stops ends many stories early."""


class World:
    """All of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        chance = self.stream("world")
        self.chance = chance
        self.now = Moment(1_800_000_000.0, 100.0, "boot-0")
        self.nature = draw_nature(self.stream("nature"))
        self.keeper = Keeper(self.nature, self.stream)
        self.disk = Disk()
        self.budget = Budget()
        self.boots = self.engines = 0
        self.fault_rate = chance.choice((0.0, 0.02, 0.06, 0.12))
        self.operator_rate = chance.choice((0.0, 0.03, 0.08, 0.2))
        self.wishes = chance.choice(WISHES)
        self.is_healed = False
        self.disk.log.append((self.now, e.RunCreated(self._spec(), "simulated")))
        self.engine: Engine | None = None
        self._begin_engine()

    def stream(self, name: str) -> random.Random:
        """The dice of one part: a hash of seed and name."""
        return random.Random(f"{self.seed}:{name}")

    def _spec(self) -> AgentSpec:
        draw = self.stream("spec")
        retry = RetryPolicy(
            max_retries=draw.choice((0, 2, 5, 5)),
            base_delay_s=draw.choice((0.0, 0.5, 5.0)),
            max_delay_s=30.0,
            exponential_base=2.0,
            jitter_fraction=0.2,
            crash_loop_deaths=draw.choice((2, 3, 6)),
            crash_loop_window_s=draw.choice((5.0, 600.0)),
        )
        return AgentSpec(
            name="sim",
            command=("sim",),
            cwd="/",
            autostart=False,
            checkpoint="checkpoint.json",
            timeout_s=draw.choice((None, 60.0, 600.0)),
            attempt_timeout_s=draw.choice((None, None, 40.0)),
            stall_timeout_s=draw.choice((None, 20.0)),
            stop_signal="TERM",
            stop_grace_s=10.0,
            restart=Restart.NEVER if draw.random() < 0.1 else Restart.ON_FAILURE,
            retry=retry,
            env={},
            env_pass=(),
            unattended=draw.random() < 0.15,
            remind_after_s=draw.choice((None, 5.0, 900.0)),
        )

    # -- safety -------------------------------------------------------------------------------

    def live(self) -> None:
        """Faults throughout; a ViolationError ends it."""
        chance = self.chance
        for action in chance.choices(ORDINARY, WEIGHTS, k=STEPS):
            draw = chance.random()
            if draw < self.fault_rate:
                self._fault()
            elif draw < self.fault_rate + self.operator_rate:
                self._operate()
            self._do(action)
            self.keeper.tend(self.now)

    def _do(self, action: str) -> None:
        engine = self.engine
        if action == "agent":
            self._act()
        elif action == "pass":
            self._pass(self.chance.choice((0.1, 0.5, 2.0, 15.0)))
        elif engine is None:
            self._begin_engine()
        elif action == "look":
            engine.look(self.now)
        elif action == "flush":
            engine.flush()
        elif action == "perform":
            engine.perform(self.now)
        elif action == "hear":
            engine.hear()
        else:
            engine.feed(f.Tick(), self.now)

    def _act(self) -> None:
        if self.keeper.process is not None:
            wall = self.now.wall
            self.keeper.process.act(self.disk.files, wall, is_healed=self.is_healed)

    def _pass(self, seconds: float) -> None:
        self.now = self.now.plus(seconds)

    def _fault(self) -> None:
        kind = self.chance.choice(
            ("engine", "engine", "keeper", "agent", "wall", "reboot", "sleep")
        )
        if kind == "agent":
            if self.keeper.process is not None:
                self.keeper.process.killed_by = 9
        elif kind == "wall":
            jump = self.chance.choice((-1e8, -3600.0, 3600.0, 1e6))
            self.now = Moment(self.now.wall + jump, self.now.mono, self.now.boot)
        elif kind == "sleep":
            self.now = Moment(self.now.wall + 28_800.0, self.now.mono, self.now.boot)
        else:
            self.engine = None
            if kind == "keeper" and self.keeper.process is not None:
                self.keeper.process.is_orphan = True
            if kind == "reboot":
                self._reboot()

    def _reboot(self) -> None:
        self.boots += 1
        self.keeper.reboot()
        jump = self.chance.choice((30.0, 30.0, 3600.0, -1e6))
        self.now = Moment(self.now.wall + jump, 5.0, f"boot-{self.boots}")

    def _operate(self) -> None:
        engine = self.engine
        if engine is None:
            return
        wish = self.chance.choice(self.wishes)
        if wish == "answer":
            self._answer(engine)
        elif wish == "stop":
            engine.feed(f.StopWanted("kim", "enough"), self.now)
        elif wish == "restart":
            engine.feed(f.RestartWanted("kim"), self.now)
        elif wish == "pause":
            engine.feed(f.PauseWanted("kim"), self.now)
        elif wish == "wake":
            engine.feed(f.StartWanted("woken by kim", is_waking=True), self.now)
        else:
            engine.feed(f.ResumeWanted("kim"), self.now)

    def _answer(self, engine: Engine) -> None:
        if engine.state.requests:
            asked = self.chance.choice(engine.state.requests)
            allow = self.chance.random() < 0.8
            engine.feed(f.AnswerGiven(asked.id, Answer("kim", 0.0, "", allow)), self.now)

    def _begin_engine(self) -> None:
        self.engines += 1
        rng = self.stream(f"engine-{self.engines}")
        self.engine = Engine(self.disk, self.keeper, self.budget, rng)
        self.engine.damage = 0.0 if self.is_healed else self.fault_rate
        self.engine.recover(self.now)

    # -- liveness -----------------------------------------------------------------------------

    def heal(self) -> RunState:
        """No more faults: come to rest, or be a ViolationError. Returns the state at rest."""
        self.is_healed = True
        if self.engine is None:
            self._begin_engine()
        engine = self.engine
        assert engine is not None
        engine.damage = 0.0
        for _ in range(HEALING_ROUNDS):
            self._settle(engine)
            self._check_stillness(engine)
            if self._is_at_rest(engine):
                self._check_rest(engine)
                return engine.state
            self._act()
            self.keeper.tend(self.now)
            self._settle(engine)
            self._pass(self._next_instant(engine))
            self.keeper.tend(self.now)
            engine.feed(f.Tick(), self.now)
        raise ViolationError(f"liveness: still {engine.state.status} ({engine.state.reason})")

    def _settle(self, engine: Engine) -> None:
        for _ in range(100):
            engine.look(self.now)
            if not (engine.hear() or engine.flush() or engine.perform(self.now)):
                return
        raise ViolationError(f"liveness: no end of effects in {engine.state.status}")

    def _next_instant(self, engine: Engine) -> float:
        waits = [0.5] if engine.state.status in ALIVE else []
        wake = engine.wakes_in(self.now)
        if wake is not None:
            waits.append(wake)
        due = self.keeper.next_due()
        if due is not None:
            waits.append(max(0.0, due - self.now.mono))
        return max(0.001, min(waits, default=1.0))

    def _is_at_rest(self, engine: Engine) -> bool:
        status = engine.state.status
        if status in FINAL or status in (Status.HELD, Status.PAUSED):
            return True
        if status not in (Status.WAITING, Status.PARKED) or self.keeper.next_due() is not None:
            return False
        # An expiry that a clock set back has moved years away is a wait for a person too.
        soon = self.now.wall + 3600.0
        wake = engine.state.wake
        if wake is not None and not wake.is_held and wake.at <= soon:
            return False
        since = engine.state.clock_since
        # Nor does a clock that another boot set back measure how much of the task's time passed.
        is_measured = since is not None and (
            since.boot == self.now.boot or self.now.wall > since.wall
        )
        if wake is not None and is_measured and engine.state.spec.timeout_s:
            return False
        expiries = [r.expires_at for r in engine.state.open_requests if r.on_timeout != "park"]
        return all(at is None or at > soon for at in expiries)

    def _check_stillness(self, engine: Engine) -> None:
        process, status = self.keeper.process, engine.state.status
        if process is None or status in (Status.STOPPING, Status.STARTING):
            return
        if process.is_still != (status is Status.PAUSED):
            raise ViolationError(f"liveness: {status}, but held still is {process.is_still}")

    def _check_rest(self, engine: Engine) -> None:
        state, process = engine.state, self.keeper.process
        if (process is not None) != (state.status in ALIVE):
            raise ViolationError(f"I3/I9: {state.status} with process {process}")
        is_asked = bool(state.open_requests) or state.wake is not None
        if state.status in (Status.WAITING, Status.PARKED) and not is_asked:
            raise ViolationError(f"liveness: {state.status} for nobody's answer")

    # -- the log ------------------------------------------------------------------------------

    def check_log(self) -> None:
        """Replay and record: the log alone gives the state, and JSON carries both unchanged."""
        assert self.engine is not None
        replayed = self.disk.fold()
        if replayed != self.engine.state:
            raise ViolationError("I7: the log tells another story than the engine")
        plain = json.loads(json.dumps(to_plain(replayed)))
        if from_plain(RunState, plain) != replayed:
            raise ViolationError("record: the state changes on its way through JSON")
        for _at, event in self.disk.log:
            name, data = event_to_plain(event)
            if event_from_plain(name, json.loads(json.dumps(data))) != event:
                raise ViolationError(f"record: {name} changes on its way through JSON")


def run_world(seed: int) -> World:
    """Live, heal and check one world; raises what went wrong."""
    world = World(seed)
    world.live()
    world.heal()
    world.check_log()
    return world


__all__ = ["RUN_ID", "World", "run_world"]

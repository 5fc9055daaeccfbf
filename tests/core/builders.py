"""What the tests of the core build their stories from: settings, a clock, and one run's life.

A ``Story`` is a run together with its clock. Every fact goes through ``decide``; every recorded
event is kept, so that a test can look at the story as the log would tell it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.decide import decide
from supervisor.core.effects import Effect
from supervisor.core.events import Event
from supervisor.core.facts import Fact
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress, Step
from supervisor.core.run import Answer, Request, RunState, Status
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy
from supervisor.core.turn import Decision

RUN_ID = "01J0000000000000000000ABCD"
T0 = Moment(wall=1_800_000_000.0, mono=1000.0, boot="boot-1")
SHA = "ab" * 32
EventKind = TypeVar("EventKind", bound=Event)


def a_policy(**changes: Any) -> RetryPolicy:
    """The documented defaults, without jitter."""
    policy = RetryPolicy(
        max_retries=5,
        base_delay_s=0.5,
        max_delay_s=30.0,
        exponential_base=2.0,
        jitter_fraction=0.0,
        crash_loop_deaths=6,
        crash_loop_window_s=600.0,
    )
    return replace(policy, **changes)


def a_spec(**changes: Any) -> AgentSpec:
    """An agent without a limit; ``retry`` may be given as changes to ``a_policy``."""
    retry = changes.pop("retry", {})
    policy = retry if isinstance(retry, RetryPolicy) else a_policy(**retry)
    spec = AgentSpec(
        name="reader",
        command=("python", "reader.py"),
        cwd="/",
        autostart=False,
        checkpoint="checkpoint.json",
        timeout_s=None,
        attempt_timeout_s=None,
        stall_timeout_s=None,
        stop_signal="TERM",
        stop_grace_s=10.0,
        restart=Restart.ON_FAILURE,
        retry=policy,
        env={},
        env_pass=(),
    )
    return replace(spec, **changes)


def a_request(file_id: str = "ask", **changes: Any) -> Request:
    """A draft, as the reader of request files makes it."""
    draft = Request(
        id="",
        file_id=file_id,
        kind="approve",
        title="Publish?",
        sha256=SHA,
        created_at=0.0,
        epoch=0,
    )
    return replace(draft, **changes)


def an_answer(**changes: Any) -> Answer:
    """An operator's yes that does not say what it was shown."""
    return replace(Answer(by="kim", at=0.0, sha256="", allow=True), **changes)


def counting(completed: float, total: float | None = 100.0, **changes: Any) -> Progress:
    """Progress of a counted step."""
    return replace(
        Progress(status="working", step=Step("read", completed, total, "pages")), **changes
    )


class NoJitter:
    """The middle of every jitter."""

    def random(self) -> float:
        """Always 0.5."""
        return 0.5


@dataclass
class Story:
    """One run and its clock; each verb feeds one fact and returns the decision."""

    spec: AgentSpec = field(default_factory=a_spec)
    now: Moment = T0
    rng: Any = field(default_factory=NoJitter)
    events: list[tuple[Moment, Event]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    last: Decision = field(init=False)
    state: RunState = field(init=False)

    def __post_init__(self) -> None:
        created = e.RunCreated(self.spec, "started by kim")
        self.state = apply(None, RUN_ID, created, self.now)
        self.events.append((self.now, created))
        self.last = Decision(self.state)

    # -- time ---------------------------------------------------------------------------------

    def wait(self, seconds: float) -> Story:
        """Both clocks go on."""
        self.now = self.now.plus(seconds)
        return self

    def reboot(self, wall_seconds: float) -> Story:
        """Another boot, after so much wall-clock time (negative: the clock was set back)."""
        number = int(self.now.boot.removeprefix("boot-")) + 1
        self.now = Moment(self.now.wall + wall_seconds, 5.0, f"boot-{number}")
        return self

    # -- facts --------------------------------------------------------------------------------

    def feed(self, fact: Fact) -> Decision:
        """Decide on ``fact`` and take the decision over."""
        self.last = decide(self.state, fact, self.now, self.rng)
        self.state = self.last.state
        self.events += [(self.now, event) for event in self.last.events]
        self.effects += self.last.effects
        return self.last

    def start(self) -> Story:
        """Queued to running."""
        self.feed(f.StartWanted())
        return self.spawned()

    def spawned(self) -> Story:
        """The keeper has the process."""
        epoch = self.state.epoch
        self.feed(f.SpawnDone(epoch, 1000 + epoch, 50 + epoch))
        return self

    def exits(self, code: int | None = 1, **changes: Any) -> Decision:
        """The living attempt is gone."""
        exited = f.Exited(self.state.epoch, self.now.wall, code)
        return self.feed(replace(exited, **changes))

    def tick(self) -> Decision:
        """Time has passed."""
        return self.feed(f.Tick())

    def next_attempt(self) -> Story:
        """Wait out the backoff, if there is one, and start."""
        if self.state.status is Status.STARTING:
            return self.spawned()
        assert self.state.next_start is not None, self.state.status
        self.now = self.now.plus(max(0.0, self.state.next_start.mono - self.now.mono))
        self.tick()
        return self.spawned()

    def checkpoints(self, number: int, **changes: Any) -> Decision:
        """A whole checkpoint file with that sequence, of the living attempt."""
        seen = f.CheckpointSeen(f"{number:064x}", 10, self.state.epoch, number)
        return self.feed(replace(seen, **changes))

    def asks(self, file_id: str = "ask", **changes: Any) -> Request:
        """A request file; the request as it was opened."""
        self.feed(f.RequestSeen(a_request(file_id, **changes)))
        return next(r for r in reversed(self.state.requests) if r.file_id == file_id)

    def answers(self, request: Request, **changes: Any) -> Decision:
        """A client answers."""
        return self.feed(f.AnswerGiven(request.id, an_answer(**changes)))

    # -- looking ------------------------------------------------------------------------------

    def request(self, request_id: str) -> Request:
        """A request by its public id."""
        return next(r for r in self.state.requests if r.id == request_id)

    def recorded(self, kind: type[EventKind]) -> list[EventKind]:
        """Every event of that kind so far."""
        return [event for _at, event in self.events if isinstance(event, kind)]

    def wanted(self, kind: type[Effect]) -> list[Effect]:
        """Every effect of that kind so far."""
        return [effect for effect in self.effects if isinstance(effect, kind)]


def seeded(name: str, seed: int) -> Callable[[], float]:
    """A stream of its own for every name, from one seed."""
    return random.Random(f"{seed}:{name}").random


def story_in(status: Status, **spec_changes: Any) -> Story:
    """A run that got into ``status`` by facts alone."""
    story = Story(a_spec(**spec_changes))
    _WAYS[status](story)
    assert story.state.status is status, story.state.status
    return story


def _into_backoff(story: Story) -> None:
    story.start().exits(1)


def _into_held(story: Story) -> None:
    deaths = story.spec.retry.crash_loop_deaths
    story.start()
    for _ in range(deaths - 1):
        story.exits(1)
        story.next_attempt()
    story.exits(1)


def _into_waiting(story: Story) -> None:
    story.start().asks()


def _into_parked(story: Story) -> None:
    story.start().asks()
    story.exits(75)


def _into_stopping(story: Story) -> None:
    story.start().feed(f.StopWanted("kim", "enough"))


def _into_stopped(story: Story) -> None:
    _into_stopping(story)
    story.exits(None, signal=15, ended_by="stop")


_WAYS: dict[Status, Callable[[Story], object]] = {
    Status.QUEUED: lambda story: story,
    Status.STARTING: lambda story: story.feed(f.StartWanted()),
    Status.RUNNING: Story.start,
    Status.WAITING: _into_waiting,
    Status.PARKED: _into_parked,
    Status.PAUSED: lambda story: story.start().feed(f.PauseWanted("kim")),
    Status.STOPPING: _into_stopping,
    Status.BACKOFF: _into_backoff,
    Status.HELD: _into_held,
    Status.SUCCEEDED: lambda story: story.start().exits(0),
    Status.FAILED: lambda story: story.start().exits(64),
    Status.TIMED_OUT: lambda story: story.start().exits(1, ended_by="deadline:task"),
    Status.STOPPED: _into_stopped,
}
"""How each status is reached."""

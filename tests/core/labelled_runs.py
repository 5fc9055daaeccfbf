"""Scripted runs with the truth beside them: healthy ones of many kinds, and sick ones of each.

Every run is told by facts through ``decide`` and looked at as the engine looks, with noise from one
seed. The thresholds were chosen on other seeds than the one that is reported.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from supervisor.core import facts as f
from supervisor.core.detect.look import Terms, Usual
from supervisor.core.detect.usual import learned
from supervisor.core.detect.watch import Measured, Watch
from supervisor.core.moment import Moment
from supervisor.core.progress import LastError, Progress, ServiceUse, Stage, Step, Usage
from supervisor.core.run import FINAL, Status
from tests.core.builders import Story, a_spec

EVERY_S = 15.0
MB = 2**20
TERMS = Terms()
Script = Callable[["World"], Iterator[float]]


@dataclass
class World:
    """One run, its machine, and what an engine would measure of them."""

    rng: random.Random
    story: Story = field(default_factory=lambda: Story(a_spec()).start())
    cpu: float = 1.0
    rss: float = 200 * MB
    log_bytes: int = 0
    lines: list[str] = field(default_factory=list)
    asleep_s: float = 0.0
    done: float = 0.0
    tokens: int = 0
    failures: int = 0
    error: LastError | None = None
    context: tuple[int, int] = (0, 0)
    sequence: int = 0
    sick_since_s: float | None = None
    """Seconds of the story when the sickness began."""

    def says(self, total: float = 1000.0, stage: str = "work", status: str = "working") -> None:
        """A progress file."""
        usage = Usage(self.tokens, 0, context_tokens=self.context[0], context_limit=self.context[1])
        services = {"model": ServiceUse(10, 0, self.failures)}
        step = Step("item", self.done, total, "items")
        self.story.feed(
            f.ProgressSeen(
                Progress(
                    status, Stage(stage, 1, 2), step=step, usage=usage, services=services,
                    last_error=self.error,
                )
            )
        )  # fmt: skip

    def item(self, total: float = 1000.0, stage: str = "work", tokens: int = 3000) -> None:
        """One more is done, with a line and sometimes a checkpoint."""
        self.done = min(total, self.done + 1)
        self.tokens += int(self.rng.uniform(0.5, 1.5) * tokens)
        self.says(total, stage)
        self.line(f"done with item {self.done:.0f} of {total:.0f}")
        if self.rng.random() < 0.4:
            self.checkpoint()

    def checkpoint(self) -> None:
        """A new one."""
        self.sequence += 1
        self.story.checkpoints(self.sequence)

    def line(self, text: str) -> None:
        """A line of the log."""
        self.log_bytes += len(text) + 1
        self.lines = [*self.lines[-39:], text]

    def sick(self) -> None:
        """From now on a detector should find it."""
        self.sick_since_s = self.story.now.mono


def some(rng: random.Random, middle: float, spread: float = 0.6) -> float:
    """Times as they are: most near the middle, a few much longer."""
    return middle * math.exp(rng.gauss(0.0, spread))


# -- healthy ------------------------------------------------------------------------------------


def steady(w: World) -> Iterator[float]:
    pace = w.rng.uniform(5, 40)
    while True:
        yield some(w.rng, pace, 0.3)
        w.item()


def slow(w: World) -> Iterator[float]:
    """Model calls of minutes, with nothing to see in between."""
    pace = w.rng.uniform(120, 260)
    while True:
        yield some(w.rng, pace, 0.5)
        w.item()


def bursty(w: World) -> Iterator[float]:
    while True:
        for _ in range(w.rng.randint(3, 30)):
            yield w.rng.uniform(0.5, 3)
            w.item()
        yield some(w.rng, 200, 0.5)


def waiting(w: World) -> Iterator[float]:
    """Asks, and waits for hours with its process alive."""
    while True:
        for _ in range(w.rng.randint(3, 12)):
            yield some(w.rng, 20, 0.4)
            w.item()
        request = w.story.asks(f"ask-{w.sequence}-{w.log_bytes}")
        yield w.rng.uniform(1800, 9000)
        w.story.answers(request)


def parked(w: World) -> Iterator[float]:
    """Asks, leaves, and comes back when it is answered."""
    while True:
        for _ in range(w.rng.randint(3, 12)):
            yield some(w.rng, 20, 0.4)
            w.item()
        request = w.story.asks(f"ask-{w.sequence}-{w.log_bytes}")
        yield w.rng.uniform(0.1, 40)
        w.story.exits(75)
        yield w.rng.uniform(1800, 9000)
        w.story.answers(request)
        w.story.tick()
        w.story.spawned()


def paused(w: World) -> Iterator[float]:
    while True:
        for _ in range(w.rng.randint(5, 20)):
            yield some(w.rng, 25, 0.4)
            w.item()
        w.story.feed(f.PauseWanted("kim"))
        yield w.rng.uniform(1800, 9000)
        w.story.feed(f.ResumeWanted("kim"))


def retrying(w: World) -> Iterator[float]:
    """Crashes now and then; an error or two before most of them."""
    while True:
        for _ in range(w.rng.randint(10, 60)):
            yield some(w.rng, 15, 0.4)
            w.error = None
            w.item()
        for _ in range(w.rng.randint(1, 3)):
            yield w.rng.uniform(1, 20)
            w.error = LastError(f"overloaded {w.rng.random():.6f}", "overloaded", "model", 529)
            w.failures += 1
            w.says()
        yield w.rng.uniform(1, 10)
        w.story.exits(1)
        yield w.rng.uniform(1, 30)
        w.story.next_attempt()
        w.checkpoint()


def suspended(w: World) -> Iterator[float]:
    """A laptop that is closed for the night."""
    while True:
        for _ in range(w.rng.randint(10, 40)):
            yield some(w.rng, 20, 0.4)
            w.item()
        night_s = w.rng.uniform(600, 40_000)
        w.asleep_s += night_s
        now = w.story.now
        w.story.now = Moment(now.wall + night_s, now.mono, now.boot)
        yield 1.0


def computing(w: World) -> Iterator[float]:
    """A core busy for minutes between two results."""
    w.cpu = 99.0
    while True:
        yield min(some(w.rng, 180, 0.4), 540)
        w.item(tokens=0)


def saw_tooth(w: World) -> Iterator[float]:
    """Memory that is collected every now and then."""
    top = w.rng.uniform(1.5, 4)
    while True:
        for place in range(w.rng.randint(20, 60)):
            w.rss = 200 * MB * (1 + (top - 1) * place / 60)
            yield some(w.rng, 20, 0.3)
            w.item()


def loading(w: World) -> Iterator[float]:
    """Memory that grows while an index is built, and then no more."""
    size = w.rng.uniform(1, 3) * 1024 * MB
    count = w.rng.randint(10, 60)
    for place in range(count):
        w.rss = 200 * MB + size * place / count
        yield some(w.rng, 15, 0.3)
        w.item()
    yield from steady(w)


def heartbeat(w: World) -> Iterator[float]:
    """Says the same line again and again while it works."""
    while True:
        for _ in range(w.rng.randint(4, 16)):
            yield w.rng.uniform(25, 35)
            w.line("still working")
        w.item()


def many_passes(w: World) -> Iterator[float]:
    """Counts anew in every stage."""
    for number in range(1, 200):
        w.done = 0
        for _ in range(w.rng.randint(20, 60)):
            yield some(w.rng, 8, 0.4)
            w.item(60, f"pass {number}")


def heavy(w: World) -> Iterator[float]:
    """Many tokens for each item."""
    while True:
        yield some(w.rng, 120, 0.4)
        w.item(tokens=w.rng.randint(20_000, 70_000))


def chatty(w: World) -> Iterator[float]:
    """Ping and pong in its log, and progress too."""
    while True:
        for _ in range(w.rng.randint(5, 25)):
            yield w.rng.uniform(1, 5)
            w.line("tool: search")
            w.line("tool: read")
        w.item()


def stepwise(w: World) -> Iterator[float]:
    """Retracts an item now and then: one of many was to be done again."""
    while True:
        yield some(w.rng, 20, 0.4)
        w.item()
        if w.rng.random() < 0.002 and w.done > 20:
            w.done -= 1
            w.says()


WAITING: tuple[Script, ...] = (waiting, parked, paused)
HEALTHY: tuple[Script, ...] = (
    steady, slow, bursty, waiting, parked, paused, retrying, suspended, computing, saw_tooth,
    loading, heartbeat, many_passes, heavy, chatty, stepwise,
)  # fmt: skip


# -- sick ---------------------------------------------------------------------------------------


def _well_first(w: World, total: float = 1000.0) -> Iterator[float]:
    for _ in range(w.rng.randint(15, 60)):
        yield some(w.rng, w.rng.uniform(8, 25), 0.4)
        w.item(total)


def stalled(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    w.cpu = w.rng.uniform(0, 2)
    yield math.inf


def cpu_spin(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    w.cpu = w.rng.uniform(96, 110)
    yield math.inf


def log_silence(w: World) -> Iterator[float]:
    """Its output is stuck; the work goes on."""
    yield from _well_first(w)
    w.sick()
    while True:
        yield some(w.rng, 20, 0.4)
        w.done += 1
        w.says()


def claims_done(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.says(status="completed")
    w.sick()
    w.cpu = w.rng.choice((0.5, 60.0))
    yield math.inf


def claims_done_and_fails(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.says(status="done")
    yield w.rng.uniform(20, 60)
    w.sick()
    w.story.exits(3)
    yield w.rng.uniform(1, 20)
    w.story.next_attempt()
    yield from steady(w)


def looping(w: World) -> Iterator[float]:
    """One to three actions in turn, each of them paid for."""
    yield from _well_first(w)
    w.sick()
    circle = [f"tool: read_file('{w.rng.randint(1, 99)}.txt')" for _ in range(w.rng.randint(1, 3))]
    while True:
        for action in circle:
            yield some(w.rng, 12, 0.4)
            w.line(action)
            w.tokens += w.rng.randint(200, 2000)
            w.says()


def progress_back(w: World) -> Iterator[float]:
    yield from _well_first(w, 80)
    w.sick()
    w.done = max(0.0, w.done - w.rng.uniform(10, 40))
    w.says(80)
    yield from steady(w)


def slower_than_usual(w: World) -> Iterator[float]:
    for _ in range(10):
        yield some(w.rng, 20, 0.2)
        w.item(20, "read")
    w.sick()
    while True:
        yield some(w.rng, 120, 0.4)
        w.item(1000, "write")


def error_streak(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    while True:
        yield some(w.rng, 20, 0.4)
        w.error = LastError(f"server error {w.rng.random():.6f}", "server-error", "model", 500)
        w.failures += 1
        w.says()


def authentication(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    w.error = LastError("invalid x-api-key", None, "model", w.rng.choice((401, 403)))
    w.says()
    yield math.inf


def quota(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    kind = w.rng.choice(("spent-credit", "insufficient_quota"))
    w.error = LastError("credit balance is too low until 2026-12-01", kind, "model", 400)
    w.says()
    yield math.inf


def memory_growth(w: World) -> Iterator[float]:
    """A leak of some MB a minute, under a saw-tooth."""
    leak = w.rng.uniform(0.08, 0.5) * MB
    w.sick()
    while True:
        passed_s = some(w.rng, 20, 0.3)
        w.rss += leak * passed_s
        yield passed_s
        w.item()


def token_burn(w: World) -> Iterator[float]:
    """Long answers that lead nowhere, each another one."""
    yield from _well_first(w)
    w.sick()
    while True:
        yield some(w.rng, 30, 0.4)
        w.tokens += w.rng.randint(10_000, 40_000)
        w.line(f"thinking about {w.rng.random():.6f}")
        w.says()


def context_nearly_full(w: World) -> Iterator[float]:
    limit = 200_000
    fill = w.rng.uniform(2_000, 6_000)
    w.context = (10_000, limit)
    while True:
        yield some(w.rng, 20, 0.4)
        w.context = (min(limit, int(w.context[0] + fill)), limit)
        if w.context[0] >= 0.9 * limit and w.sick_since_s is None:
            w.sick()
        w.item()


def stale_checkpoint(w: World) -> Iterator[float]:
    for _ in range(30):
        yield some(w.rng, 20, 0.4)
        w.item()
        w.checkpoint()
    w.sick()
    while True:
        yield some(w.rng, 20, 0.4)
        w.done += 1
        w.says()
        w.line(f"item {w.done}")


def schema_violation(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    while True:
        w.story.feed(f.ProgressBad("progress.json: not JSON at line 3"))
        yield w.rng.uniform(30, 120)
        w.line(f"goes on {w.rng.random():.6f}")


def clock_jump(w: World) -> Iterator[float]:
    yield from _well_first(w)
    w.sick()
    now = w.story.now
    by_s = w.rng.choice((-1, 1)) * w.rng.uniform(600, 90_000)
    w.story.now = Moment(now.wall + by_s, now.mono, now.boot)
    yield from steady(w)


def stalled_with_a_heartbeat(w: World) -> Iterator[float]:
    """A thread of it goes on saying that all is well."""
    yield from _well_first(w)
    w.sick()
    while True:
        yield 30.0
        w.line("still working")


def stalled_and_polling(w: World) -> Iterator[float]:
    """Stuck in a loop that looks, now and then, for what never comes."""
    yield from _well_first(w)
    w.sick()
    w.cpu = w.rng.uniform(2, 9)
    yield math.inf


def looping_in_other_words(w: World) -> Iterator[float]:
    """The same action, but never in the same words."""
    yield from _well_first(w)
    w.sick()
    while True:
        yield some(w.rng, 12, 0.4)
        w.line(f"tool: search('attempt {w.rng.randint(1, 10**6)}')")
        w.tokens += w.rng.randint(500, 5000)
        w.says()


def slow_leak(w: World) -> Iterator[float]:
    """Less than 64 MB in half an hour, for some of them."""
    leak = w.rng.uniform(0.01, 0.08) * MB
    w.sick()
    while True:
        passed_s = some(w.rng, 20, 0.3)
        w.rss += leak * passed_s
        yield passed_s
        w.item()


SICK: dict[str, tuple[Script, ...]] = {
    "stalled": (stalled, stalled, stalled_with_a_heartbeat, stalled_and_polling),
    "cpu-spin": (cpu_spin,),
    "log-silence": (log_silence,),
    "claims-done": (claims_done, claims_done_and_fails),
    "looping": (looping, looping, looping_in_other_words),
    "progress-back": (progress_back,),
    "slower-than-usual": (slower_than_usual,),
    "error-streak": (error_streak,),
    "authentication": (authentication,),
    "quota": (quota,),
    "memory-growth": (memory_growth, memory_growth, slow_leak),
    "token-burn": (token_burn,),
    "context-nearly-full": (context_nearly_full,),
    "stale-checkpoint": (stale_checkpoint,),
    "schema-violation": (schema_violation,),
    "clock-jump": (clock_jump,),
}


ALSO = {"stalled": {"looping"}, "looping": {"token-burn"}}
"""Other kinds that tell the operator the same truth."""


# -- looking ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    script: str
    label: str
    """The kind that should be found; empty for a healthy run."""
    hours: float
    """Of work that was looked at."""
    found: tuple[str, ...]
    """Kinds raised that are true: the label's own, after its beginning."""
    false: tuple[str, ...]
    """Kinds raised in a healthy run, or before a sickness began."""
    delay_s: float | None = None
    """From the beginning of the sickness to its flag."""


def usual_stages(rng: random.Random) -> Usual:
    """What five earlier runs of the same agent taught."""
    usual = Usual()
    for _ in range(5):
        lesson = Watch(EVERY_S).lesson
        lesson.stages = {"read": some(rng, 200, 0.2), "write": some(rng, 600, 0.3)}
        usual = learned(usual, lesson)
    return usual


def play(script: Script, label: str, seed: str, hours: float) -> Outcome:
    """Run the script against the clock, looking every 15 s or so."""
    rng = random.Random(seed)
    w, watch = World(rng), Watch(EVERY_S)
    w.says()
    usual = usual_stages(rng) if label == "slower-than-usual" else Usual()
    steps = script(w)
    end_s = w.story.now.mono + hours * 3600
    next_s = w.story.now.mono + next(steps)
    found: list[str] = []
    false: list[str] = []
    delay_s, worked_s = None, 0.0
    while w.story.now.mono < end_s and w.story.state.status not in FINAL:
        look_s = w.story.now.mono + rng.uniform(0.9, 1.2) * EVERY_S
        while next_s <= look_s:
            w.story.wait(max(0.0, next_s - w.story.now.mono))
            next_s = w.story.now.mono + next(steps, math.inf)
        w.story.wait(max(0.0, look_s - w.story.now.mono))
        cpu = max(0.0, w.cpu + rng.gauss(0, 0.5))
        rss = int(w.rss * rng.uniform(0.99, 1.01))
        measured = Measured(cpu, rss, w.log_bytes, tuple(w.lines), w.asleep_s)
        if w.story.state.status is Status.RUNNING:
            worked_s += EVERY_S
        for raised in watch.see(w.story.state, w.story.now, measured, usual, TERMS):
            kind = raised.finding.kind
            if raised.strike > 1:
                continue
            is_after = w.sick_since_s is not None and w.story.now.mono >= w.sick_since_s
            if not (label and is_after):
                false.append(kind)
            elif kind in {label, *ALSO.get(label, ())} and delay_s is None:
                delay_s = w.story.now.mono - (w.sick_since_s or 0.0)
                found.append(kind)
        if delay_s is not None:
            break
    return Outcome(script.__name__, label, worked_s / 3600, tuple(found), tuple(false), delay_s)


def labelled_set(seed: int, healthy_each: int, sick_each: int) -> Iterator[Outcome]:
    """All of them, healthy ones first."""
    for script in HEALTHY:
        for number in range(healthy_each):
            yield play(script, "", f"{seed}:{script.__name__}:{number}", 4.0)
    for label, scripts in SICK.items():
        for number in range(sick_each):
            script = scripts[number % len(scripts)]
            yield play(script, label, f"{seed}:{script.__name__}:{number}", 4.0)

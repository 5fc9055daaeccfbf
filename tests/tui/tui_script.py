"""A scripted engine for the interface: a fixed clock, a small world, and every call recorded.

Not a stand-in for the engine's behaviour: the states are folded by the real reducer, and the
answers are those of the contract. Only the socket is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from textual.pilot import Pilot

from supervisor.core import events as e
from supervisor.core.events import Event, Recorded
from supervisor.core.fold import apply
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress, ServiceUse, Stage, Step, Usage
from supervisor.core.record import recorded_to_plain, to_plain
from supervisor.core.run import Anomaly, Answer, Checkpoint, Exit, ExitKind, Request, RunState
from supervisor.core.spec import AgentSpec, Restart, RetryPolicy
from supervisor.tui.app import LongwatchApp
from supervisor.tui.link import CallError, LinkLostError, Notice
from supervisor.tui.model import Link
from supervisor.tui.screens.request import RequestScreen

BASE_WALL = 1_772_460_000.0
"""2026-03-02 14:00:00 UTC: the instant of every screen."""
BOOT = "boot-of-tests"


def moment(offset_s: float = 0.0) -> Moment:
    """An instant ``offset_s`` from the fixed now."""
    return Moment(BASE_WALL + offset_s, 900_000.0 + offset_s, BOOT)


class ManualClock:
    """Monotonic seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


def spec(name: str, **changes: Any) -> AgentSpec:
    """Settings of an agent."""
    retry = RetryPolicy(
        max_retries=5,
        base_delay_s=0.5,
        max_delay_s=30.0,
        exponential_base=2.0,
        jitter_fraction=0.2,
        crash_loop_deaths=4,
        crash_loop_window_s=600.0,
    )
    plain = AgentSpec(
        name=name,
        command=("python", f"agents/{name}.py"),
        cwd="/srv/research",
        autostart=True,
        checkpoint="checkpoint.json",
        timeout_s=7200.0,
        attempt_timeout_s=None,
        stall_timeout_s=600.0,
        stop_signal="TERM",
        stop_grace_s=10.0,
        restart=Restart.ON_FAILURE,
        retry=retry,
        env={},
        env_pass=(),
    )
    return replace(plain, **changes)


class World:
    """Runs folded from events, as an engine would have them."""

    def __init__(self) -> None:
        self.seq = 0
        self.runs: dict[str, RunState] = {}
        self.agents: list[AgentSpec] = []
        self.samples: dict[str, dict[str, Any]] = {}
        self.logs: dict[tuple[str, str], bytes] = {}

    def happen(self, run_id: str, event: Event, offset_s: float = 0.0) -> dict[str, Any]:
        """Apply an event and return it as the socket would carry it."""
        self.seq += 1
        at = moment(offset_s)
        if run_id:
            self.runs[run_id] = apply(self.runs.get(run_id), run_id, event, at)
        return recorded_to_plain(Recorded(self.seq, at, run_id, event))

    def agent(self, name: str, **changes: Any) -> AgentSpec:
        """Configure an agent that has not run."""
        made = spec(name, **changes)
        self.agents.append(made)
        return made

    def start(self, tail: str, name: str, offset_s: float, **changes: Any) -> str:
        """A run with a living first attempt; returns its id."""
        run_id = "01KJQZ7C3B" + "0" * (16 - len(tail)) + tail
        made = self.agent(name, **changes)
        self.happen(run_id, e.RunCreated(made, "autostart"), offset_s)
        self.happen(run_id, e.AttemptStarting(1, 1, "first attempt"), offset_s)
        self.happen(run_id, e.AttemptStarted(1, 4000 + len(self.agents), 1), offset_s + 0.2)
        self.samples[run_id] = {"cpu_percent": 3.0, "rss_bytes": 61_000_000, "processes": 1}
        return run_id

    def progress(self, run_id: str, offset_s: float, **fields: Any) -> dict[str, Any]:
        """The agent reports."""
        return self.happen(
            run_id, e.ProgressReported(Progress(status="working", **fields)), offset_s
        )

    def checkpoint(self, run_id: str, generation: int, offset_s: float) -> None:
        """A checkpoint is kept."""
        kept = Checkpoint(
            generation,
            f"{generation:064x}",
            18_400 + generation,
            self.runs[run_id].epoch,
            generation,
            moment(offset_s).wall,
        )
        self.happen(run_id, e.CheckpointRecorded(kept), offset_s)

    def crash(self, run_id: str, offset_s: float, cause: str = "exit status 3") -> None:
        """The attempt dies and a retry is due 2 s later."""
        state = self.runs[run_id]
        end = Exit(ExitKind.CRASH, cause, 3, at=moment(offset_s).wall)
        self.happen(run_id, e.AttemptExited(state.epoch, end), offset_s)

    def back_off(self, run_id: str, offset_s: float, delay_s: float, retry: int, why: str) -> None:
        """Wait for the next try."""
        due = moment(offset_s + delay_s)
        self.happen(run_id, e.BackoffBegan(due, delay_s, retry, 5, why), offset_s)

    def again(self, run_id: str, offset_s: float) -> None:
        """The next attempt, from the newest checkpoint."""
        state = self.runs[run_id]
        newest = state.checkpoint.generation if state.checkpoint else None
        epoch, number = state.epoch + 1, state.attempt + 1
        self.happen(run_id, e.AttemptStarting(epoch, number, "retry", newest), offset_s)
        self.happen(run_id, e.AttemptStarted(epoch, 5200 + epoch, 1), offset_s + 0.1)

    def ask(self, run_id: str, offset_s: float, **fields: Any) -> dict[str, Any]:
        """The agent asks the operator."""
        state = self.runs[run_id]
        request = Request(
            id=f"{run_id[-4:]}-{state.request_count + 1}",
            file_id=f"ask-{state.request_count + 1}",
            sha256=f"{abs(hash((run_id, state.request_count))) % 16**12:012x}" + "5a" * 26
            if "sha256" not in fields
            else fields.pop("sha256"),
            created_at=moment(offset_s).wall,
            epoch=state.epoch,
            **fields,
        )
        return self.happen(run_id, e.RequestOpened(request), offset_s)

    def flag(self, run_id: str, offset_s: float, kind: str, message: str, severity: str) -> None:
        """Something unexpected."""
        at = moment(offset_s).wall
        found = Anomaly(f"{kind}{offset_s}", kind, severity, message, at, "agent")
        self.happen(run_id, e.AnomalyFlagged(found), offset_s)

    def snapshot(self) -> dict[str, Any]:
        """As ``subscribe`` returns it."""
        return {
            "seq": self.seq,
            "now": to_plain(moment()),
            "engine": {
                "pid": 3990,
                "version": "1.0",
                "protocol": 1,
                "directory": "/srv/research",
                "seq": self.seq,
                "storage": "ok",
                "watch": "events",
            },
            "agents": [to_plain(item) for item in self.agents],
            "runs": [to_plain(state) for state in self.runs.values()],
            "samples": self.samples,
        }


class ScriptedBackend:
    """A backend that answers from a world and records what it was asked."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.refusals: dict[str, CallError] = {}
        """By method: what to refuse the next calls with."""
        self.is_up = True
        self._notices: asyncio.Queue[Notice | None] = asyncio.Queue()

    async def connect(self) -> None:
        if not self.is_up:
            raise LinkLostError("nothing listens there")
        self._notices = asyncio.Queue()

    async def call(self, method: str, params: Mapping[str, Any], timeout_s: float) -> Any:
        if not self.is_up:
            raise LinkLostError("nothing listens there")
        self.calls.append((method, dict(params)))
        if method in self.refusals:
            raise self.refusals[method]
        if method == "log":
            return self._log(params)
        if method in ("subscribe", "snapshot"):
            return self.world.snapshot()
        return {}

    def _log(self, params: Mapping[str, Any]) -> dict[str, Any]:
        data = self.world.logs.get((params["run"], params["stream"]), b"")
        offset = params["offset"]
        start = max(0, len(data) + offset) if offset < 0 else min(offset, len(data))
        part = data[start : start + params["limit"]]
        return {
            "data": part.decode("utf-8", "replace"),
            "offset": start + len(part),
            "start": start,
            "size": len(data),
        }

    async def notices(self) -> AsyncIterator[Notice]:
        while (notice := await self._notices.get()) is not None:
            yield notice

    async def close(self) -> None:
        self._notices.put_nowait(None)

    def tell(self, *plain_events: dict[str, Any]) -> None:
        """Send events."""
        self._notices.put_nowait(Notice("events", {"events": list(plain_events)}))

    def drop(self) -> None:
        """The engine is gone."""
        self.is_up = False
        self._notices.put_nowait(None)

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Parameters of every call of that method."""
        return [params for name, params in self.calls if name == method]


STAGES = ("fetch", "extract", "compare", "report")


def busy_world() -> World:
    """A morning of nine agents: most work, one asks, one retries, one gave up."""
    world = World()
    audit = world.start("7F3K", "license-audit", -1460)
    world.checkpoint(audit, 11, -620)
    world.crash(audit, -600, "killed by SIGKILL")
    world.back_off(audit, -600, 2.1, 1, "killed by SIGKILL")
    world.again(audit, -597)
    world.flag(audit, -596, "resumed", "went on from checkpoint 11", "info")
    world.progress(
        audit,
        -595,
        stage=Stage("extract", 2, 4),
        stages=STAGES,
        step=Step("documents", 12, 100, "documents"),
    )
    world.checkpoint(audit, 12, -40)
    world.progress(
        audit,
        -12,
        stage=Stage("extract", 2, 4),
        stages=STAGES,
        step=Step("documents", 47, 100, "documents"),
        usage=Usage(182_400, 21_300, 90_000, 1.84, "claude"),
        services={"anthropic": ServiceUse(96, 3, 0, "closed")},
    )
    world.samples[audit] = {"cpu_percent": 12.0, "rss_bytes": 148_000_000, "processes": 2}
    world.logs[audit, "out"] = "".join(
        f"13:59:{n:02} extracted terms of contract-{n + 4:03}.pdf ({n % 7 + 2} clauses)\n"
        for n in range(20, 48)
    ).encode()

    publish = world.start("Q81M", "contract-review", -3100)
    world.progress(
        publish,
        -300,
        stage=Stage("publish", 3, 3),
        stages=("read", "review", "publish"),
        step=Step("reports", 18, 20, "reports"),
        usage=Usage(912_000, 88_000, 0, 7.31, "claude"),
    )
    world.ask(
        publish,
        -240,
        kind="approve",
        title="Publish the reviewed report to the client share?",
        sha256="3fa91c0d77e2" + "5a" * 26,
        action={
            "argv": ["rsync", "-a", "--delete", "out/report 2026/", "share:/clients/acme/"],
            "cwd": "/srv/research",
            "env": {"RSYNC_RSH": "ssh -p 2222"},
        },
        explanation="All 20 reports passed the second reading. The share still holds the draft "
        "of last week; --delete removes it.",
        expires_at=BASE_WALL + 1560,
        on_timeout="deny",
    )
    world.happen(publish, e.WaitBegan("asks Q81M-1"), -240)
    world.checkpoint(publish, 31, -236)
    world.logs[publish, "out"] = b"13:55:51 reviewed report 18\n13:56:00 asking before publish\n"

    crawl = world.start("M2XD", "crawler", -900)
    world.progress(
        crawl,
        -80,
        stage=Stage("crawl", 1, 2),
        stages=("crawl", "index"),
        step=Step("pages", 3120, 4000, "pages"),
        services={"web": ServiceUse(3204, 41, 2, "open")},
    )
    world.crash(crawl, -18, "exit status 75 (try again later)")
    world.back_off(crawl, -18, 30.0, 3, "exit status 75 (try again later)")
    world.flag(crawl, -18, "retry-spike", "41 retries of web in 10 min", "warning")

    nightly = world.start("B44T", "nightly-digest", -5400)
    world.progress(nightly, -3700, stage=Stage("send", 3, 3), stages=("collect", "write", "send"))
    end = Exit(ExitKind.DONE, "exit status 0", 0, at=moment(-3600).wall)
    world.happen(nightly, e.AttemptExited(1, end), -3600)
    world.happen(nightly, e.RunSucceeded("exit status 0"), -3600)

    embed = world.start("Z09C", "embeddings", -2700, timeout_s=None)
    world.progress(embed, -2690, step=Step("chunks", 0, 12_000, "chunks"))
    world.progress(embed, -1, step=Step("chunks", 9_384, 12_000, "chunks"))
    world.samples[embed] = {"cpu_percent": 97.0, "rss_bytes": 1_310_000_000, "processes": 5}

    triage = world.start("K5WP", "issue-triage", -480)
    world.progress(
        triage, -20, stage=Stage("label", 1, 2), stages=("label", "reply"),
        step=Step("issues", 212, None, "issues"),
    )  # fmt: skip

    broken = world.start("D7RA", "price-watch", -400)
    for n in range(4):
        world.crash(broken, -390 + n * 20, "exit status 1")
        if n < 3:
            world.back_off(broken, -390 + n * 20, 4, n + 1, "exit status 1")
            world.again(broken, -386 + n * 20)
    world.happen(broken, e.RunHeld("4 crashes in 60 s at the same checkpoint"), -330)
    world.flag(broken, -330, "crash-loop", "4 crashes in 60 s at the same checkpoint", "error")

    failed = world.start("H3NE", "import-ledger", -4000)
    world.progress(failed, -3990, step=Step("rows", 210, 90_000, "rows"))
    end = Exit(ExitKind.PERMANENT, "exit status 65 (bad input data)", 65, at=moment(-3980).wall)
    world.happen(failed, e.AttemptExited(1, end), -3980)
    world.happen(failed, e.RunFailed("exit status 65 (bad input data); permanent"), -3980)

    world.agent("weekly-cleanup", autostart=False)
    return world


def answered(run: RunState, request_id: str, by: str = "cli") -> e.RequestAnswered:
    """Somebody else answers."""
    found = next(item for item in run.requests if item.id == request_id)
    return e.RequestAnswered(request_id, Answer(by, BASE_WALL, found.sha256, allow=True))


def text_of(app: LongwatchApp) -> str:
    """What stands on the screen."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


@dataclass
class Driven:
    """The interface under test, with everything a test turns or looks at."""

    app: LongwatchApp
    pilot: Pilot[int]
    backend: ScriptedBackend
    clock: ManualClock

    async def until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for a condition, at most five seconds."""
        for _ in range(250):
            await self.pilot.pause()
            if condition():
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"never came true: {what or condition}\n{self.text()}")

    async def press(self, *keys: str) -> None:
        """Press keys and let them work."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def settle(self) -> None:
        """Let what was put on screen be laid out, and the dead time pass."""
        for _ in range(3):
            await self.pilot.pause()
        self.clock.advance(1.0)

    async def open_oldest(self) -> None:
        """Open the oldest request and wait until keys count."""
        await self.press("i")
        await self.until(lambda: isinstance(self.app.screen, RequestScreen), "a request screen")
        await self.settle()

    def text(self) -> str:
        """What stands on the screen."""
        return text_of(self.app)


@asynccontextmanager
async def driven(
    world: World,
    size: tuple[int, int] = (120, 40),
    app_type: type[LongwatchApp] = LongwatchApp,
) -> AsyncIterator[Driven]:
    """Run the interface on that world until its picture is loaded."""
    backend, clock = ScriptedBackend(world), ManualClock()
    app = app_type(backend, clock=clock, tick_s=None)
    async with app.run_test(size=size) as pilot:
        driver = Driven(app, pilot, backend, clock)
        await driver.until(lambda: app.picture.link is Link.LIVE, "a picture")
        await driver.until(lambda: "longwatch" in driver.text(), "a drawn screen")
        await driver.settle()
        yield driver


EVIL = (
    "\x1b]52;c;cm0gLXJmIC8=\x07\x1b[31mred\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil\x1b\\click"
    "\x1b]8;;\x1b\\\x9b31m\x90q\x9c\x7f\x00\x08 [@click=app.quit]Approve[/] [/ [b]x \u202eesrever"
    "\u200b\u2066 \U000e0041 \udc80 e" + "\u0301" * 60
)
"""Every trick at once: clipboard, colours, clearing, titles, links, C1, markup, bidi, tags."""


def hostile_world() -> World:
    """An agent that writes ``EVIL`` wherever it can."""
    world = World()
    run_id = world.start("7F3K", "evil-agent", -300, cwd=f"/srv/{EVIL}")
    world.progress(
        run_id,
        -200,
        stage=Stage(EVIL, 1, 2),
        stages=(EVIL, "next"),
        step=Step(EVIL, 4, 10, EVIL),
        usage=Usage(1, 1, 0, 0.1, EVIL),
        services={EVIL: ServiceUse(3, 1, 0, EVIL)},
    )
    world.flag(run_id, -150, EVIL, EVIL, "warning")
    world.happen(run_id, e.ProgressRejected(EVIL), -140)
    world.ask(
        run_id,
        -100,
        kind="approve",
        title=EVIL,
        action={"argv": ["echo", EVIL], EVIL: {"deep": [EVIL]}, "payload": f"a\n{EVIL}\nb"},
        explanation=EVIL,
    )
    world.ask(run_id, -90, kind="choose", title=EVIL, options=(EVIL, "other"), default=EVIL)
    world.ask(run_id, -80, kind="text", title=EVIL, default=EVIL)
    world.ask(run_id, -70, kind="edit", title=EVIL, default=EVIL)
    world.happen(run_id, e.WaitBegan(EVIL), -60)
    broken = world.start("K5WP", "broken", -250)
    world.happen(broken, e.AttemptExited(1, Exit(ExitKind.PERMANENT, EVIL, 65)), -240)
    world.happen(broken, e.RunFailed(EVIL), -240)
    world.agent("never-run", command=("python", EVIL))
    world.happen("", e.ConfigRejected((EVIL,)), -30)
    for stream in ("out", "err"):
        world.logs[run_id, stream] = (EVIL + "\n").encode("utf-8", "replace") * 40
    return world

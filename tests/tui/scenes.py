"""Every screen of the interface: how to get there by keys, on which world.

One table for the snapshots (``test_tui_looks``) and the pictures of the documentation (``make
screens``). A new screen gets a line here, then ``make snapshots screens``. A scene is the same
at every drawing: the clock stands, the world is made of constants, and the picture is taken when
nothing moves any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from textual.pilot import Pilot
from textual.widgets import Input, TextArea
from tui_history import told_world
from tui_places import places_world, queues_world
from tui_runs import survey_world
from tui_script import ManualClock, ScriptedBackend, World, busy_world, text_of
from tui_settings import settings_world
from tui_worlds import asking_world

from supervisor.core import events as e
from supervisor.core.progress import Stage, Step
from supervisor.tui.app import LongwatchApp
from supervisor.tui.model import Link

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x50": (200, 50)}
"""A classic terminal, a laptop's, a large one."""
PICTURE_SIZE = (120, 40)
"""Of the pictures in docs/screens."""
ARMED = "(armed)"
"""Among the keys: let the time pass in which a new screen takes no key."""
AUDIT = ("g", "j", "j", "j", "j", "j")
"""To license-audit in the busy world: it works, and has a past."""
SURVEY = ("slash", *"a-survey", "enter", "enter")
"""The page of the run in the survey's world."""
NARROW = ("80x24", "120x40")
"""On the largest all panes are in the picture of the run; the attempts on the middle one too."""


def small_world() -> World:
    """Another machine: one agent works, one asks."""
    world = World()
    render = world.start("R3ND", "render-farm", -5200)
    world.progress(
        render, -9, stage=Stage("frames", 2, 3), step=Step("frames", 611, 1440, "frames")
    )
    review = world.start("9QRW", "code-review", -700)
    world.progress(review, -90, step=Step("files", 31, 40, "files"))
    world.ask(review, -75, kind="choose", title="Which branch?", options=("main", "next"))
    world.happen(review, e.WaitBegan("asks 9QRW-1"), -75)
    return world


def form_world() -> World:
    """One agent asks for several things at once."""
    world = World()
    audit = world.start("7F3K", "license-audit", -300)
    fields = [
        {"name": "target", "type": "choice", "options": ["staging", "live"], "required": True},
        {"name": "copies", "type": "number", "default": 3},
        {"name": "dry", "type": "boolean", "label": "only try it"},
        {"name": "reason", "type": "text", "required": True},
    ]
    world.ask(audit, -60, kind="form", title="Where to?", action={"fields": fields})
    world.happen(audit, e.WaitBegan("asks 7F3K-1"), -60)
    return world


@dataclass(frozen=True, slots=True)
class Scene:
    """One screen in one state."""

    name: str
    """Of the snapshot and of the picture; small letters and dashes."""
    shows: str
    """One sentence for the contact sheet."""
    keys: tuple[str, ...] = ()
    """What is pressed after the dashboard came up, as Textual names keys; or ``ARMED``."""
    until: str = "longwatch"
    """A text that is on the screen when it is the one that is meant."""
    world: Callable[[], World] = busy_world
    hosts: tuple[tuple[str, Callable[[], World]], ...] = ()
    """Several machines instead of ``world``."""
    sizes: tuple[str, ...] = tuple(SIZES)
    """Which of ``SIZES`` are compared."""


SCENES: tuple[Scene, ...] = (
    Scene("dashboard", "What runs, how far it is, what needs you.", AUDIT, "license-audit"),
    Scene("empty", "A directory in which nothing has run yet.", world=World),
    Scene("filter", "The table while a text is typed to filter it.", ("slash", *"crawl"), "crawl"),
    Scene("request", "A question, with exactly what will be done.", ("i",), "rsync"),
    Scene(
        "form",
        "Several things asked at once.",
        ("i",),
        "only try it",
        form_world,
        sizes=("120x40",),
    ),
    Scene(
        "many", "What can be done to many runs at once.", ("F",), "many at once", sizes=("120x40",)
    ),
    Scene(
        "many-runs",
        "All that it touches, before anything is done.",
        ("F", "1"),
        "Pause:",
        sizes=("120x40",),
    ),
    Scene("run", "One run: everything known of it.", SURVEY, "9DKT", world=survey_world),
    *(
        Scene(
            f"run-{name}", shows, (*SURVEY, digit), until, world=survey_world, sizes=NARROW[:sizes]
        )
        for digit, name, sizes, shows, until in (
            ("2", "attempts", 1, "Its attempts: from where, how long, how each ended.", "SIGKILL"),
            ("3", "timeline", 2, "What happened to it.", "checkpoint 4"),
            ("4", "checkpoints", 2, "What it can resume from.", "very beginning"),
            (
                "5",
                "anomalies",
                2,
                "What was unexpected, and what is muted.",
                "cold-cache",
            ),
            ("6", "usage", 2, "Tokens, cost, calls.", "claude-small"),
            ("7", "journal", 2, "Its durable steps.", "publish_draft"),
            ("8", "log", 2, "The end of its log.", "page 109"),
        )
    ),
    Scene(
        "rollback",
        "Going back to a checkpoint.",
        (*SURVEY, "4", "j", "b"),
        "stops it first",
        world=survey_world,
        sizes=("80x24",),
    ),
    Scene(
        "why",
        "Why a run is where it is.",
        (*SURVEY, "w"),
        "no problem for this",
        world=survey_world,
    ),
    Scene("log", "What an agent writes, as it writes it.", (*AUDIT, "l"), "contract-051"),
    Scene(
        "always", "Before an approval is given for good.", ("i", ARMED, "G", ARMED, "a"), "30 days"
    ),
    Scene("approvals", "What is approved for good, and ending it.", ("A",), "approved"),
    Scene(
        "services",
        "External services: what is broken, and when it is tried again.",
        ("S",),
        "a probe in",
        world=places_world,
    ),
    Scene(
        "metrics",
        "What came of it: completions, durations, retries, waiting, tokens, cost.",
        ("M",),
        "anthropic",
        world=places_world,
    ),
    Scene(
        "queues",
        "Tasks, queues and pipelines: what waits where, and which stage holds up the others.",
        ("W",),
        "◌ later",
        world=queues_world,
    ),
    Scene(
        "dead-letters",
        "The dead letters of a queue, and trying one again.",
        ("W", "j", "5", "tab", "r"),
        "Try this dead letter",
        queues_world,
        sizes=("120x40",),
    ),
    Scene(
        "fleet",
        "Several machines in one table, each reached over ssh.",
        ("g",),
        "render-farm",
        hosts=(("atlas", busy_world), ("borg", small_world)),
    ),
    Scene(
        "events",
        "Everything that happened, found by words, kind, run and time.",
        ("E", *"kkkkkkkk"),
        "stands still",
        world=told_world,
    ),
    Scene(
        "settings",
        "The settings of config.toml: what is in force, from where, what may stand there.",
        ("C", *"jjjjj", "enter", "end"),
        "may be",
        world=settings_world,
    ),
    Scene(
        "past",
        "The dashboard as it was at 13:50:01, stepped through event by event.",
        ("P", "t", *"13:50:01", "enter", "j", "j"),
        "13:50:01",
        world=told_world,
    ),
    Scene(
        "inbox",
        "Every question of every run, what a yes would risk, and the whole of it.",
        ("I",),
        "by risk",
        world=asking_world,
    ),
    Scene("inbox-empty", "Nothing waits for anybody.", ("I",), "all quiet", world=World),
    Scene("confirm", "What ends something asks first.", (*AUDIT, "x"), "Stop"),
    Scene("help", "Every key.", ("question_mark",), "keys"),
    Scene("palette", "Every command, found by a few letters.", ("ctrl+p",), "answer"),
    Scene("light", "The light theme.", ("T",), "license-audit", sizes=("120x40",)),
    Scene("contrast", "High contrast.", ("T", "T"), "license-audit", sizes=("120x40",)),
    Scene("ansi", "The terminal's own 16 colours.", ("T",) * 3, "license-audit", sizes=("120x40",)),
)


def staged(scene: Scene) -> tuple[LongwatchApp, Callable[[Pilot[int]], Awaitable[None]]]:
    """An app of the scene's world, and what brings it to the moment of the picture."""
    clock = ManualClock()
    backends = {name: ScriptedBackend(world()) for name, world in scene.hosts}
    app = LongwatchApp(backends or ScriptedBackend(scene.world()), clock=clock, tick_s=None)

    async def play(pilot: Pilot[int]) -> None:
        await _until(app, pilot, lambda: app.picture.link is Link.LIVE, "a picture")
        # Whichever machine answers first has the cursor: its keys are pressed when all are there.
        are_live = lambda: all(host.link is Link.LIVE for host in app.picture.hosts)  # noqa: E731
        await _until(app, pilot, are_live, "every machine")
        await _until(app, pilot, lambda: "longwatch" in text_of(app), "a drawn screen")
        for key in scene.keys:
            await pilot.pause()
            if key == ARMED:
                clock.advance(1.0)
            else:
                await pilot.press(key)
        await _until(app, pilot, lambda: scene.until in text_of(app), scene.until)
        for field in app.screen.query("Input, TextArea").results(Input | TextArea):
            field.cursor_blink = False  # Else the picture depends on the moment.
        await until_still(app, pilot)

    return app, play


async def draw(scene: Scene, size: tuple[int, int]) -> str:
    """The scene as SVG."""
    app, play = staged(scene)
    async with app.run_test(size=size) as pilot:
        await play(pilot)
        return app.export_screenshot(title="longwatch")


async def until_still(app: LongwatchApp, pilot: Pilot[int]) -> None:
    """Wait until the log is read and seven looks in a row show the same."""
    same, before = 0, ""
    for _ in range(250):
        await pilot.pause(0.02)
        now = text_of(app)
        is_read = all(tail.is_loaded for tail in app._following.tails)
        same, before = (same + 1 if now == before and is_read else 0), now
        if same == 7:
            return
    raise AssertionError("the screen never came to rest")


async def _until(
    app: LongwatchApp, pilot: Pilot[int], condition: Callable[[], object], what: str
) -> None:
    for _ in range(400):
        await pilot.pause(0.01)
        if condition():
            return
    raise AssertionError(f"never came: {what}\n{text_of(app)}")

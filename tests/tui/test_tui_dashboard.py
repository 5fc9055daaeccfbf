"""The table, the panes, logs and actions, by keyboard."""

from __future__ import annotations

import pytest
from tui_script import Driven, World, busy_world, driven

from supervisor.core import events as e
from supervisor.core.progress import Step
from supervisor.tui.link import CallError
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.help import HelpScreen
from supervisor.tui.screens.log import LogScreen
from supervisor.tui.screens.run import RunScreen

AUDIT = "01KJQZ7C3B0000000000007F3K"


async def select(it: Driven, agent: str) -> None:
    """Put the cursor on an agent."""
    screen = it.app.screen
    assert isinstance(screen, Dashboard)
    await it.press("g")
    for _ in range(20):
        if screen.agent == agent:
            return
        await it.press("j")
    raise AssertionError(f"{agent} is not in the table")


async def confirm(it: Driven) -> None:
    """Say yes once keys count."""
    await it.settle()
    await it.press("y")
    await it.settle()


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 40), (200, 50)])
async def test_what_needs_me_shows_at_every_size(size: tuple[int, int]) -> None:
    async with driven(busy_world(), size) as it:
        text = it.text()
        assert "asks you" in text and "contract-review" in text and "waiting for you" in text
        assert "i answer" in text and "q leave" in text and "? help" in text


async def test_progress_arrives_live() -> None:
    world = busy_world()
    async with driven(world) as it:
        it.backend.tell(world.progress(AUDIT, -1, step=Step("documents", 63, 100, "documents")))
        await it.until(lambda: "63 of 100 documents" in it.text())


async def test_the_cursor_stays_with_its_run_when_rows_move() -> None:
    world = busy_world()
    async with driven(world) as it:
        await select(it, "license-audit")
        it.backend.tell(world.ask(AUDIT, -1, kind="approve", title="Go on?"))
        await it.until(lambda: "2 ask you" in it.text())
        assert it.app.screen.agent == "license-audit"


async def test_the_pane_shows_stages_timeline_and_log_of_the_selected_run() -> None:
    async with driven(busy_world(), (200, 50)) as it:
        await select(it, "license-audit")
        await it.until(lambda: "contract-051.pdf" in it.text(), "the log")
        text = it.text()
        assert "✓ fetch" in text and "▷ compare  next" in text and "○ report" in text
        assert "attempt 2 from checkpoint 11" in text
        assert "eta 14 min (at 3.6" in text


async def test_a_filter_narrows_the_table_and_escape_widens_it() -> None:
    async with driven(busy_world()) as it:
        await it.press("slash", *"audit", "enter")
        assert "license-audit" in it.text() and "price-watch" not in it.text()
        await it.press("escape")
        assert "price-watch" in it.text()


async def test_enter_opens_the_run_and_escape_goes_back() -> None:
    async with driven(busy_world()) as it:
        await select(it, "license-audit")
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, RunScreen))
        await it.until(lambda: "contract-051.pdf" in it.text())
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))


async def test_the_log_follows_is_searched_and_changes_streams() -> None:
    world = busy_world()
    world.logs[AUDIT, "err"] = b"a warning\n"
    async with driven(world, (80, 24)) as it:
        await select(it, "license-audit")
        await it.press("l")
        await it.until(lambda: isinstance(it.app.screen, LogScreen))
        await it.until(lambda: "contract-051.pdf" in it.text())
        world.logs[AUDIT, "out"] += b"and one more line\n"
        await it.until(lambda: "and one more line" in it.text(), "the new line")
        await it.press("slash", *"contract-024", "enter")
        await it.until(lambda: "match 1 of 1" in it.text())
        assert "contract-024" in it.text() and "stands still" in it.text()
        await it.press("f")
        await it.until(lambda: "and one more line" in it.text())
        await it.press("e")
        await it.until(lambda: "a warning" in it.text())
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))


async def test_a_log_is_read_only_while_it_is_seen() -> None:
    async with driven(busy_world(), (80, 24)) as it:
        await it.settle()
        assert it.backend.asked("log") == []


async def test_start_is_called_at_once_and_by_the_agents_name() -> None:
    async with driven(busy_world()) as it:
        await select(it, "weekly-cleanup")
        await it.press("s")
        await it.until(lambda: it.backend.asked("start"))
        assert it.backend.asked("start") == [
            {"names": ["weekly-cleanup"], "fresh": False, "unattended": False, "by": "tui"}
        ]


@pytest.mark.parametrize(("key", "method"), [("x", "stop"), ("r", "restart")])
async def test_stop_and_restart_are_called_once_confirmed(key: str, method: str) -> None:
    async with driven(busy_world()) as it:
        await select(it, "license-audit")
        await it.press(key)
        assert "It goes on from checkpoint 12" in it.text()
        await confirm(it)
        await it.until(lambda: it.backend.asked(method))
        assert it.backend.asked(method) == [{"names": [AUDIT], "all": False, "by": "tui"}]


async def test_pause_holds_and_lets_go() -> None:
    world = busy_world()
    async with driven(world) as it:
        await select(it, "license-audit")
        await it.press("p")
        await it.until(lambda: it.backend.asked("pause"))
        it.backend.tell(world.happen(AUDIT, e.RunPaused("tui")))
        await it.until(lambda: "paused" in it.text())
        await it.press("p")
        await it.until(lambda: it.backend.asked("resume"))


async def test_a_refused_call_is_told() -> None:
    async with driven(busy_world()) as it:
        it.backend.refusals["start"] = CallError("no agent 'weekly-cleanup' in config.toml")
        await select(it, "weekly-cleanup")
        await it.press("s")
        await it.until(lambda: "no agent 'weekly-cleanup'" in it.text())


async def test_stopping_everything_ends_the_engine_and_the_interface() -> None:
    async with driven(busy_world()) as it:
        await it.press("Q")
        assert "and the engine?" in it.text()
        await it.settle()
        await it.pilot.press("y")
        await it.until(lambda: it.app.return_value is not None)
        assert it.backend.asked("shutdown") == [
            {"stop_agents": True, "if_idle": False, "by": "tui"}
        ]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_leaving_asks_nothing_of_the_engine(key: str) -> None:
    async with driven(busy_world()) as it:
        await it.pilot.press(key)
        await it.until(lambda: it.app.return_value == 0)
        assert {method for method, _ in it.backend.calls} <= {"subscribe", "log"}


async def test_an_engine_that_is_lost_leaves_the_last_picture_and_is_found_again() -> None:
    world = busy_world()
    async with driven(world) as it:
        it.backend.drop()
        await it.until(lambda: "engine lost, reconnecting" in it.text())
        assert "license-audit" in it.text()
        it.backend.is_up = True
        await it.until(lambda: "engine lost" not in it.text())
        assert it.backend.asked("subscribe")[-1] == {"since": world.seq}


async def test_a_gap_in_the_events_is_mended_by_a_whole_picture() -> None:
    world = busy_world()
    async with driven(world) as it:
        world.progress(AUDIT, -2, step=Step("documents", 70, 100, "documents"))
        it.backend.tell(world.progress(AUDIT, -1, step=Step("documents", 71, 100, "documents")))
        await it.until(lambda: "71 of 100 documents" in it.text())
        assert it.backend.asked("subscribe")[-1] == {"since": None}


async def test_nothing_configured_says_what_to_do_next() -> None:
    async with driven(World(), (80, 24)) as it:
        assert "Nothing runs here yet." in it.text() and "config.toml" in it.text()
        await it.press("i", "x", "s", "enter", "l", "j")
        assert it.backend.asked("start") == []


async def test_help_lists_every_key() -> None:
    async with driven(busy_world(), (120, 120)) as it:
        await it.press("question_mark")
        assert isinstance(it.app.screen, HelpScreen)
        assert "Stop all agents and the engine, and leave" in it.text()
        await it.press("escape")
        assert isinstance(it.app.screen, Dashboard)


async def test_the_palette_finds_a_run_by_noun_and_verb() -> None:
    async with driven(busy_world()) as it:
        await it.press("ctrl+p")
        await it.settle()
        await it.press(*"licaudit log")
        await it.until(lambda: "license-audit 7F3K: log" in it.text())
        await it.press("enter")
        await it.until(lambda: isinstance(it.app.screen, LogScreen))


async def test_a_thousand_runs_are_shown_and_walked() -> None:
    world = World()
    for n in range(1000):
        world.start(f"{n:04}", f"agent-{n:04}", -100)
    async with driven(world, (80, 24)) as it:
        await it.press("G")
        await it.until(lambda: "agent-0999" in it.text())
        assert it.app.screen.agent == "agent-0999"

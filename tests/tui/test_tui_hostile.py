"""Nothing an agent wrote is interpreted, and no control byte of it reaches the terminal."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip
from tui_script import EVIL, Driven, ScriptedBackend, World, driven, hostile_world

from supervisor.core import events as e
from supervisor.core.text import safe_text
from supervisor.tui import guard, render
from supervisor.tui.app import LongwatchApp
from supervisor.tui.guard import GuardMissingError, clean_strip, clean_update, filtered
from supervisor.tui.link import CallError
from supervisor.tui.screens.request import RequestScreen

SEQUENCE = re.compile(r"\x1b\[[0-9;]*[mH]")
"""All that drawing needs: colours and cursor positions."""


class RecordingApp(LongwatchApp):
    """Keeps what the driver would be given to write."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.written: list[str] = []
        self.before_the_filter: list[str] = []

    def refresh_all(self) -> None:
        """Draw the whole screen as it would go out."""
        update = self.screen._compositor.render_full_update()
        drawn = clean_update(update).render_segments(self.console)
        self.before_the_filter.append(drawn)
        self.written.append(filtered(drawn))


def assert_harmless(written: str) -> None:
    """Only colours, positions and printable characters."""
    rest = SEQUENCE.sub("", written)
    bad = {c for c in rest if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") and c != "\n"}
    assert not bad, sorted(hex(ord(c)) for c in bad)


async def look(it: Driven) -> None:
    app = it.app
    assert isinstance(app, RecordingApp)
    await it.settle()
    app.refresh_all()


@pytest.mark.parametrize("size", [(80, 24), (150, 36)])
async def test_every_screen_of_a_hostile_agent_is_harmless(size: tuple[int, int]) -> None:
    async with driven(hostile_world(), size, RecordingApp) as it:
        await it.press("g")
        await look(it)
        for keys in (["enter"], ["escape"], ["l"], ["e"], ["escape"], ["question_mark"],
                     ["escape"], ["j"], ["j"], ["g"], ["x"], ["n"], ["slash", "e", "v"],
                     ["escape"], ["ctrl+p"], ["escape"]):  # fmt: skip
            await it.press(*keys)
            await look(it)
        app = it.app
        assert isinstance(app, RecordingApp)
        assert "^[]52;c" in it.text(), "shown, not hidden"
        for drawn, written in zip(app.before_the_filter, app.written, strict=True):
            assert_harmless(written)
            assert drawn == written, "the strips alone were already clean"


@pytest.mark.parametrize("kind", ["approve", "choose", "text", "edit"])
async def test_every_kind_of_request_of_a_hostile_agent_is_harmless(kind: str) -> None:
    async with driven(hostile_world(), (120, 40), RecordingApp) as it:
        state = next(iter(it.app.picture.runs.values()))
        request = next(r for r in state.open_requests if r.kind == kind)
        it.app.command_request(state.id, request.id)
        await it.until(lambda: isinstance(it.app.screen, RequestScreen))
        for _ in range(6):
            await look(it)
            await it.press("pagedown")
        app = it.app
        assert isinstance(app, RecordingApp)
        for written in app.written:
            assert_harmless(written)
        assert "[@click=app.quit]Approve[/]" in "".join(
            SEQUENCE.sub("", written) for written in app.written
        )


async def test_clicking_on_text_that_says_it_is_a_link_does_nothing() -> None:
    world = World()
    run_id = world.start("7F3K", "clicky", -300)
    text = "[@click=app.leave]Approve[/]"
    world.ask(run_id, -10, kind="approve", title=text, action={"argv": [text]}, explanation=text)
    async with driven(world, (80, 24)) as it:
        await it.open_oldest()
        assert text in it.text()
        for y in range(24):
            row = it.text().split("\n")[y]
            if "Approve[/]" in row:
                await it.pilot.click(offset=(row.index("Approve[/]") + 2, y))
        assert it.app.return_value is None and it.backend.asked("answer") == []
        assert isinstance(it.app.screen, RequestScreen)


async def test_an_error_of_the_engine_that_quotes_an_agent_is_harmless() -> None:
    async with driven(hostile_world(), (120, 40), RecordingApp) as it:
        it.backend.refusals["pause"] = CallError(EVIL, "refused", EVIL)
        await it.press("g", "p")
        await it.until(lambda: "^[]52" in it.text().split("\n")[-2])
        await look(it)
        app = it.app
        assert isinstance(app, RecordingApp)
        assert_harmless(app.written[-1])


async def test_a_copy_of_our_dialog_in_a_log_takes_no_key() -> None:
    world = World()
    run_id = world.start("7F3K", "faker", -300)
    world.logs[run_id, "out"] = (
        "◆ bank asks for approval\n  Deny  n   Approve  y\npress y\n".encode()
    )
    async with driven(world, (80, 24)) as it:
        await it.press("l")
        await it.until(lambda: "press y" in it.text())
        await it.press("y")
        assert it.backend.asked("answer") == []


def test_a_strip_that_slipped_through_is_cleaned_in_its_own_width() -> None:
    dirty = Strip([Segment("ab\x1b]52;c;x\x07c\u202e", Style(link="http://evil"))], 12)
    cleaned = clean_strip(dirty)
    assert cleaned.cell_length == 12
    assert "^[" in cleaned.text
    assert all(segment.style is None or segment.style.link is None for segment in cleaned)


def test_the_filter_lets_the_toolkits_own_sequences_pass_and_nothing_else() -> None:
    own = "\x1b[?1049h\x1b[1;5H\x1b[38;2;1;2;3mtext\x1b[0m\x1b[?25l\x1b[>25u\x1b[<u\x1b[?2026$p"
    assert filtered(own) == own
    for evil in ("\x1b]52;c;aGk=\x07", "\x1b]0;t\x07", "\x1bPq\x1b\\", "\x9b1m", "\x1bc", "\x07"):
        assert "\x1b" not in filtered(evil) and "\x07" not in filtered(evil)
        assert "\x9b" not in filtered(evil)


def test_markup_that_never_closes_is_only_text() -> None:
    for text in ("[/", "[/]", "[@click=app.quit]x[/]", "\\[", "[$lw-run]x", "[b"):
        assert render.line((text, "")).plain == safe_text(text)
        assert isinstance(render.agent_text(text), Content)


async def test_the_interface_refuses_to_run_without_its_guard() -> None:
    class Naked(LongwatchApp):
        def _display(self, screen: Any, renderable: Any) -> None:
            """Draw without looking."""

    with pytest.raises(GuardMissingError):
        async with Naked(ScriptedBackend(World())).run_test():
            pass


def test_a_driver_without_the_filter_is_refused() -> None:
    class Terminal:
        is_headless = False

    with pytest.raises(GuardMissingError):
        guard.assert_in_place(object.__new__(LongwatchApp), Terminal())  # type: ignore[arg-type]


async def test_a_traceback_after_a_failure_holds_no_control_and_no_locals() -> None:
    world = hostile_world()
    async with driven(world, (80, 24)) as it:
        try:
            raise ValueError(EVIL)
        except ValueError:
            it.app._fatal_error()
        shown = "".join(s.text for s in it.app._exit_renderables[0].segments)
        it.app._exit_renderables.clear()
    assert "ValueError: ^[]52" in shown and "\x1b" not in shown
    assert e.__name__ not in shown

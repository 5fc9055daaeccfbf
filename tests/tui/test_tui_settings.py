"""The settings on screen: what is in force and from where; changed with care or not at all."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tui_script import Driven, World, busy_world, driven, text_of
from tui_settings import PROJECT, settings_world

from supervisor.tui.link import CallError
from supervisor.tui.screens.config import ConfigScreen
from supervisor.tui.setting_rows import dotted


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[Driven, ConfigScreen, Path]]:
    file = directory / "config.toml"
    if not file.exists():
        shutil.copy(PROJECT / "config.toml", file)
        file.chmod(0o600)
    async with driven(settings_world(directory)) as it:
        await it.press("C")
        await it.until(lambda: isinstance(it.app.screen, ConfigScreen), "the settings")
        screen = it.app.screen
        assert isinstance(screen, ConfigScreen)
        await it.until(lambda: screen._listing is not None, "the file")
        yield it, screen, file


async def go_to(it: Driven, screen: ConfigScreen, key: str) -> None:
    screen._list.choose(key)
    await it.until(lambda: screen.marked() is not None and dotted(screen.marked()) == key, key)  # type: ignore[arg-type]


async def change_to(it: Driven, screen: ConfigScreen, key: str, text: str) -> None:
    await go_to(it, screen, key)
    await it.press("enter")
    await it.until(lambda: screen._field.display, "the field")
    screen._field.value = text
    await it.press("enter")


async def test_each_says_what_is_in_force_from_where_and_what_may_stand_there(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (it, screen, _file):
        await go_to(it, screen, "defaults.stop_grace")
        text = it.text()
        assert "20s" in text and "line 4" in text and "From the stop signal to the kill" in text
        assert "a duration, such as 90s" in text and "at once" in text
        await it.press("a")
        await go_to(it, screen, "agents.crawler.stop_grace")
        assert "[defaults]" in it.text()
        await go_to(it, screen, "agents.crawler.attempt_timeout")
        assert "default" in it.text()


async def test_what_is_secret_never_comes_to_the_screen(tmp_path: Path) -> None:
    async with opened(tmp_path) as (it, screen, _file):
        for key in ("agents.license-audit.env", "notify.urls"):
            await go_to(it, screen, key)
            assert "not for the screen" not in it.text() and "secret" not in it.text()
        await it.press("enter")
        assert screen._field.value == "", "nor into the field"


async def test_a_change_is_written_with_its_comment_and_the_engine_told(tmp_path: Path) -> None:
    async with opened(tmp_path) as (it, screen, file):
        before = file.read_text()
        await change_to(it, screen, "defaults.timeout", "3h")
        await it.until(lambda: "is written" in it.text(), "a word on it")
        assert 'timeout = "3h"             # of a whole run' in file.read_text()
        assert file.with_name("config.toml.bak").read_text() == before
        assert "config.toml.bak" in it.text() and "at once" in it.text()
        await it.until(lambda: it.backend.asked("reload"), "the engine")
        await it.until(lambda: "now       3h" in it.text(), "the new value")
        await it.press("backspace")
        await it.until(lambda: "3h" not in file.read_text(), "its default again")


async def test_a_wrong_value_is_said_beside_the_field_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (it, screen, file):
        before = file.read_bytes()
        await change_to(it, screen, "agents.crawler.restart", "allways")
        await it.until(lambda: 'Did you mean "always"?' in it.text(), "the error")
        assert screen._field.display and screen._field.value == "allways", "to be mended"
        assert file.read_bytes() == before
        screen._field.value = "never"
        await it.press("enter")
        await it.until(lambda: 'restart = "never"' in file.read_text(), "written now")


async def test_a_file_that_changed_under_the_field_is_shown_and_left_alone(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as (it, screen, file):
        await go_to(it, screen, "defaults.timeout")
        await it.press("enter")
        theirs = file.read_text().replace('"2h"', '"5h"')
        file.write_text(theirs)
        screen._field.value = "3h"
        await it.press("enter")
        await it.until(lambda: "nothing was written" in it.text(), "the refusal")
        assert "2h → 5h" in it.text()
        assert file.read_text() == theirs


async def test_what_somebody_else_writes_meanwhile_comes_to_the_screen(tmp_path: Path) -> None:
    async with opened(tmp_path) as (it, screen, file):
        file.write_text(file.read_text().replace("max_retries = 5", "max_retries = 9"))
        screen.load()
        await it.until(lambda: "max_retries: 5 → 9" in it.text(), "the change")


async def test_a_faulty_file_is_listed_with_its_faults_and_can_be_mended_here(
    tmp_path: Path,
) -> None:
    faulty = (PROJECT / "config.toml").read_text().replace('"always"', '"allways"')
    (tmp_path / "config.toml").write_text(faulty)
    async with opened(tmp_path) as (it, screen, file):
        await go_to(it, screen, "agents.crawler.restart")
        assert "✗ faulty" in it.text() and 'Did you mean "always"?' in it.text()
        await change_to(it, screen, "agents.crawler.restart", "always")
        await it.until(lambda: 'restart = "always"' in file.read_text(), "mended")
        await it.until(lambda: "✗ faulty" not in it.text(), "no fault")


async def test_settings_are_found_by_name_and_by_what_they_mean(tmp_path: Path) -> None:
    async with opened(tmp_path) as (it, screen, _file):
        await it.press("slash", *"crash", "enter")
        await it.until(lambda: "crash_loop_window" in it.text(), "found")
        assert "quiet_hours" not in it.text()
        await it.press("escape")
        await it.until(lambda: screen._words == "" and "cwd" in it.text(), "all again")


async def test_an_engine_that_refuses_the_new_file_is_heard(tmp_path: Path) -> None:
    async with opened(tmp_path) as (it, screen, _file):
        it.backend.refusals["reload"] = CallError("the file has a fault")
        await change_to(it, screen, "defaults.timeout", "3h")
        await it.until(lambda: "the engine: the file has a fault" in it.text(), "its words")


async def test_a_table_is_left_to_an_editor(tmp_path: Path) -> None:
    async with opened(tmp_path) as (it, screen, _file):
        await go_to(it, screen, "agents.license-audit.env")
        await it.press("enter")
        assert "changed in an editor" in it.text() and not screen._field.display


async def test_a_directory_without_a_file_is_said() -> None:
    async with driven(busy_world()) as it:
        await it.press("C")
        await it.until(lambda: "✗" in it.text() and "/srv/research" in it.text(), "why")


async def test_of_another_machine_nothing_is_read_or_written(tmp_path: Path) -> None:
    from tui_backend import ManualClock, ScriptedBackend

    from supervisor.tui.app import LongwatchApp

    def machine() -> ScriptedBackend:
        return ScriptedBackend(World())

    app = LongwatchApp({"atlas": machine(), "borg": machine()}, clock=ManualClock(), tick_s=None)
    async with app.run_test(size=(100, 30)) as pilot:
        for _ in range(200):
            await pilot.pause(0.02)
            if "2 machines" in text_of(app) or app.picture.hosts:
                break
        await pilot.press("C")
        for _ in range(200):
            await pilot.pause(0.02)
            if "read only" in text_of(app):
                break
        assert "atlas, borg" in text_of(app) and "nothing changes the file" in text_of(app)
        await pilot.press("enter", "backspace")
        assert isinstance(app.screen, ConfigScreen) and not app.screen._field.display


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
async def test_the_field_and_the_error_are_in_view_on_a_small_terminal(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    shutil.copy(PROJECT / "config.toml", tmp_path / "config.toml")
    async with driven(settings_world(tmp_path), size=size) as it:
        await it.press("C")
        await it.until(lambda: isinstance(it.app.screen, ConfigScreen), "the settings")
        screen = it.app.screen
        assert isinstance(screen, ConfigScreen)
        await it.until(lambda: screen._listing is not None, "the file")
        await change_to(it, screen, "defaults.timeout", "soon")
        await it.until(lambda: "✗" in it.text() and "soon" in it.text(), "field and error")

"""Keys of the operator's own: in force everywhere or refused with every reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tui_script import ManualClock, ScriptedBackend, busy_world, text_of

from supervisor.config.paths import Project
from supervisor.errors import ConfigError
from supervisor.tui import keymap, keys
from supervisor.tui.app import LongwatchApp
from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.settings import Settings, read_settings

AGENT = '[agents.a]\ncommand = ["true"]\n'


def project_with(directory: Path, text: str) -> Project:
    (directory / "config.toml").write_text(AGENT + text)
    return Project(directory)


def refusal(directory: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_settings(project_with(directory, text))
    return "\n".join(caught.value.problems)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("x", "x"), ("X", "X"), ("/", "slash"), ("?", "question_mark"), ("Esc", "escape"),
        ("PgDn", "pagedown"), ("ctrl+x", "ctrl+x"), ("Ctrl+X", "ctrl+x"), ("Alt+Left", "alt+left"),
        ("F5", "f5"), ("+", "plus"), ("ctrl++", "ctrl+plus"), ("ä", "ä"), ("ctrl+shift+up",
        "ctrl+shift+up"), ("xx", None), ("hyper+x", None), ("", None), ("f99", None),
    ],
)  # fmt: skip
def test_a_key_is_read_as_people_write_it(written: str, name: str | None) -> None:
    assert keymap.read_key(written) == name


def test_names_of_signs_are_those_of_textual() -> None:
    from textual.keys import _character_to_key

    for name, sign in keymap._SIGNS.items():
        assert _character_to_key(sign) == name


def test_without_a_table_everything_is_as_usual(tmp_path: Path) -> None:
    assert read_settings(project_with(tmp_path, "")) == Settings()


def test_both_ways_of_writing_a_name_are_one(tmp_path: Path) -> None:
    quoted = read_settings(project_with(tmp_path, '[tui.keys]\n"run.stop" = ["K", "f8"]\n'))
    dotted = read_settings(project_with(tmp_path, '[tui.keys]\nrun.stop = ["K", "F8"]\n'))
    assert dict(quoted.keymap) == dict(dotted.keymap) == {"run.stop": "K,f8"}


def test_an_unknown_action_is_refused_with_the_nearest_name_and_its_line(tmp_path: Path) -> None:
    said = refusal(tmp_path, '[tui.keys]\n"run.stpo" = "K"\n')
    assert "config.toml:4" in said and 'Did you mean "run.stop"?' in said


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    said = refusal(
        tmp_path,
        '[tui.keys]\n"run.stop" = "l"\n"run.pause" = "banana"\n"request.option" = "x"\n'
        '"request.allow" = "enter"\n"request.deny" = "y"\n"app.interrupt" = "z"\n',
    )
    assert '"l" is already run.log (log)' in said and "config.toml:4" in said
    assert '"banana" is no key' in said and "its keys are the digits" in said
    assert '"enter" would say yes' in said and '"y" would say no' in said
    assert "Ctrl+C always leaves" in said


def test_two_actions_may_change_places(tmp_path: Path) -> None:
    made = read_settings(
        project_with(tmp_path, '[tui.keys]\n"run.stop" = "r"\n"run.restart" = "x"\n')
    )
    assert dict(made.keymap) == {"run.stop": "r", "run.restart": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[tui]\ntheme = "drak"\n', 'Did you mean "dark"?'),
        ("[tui]\nmuose = false\n", 'Did you mean "mouse"?'),
        ('[tui]\nmouse = "no"\n', "true or false"),
        ('[tui]\nnotify = "bel"\n', 'Did you mean "bell"?'),
        ('[tui.keys]\n"run.stop" = 3\n', "a key such as"),
        ('[tui]\nkeys = "x"\n', "this is no table"),
    ],
)
def test_a_wrong_table_is_refused_in_our_words(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def app_with(**changed: str) -> LongwatchApp:
    settings = Settings(keymap={name.replace("_", ".", 1): key for name, key in changed.items()})
    return LongwatchApp(
        ScriptedBackend(busy_world()), clock=ManualClock(), tick_s=None, settings=settings
    )


async def test_the_new_key_works_the_old_one_does_not_and_footer_hint_and_help_follow() -> None:
    app = app_with(run_stop="K", app_help="f1", run_start="S")
    async with app.run_test(size=(200, 50)) as pilot:
        for _ in range(200):
            await pilot.pause(0.02)
            await pilot.press("G")
            if "S starts it" in text_of(app) and "K stop" in text_of(app):
                break
        assert "K stop" in text_of(app) and "x stop" not in text_of(app)
        assert "never started; S starts it" in text_of(app)
        await pilot.press("g")
        await pilot.press("x")
        assert not isinstance(app.screen, ConfirmScreen)
        await pilot.press("K")
        assert isinstance(app.screen, ConfirmScreen)
        await pilot.press("escape")
        await pilot.pause()
        assert not isinstance(app.screen, ConfirmScreen), "one press opened two"
        await pilot.press("f1")
        await pilot.pause()
        assert "F1" in text_of(app)


async def test_a_session_without_own_keys_has_the_usual_ones_again() -> None:
    app_with(run_stop="K")
    app_with()
    assert keys.hint("run.stop") == "x"


@pytest.mark.parametrize("scope", keys.SCOPES)
def test_whatever_moves_takes_arrows_and_the_keys_of_vim(scope: str) -> None:
    arrows = {"up": "up", "down": "down", "page_up": "pageup", "page_down": "pagedown"}
    for key in keys.of_scope(scope):
        names = key.keys.split(",")
        assert arrows.get(key.action, names[0]) in names, key.id
        if key.action in ("up", "down", "page_up", "page_down") and scope != keys.REQUEST:
            assert keys.VIM[key.action] in names, key.id


def config(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "supervisor.cli.main", "-C", str(directory), "config", *words],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_command_line_checks_the_keys_and_prints_those_in_force(tmp_path: Path) -> None:
    project_with(tmp_path, '[tui.keys]\n"run.stpo" = "K"\n')
    checked = config(tmp_path, "check")
    assert checked.returncode == 2 and "run.stop" in checked.stderr
    project_with(tmp_path, '[tui.keys]\n"run.stop" = "K"\n')
    listed = json.loads(config(tmp_path, "keys", "--json").stdout)["keys"]
    stop = next(item for item in listed if item["action"] == "run.stop")
    assert stop["keys"] == ["K"] and stop["own"]

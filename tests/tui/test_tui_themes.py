"""The themes, computed: contrast of every text, and states that stay apart for every eye."""

from __future__ import annotations

from itertools import combinations

import pytest
from colour_sight import SIGHT, colour, contrast, distance, seen
from textual.theme import Theme

from supervisor.config.tui import THEMES as NAMES
from supervisor.tui import theme

STATES = ("lw-run", "lw-ask", "lw-done", "lw-bad", "lw-retry")
BARS = tuple(f"{name}-bar" for name in STATES)
TEXTS = ("lw-text", "lw-muted", "lw-key", *STATES)
FAINT = 3.8
"""What is faint says nothing that stands nowhere else; over the 3 of WCAG for what is no text."""
XTERM = {
    "black": "#000000", "red": "#cd0000", "green": "#00cd00", "yellow": "#cdcd00",
    "blue": "#0000ee", "magenta": "#cd00cd", "cyan": "#00cdcd", "white": "#e5e5e5",
    "bright_black": "#7f7f7f", "bright_red": "#ff0000", "bright_green": "#00ff00",
    "bright_yellow": "#ffff00", "bright_blue": "#5c5cff", "bright_magenta": "#ff00ff",
    "bright_cyan": "#00ffff", "bright_white": "#ffffff",
}  # fmt: skip
"""xterm's own 16 colours."""
TRUE = [made for made in theme.THEMES.values() if not made.ansi]
APART = {"longwatch-dark": 20.0, "longwatch-light": 9.0, "longwatch-high-contrast": 9.0}
"""Least CIE76 distance of two states for any eye; the default theme keeps the most."""


def grounds(made: Theme) -> list[str]:
    """Everything that a text may stand on."""
    own = made.variables
    return [str(made.background), own["lw-cursor"], own["lw-bar"], own["lw-asking"]]


@pytest.mark.parametrize("made", TRUE, ids=lambda made: made.name)
@pytest.mark.parametrize("name", TEXTS)
def test_every_text_has_the_contrast_that_wcag_asks_for(made: Theme, name: str) -> None:
    wanted = 7.0 if made is theme.HIGH_CONTRAST and name in ("lw-text", "lw-key") else 4.5
    for ground in grounds(made):
        assert contrast(colour(made.variables[name]), colour(ground)) >= wanted, (name, ground)


@pytest.mark.parametrize("made", TRUE, ids=lambda made: made.name)
def test_badges_bars_and_faint_texts_can_be_seen(made: Theme) -> None:
    own = {name: value for name, value in made.variables.items() if name.startswith("lw-")}
    for badge in ("lw-ask", "lw-bad"):
        assert contrast(colour(own["lw-on-ask"]), colour(own[badge])) >= 4.5
    for bar in BARS:
        assert contrast(colour(own[bar]), colour(own["lw-track"])) >= 3.0, bar
    for ground in grounds(made):
        assert contrast(colour(own["lw-faint"]), colour(ground)) >= FAINT, ground


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("made", TRUE, ids=lambda made: made.name)
def test_any_two_states_differ_for_any_eye(made: Theme, sight: str) -> None:
    for first, second in combinations(STATES, 2):
        one, other = (seen(colour(made.variables[name]), sight) for name in (first, second))
        assert distance(one, other) >= APART[made.name], (first, second)


def test_a_measure_that_is_known_comes_out_as_known() -> None:
    black, white = colour("#000000"), colour("#ffffff")
    assert contrast(black, white) == pytest.approx(21.0)
    assert contrast(colour("#767676"), white) == pytest.approx(4.54, abs=0.01)
    red, green = colour("#d62728"), colour("#7a7a00")
    assert distance(seen(red, "deuteranopia"), seen(green, "deuteranopia")) < distance(red, green)


@pytest.mark.parametrize("name", TEXTS)
def test_the_sixteen_colours_can_be_read_on_black_and_on_the_cursor(name: str) -> None:
    own = theme.ANSI.variables
    shown = colour(XTERM[own[name].removeprefix("ansi_")])
    assert contrast(shown, colour(XTERM["black"])) >= 4.5
    # Red on blue is little; the glyph, the word and the marker of the row say it too.
    least = 2.0 if name in ("lw-bad", "lw-retry") else 4.5
    assert contrast(shown, colour(XTERM["blue"])) >= least


def test_the_sixteen_colours_are_nothing_but_these() -> None:
    named = [value for name, value in theme.ANSI.variables.items() if name.startswith("lw-")]
    assert all(value.removeprefix("ansi_") in XTERM for value in named)


def test_states_have_a_glyph_and_a_word_of_their_own() -> None:
    looks = [*theme.LOOKS.values(), theme.IDLE, theme.ASLEEP]
    assert len({look.word for look in looks}) == len(looks)
    assert len({(look.glyph, look.style) for look in looks}) >= len(looks) - 1


def test_the_names_in_the_configuration_are_those_of_the_themes() -> None:
    assert ("auto", *theme.THEMES) == NAMES


@pytest.mark.parametrize(
    ("wanted", "colours", "made"),
    [
        ("auto", "truecolor", theme.DARK),
        ("auto", "256", theme.DARK),
        ("auto", "standard", theme.ANSI),
        ("auto", None, theme.ANSI),
        ("light", "standard", theme.LIGHT),
        ("high-contrast", "truecolor", theme.HIGH_CONTRAST),
    ],
)
def test_the_theme_fits_the_terminal(wanted: str, colours: str | None, made: Theme) -> None:
    assert theme.chosen(wanted, colours) is made


def test_the_key_goes_through_all_themes_and_round() -> None:
    name, seen_names = theme.DARK.name, []
    for _ in theme.THEMES:
        name = theme.after(name).name
        seen_names.append(name)
    assert set(seen_names) == {made.name for made in theme.THEMES.values()}
    assert seen_names[-1] == theme.DARK.name

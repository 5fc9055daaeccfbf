"""An agent's colours on our backgrounds: styles only, and always legible.

Pure, but for what it remembers of what it worked out. Owns the way from ``core.sgr.Ink`` to a
style. Must never hide text: a colour too near to what is behind it is moved until it can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from textual.color import Color
from textual.style import Style
from textual.theme import Theme

from supervisor.core.sgr import Colour, Ink
from supervisor.tui import theme

_SIXTEEN = tuple(map(Color.parse, theme.INKS))
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_OWN = tuple(
    Color.parse(f"ansi_{bright}{name}") for bright in ("", "bright_") for name in _NAMES
)  # fmt: skip
_BLACK, _WHITE = Color(0, 0, 0), Color(255, 255, 255)
_BLENDS = (0.25, 0.5, 0.75, 1.0)
_DIMMED = 0.35
"""How far a faint text moves towards what is behind it."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What of a theme an agent's colours depend on."""

    usual: Color
    behind: Color
    is_terminals: bool
    """The theme has the terminal's own 16 colours, and what they look like is not known."""


def paper_of(chosen: Theme) -> Paper:
    """That of a theme."""
    usual = Color.parse(chosen.foreground or chosen.primary)
    return Paper(usual, Color.parse(chosen.background or chosen.primary), chosen.ansi)


@lru_cache(maxsize=2048)
def style_of(ink: Ink, paper: Paper) -> Style:
    """The style that this ink has on that paper."""
    fore, back = _of_terminal(ink) if paper.is_terminals else _of_ours(ink, paper)
    return Style(
        foreground=fore,
        background=back,
        bold=ink.bold or None,
        italic=ink.italic or None,
        underline=ink.underline or None,
        strike=ink.strike or None,
    )


def _of_ours(ink: Ink, paper: Paper) -> tuple[Color | None, Color | None]:
    fore, back = _true(ink.fore), _true(ink.back)
    if ink.reverse:
        fore = paper.usual if fore is None else fore
        fore, back = (paper.behind if back is None else back), fore
    if fore is None and back is None and not ink.dim:
        return None, None
    under = paper.behind if back is None else back
    shown = paper.usual if fore is None else fore
    if ink.dim:
        shown = shown.blend(under, _DIMMED)
    return legible(shown, under), back


def _of_terminal(ink: Ink) -> tuple[Color | None, Color | None]:
    """The terminal's own 16 colours; what is black on black has the usual one."""
    fore, back = _nearest(ink.fore), _nearest(ink.back)
    if ink.reverse:
        fore, back = (0 if back is None else back), (7 if fore is None else fore)
    under = 0 if back is None else back
    if fore == under:
        fore = 0 if under in (7, 15) else 15
    return (None if fore is None else _OWN[fore]), (None if back is None else _OWN[back])


def _true(colour: Colour | None) -> Color | None:
    if colour is None:
        return None
    return _SIXTEEN[colour] if isinstance(colour, int) else Color(*colour)


def _nearest(colour: Colour | None) -> int | None:
    """Which of the 16: one bit for each of red, green and blue, and one for bright."""
    if colour is None or isinstance(colour, int):
        return colour
    top = max(colour)
    if top < 64:
        return 0
    bits = sum(1 << place for place, level in enumerate(colour) if level > top * 0.6)
    return bits + 8 if top > 200 else bits


def legible(fore: Color, back: Color) -> Color:
    """``fore``, or as little away from it as it takes to be read on ``back``."""
    if contrast(fore, back) >= theme.LEAST_CONTRAST:
        return fore
    away = max(_WHITE, _BLACK, key=lambda end: contrast(end, back))
    for share in _BLENDS:
        moved = fore.blend(away, share)
        if contrast(moved, back) >= theme.LEAST_CONTRAST:
            return moved
    return away


def contrast(one: Color, other: Color) -> float:
    """1 to 21, as WCAG 2 measures it."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Color) -> float:
    levels = [level / 255 for level in (colour.r, colour.g, colour.b)]
    red, green, blue = (
        level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4 for level in levels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

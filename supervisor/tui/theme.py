"""Every colour of the interface, and the look of every state.

Owns: the themes and the table from a status to glyph, word and style. Must never hold logic about
runs. The one surprising thing: a state is told three times over (glyph, word,
colour), so that colour blindness, a monochrome terminal and NO_COLOR lose nothing. The hues are
near the Okabe-Ito set (blue, amber, vermilion, bluish green, reddish purple); a test computes that
any two states stay apart under the forms of colour blindness, and what contrast a text has.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.theme import Theme

from supervisor.core.run import RunState, Status

TEXT = "$lw-text"
MUTED = "$lw-muted"
FAINT = "$lw-faint"
STRONG = "bold $lw-text"
RUN = "$lw-run"
ASK = "$lw-ask"
DONE = "$lw-done"
BAD = "$lw-bad"
RETRY = "$lw-retry"
TRACK = "$lw-track"
ASK_BADGE = "bold $lw-on-ask on $lw-ask"
BAD_BADGE = "bold $lw-on-ask on $lw-bad"
KEY = "bold $lw-key"
# Bars fill whole cells and touch from row to row: in full brightness they would shout.
BAR_RUN = "$lw-run-bar on $lw-track"
BAR_ASK = "$lw-ask-bar on $lw-track"
BAR_DONE = "$lw-done-bar on $lw-track"
BAR_BAD = "$lw-bad-bar on $lw-track"
BAR_RETRY = "$lw-retry-bar on $lw-track"
BAR_IDLE = "$lw-faint on $lw-track"
PLOT_RUN = "$lw-run-bar"
PLOT_ASK = "$lw-ask-bar"
PLOT_DONE = "$lw-done-bar"
PLOT_BAD = "$lw-bad-bar"
PLOT_RETRY = "$lw-retry-bar"
FOUND = "$lw-on-ask on $lw-ask"
CURSOR = "on $lw-cursor"

_DARK = {
    "lw-text": "#d6dce5",
    "lw-muted": "#9aa5b5",
    "lw-faint": "#7d899b",
    "lw-run": "#6f9dff",
    "lw-ask": "#f0b429",
    "lw-on-ask": "#14181f",
    "lw-done": "#3fe0b0",
    "lw-bad": "#ff6f5e",
    "lw-retry": "#dcbcf0",
    "lw-track": "#28303c",
    "lw-key": "#9fd0ff",
    "lw-line": "#323c4a",
    "lw-cursor": "#232d3b",
    "lw-asking": "#2c2516",
    "lw-bar": "#171c24",
    "lw-run-bar": "#4d78c9",
    "lw-ask-bar": "#b98a2c",
    "lw-done-bar": "#3a9c80",
    "lw-bad-bar": "#c65a4c",
    "lw-retry-bar": "#a488bd",
}

_LIGHT = {
    "lw-text": "#1f2630",
    "lw-muted": "#56606e",
    "lw-faint": "#667080",
    "lw-run": "#0a3585",
    "lw-ask": "#8a5f00",
    "lw-on-ask": "#ffffff",
    "lw-done": "#056f5d",
    "lw-bad": "#7d1608",
    "lw-retry": "#a81fb0",
    "lw-track": "#e4e7eb",
    "lw-key": "#0a5fb4",
    "lw-line": "#cfd4db",
    "lw-cursor": "#dde8f5",
    "lw-asking": "#faf0dc",
    "lw-bar": "#eceef1",
    "lw-run-bar": "#2f5cab",
    "lw-ask-bar": "#a67b1c",
    "lw-done-bar": "#2c8f7d",
    "lw-bad-bar": "#a2432f",
    "lw-retry-bar": "#b95fc6",
}

_HIGH_CONTRAST = {
    "lw-text": "#ffffff",
    "lw-muted": "#e0e0e0",
    "lw-faint": "#c8c8c8",
    "lw-run": "#8dc1fb",
    "lw-ask": "#ffc400",
    "lw-on-ask": "#000000",
    "lw-done": "#11fb90",
    "lw-bad": "#ff9088",
    "lw-retry": "#efdcff",
    "lw-track": "#303030",
    "lw-key": "#ffffff",
    "lw-line": "#ffffff",
    "lw-cursor": "#14325a",
    "lw-asking": "#2b2000",
    "lw-bar": "#141414",
    "lw-run-bar": "#8dc1fb",
    "lw-ask-bar": "#ffc400",
    "lw-done-bar": "#11fb90",
    "lw-bad-bar": "#ff9088",
    "lw-retry-bar": "#efdcff",
}

_ANSI = {
    "lw-text": "ansi_bright_white",
    "lw-muted": "ansi_white",
    "lw-faint": "ansi_white",
    "lw-run": "ansi_bright_cyan",
    "lw-ask": "ansi_bright_yellow",
    "lw-on-ask": "ansi_black",
    "lw-done": "ansi_bright_green",
    "lw-bad": "ansi_bright_red",
    "lw-retry": "ansi_bright_magenta",
    "lw-track": "ansi_bright_black",
    "lw-key": "ansi_bright_white",
    "lw-line": "ansi_white",
    "lw-cursor": "ansi_blue",
    "lw-asking": "ansi_black",
    "lw-bar": "ansi_black",
    "lw-run-bar": "ansi_cyan",
    "lw-ask-bar": "ansi_yellow",
    "lw-done-bar": "ansi_green",
    "lw-bad-bar": "ansi_red",
    "lw-retry-bar": "ansi_magenta",
}
"""The terminal's own 16 colours, on black: what they look like is the terminal's affair."""
INKS = (
    "#3b4252", "#f0716a", "#63c98b", "#e2b04a", "#6f9dff", "#c792ea", "#4cc3d9", "#c8d0dc",
    "#7d899b", "#ff8f87", "#86e3a8", "#f5cb6e", "#93b7ff", "#dab2f5", "#7fdcec", "#ffffff",
)  # fmt: skip
"""The 16 colours that an agent writes in; ``tui.inks`` keeps them legible."""
LEAST_CONTRAST = 3.0
"""Of an agent's text on what is behind it (WCAG 2.2, 1.4.11): nothing is written out of sight."""
_ANSI_NEEDS = {
    "ansi-background": "ansi_black",
    "ansi-foreground": "ansi_bright_white",
    "block-cursor-background": "ansi_blue",
    "input-cursor-background": "ansi_bright_white",
    "input-cursor-foreground": "ansi_black",
    "input-selection-background": "ansi_blue",
    "input-selection-foreground": "ansi_bright_white",
}
"""What Textual's own sheets ask of such a theme (8.2: without, they do not parse)."""


def _theme(
    name: str, palette: dict[str, str], background: str, *, dark: bool, ansi: bool = False
) -> Theme:
    return Theme(
        name=name,
        primary=palette["lw-run"],
        secondary=palette["lw-retry"],
        warning=palette["lw-ask"],
        error=palette["lw-bad"],
        success=palette["lw-done"],
        accent=palette["lw-ask"],
        foreground=palette["lw-text"],
        background=background,
        surface=palette["lw-bar"],
        panel=palette["lw-cursor"],
        dark=dark,
        ansi=ansi,
        variables={
            **palette,
            "scrollbar": palette["lw-track"],
            "scrollbar-hover": palette["lw-faint"],
            "scrollbar-active": palette["lw-muted"],
            "scrollbar-background": background,
            "scrollbar-background-hover": background,
            "scrollbar-background-active": background,
            "scrollbar-corner-color": background,
            "input-selection-background": palette["lw-track"],
            "block-cursor-background": palette["lw-cursor"],
            "block-cursor-foreground": palette["lw-text"],
            "block-cursor-text-style": "bold",
            "border": palette["lw-line"],
            "border-blurred": palette["lw-line"],
            **(_ANSI_NEEDS if ansi else {}),
        },
    )


DARK = _theme("longwatch-dark", _DARK, "#0f1319", dark=True)
LIGHT = _theme("longwatch-light", _LIGHT, "#fbfbfa", dark=False)
HIGH_CONTRAST = _theme("longwatch-high-contrast", _HIGH_CONTRAST, "#000000", dark=True)
ANSI = _theme("longwatch-ansi", _ANSI, "ansi_black", dark=True, ansi=True)
THEMES: dict[str, Theme] = {
    "dark": DARK,
    "light": LIGHT,
    "high-contrast": HIGH_CONTRAST,
    "ansi": ANSI,
}
"""By the name that ``[tui] theme`` has for them, in the order of the key that changes them."""


def chosen(wanted: str, colours: str | None) -> Theme:
    """The theme of that name; ``auto`` is dark, or the terminal's 16 colours where it has no more.

    ``colours`` is what rich found the terminal to have: ``truecolor``, ``256``, ``standard``.
    """
    if wanted in THEMES:
        return THEMES[wanted]
    return DARK if colours in ("truecolor", "256") else ANSI


def after(name: str) -> Theme:
    """The theme that follows the one of that name (``longwatch-dark``)."""
    themes = list(THEMES.values())
    names = [theme.name for theme in themes]
    return themes[(names.index(name) + 1) % len(themes)] if name in names else DARK


@dataclass(frozen=True, slots=True)
class Look:
    """How one state shows: all three at once, never the colour alone."""

    glyph: str
    word: str
    style: str
    bar: str


IDLE = Look("·", "idle", MUTED, BAR_IDLE)
"""An agent of the configuration that has never run."""

ASLEEP = Look("◇", "asleep", MUTED, BAR_IDLE)
"""Parked until a time, not for an answer."""

LOOKS: dict[Status, Look] = {
    Status.QUEUED: Look("○", "queued", MUTED, BAR_IDLE),
    Status.STARTING: Look("◔", "starting", RUN, BAR_RUN),
    Status.RUNNING: Look("●", "running", RUN, BAR_RUN),
    Status.WAITING: Look("◆", "asks you", ASK, BAR_ASK),
    Status.PARKED: Look("◇", "parked", ASK, BAR_ASK),
    Status.PAUSED: Look("‖", "paused", MUTED, BAR_IDLE),
    Status.STOPPING: Look("◌", "stopping", MUTED, BAR_IDLE),
    Status.BACKOFF: Look("↻", "retrying", RETRY, BAR_RETRY),
    Status.HELD: Look("▲", "held", BAD, BAR_BAD),
    Status.SUCCEEDED: Look("✓", "done", DONE, BAR_DONE),
    Status.FAILED: Look("✗", "failed", BAD, BAR_BAD),
    Status.TIMED_OUT: Look("⊘", "timed out", BAD, BAR_BAD),
    Status.STOPPED: Look("■", "stopped", MUTED, BAR_IDLE),
}

SEVERITY: dict[str, str] = {"info": MUTED, "warning": ASK, "error": BAD}
"""Style of an anomaly by its severity; the flag and the word are always beside it."""


def look_of_run(state: RunState) -> Look:
    """The look of a run: one that sleeps needs nobody, which its status alone does not say."""
    if state.wake is None or state.open_requests:
        return look_of(state.status)
    return look_of(Status.PAUSED) if state.wake.is_held else ASLEEP


def look_of(status: Status | None) -> Look:
    """The look of a status; None is an agent without a run."""
    return IDLE if status is None else LOOKS[status]

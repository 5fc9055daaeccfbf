"""Every colour of the interface, and the look of every state.

Owns: two themes (dark and light) and the table from a status to glyph, word and style. Must never
hold logic about runs. The one surprising thing: a state is told three times over (glyph, word,
colour), so that colour blindness, a monochrome terminal and NO_COLOR lose nothing. The hues are
chosen from the Okabe-Ito set (blue, amber, vermilion, bluish green), which keep apart under the
common forms of colour blindness.
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
FOUND = "$lw-on-ask on $lw-ask"

_DARK = {
    "lw-text": "#d6dce5",
    "lw-muted": "#8792a2",
    "lw-faint": "#566173",
    "lw-run": "#6ab7ff",
    "lw-ask": "#f5b83d",
    "lw-on-ask": "#14181f",
    "lw-done": "#4cc9a4",
    "lw-bad": "#ff7f66",
    "lw-retry": "#c9a8ff",
    "lw-track": "#28303c",
    "lw-key": "#9fd0ff",
    "lw-line": "#323c4a",
    "lw-cursor": "#232d3b",
    "lw-asking": "#2c2516",
    "lw-bar": "#171c24",
    "lw-run-bar": "#3f7fb8",
    "lw-ask-bar": "#b98a2c",
    "lw-done-bar": "#357f6b",
    "lw-bad-bar": "#b85a49",
    "lw-retry-bar": "#8670b3",
}

_LIGHT = {
    "lw-text": "#1f2630",
    "lw-muted": "#5b6675",
    "lw-faint": "#929baa",
    "lw-run": "#0a5fb4",
    "lw-ask": "#945400",
    "lw-on-ask": "#ffffff",
    "lw-done": "#0b6f55",
    "lw-bad": "#b3360f",
    "lw-retry": "#6a3fb8",
    "lw-track": "#dcdfe4",
    "lw-key": "#0a5fb4",
    "lw-line": "#cfd4db",
    "lw-cursor": "#dde8f5",
    "lw-asking": "#faf0dc",
    "lw-bar": "#eceef1",
    "lw-run-bar": "#5b98d6",
    "lw-ask-bar": "#d29a3a",
    "lw-done-bar": "#5aa892",
    "lw-bad-bar": "#d67a5b",
    "lw-retry-bar": "#9a7fd1",
}


def _theme(name: str, palette: dict[str, str], background: str, *, dark: bool) -> Theme:
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
        },
    )


DARK = _theme("longwatch-dark", _DARK, "#0f1319", dark=True)
LIGHT = _theme("longwatch-light", _LIGHT, "#fbfbfa", dark=False)


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

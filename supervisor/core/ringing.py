"""The bytes that ring, notify and name a window, for each kind of terminal.

Pure. Owns every such sequence; nothing else of ours sends one. Their texts are cleaned here:
whoever wrote them, no control, no separator and no more than a few cells get in. Sources: xterm's
control sequences (OSC 2, CSI 22 and 23 t), iTerm2 (OSC 9), rxvt-unicode (OSC 777), tmux(1) and
screen(1) on passing a sequence on to the terminal outside.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from supervisor.core.text import safe_text

NOTIFY = ("all", "bell", "off")
"""``[tui] notify``: bell, message and title; the bell alone; nothing."""
NAME = "longwatch"
MAX_TEXT = 120
"""Characters of a message: screen(1) passes on 768 bytes at most."""
BELL = "\a"
PUSH_TITLE, POP_TITLE = "\x1b[22;2t", "\x1b[23;2t"
_MUTE = ("", "dumb", "unknown")
_BELL_ALONE = ("linux", "vt", "cons25", "ansi", "sun", "wyse", "hp")
"""Kinds of terminal that know no OSC: some of them would print it."""
_OSC_9_ALONE = ("xterm-kitty", "xterm-ghostty", "foot", "wezterm", "alacritty")
_PROGRAMS_OSC_9 = ("wezterm", "ghostty", "iterm.app", "kitty")
"""Those that know both would say everything twice."""
_OSC_777_ALONE = ("rxvt",)

_OSC = r"\x1b\]"
_TEXT = r"[^\x00-\x1f\x7f-\x9f]*"
_MESSAGE = rf"{_OSC}(?:9;{_TEXT}|777;notify;{_TEXT};{_TEXT})\x07"
_INNER = rf"\x1b{_MESSAGE}"
_OURS = re.compile(
    rf"(?:\x07|{_MESSAGE}|{_OSC}2;{_TEXT}\x07|\x1b\[2[23];2t"
    rf"|\x1bPtmux;(?:{_INNER})+\x1b\\|\x1bP(?:{_MESSAGE})+\x1b\\)*"
)


@dataclass(frozen=True, slots=True)
class Ringer:
    """What may be sent to one terminal."""

    has_bell: bool = False
    has_title: bool = False
    codes: tuple[int, ...] = ()
    """9, 777."""
    around: str = ""
    """``tmux`` or ``screen``: a message has to be passed on by it."""

    def message(self, text: str) -> str:
        """Ring, and say ``text`` where the terminal can."""
        shown = clean(text)
        told = "".join(self._osc(code, shown) for code in self.codes)
        if told and self.around == "tmux":
            told = "\x1bPtmux;" + told.replace("\x1b", "\x1b\x1b") + "\x1b\\"
        elif told and self.around == "screen":
            told = f"\x1bP{told}\x1b\\"
        return (BELL if self.has_bell else "") + told

    def title(self, waiting: int) -> str:
        """Name the window, with the number of what waits."""
        return f"\x1b]2;{titled(waiting)}\a" if self.has_title else ""

    @staticmethod
    def _osc(code: int, shown: str) -> str:
        # OSC 9 followed by a digit and nothing else would be a progress bar to some.
        return f"\x1b]9;{NAME}: {shown}\a" if code == 9 else f"\x1b]777;notify;{NAME};{shown}\a"


SILENT = Ringer()


def ringer_for(notify: str, environment: Mapping[str, str]) -> Ringer:
    """What that terminal takes, of what is wanted; ``environment`` is ours."""
    kind = environment.get("TERM", "").lower()
    if notify == "off" or kind in _MUTE:
        return SILENT
    if notify == "bell" or kind.startswith(_BELL_ALONE):
        return Ringer(has_bell=True)
    program = environment.get("TERM_PROGRAM", "").lower()
    codes: tuple[int, ...] = (9, 777)
    if kind.startswith(_OSC_9_ALONE) or program in _PROGRAMS_OSC_9:
        codes = (9,)
    elif kind.startswith(_OSC_777_ALONE):
        codes = (777,)
    around = "tmux" if environment.get("TMUX") else "screen" if environment.get("STY") else ""
    return Ringer(has_bell=True, has_title=True, codes=codes, around=around)


def clean(text: str) -> str:
    """A text that can stand within a sequence: one short line, its separators replaced."""
    return safe_text(text.replace(";", ","), limit=MAX_TEXT)


def titled(waiting: int) -> str:
    """``(2) longwatch``."""
    return f"({waiting}) {NAME}" if waiting else NAME


def is_ours(data: str) -> bool:
    """Whether ``data`` is made of nothing but the sequences of this module."""
    return _OURS.fullmatch(data) is not None

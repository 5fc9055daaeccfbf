"""What terminals of little colour, no colour and no mouse are sent."""

from __future__ import annotations

import re

import pytest
from test_tui_terminal import Terminal

pytestmark = pytest.mark.terminal

SGR = re.compile(rb"\x1b\[([0-9;]*)m")


def colours(seen: bytes) -> set[bytes]:
    """Every code of a colour that was sent, without the ones that take it back."""
    codes: set[bytes] = set()
    for found in SGR.finditer(seen):
        parts = found[1].split(b";")
        if {b"38", b"48"} & set(parts):
            codes.add(found[1])
        codes |= {part for part in parts if re.fullmatch(rb"3[0-7]|4[0-7]|9[0-7]|10[0-7]", part)}
    return codes


def drawn(**environment: str | None) -> bytes:
    """What the interface wrote until its table and its footer stood there."""
    terminal = Terminal("busy", **environment)
    try:
        terminal.until(b"license-audit")
        terminal.until(b"leave")
        while terminal.read():
            pass
        return terminal.seen
    finally:
        terminal.close()


def test_with_no_color_not_one_colour_is_sent_and_states_are_words() -> None:
    seen = drawn(NO_COLOR="1")
    assert colours(seen) == set()
    text = SGR.sub(b"", seen).decode()
    for state in ("◆ asks you", "▲ held", "↻ retrying", "● running", "✗ failed", "✓ done"):
        assert state in text
    assert "❯ " in text, "the cursor is colour alone"


def test_a_terminal_of_sixteen_colours_gets_no_others() -> None:
    sent = colours(drawn(TERM="xterm", COLORTERM=None))
    assert sent, "there was no colour at all"
    assert all(len(code.split(b";")) == 1 for code in sent), sent


def test_a_terminal_of_true_colour_gets_the_palette() -> None:
    assert any(code.startswith(b"38;2;") for code in colours(drawn()))

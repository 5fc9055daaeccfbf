"""An agent's colours become styles, and nothing else of its escapes survives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.mistakes import is_error_line
from supervisor.core.sgr import MAX_SPANS, PLAIN, Ink, Span, of_256, read_line
from supervisor.core.text import safe_text

HOSTILE = st.lists(
    st.one_of(
        st.sampled_from(
            ["\x1b", "\x1b[", "\x1b]", "\x9b", "\x9d", "\x90", "m", ";", ":", "38", "48", "5", "2",
             "31", "0", "\x07", "\x1b\\", "?", "H", "J", "52;c;", "\x08", "é", "\u202e", "8"]
        ),
        st.text(max_size=6),
    ),
    max_size=40,
).map("".join)  # fmt: skip


def inks(text: str) -> list[tuple[str, Ink]]:
    plain, spans = read_line(text)
    return [(plain[span.start : span.end], span.ink) for span in spans]


@pytest.mark.parametrize(
    ("sequence", "ink"),
    [
        ("31", Ink(fore=1)), ("97", Ink(fore=15)),
        ("1;4;31", Ink(fore=1, bold=True, underline=True)),
        ("44", Ink(back=4)), ("105", Ink(back=13)), ("38;5;9", Ink(fore=9)),
        ("38;5;196", Ink(fore=(255, 0, 0))), ("48;5;232", Ink(back=(8, 8, 8))),
        ("38;2;1;2;3", Ink(fore=(1, 2, 3))), ("38:2::1:2:3", Ink(fore=(1, 2, 3))),
        ("38:2:1:2:3", Ink(fore=(1, 2, 3))), ("38:5:46", Ink(fore=(0, 255, 0))),
        ("4:3", Ink(underline=True)), ("7", Ink(reverse=True)),
        ("38;2;1;2;3;1", Ink(fore=(1, 2, 3), bold=True)),
    ],
)  # fmt: skip
def test_what_a_terminal_would_colour_is_coloured(sequence: str, ink: Ink) -> None:
    assert inks(f"a\x1b[{sequence}mb\x1b[0mc") == [("b", ink)]


@pytest.mark.parametrize(
    "sequence", ["8", "5", "38;5", "38;5;256", "38;2;1;2", "38;2;256;0;0", "99999999", "38", ";;"]
)
def test_what_hides_or_blinks_or_is_no_colour_changes_nothing(sequence: str) -> None:
    assert inks(f"a\x1b[{sequence}mb") == []


@pytest.mark.parametrize(
    "escape",
    ["\x1b[2J", "\x1b[10;10H", "\x1b]52;c;aGk=\x07", "\x1b]0;title\x1b\\", "\x1b]8;;http://x\x07",
     "\x1bP1;2|x\x1b\\", "\x1b(B", "\x1b7", "\x9b31m", "\x1b[?1049h", "\x1b[6n", "\x1bc"],
)  # fmt: skip
def test_every_other_escape_is_dropped_whole(escape: str) -> None:
    assert read_line(f"a{escape}b") == ("ab", ())


def test_an_unfinished_escape_swallows_nothing() -> None:
    plain, _spans = read_line("\x1b]0;the rest of the line stays to be seen")
    assert "the rest of the line stays to be seen" in safe_text(plain)


@given(HOSTILE)
def test_no_control_comes_out_and_no_span_lies(text: str) -> None:
    plain, spans = read_line(text)
    shown = safe_text(plain)
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in shown)
    assert len(spans) <= MAX_SPANS
    at = 0
    for span in spans:
        assert at <= span.start < span.end <= len(plain) and span.ink != PLAIN
        at = span.end


@given(HOSTILE)
def test_reading_takes_away_and_never_adds(text: str) -> None:
    plain, _spans = read_line(text)
    rest = iter(text)
    assert all(character in rest for character in plain)


@given(st.integers(-5, 300))
def test_every_number_of_the_256_is_a_colour_or_none(number: int) -> None:
    colour = of_256(number)
    assert (colour is None) == (not 0 <= number <= 255)
    if isinstance(colour, tuple):
        assert all(0 <= level <= 255 for level in colour)


def test_a_line_of_a_thousand_colours_is_bounded() -> None:
    plain, spans = read_line("".join(f"\x1b[38;5;{n % 256}mx" for n in range(5000)))
    assert plain == "x" * 5000 and len(spans) == MAX_SPANS
    assert isinstance(spans[0], Span)


@pytest.mark.parametrize(
    "text",
    ["ERROR: no such file", "ValueError: bad", "Traceback (most recent call last):", "2 failed",
     "FATAL", "thread main panicked at", "java.lang.NullPointerException: x", "build failure",
     "[error] disk", "level=error msg=x", "my_error happened", "no errors but 1 failed"],
)  # fmt: skip
def test_a_line_that_tells_of_an_error_is_found(text: str) -> None:
    assert is_error_line(text)


@pytest.mark.parametrize(
    "text",
    ["all is well", "0 errors", "no errors", "errors: 0", "finished without error", "12 passed",
     "errors=0 failed=0", "terrorist", "failover ready", "error-free", "no fatal errors"],
)  # fmt: skip
def test_a_line_that_denies_one_is_not(text: str) -> None:
    assert not is_error_line(text)

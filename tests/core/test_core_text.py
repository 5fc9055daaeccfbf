"""Agent text made harmless (I10): printable, one line, bounded, and no control among it."""

from __future__ import annotations

import sys
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.text import CUT_MARK, MAX_COMBINING, safe_text

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = "\u00ad\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u200c\u200d\u2060\u3164\ufeff\uffa0"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("\x1b]52;c;aGk=\x07", "^[]52;c;aGk=^G"),
        ("a\nb\tc\rd", "a^Jb^Ic^Md"),
        ("\x7f\x00", "^?^@"),
        ("\x9b31m", "<U+009B>31m"),
        ("abc\u202edef", "abc<U+202E>def"),
        ("\U000e0041", "<U+E0041>"),
        ("\ud800", "<U+D800>"),
        ("\ue000", "<U+E000>"),
        ("1\u00a0000\u3000x", "1 000 x"),
        ("naïve 日本語 émoji 🎉", "naïve 日本語 émoji 🎉"),
        ("[@click=app.quit]Approve[/]", "[@click=app.quit]Approve[/]"),
    ],
)
def test_controls_become_visible_and_writing_stays(raw: str, shown: str) -> None:
    assert safe_text(raw) == shown


def test_every_character_there_is_comes_out_printable_and_stays_so() -> None:
    for code in range(sys.maxunicode + 1):
        shown = safe_text(chr(code))
        assert shown.isprintable(), hex(code)
        assert safe_text(shown) == shown, hex(code)


@pytest.mark.parametrize("character", [*BIDI, *INVISIBLE])
def test_nothing_invisible_or_reordering_gets_through(character: str) -> None:
    assert character not in safe_text(f"a{character}b")


def test_marks_on_one_base_are_capped_and_counted() -> None:
    shown = safe_text("Z" + "\u0301" * 500 + "algo")
    assert shown == "Z" + "\u0301" * MAX_COMBINING + f"<{500 - MAX_COMBINING} marks>" + "algo"


@pytest.mark.parametrize("mark", ["\u0301", "\u20dd", "\u0e34", "\ufe0f", "\u1161", "\U0001d165"])
def test_no_kind_of_mark_stacks_without_end(mark: str) -> None:
    assert safe_text("a" + mark * 500).count(mark) <= MAX_COMBINING


def test_scripts_that_need_marks_keep_them() -> None:
    for word in ("हिन्दी", "ไทย", "עִבְרִית", "한국어", "e\u0301"):
        assert safe_text(word) == word


def test_newlines_are_kept_only_when_asked_for() -> None:
    assert safe_text("a\r\nb\n\tc\rd", keep_newlines=True) == "a\nb\n    c^Md"
    assert "\x85" not in safe_text("a\x85b\u2028c", keep_newlines=True)


@pytest.mark.parametrize("raw", ["x" * 50, "\x00" * 50, "\u202e" * 50, "é" * 50, "\t" * 50])
@pytest.mark.parametrize("keep_newlines", [True, False])
def test_a_limit_holds_for_what_is_shown(raw: str, keep_newlines: bool) -> None:
    shown = safe_text(raw, limit=10, keep_newlines=keep_newlines)
    assert len(shown) == 10 and shown.endswith(CUT_MARK)


def test_text_within_its_limit_is_not_cut() -> None:
    assert safe_text("x" * 10, limit=10) == "x" * 10


hostile = st.text(
    st.characters()
    | st.sampled_from(
        BIDI + INVISIBLE + "\x00\x1b\x7f\x85\x9b\u0301\u0489\u20dd\ufe0f\u1161\ud800a^<"
    )
)


@given(text=hostile, limit=st.none() | st.integers(1, 40), keep_newlines=st.booleans())
def test_whatever_is_written_is_shown_without_a_control_and_only_cleaned_once(
    text: str, limit: int | None, keep_newlines: bool
) -> None:
    shown = safe_text(text, limit=limit, keep_newlines=keep_newlines)
    for line in shown.split("\n") if keep_newlines else [shown]:
        assert line.isprintable()
        categories = {unicodedata.category(character) for character in line}
        assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert safe_text(shown, limit=limit, keep_newlines=keep_newlines) == shown
    assert limit is None or len(shown) <= limit


@pytest.mark.parametrize("unit", ["a", "\x1b", "\u202e", "日", "\u0301", "\ue000", "a\u0301\n"])
def test_a_megabyte_of_anything_costs_no_more_than_a_moment(unit: str) -> None:
    megabyte = unit * (1_000_000 // len(unit))
    began = time.process_time()
    safe_text(megabyte)
    assert time.process_time() - began < 5.0  # About 0.3 s; quadratic work would take hours.

"""Agent text made harmless (I10): printable, one line, bounded, and no control among it."""

from __future__ import annotations

import sys
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core import text as text_module
from supervisor.core.text import (
    BLANK,
    CUT_MARK,
    MAX_COMBINING,
    MAX_MARKS,
    draws_over,
    safe_text,
    visible_text,
)

BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b\u180e\u200b\u200c\u200d\u2060\u3164\ufeff\uffa0"
    "\ufe00\U000e0100\U000e01ef\U000e0041\U0001d173"
)
EMPTY_LOOKING = "\u1680\u2000\u2007\u202f\u205f\u3000\u2800\ufffc\U0001d159\U00016fe4"
PRIVATE = "\ue000\uf8ff\U000f0000\U000ffffd\U00100000\U0010fffd"
UNASSIGNED = "\u0378\ufdd0\uffff\U0001ffff\U0010ffff"
STACKING = ["\u0301", "\u0489", "\u20dd", "\u0e34", "\u0e48", "\u0941", "\u1161", "\U0001d165"]


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
        ("1\u00a0000\u3000x", "1 000<U+3000>x"),
        ("\u0301x", "\u25cc\u0301x"),
        ("⚠\ufe0f 1\ufe0f\u20e3 ℹ\ufe0f", "⚠\ufe0f 1\ufe0f\u20e3 ℹ\ufe0f"),
        ("a\ufe0f ⚠\ufe0f\ufe0f", "a<U+FE0F> ⚠\ufe0f<U+FE0F>"),
        ("👨\u200d👩", "👨<U+200D>👩"),
        ("naïve 日本語 émoji 🎉", "naïve 日本語 émoji 🎉"),
        ("[@click=app.quit]Approve[/]", "[@click=app.quit]Approve[/]"),
    ],
)
def test_controls_become_visible_and_writing_stays(raw: str, shown: str) -> None:
    assert safe_text(raw) == shown


def test_every_character_there_is_comes_out_printable_and_stays_so() -> None:
    block = 4096
    for first in range(0, sys.maxunicode + 1, block):
        shown = safe_text("".join(f"a{chr(code)}" for code in range(first, first + block)))
        assert shown.isprintable(), hex(first)
        assert safe_text(shown) == shown, hex(first)


@pytest.mark.parametrize("character", [*BIDI, *INVISIBLE, *EMPTY_LOOKING, *PRIVATE, *UNASSIGNED])
def test_what_hides_reorders_or_looks_like_nothing_is_named(character: str) -> None:
    assert safe_text(f"a{character}b") == f"a<U+{ord(character):04X}>b"


def test_a_variation_selector_stays_only_behind_a_symbol_and_once() -> None:
    for base in ("", "a", "日", " ", "1", "\u0301"):
        assert "\ufe0f" not in safe_text(base + "\ufe0f" * 100), base
    assert safe_text("☀" + "\ufe0f" * 3) == "☀\ufe0f<U+FE0F><U+FE0F>"


def test_marks_on_one_base_are_capped_and_counted() -> None:
    shown = safe_text("Z" + "\u0301" * 500 + "algo")
    assert shown == "Z" + "\u0301" * MAX_COMBINING + f"<{500 - MAX_COMBINING} marks>" + "algo"


@pytest.mark.parametrize("mark", STACKING)
def test_no_kind_of_mark_stacks_without_end(mark: str) -> None:
    shown = safe_text("a" + mark * 500 + "b")
    assert shown == "a" + mark * MAX_COMBINING + "<497 marks>b"


def test_marks_of_every_kind_count_together_and_spacing_ones_do_not_hide_them() -> None:
    assert safe_text("a" + "\u0301\u20dd\u0e34\u0489") == "a\u0301\u20dd\u0e34<1 marks>"
    mixed = safe_text("क" + "\u093e\u0902" * 100)
    assert sum(map(draws_over, mixed)) <= MAX_COMBINING
    assert sum(unicodedata.category(c)[0] == "M" for c in mixed) <= MAX_MARKS


@pytest.mark.parametrize("mark", [*STACKING, "\u0903"])
def test_a_text_or_line_never_begins_with_a_mark(mark: str) -> None:
    assert safe_text(mark) == "\u25cc" + mark
    assert safe_text(f"a\n{mark}", keep_newlines=True) == f"a\n\u25cc{mark}"


def test_every_mark_there_is_counts_as_one() -> None:
    for code in range(0x300, sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) in ("Mn", "Me"):
            assert safe_text("☀" + character * 9).count(character) <= MAX_COMBINING, hex(code)


def test_scripts_that_need_marks_keep_them() -> None:
    for word in ("हिन्दी", "ไทย", "עִבְרִית", "한국어", "e\u0301", "ကျွေး", "བསྒྲུབས"):
        assert safe_text(word) == word
        decomposed = unicodedata.normalize("NFD", word)
        assert safe_text(decomposed) == decomposed


def test_only_blanks_can_be_told_from_nothing() -> None:
    assert visible_text("") == "" and visible_text(" \u00a0 ") == BLANK
    assert visible_text("a ") == "a " and visible_text("   ", limit=1) == CUT_MARK


def test_newlines_are_kept_only_when_asked_for() -> None:
    assert safe_text("a\r\nb\n\tc\rd", keep_newlines=True) == "a\nb\n    c^Md"
    assert "\x85" not in safe_text("a\x85b\u2028c", keep_newlines=True)


@pytest.mark.parametrize(
    ("raw", "limit", "shown"),
    [
        ("x" * 50, 10, "xxxxxxxxx…"),
        ("\x00" * 50, 10, "^@^@^@^@…"),
        ("\u202e" * 50, 20, "<U+202E><U+202E>…"),
        ("\u202e" * 50, 10, "<U+202E>…"),
        ("\u202e" * 50, 5, "…"),
        ("e\u0301" * 50, 4, "e\u0301…"),
        ("a" + "\u0301" * 500, 5, "a\u0301\u0301\u0301…"),
        ("a" + "\u0301" * 500, 15, "a\u0301\u0301\u0301<497 marks>"),
        ("x" * 50, 1, "…"),
        ("x" * 50, 0, ""),
        ("\x00", 0, ""),
        ("", 0, ""),
    ],
)
def test_a_limit_holds_for_what_is_shown_and_cuts_nothing_in_two(
    raw: str, limit: int, shown: str
) -> None:
    assert safe_text(raw, limit=limit) == shown


def test_text_within_its_limit_is_not_cut() -> None:
    assert safe_text("x" * 10, limit=10) == "x" * 10


hostile = st.text(
    st.characters()
    | st.sampled_from(
        BIDI
        + INVISIBLE
        + EMPTY_LOOKING
        + PRIVATE
        + "".join(STACKING)
        + "\x00\x1b\x7f\x85\x9b\ufe0f\u20e3\u0903\ud800☀1a^<> \n\r\t"
    ),
    max_size=60,
)


@given(text=hostile, limit=st.none() | st.integers(0, 40), keep_newlines=st.booleans())
def test_whatever_is_written_is_shown_without_a_control_and_only_cleaned_once(
    text: str, limit: int | None, keep_newlines: bool
) -> None:
    shown = safe_text(text, limit=limit, keep_newlines=keep_newlines)
    assert limit is None or len(shown) <= limit
    assert safe_text(shown, limit=limit, keep_newlines=keep_newlines) == shown
    assert safe_text(shown, keep_newlines=keep_newlines) == shown
    for line in shown.split("\n") if keep_newlines else [shown]:
        assert line.isprintable()
        categories = {unicodedata.category(character) for character in line if character != " "}
        assert not categories & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"}
        assert not set(line) & set(INVISIBLE + EMPTY_LOOKING)
        over = 0
        for place, character in enumerate(line):
            is_mark = unicodedata.category(character)[0] == "M" or draws_over(character)
            assert place or not is_mark
            over = over + draws_over(character) if is_mark else 0
            assert over <= MAX_COMBINING


@given(text=hostile, limit=st.integers(0, 40), keep_newlines=st.booleans())
def test_a_cut_text_begins_as_the_whole_does(text: str, limit: int, keep_newlines: bool) -> None:
    whole = safe_text(text * 30, keep_newlines=keep_newlines)
    shown = safe_text(text * 30, limit=limit, keep_newlines=keep_newlines)
    if len(whole) <= limit:
        assert shown == whole
    else:
        assert whole.startswith(shown.removesuffix(CUT_MARK))
        assert shown == "" if limit == 0 else shown.endswith(CUT_MARK)


@given(before=hostile, after=hostile)
def test_pieces_joined_after_cleaning_are_still_clean(before: str, after: str) -> None:
    joined = safe_text(before) + safe_text(after)
    assert safe_text(joined) == joined


@pytest.mark.parametrize(
    "unit", ["a", "\x1b", "\u202e", "日", "\u0301", "\ue000", "a\u0301\n", "☀\ufe0f"]
)
def test_a_megabyte_of_anything_costs_no_more_than_a_moment(unit: str) -> None:
    megabyte = unit * (1_000_000 // len(unit.encode()))
    for limit in (None, 100):
        began = time.process_time()
        safe_text(megabyte, limit=limit)
        assert time.process_time() - began < 2.0  # About 0.2 s; quadratic work takes hours.


def test_importing_it_builds_no_table_of_all_characters() -> None:
    code = compile(Path(text_module.__file__).read_text(), "text.py", "exec")
    spans = []
    for _ in range(5):
        began = time.process_time()
        exec(code, {"__name__": "measured"})
        spans.append(time.process_time() - began)
    assert min(spans) < 0.003, spans  # About 0.1 ms; a table of all characters takes 300.

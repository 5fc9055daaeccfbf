"""Durations: read, refused, written back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.config.defaults import MAX_DURATION_S
from supervisor.config.durations import (
    UNIT_SECONDS,
    DurationError,
    format_duration,
    parse_duration,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2h", 7200.0),
        (" 2H ", 7200.0),
        ("1.5h", 5400.0),
        ("250ms", 0.25),
        ("1w2d3h4m5s6ms", 788645.006),
        ("90", 90.0),
        (90, 90.0),
        (0.5, 0.5),
        ("none", None),
        (None, None),
    ],
)
def test_a_duration_is_read_in_seconds(written: object, seconds: float | None) -> None:
    assert parse_duration(written) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    ["", " ", "h", "1x", "1m1h", "1s1s", "-1s", "1h-3m", "1e3s", "50%", "٣s", "1_0s", "nan", "inf",
     "never", True, False, 0, 0.0, -1, math.nan, math.inf, -math.inf, 10**400, "0s", "9" * 5000,
     [], {}, b"1s", "20000w"],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_a_reason(written: object) -> None:
    with pytest.raises(DurationError, match=r"\w"):
        parse_duration(written)


def test_zero_is_taken_only_where_it_is_allowed() -> None:
    assert parse_duration(0, zero=True) == 0.0
    assert parse_duration("0s", zero=True) == 0.0


@given(st.integers(min_value=1, max_value=int(MAX_DURATION_S) * 1000))
def test_what_is_written_is_read_back_to_the_millisecond(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    again = parse_duration(format_duration(seconds))
    assert again is not None and round(again * 1000) == milliseconds


@given(st.lists(st.sampled_from(list(UNIT_SECONDS)), unique=True, min_size=1), st.data())
def test_parts_from_large_to_small_add_up(units: list[str], data: st.DataObject) -> None:
    units.sort(key=UNIT_SECONDS.__getitem__, reverse=True)
    counts = [data.draw(st.integers(min_value=1, max_value=59)) for _ in units]
    text = "".join(f"{count}{unit}" for count, unit in zip(counts, units, strict=True))
    expected = sum(count * UNIT_SECONDS[unit] for count, unit in zip(counts, units, strict=True))
    assert parse_duration(text) == pytest.approx(expected)


@given(st.text() | st.integers() | st.floats() | st.booleans())
def test_anything_is_either_refused_or_within_bounds(value: object) -> None:
    try:
        seconds = parse_duration(value)
    except DurationError:
        return
    assert seconds is None or 0 < seconds <= MAX_DURATION_S

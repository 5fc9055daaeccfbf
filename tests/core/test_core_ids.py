"""Run ids: sortable by time, never the same twice, safe as a directory name."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.ids import ALPHABET, is_run_id, next_ulid, ulid

BITS = 2**80 - 1


def test_the_format_is_that_of_the_ulid_specification() -> None:
    assert ulid(0.0, 0) == "0" * 26
    assert ulid(1469918176.385, 0).startswith("01ARYZ6S41")
    assert ulid((2**48 - 1) / 1000, BITS) == "7" + "Z" * 25


@given(early=st.integers(0, 2**48 - 2), later=st.integers(1, 10**9), bits=st.integers(0, BITS))
def test_a_later_millisecond_sorts_after_whatever_the_random_bits(
    early: int, later: int, bits: int
) -> None:
    late = min(early + later, 2**48 - 1)
    assert ulid((early + 0.5) / 1000, BITS) < ulid((late + 0.5) / 1000, bits)


def test_ten_thousand_of_one_millisecond_are_all_different() -> None:
    stream = random.Random(7)
    assert len({ulid(1e9, stream.getrandbits(80)) for _ in range(10_000)}) == 10_000


@given(seconds=st.floats(0, 1e11), bits=st.integers(0, 2**90))
def test_every_id_is_recognised_and_has_only_its_alphabet(seconds: float, bits: int) -> None:
    made = ulid(seconds, bits)
    assert is_run_id(made)
    assert set(made) <= set(ALPHABET)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "0" * 25,
        "0" * 27,
        "8" + "0" * 25,
        "0" * 25 + "U",
        "0" * 26 + "\n",
        "a" * 26,
        "/" * 26,
    ],
)
def test_nothing_else_passes_for_an_id(text: str) -> None:
    assert not is_run_id(text)


def test_an_id_made_after_the_clock_was_set_back_is_still_the_newest() -> None:
    stream = random.Random(3)
    newest = ulid(2e9, stream.getrandbits(80))
    made = [newest]
    for _ in range(200):
        made.append(next_ulid(1e9, stream.getrandbits(80), made[-1]))
    assert made == sorted(set(made)) and all(is_run_id(each) for each in made)
    assert next_ulid(3e9, 0, newest) == ulid(3e9, 0)

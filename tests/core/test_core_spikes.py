"""Spikes of retries: against the agent's own history, and never for one bad moment."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.figures import Calls, Figures
from supervisor.core.spikes import MAX_WATCHED, Book, Spike, Terms, see

TERMS = Terms(window_s=600.0, factor=4.0, minimum=10)


def retried(count: int) -> Figures:
    return Figures(services={"anthropic": Calls(calls=100, retries=count)})


def told(counts: list[int], book: Book | None = None, start: int = 0) -> list[tuple[int, Spike]]:
    """Spikes by the window in which they were told; a count is one window of work."""
    book = {} if book is None else book
    return [
        (window, spike)
        for window, count in enumerate(counts, start)
        for spike in see(book, "reader", retried(count), window * 600.0 + 1, TERMS)
    ]


def test_the_second_window_in_a_row_is_told_with_the_figures() -> None:
    found = told([2, 3, 2, 3, 2, 3, 40, 44])
    assert [window for window, _ in found] == [7]
    words = found[0][1].message
    assert "44 retried calls to anthropic" in words and "10 min" in words


def test_one_bad_window_is_not_told() -> None:
    assert not told([2, 3, 2, 3, 2, 3, 90, 2, 3, 90, 2])


def test_what_is_many_elsewhere_is_usual_for_an_agent_that_always_retries() -> None:
    assert not told([50, 60, 55, 48, 62, 51, 70, 66, 80])


def test_few_are_never_a_spike_and_neither_is_anything_without_a_history() -> None:
    assert not told([0, 0, 0, 0, 0, 0, 0, 9, 9, 9])
    assert not told([90, 90, 90, 90])


def test_a_spike_is_told_once_and_again_only_after_it_was_over() -> None:
    quiet = [1] * 8
    found = told([*quiet, 50, 50, 50, *quiet, 60, 60])
    assert [window for window, _ in found] == [9, 20]


def test_windows_without_any_work_say_nothing_of_what_is_usual() -> None:
    book: Book = {}
    told([30] * 8, book)
    assert not told([30, 30, 30], book, start=500)


def test_crash_restarts_and_recoveries_are_watched_too() -> None:
    book: Book = {}
    found = []
    for window in range(10):
        count = 30 if window >= 8 else 0
        figures = Figures(attempts=count + 1, retries=count, recoveries=count)
        found += see(book, "reader", figures, window * 600.0, TERMS)
    assert sorted(spike.key.split(":")[0] for spike in found) == ["recoveries", "retries"]


def test_counts_of_a_window_add_up_whatever_pieces_they_come_in() -> None:
    book: Book = {}
    told([1] * 8, book)
    found = []
    for piece in range(40):
        found += see(book, "reader", retried(1), 8 * 600.0 + piece, TERMS)
    for piece in range(40):
        found += see(book, "reader", retried(1), 9 * 600.0 + piece, TERMS)
    assert len(found) == 1 and "10 retried calls" in found[0].message, "told as soon as it is sure"


def test_what_is_remembered_is_bounded() -> None:
    book: Book = {}
    for number in range(MAX_WATCHED + 50):
        see(book, f"agent-{number}", retried(1), number * 600.0, TERMS)
    assert sum(map(len, book.values())) == MAX_WATCHED and "agent-0" not in book


@given(st.lists(st.integers(0, 8), min_size=1, max_size=60))
def test_nothing_below_the_minimum_is_ever_told(counts: list[int]) -> None:
    assert not told(counts)

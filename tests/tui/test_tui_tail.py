"""The end of a log: bounded, cleaned, nothing interpreted."""

from __future__ import annotations

from supervisor.tui.tail import KEPT_LINES, MAX_LINE, LogChunk, Tail


def fed(*pieces: str, start: int = 0) -> Tail:
    tail = Tail("run", "out")
    offset = start
    for piece in pieces:
        tail.feed(LogChunk(piece, offset + len(piece), offset, offset + len(piece)))
        offset += len(piece)
    return tail


def test_lines_come_whole_however_they_were_read() -> None:
    assert list(fed("on", "e\ntw", "o\nthr").lines) == ["one", "two"]
    assert fed("on", "e\ntw", "o\nthr").pending == "thr"


def test_the_broken_first_line_of_a_later_start_is_left_out() -> None:
    tail = fed("ken line\nwhole\n", start=500)
    assert list(tail.lines) == ["whole"] and tail.is_cut


def test_controls_are_shown_and_colours_left_out() -> None:
    tail = fed("\x1b[31mred\x1b[0m \x1b]52;c;aGk=\x07 \u202eback\n")
    assert list(tail.lines) == ["red ^[]52;c;aGk=^G <U+202E>back"]


def test_a_carriage_return_hides_nothing() -> None:
    assert list(fed("rm -rf /\rls\n").lines) == ["rm -rf /", "ls"]


def test_an_endless_line_is_cut_and_counted() -> None:
    tail = fed("x" * 50_000, "x" * 50_000, "\n")
    assert len(tail.lines) == 1
    assert tail.lines[0].endswith(f"… {100_000 - MAX_LINE:,} more characters")


def test_only_the_newest_lines_are_kept() -> None:
    tail = fed("".join(f"{n}\n" for n in range(KEPT_LINES + 10)))
    assert len(tail.lines) == KEPT_LINES and tail.lines[-1] == str(KEPT_LINES + 9)
    assert tail.taken == KEPT_LINES + 10


def test_a_hole_in_the_log_is_told() -> None:
    tail = fed("a\n")
    tail.feed(LogChunk("z\n", 1000, 998, 1000))
    assert tail.lines[0] == "a" and "left out" in tail.lines[1] and tail.lines[-1] == "z"

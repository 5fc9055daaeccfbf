"""A window of a log: bounded, cleaned, nothing interpreted, moved through files of any size."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from supervisor.tui.tail import (
    FIRST_BYTES,
    KEPT_BYTES,
    KEPT_LINES,
    MAX_LINE,
    LogChunk,
    Tail,
    Want,
)


def fed(*pieces: str, start: int = 0) -> Tail:
    tail = Tail("run", "out")
    offset = start
    for piece in pieces:
        tail.feed(LogChunk(piece, offset + len(piece), offset, offset + len(piece)))
        offset += len(piece)
    return tail


def texts(tail: Tail) -> list[str]:
    return [line.text for line in tail.lines]


class File:
    """A file of one byte a character, read the way the link reads it."""

    def __init__(self, data: str) -> None:
        self.data = data
        self.bytes_read = 0

    def read(self, tail: Tail) -> None:
        want, (offset, limit) = tail.want, tail.next_read()
        size = len(self.data)
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        part = self.data[start : start + (256 * 1024 if limit is None else limit)]
        self.bytes_read += len(part)
        tail.feed(LogChunk(part, start + len(part), start, size), want)


def test_lines_come_whole_however_they_were_read() -> None:
    assert texts(fed("on", "e\ntw", "o\nthr")) == ["one", "two"]
    assert fed("on", "e\ntw", "o\nthr").pending.text == "thr"


def test_the_broken_first_line_of_a_later_start_is_left_out() -> None:
    tail = fed("ken line\nwhole\n", start=500)
    assert texts(tail) == ["whole"] and tail.is_cut


def test_controls_are_shown_and_colours_kept_as_styles() -> None:
    tail = fed("\x1b[31mred\x1b[0m \x08\u202eback\n")
    assert texts(tail) == ["red ^H<U+202E>back"]
    (span,) = tail.lines[0].spans
    assert (span.start, span.end, span.ink.fore) == (0, 3, 1)


def test_a_style_stays_on_its_words_when_what_is_before_them_grows() -> None:
    tail = fed("\x08\x08 \x1b[1mbold\x1b[m\u202e\n")
    (span,) = tail.lines[0].spans
    assert tail.lines[0].text[span.start : span.end] == "bold"


def test_a_carriage_return_hides_nothing() -> None:
    assert texts(fed("rm -rf /\rls\n")) == ["rm -rf /", "ls"]


def test_an_endless_line_is_cut_and_counted() -> None:
    tail = fed("x" * 50_000, "x" * 50_000, "\n")
    assert len(tail.lines) == 1
    assert tail.lines[0].text.endswith(f"… {100_000 - MAX_LINE:,} more characters")


def test_a_followed_log_keeps_its_newest_lines() -> None:
    tail = fed(*("".join(f"{n}\n" for n in range(at, at + 5000)) for at in range(0, 90_000, 5000)))
    assert len(tail.lines) <= KEPT_LINES + 20_000 and tail.lines[-1].text == "89999"
    assert tail.is_cut and tail.is_at_end


def test_a_hole_in_the_log_is_told() -> None:
    tail = fed("a\n")
    tail.feed(LogChunk("z\n", 1000, 998, 1000))
    assert texts(tail)[0] == "a" and "left out" in texts(tail)[1] and texts(tail)[-1] == "z"


def test_a_large_file_is_walked_to_its_beginning_and_back_in_windows() -> None:
    every = [f"line {n:07}" for n in range(300_000)]
    file, tail = File("\n".join(every) + "\n"), Tail("run", "out")
    file.read(tail)
    assert file.bytes_read <= FIRST_BYTES and texts(tail)[-1] == every[-1]
    tail.is_pinned = True
    while tail.ask(Want.EARLIER):
        file.read(tail)
        begin, end = tail.where
        assert end - begin <= KEPT_BYTES + 2 * FIRST_BYTES
    assert texts(tail)[:3] == every[:3] and not tail.is_at_end
    assert texts(tail) == every[: len(tail.lines)], "a line was lost or doubled where windows meet"
    while tail.ask(Want.LATER):
        file.read(tail)
    assert texts(tail) == every[-len(tail.lines) :] and tail.is_at_end


def test_who_reads_old_lines_is_not_moved_by_new_ones() -> None:
    file, tail = File("old line\n" * 40_000), Tail("run", "out")
    file.read(tail)
    tail.is_pinned = True
    while tail.ask(Want.EARLIER):
        file.read(tail)
    before, read = tail.where, file.bytes_read
    for _ in range(50):
        file.data += "new line\n" * 20_000
        file.read(tail)
    assert tail.where == before and tail.size == len(file.data)
    assert file.bytes_read - read < KEPT_BYTES, "it reads what nobody looks at"
    tail.to_end()
    file.read(tail)
    assert texts(tail)[-1] == "new line" and tail.is_at_end


def test_a_flood_is_passed_over_and_said() -> None:
    file, tail = File("begin\n"), Tail("run", "out")
    file.read(tail)
    file.data += "flood\n" * 2_000_000
    for _ in range(4):
        file.read(tail)
    assert file.bytes_read < 2 * KEPT_BYTES and tail.is_at_end
    assert any("left out" in text for text in texts(tail)) and texts(tail)[-1] == "flood"


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.text(st.characters(codec="ascii"), max_size=60), max_size=60),
    st.lists(st.sampled_from([*Want]), max_size=30),
)
def test_every_window_is_a_piece_of_the_whole(lines: list[str], wants: list[Want]) -> None:
    """However it is moved, what is shown is what a reader of the whole file would be shown."""
    data = "".join(text + "\n" for text in lines).replace("\r", "_")
    data = "\n".join("z" * 3000 for _ in range(40)) + "\n" + data
    file, tail, whole = File(data), Tail("run", "out"), fed(data)
    file.read(tail)
    for want in wants:
        tail.ask(want)
        file.read(tail)
        shown, every = texts(tail), texts(whole)
        assert shown == every[len(every) - len(shown) :]

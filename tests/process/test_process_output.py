"""Output files held to a cap under a writer that goes on writing, on real files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervisor.engine.log_reader import read_piece
from supervisor.process.output import bound_output, read_output

KIB = 1024
CAP = 256 * KIB
WRITER = """
import sys
out = open(sys.argv[1], "ab", buffering=0)
for number in range(int(sys.argv[2])):
    out.write(b"line %09d of the flood\\n" % number)
"""
LINE_BYTES = len(b"line 000000000 of the flood\n")


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(b"line %09d of the flood\n" % n for n in range(first, first + count))


def on_disk(path: Path) -> int:
    return path.stat().st_blocks * 512


def whole_tail(path: Path) -> bytes:
    """Everything that is left, read as a client would."""
    piece = read_output(str(path), 0, 1 << 20)
    found, at = piece.data, piece.start + len(piece.data)
    while at < piece.size and (piece := read_output(str(path), at, 1 << 20)).data:
        assert piece.start == at
        found, at = found + piece.data, at + len(piece.data)
    return found


@pytest.fixture(params=["hole", "copy"])
def may_punch(request: pytest.FixtureRequest) -> bool:
    return bool(request.param == "hole")


def test_a_file_within_its_cap_is_left_as_it_is(tmp_path: Path, may_punch: bool) -> None:
    log = tmp_path / "out.log"
    log.write_bytes(lines(100))
    kept = bound_output(str(log), CAP, may_punch=may_punch)
    assert kept is not None and (kept.start, kept.size) == (0, 100 * LINE_BYTES)
    assert log.read_bytes() == lines(100)


def test_a_missing_file_is_nothing_to_bound_and_empty_to_read(tmp_path: Path) -> None:
    assert bound_output(str(tmp_path / "none"), CAP) is None
    assert read_output(str(tmp_path / "none"), 0, 10).size == 0


def test_the_newest_half_of_the_cap_is_kept_whole(tmp_path: Path, may_punch: bool) -> None:
    log, content = tmp_path / "out.log", lines(40_000)
    log.write_bytes(content)
    bound_output(str(log), CAP, may_punch=may_punch)
    tail = whole_tail(log)
    assert content.endswith(tail) and CAP // 2 <= len(tail) <= CAP
    assert on_disk(log) <= CAP


def test_offsets_stay_true_and_say_where_the_data_really_begin(
    tmp_path: Path, may_punch: bool
) -> None:
    log, content = tmp_path / "out.log", lines(40_000)
    log.write_bytes(content)
    bound_output(str(log), CAP, may_punch=may_punch)
    with log.open("ab") as writer:
        writer.write(lines(5, first=40_000))
    everything = content + lines(5, first=40_000)
    piece = read_piece(log, 1000, 4096)
    assert piece["start"] > 1000 and "\0" not in piece["data"]
    assert everything[piece["start"] :].startswith(piece["data"].encode())
    assert piece["size"] == len(everything)
    at = len(content)
    assert read_piece(log, at, 100_000)["data"].encode() == lines(5, first=40_000)
    assert read_piece(log, -LINE_BYTES, 100)["start"] == len(everything) - LINE_BYTES


def test_bounding_again_and_again_keeps_count(tmp_path: Path, may_punch: bool) -> None:
    log, number = tmp_path / "out.log", 0
    for _ in range(6):
        with log.open("ab") as writer:
            writer.write(lines(20_000, first=number))
        number += 20_000
        bound_output(str(log), CAP, may_punch=may_punch)
    piece = read_output(str(log), 0, 1 << 20)
    assert piece.size == number * LINE_BYTES
    assert lines(20_000, first=number - 20_000).endswith(piece.data)


def test_a_writer_at_full_speed_keeps_its_order_and_its_tail(
    tmp_path: Path, may_punch: bool
) -> None:
    log, count = tmp_path / "out.log", 60_000
    log.touch()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(count)])
    most = cuts = 0
    while writer.poll() is None:
        before = log.stat().st_size
        kept = bound_output(str(log), CAP, may_punch=may_punch)
        assert kept is not None
        cuts += kept.start > 0 or kept.size < before
        most = max(most, kept.size - kept.start)
    assert writer.returncode == 0 and cuts > 0
    bound_output(str(log), CAP, may_punch=may_punch)
    tail = whole_tail(log)
    assert tail.endswith(lines(1, first=count - 1))
    numbers = [int(line[5:14]) for line in tail.split(b"\n")[1:-1]]
    assert numbers == sorted(numbers)
    if may_punch:
        assert numbers == list(range(numbers[0], count))


def test_a_death_while_the_tail_is_moved_loses_nothing(tmp_path: Path) -> None:
    log, content = tmp_path / "out.log", lines(40_000)
    log.write_bytes(content)
    with log.open("r+b") as half_moved:
        half_moved.write(content[-CAP // 2 :][: CAP // 4])
    assert read_output(str(log), -CAP // 2, CAP).data == content[-CAP // 2 :]
    bound_output(str(log), CAP, may_punch=False)
    assert content.endswith(whole_tail(log))


def test_a_log_that_is_no_regular_file_is_neither_read_nor_cut(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(lines(40_000))
    (tmp_path / "link.log").symlink_to(target)
    os.mkfifo(tmp_path / "fifo.log")
    with pytest.raises(OSError, match="symbolic"):
        bound_output(str(tmp_path / "link.log"), CAP)
    assert bound_output(str(tmp_path / "fifo.log"), CAP) is None
    assert read_output(str(tmp_path / "fifo.log"), 0, 10).size == 0
    assert target.stat().st_size == 40_000 * LINE_BYTES


def test_a_character_cut_by_a_piece_comes_whole_with_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_text("aé€𝄞z")
    found, at = "", 0
    while at < log.stat().st_size:
        piece = read_piece(log, at, 4)
        found, at = found + piece["data"], piece["offset"]
    assert found == "aé€𝄞z"

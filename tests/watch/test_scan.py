"""The scan alone finds what changed: every change once, at a bounded cost."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from supervisor.watch.scan import NOTHING_SEEN, Changes, Signatures, is_quiet, scan_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    room = tmp_path / "01JX0000000000000000000001"
    (room / "requests").mkdir(parents=True)
    return room


def put(path: Path, text: str) -> None:
    """As an agent does: another file, then rename."""
    path.parent.mkdir(exist_ok=True)
    other = path.with_name(f"{path.name}.tmp-1-1")
    other.write_text(text)
    other.replace(path)


class Looker:
    """Looks again and again, keeping what the scan asks to be kept."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.seen: Signatures = NOTHING_SEEN

    def look(self, *hinted: str) -> Changes:
        changes = scan_run(self.run_dir, "state/checkpoint.bin", self.seen, hinted=hinted)
        self.seen = changes.seen
        return changes

    def is_quiet(self) -> bool:
        return is_quiet(str(self.run_dir), "state/checkpoint.bin", self.seen)

    def settle(self) -> None:
        for _ in range(3):
            self.look()
        assert not self.look()


@pytest.fixture
def looker(run_dir: Path) -> Looker:
    return Looker(run_dir)


def test_nothing_there_is_nothing_to_do(looker: Looker) -> None:
    assert not looker.look()
    assert not Looker(looker.run_dir / "gone").look()


def test_every_change_is_told_once(looker: Looker, run_dir: Path) -> None:
    put(run_dir / "progress.json", "{}")
    put(run_dir / "state" / "checkpoint.bin", "1")
    put(run_dir / "requests" / "b.json", "{}")
    put(run_dir / "requests" / "a.json", "{}")
    changes = looker.look()
    assert (changes.progress, changes.checkpoint) == (True, True)
    assert (changes.requests, changes.removed, changes.problems) == (("a", "b"), (), ())
    looker.settle()
    put(run_dir / "progress.json", "{ }")
    changes = looker.look()
    assert (changes.progress, changes.checkpoint, changes.requests) == (True, False, ())
    looker.settle()


def test_a_request_is_seen_to_come_change_and_go_after_a_long_quiet(
    looker: Looker, run_dir: Path
) -> None:
    looker.settle()
    put(run_dir / "requests" / "q.json", "1")
    assert looker.look().requests == ("q",)
    looker.settle()
    put(run_dir / "requests" / "q.json", "22")
    assert looker.look().requests == ("q",)
    looker.settle()
    (run_dir / "requests" / "q.json").write_text("written in place")
    assert looker.look().requests == ("q",)
    looker.settle()
    (run_dir / "requests" / "q.json").unlink()
    assert looker.look().removed == ("q",)
    looker.settle()


def test_requests_whose_folder_is_gone_are_gone(looker: Looker, run_dir: Path) -> None:
    put(run_dir / "requests" / "q.json", "1")
    looker.settle()
    (run_dir / "requests").rename(run_dir / "elsewhere")
    assert looker.look().removed == ("q",)
    assert not looker.look()


def test_a_folder_that_became_a_link_withdraws_nothing(looker: Looker, run_dir: Path) -> None:
    put(run_dir / "requests" / "q.json", "1")
    looker.settle()
    (run_dir / "requests").rename(run_dir / "real")
    (run_dir / "requests").symlink_to("/etc")
    changes = looker.look()
    assert (changes.requests, changes.removed) == ((), ())
    assert changes.problems[0].code == "unsafe"
    assert not looker.look(), "told once"
    (run_dir / "requests").unlink()
    (run_dir / "real").rename(run_dir / "requests")
    assert looker.look().removed == ()


def test_what_is_no_file_is_given_to_the_reader_to_refuse(looker: Looker, run_dir: Path) -> None:
    os.mkfifo(run_dir / "progress.json")
    (run_dir / "requests" / "q.json").symlink_to("/dev/zero")
    changes = looker.look()
    assert (changes.progress, changes.requests) == (True, ("q",))


def test_temporary_and_hidden_names_are_passed_over(looker: Looker, run_dir: Path) -> None:
    for name in ("q.json.tmp-77-1", ".q.json", ".swp"):
        (run_dir / "requests" / name).touch()
    assert not looker.look()


def test_bad_names_are_told_once_each_in_printable_ascii(looker: Looker, run_dir: Path) -> None:
    folder = os.fsencode(run_dir / "requests")
    names = [b"-rf.json", b"a b.json", b"$(id).json", b"x.txt", b"\xff\xfe.json", b"\x1b[2J.json"]
    for name in names:
        Path(os.fsdecode(folder + b"/" + name)).touch()
    problems = looker.look().problems
    assert len(problems) == len(names)
    assert all(problem.code == "name" and str(problem).isascii() for problem in problems)
    assert all(str(problem).isprintable() for problem in problems)
    assert not looker.look()
    (run_dir / "requests" / "new bad.json").touch()
    assert [problem.found for problem in looker.look().problems] == ["'new bad.json'"]


def test_a_flood_of_requests_is_cut_and_the_known_ones_stay(looker: Looker, run_dir: Path) -> None:
    put(run_dir / "requests" / "zz-first.json", "1")
    looker.settle()
    for number in range(1500):
        (run_dir / "requests" / f"flood{number:05}.json").touch()
    changes = looker.look()
    assert len(changes.seen.requests) == 200
    assert "zz-first" in changes.seen.requests
    assert changes.removed == ()
    assert [problem.code for problem in changes.problems] == ["too-many"]
    for path in (run_dir / "requests").glob("flood*"):
        path.unlink()
    assert len(looker.look().removed) == 199
    looker.settle()


def test_a_hint_makes_a_file_count_as_changed(looker: Looker, run_dir: Path) -> None:
    for name in ("progress.json", "state/checkpoint.bin", "requests/q.json"):
        put(run_dir / name, "1")
    looker.settle()
    assert looker.look("progress.json").progress
    assert looker.look("state/checkpoint.bin").checkpoint
    assert looker.look("requests/q.json").requests == ("q",)
    assert not looker.look("requests/none.json")
    (run_dir / "progress.json").unlink()
    assert not looker.look("progress.json").progress


def test_a_burst_of_thousands_of_changes_ends_in_the_truth(tmp_path: Path) -> None:
    lookers = []
    for number in range(50):
        room = tmp_path / f"run{number}"
        (room / "requests").mkdir(parents=True)
        lookers.append(Looker(room))
    for turn in range(40):
        for looker in lookers:
            put(looker.run_dir / "progress.json", str(turn))
    assert all(looker.look().progress for looker in lookers)
    for looker in lookers:
        looker.settle()


def test_a_pass_over_many_quiet_runs_is_cheap(tmp_path: Path) -> None:
    lookers = []
    for number in range(200):
        room = tmp_path / f"run{number}"
        room.mkdir()
        put(room / "progress.json", "{}")
        put(room / "requests" / "q.json", "{}")
        lookers.append(Looker(room))
    for looker in lookers:
        looker.settle()
    began = time.process_time()
    for looker in lookers:
        looker.look()
    each_us = (time.process_time() - began) / len(lookers) * 1e6
    print(f"one quiet run: {each_us:.0f} µs")
    assert each_us < 1000, "measured 12 to 18"


@pytest.mark.parametrize("name", ["progress.json", "state/checkpoint.bin", "requests/q.json"])
def test_the_short_look_sees_every_file_that_the_whole_look_sees(run_dir: Path, name: str) -> None:
    looker = Looker(run_dir)
    assert not looker.is_quiet()
    looker.settle()
    assert looker.is_quiet()
    put(run_dir / name, "{}")
    assert not looker.is_quiet()
    assert looker.look()
    looker.settle()
    put(run_dir / name, "[]")
    assert not looker.is_quiet()
    (run_dir / name).unlink()
    assert not looker.is_quiet()

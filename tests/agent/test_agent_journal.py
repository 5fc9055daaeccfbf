"""The journal on disk: torn, altered, replayed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from supervisor.agent.faults import FencedError, JournalDamagedError
from supervisor.agent.fence import Fence
from supervisor.agent.journal import Journal, checked_lines, counting, format_line
from supervisor.agent.run_files import RunFiles


def opened(folder: Path, epoch: int = 1) -> Journal:
    files = RunFiles(str(folder))
    files.prepare()
    journal = Journal(files, Fence(files, "RUN", epoch), epoch)
    journal.load()
    return journal


def filled(folder: Path, count: int) -> bytes:
    journal = opened(folder)
    for number in range(count):
        journal.append(("", "fetch", number), f"args-{number}", {"result": f"page ü {number}"})
    journal.close()
    return (folder / "journal.jsonl").read_bytes()


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_goes_on(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole", 3)
    for cut in range(len(whole) + 1):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / "journal.jsonl").write_bytes(whole[:cut])
        journal = opened(folder, epoch=2)
        kept = whole[:cut].count(b"\n")
        assert len(journal) == kept
        journal.append(("", "fetch", kept), "args", {"result": "again"})
        journal.close()
        again = opened(folder, epoch=3)
        assert len(again) == kept + 1
        assert again.find("", "fetch", kept)["result"] == "again"


def test_a_last_line_with_a_flipped_bit_is_dropped_like_a_torn_one(tmp_path: Path) -> None:
    whole = filled(tmp_path, 2)
    for position in range(len(whole) // 2 + 5, len(whole) - 1):
        bad = bytearray(whole)
        bad[position] ^= 0x20
        if b"\n" in bad[whole.index(b"\n") + 1 : -1]:
            continue
        bodies, _size = checked_lines(bytes(bad))
        assert len(bodies) == 1


def test_an_altered_line_in_the_middle_is_an_error_that_names_it(tmp_path: Path) -> None:
    whole = filled(tmp_path, 3)
    (tmp_path / "journal.jsonl").write_bytes(whole.replace(b"args-1", b"args-7"))
    with pytest.raises(JournalDamagedError, match="line 2"):
        opened(tmp_path, epoch=2)


def test_a_journal_of_a_newer_attempt_stops_the_older_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = opened(tmp_path, epoch=1)
    old.append(("", "a", 0), "x", {"result": 1})
    new = opened(tmp_path, epoch=2)
    new.append(("", "b", 0), "x", {"result": 2})
    with pytest.raises(FencedError):
        old.append(("", "c", 0), "x", {"result": 3})
    assert "epoch 1" in capsys.readouterr().err
    assert len(opened(tmp_path, epoch=3)) == 2


def appended(folder: Path, *lines: bytes) -> None:
    with (folder / "journal.jsonl").open("ab") as file:
        file.write(b"".join(lines))


def line(epoch: int, number: int, result: object, **more: object) -> bytes:
    place = {"scope": "", "name": "fetch", "occurrence": number, "args": f"args-{number}"}
    return format_line({"epoch": epoch, **place, "result": result, **more})


def results(journal: Journal, count: int) -> list[object]:
    entries = (journal.find("", "fetch", number) for number in range(count))
    return [None if entry is None else entry["result"] for entry in entries]


def test_a_line_that_stands_twice_counts_once_and_the_first_one_does(tmp_path: Path) -> None:
    filled(tmp_path, 2)
    appended(tmp_path, line(1, 0, "again"), line(1, 2, "new"), line(1, 2, "new"))
    again = opened(tmp_path, epoch=2)
    assert results(again, 4) == ["page ü 0", "page ü 1", "new", None]


def test_what_an_outdated_attempt_wrote_late_is_passed_over_and_stays_so(tmp_path: Path) -> None:
    filled(tmp_path, 1)
    new = opened(tmp_path, epoch=2)
    # The old attempt looked at the fence just before the new one came, and writes only now.
    appended(tmp_path, line(1, 1, "old"), line(1, 2, "old"))
    new.append(("", "fetch", 1), "args-1", {"result": "new"})
    appended(tmp_path, line(1, 2, "old"), b'{"check":"half a line')
    new.append(("", "fetch", 3), "args-3", {"result": "new"})
    new.close()
    again = opened(tmp_path, epoch=3)
    assert results(again, 4) == ["page ü 0", "new", None, "new"]


def test_two_attempts_that_write_at_once_never_mix(tmp_path: Path) -> None:
    program = """
import sys, os, time
from supervisor.agent import Agent
def work(n): return agent.epoch
with Agent() as agent:
    open(f'up-{agent.epoch}', 'w').close()
    for n in range(100000):
        agent.step(work, n)
"""
    (tmp_path / "program.py").write_text(program)

    def start(epoch: int) -> subprocess.Popen[bytes]:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
        env |= {"LONGWATCH_RUN_DIR": str(tmp_path / "run"), "LONGWATCH_RUN_ID": "R"}
        env |= {"LONGWATCH_EPOCH": str(epoch), "LONGWATCH_PROTOCOL": "1"}
        argv = [sys.executable, "-S", "program.py"]
        return subprocess.Popen(argv, cwd=tmp_path, env=env, stderr=subprocess.PIPE)

    first = start(1)
    wait_for((tmp_path / "up-1").exists)
    second = start(2)
    _out, err = first.communicate(timeout=30)  # the old one ends by itself
    assert first.returncode == 70 and b"is outdated" in err
    wait_for((tmp_path / "up-2").exists)
    second.kill()
    second.communicate()
    bodies, _size = checked_lines((tmp_path / "run" / "journal.jsonl").read_bytes())
    entries = [json.loads(b"{" + body) for body in bodies]
    kept = [e for e, counts in zip(entries, counting(entries), strict=True) if counts]
    assert [e["occurrence"] for e in kept] == list(range(len(kept)))
    assert [e["epoch"] for e in kept] == sorted(e["epoch"] for e in kept)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it never came up"
        time.sleep(0.005)


def test_a_disk_that_refuses_leaves_no_half_line_and_the_next_append_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = opened(tmp_path)
    journal.append(("", "fetch", 0), "args-0", {"result": 0})
    size = (tmp_path / "journal.jsonl").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, hard))
        with pytest.raises(OSError, match="too large"):
            journal.append(("", "fetch", 1), "args-1", {"result": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "journal.jsonl").stat().st_size == size
    journal.append(("", "fetch", 1), "args-1", {"result": "later"})
    journal.close()
    assert results(opened(tmp_path, epoch=2), 2) == [0, "later"]


def test_an_altered_line_names_the_command_that_goes_on_without_it(tmp_path: Path) -> None:
    whole = filled(tmp_path, 3)
    (tmp_path / "journal.jsonl").write_bytes(whole.replace(b"args-1", b"args-7"))
    with pytest.raises(JournalDamagedError, match="longwatch journal RUN truncate --from 2"):
        opened(tmp_path, epoch=2)


def test_a_permanent_error_whose_attempt_was_killed_is_not_tried_again(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(("", "a", 0), "x", {"error": {"kind": "Refused", "retryable": False}})
    journal.close()
    again = opened(tmp_path, epoch=2)
    assert again.find("", "a", 0)["error"]["kind"] == "Refused"
    again.take_back(("", "a", 0))  # that attempt ended by it: only a person starts another
    again.close()
    assert opened(tmp_path, epoch=3).find("", "a", 0) is None


def test_a_large_result_lives_in_its_own_file_and_comes_back(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    large = ["x" * 1000] * 200
    journal.append(("", "big", 0), "args", {"result": large})
    journal.close()
    assert (tmp_path / "journal.jsonl").stat().st_size < 1000
    again = opened(tmp_path, epoch=2)
    assert again.result_of(again.find("", "big", 0)) == large
    next((tmp_path / "results").iterdir()).write_text("[]")
    with pytest.raises(JournalDamagedError, match="altered"):
        again.result_of(again.find("", "big", 0))


def test_an_error_that_ended_its_attempt_does_not_count(tmp_path: Path) -> None:
    journal = opened(tmp_path)
    journal.append(("", "a", 0), "x", {"error": {"kind": "ValueError"}})
    journal.append(("", "b", 0), "x", {"error": {"kind": "OSError"}})
    journal.close()
    again = opened(tmp_path, epoch=2)
    assert again.find("", "a", 0) is not None  # the attempt went on after it
    assert again.find("", "b", 0) is None
    again.take_back(("", "a", 0))
    again.close()
    assert opened(tmp_path, epoch=3).find("", "a", 0) is None


def test_ten_thousand_completed_steps_load_and_replay_quickly(tmp_path: Path) -> None:
    from supervisor.agent.positions import Positions
    from supervisor.agent.shutdown import Shutdown
    from supervisor.agent.steps import Steps

    def fetch(number: int) -> None:
        raise AssertionError(f"step {number} was run again")

    from supervisor.agent.canonical import arguments_sha256
    from supervisor.agent.steps import step_name

    with (tmp_path / "journal.jsonl").open("wb") as file:
        for number in range(10_000):
            place = {"scope": "", "name": step_name(fetch), "occurrence": number}
            args = {"args": arguments_sha256((number,), {}, "")}
            file.write(format_line({"epoch": 1, **place, **args, "result": {"page": number}}))
    best = 9.0
    for _ in range(3):
        begin = time.perf_counter()
        steps = Steps(opened(tmp_path, epoch=2), Positions(), Shutdown(), "RUN")
        results = [steps.run(fetch, (number,), {}) for number in range(10_000)]
        best = min(best, time.perf_counter() - begin)
    print(f"10,000 steps replayed in {best * 1000:.0f} ms")
    assert results[9999] == {"page": 9999}
    assert best < 0.5  # the goal is 0.1 s on a quiet machine; this holds on a busy one

"""The journal as people see it, against the rules by which agents replay it."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from supervisor.agent.fence import Fence
from supervisor.agent.journal import Journal, format_line
from supervisor.agent.run_files import RunFiles
from supervisor.protocol.journal import (
    JournalLine,
    journal_lines,
    preview_of_file,
    read_journal,
)

EPOCH = 9


def some_line(rng: random.Random, epoch: int) -> bytes:
    if rng.random() < 0.08:
        return format_line({"epoch": epoch, "name": "", "skip": rng.randrange(4)})
    entry: dict[str, Any] = {
        "epoch": epoch, "scope": rng.choice(("", "s")), "name": rng.choice("ab"),
        "occurrence": rng.randrange(3), "args": "x",
    }  # fmt: skip
    kind = rng.random()
    if kind < 0.5:
        entry["result"] = rng.random()
    elif kind < 0.6:
        entry["value"] = rng.random()
    else:
        entry["error"] = {"kind": "E", "retryable": rng.choice((True, False, None))}
    if kind > 0.9:
        entry["void"] = True
    return format_line(entry)


def test_what_is_shown_as_counting_is_what_an_agent_replays(tmp_path: Path) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(10**6)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    for _ in range(300):
        epochs = [rng.randrange(1, 4) for _ in range(rng.randrange(12))]
        if rng.random() < 0.7:
            epochs.sort()
        (tmp_path / "journal.jsonl").write_bytes(b"".join(some_line(rng, e) for e in epochs))
        files = RunFiles(str(tmp_path))
        journal = Journal(files, Fence(files, "RUN", EPOCH), EPOCH)
        journal.load()
        lines = read_journal(tmp_path)
        assert isinstance(lines, list)
        counting = [line for line in lines if line.state in ("done", "failed", "value")]
        newest = {(line.scope, line.name, line.occurrence): line for line in counting}
        for scope in ("", "s"):
            for name in "ab":
                for occurrence in range(3):
                    entry = journal.find(scope, name, occurrence)
                    shown = newest.get((scope, name, occurrence))
                    assert (entry is None) == (shown is None)
                    assert entry is None or entry["epoch"] == shown.epoch


def test_each_line_knows_its_place_in_the_file() -> None:
    rng = random.Random(1)
    pieces = [some_line(rng, 1) for _ in range(5)]
    lines = journal_lines(b"".join(pieces) + b"torn")
    assert [line.number for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [line.offset for line in lines] == [sum(map(len, pieces[:n])) for n in range(6)]
    assert lines[-1].state == "torn"


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "results/link", "results", "fifo"])
def test_a_large_result_is_looked_for_nowhere_but_in_the_run_directory(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text("hush hush")
    run_dir = tmp_path / "run"
    (run_dir / "results").mkdir(parents=True)
    (run_dir / "results" / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(run_dir / "fifo")
    line = JournalLine(1, 0, "done", name="big", file=name)
    preview = preview_of_file(run_dir, line)
    assert "cannot be read" in preview and "hush" not in preview and "root" not in preview


def test_a_large_result_shows_its_size_and_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_text('"' + "word " * 200_000 + '"')
    preview = preview_of_file(tmp_path, JournalLine(1, 0, "done", file="big.json"))
    assert preview.startswith('1000002 bytes in big.json: "word word')
    assert len(preview) < 2100

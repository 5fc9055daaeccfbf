"""The code census on a small tree, and killed in the middle."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

COMPLEX = """
def hot(items, limit):
    for item in items:
        if item and limit or not item:
            while limit:
                try:
                    limit -= 1
                except ValueError:
                    raise
            continue
        elif limit > 3:
            return item
    return None
"""
COPY = """
def {name}({a}, {b}):
    {c} = []
    for each in {a}:
        if each > {b}:
            {c}.append(each * {number})
        else:
            {c}.append(each - {b})
    {c}.sort()
    return {c}
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "deep").mkdir(parents=True)
    (folder / "hot.py").write_text(COMPLEX)
    words = {"a": "xs", "b": "y", "c": "out", "number": 2}
    (folder / "one.py").write_text(COPY.format(name="first", **words))
    renamed = {"a": "rows", "b": "bound", "c": "found", "number": 7}
    (folder / "deep" / "two.py").write_text(COPY.format(name="second", **renamed))
    (folder / "broken.py").write_text("def (:\n")
    for number in range(1500):
        (folder / "deep" / f"m{number:03}.py").write_text(COMPLEX * 3)
    return folder


def report_of(bundled: Any) -> Any:
    return json.loads((bundled.reports / "code_census.json").read_text())


def test_it_measures_ranks_and_finds_copies_under_other_names(bundled: Any, tree: Path) -> None:
    for file in (tree / "deep").glob("m*.py"):
        file.unlink()
    code, said = bundled.run("code_census.py", str(tree))
    assert code == 0, said
    report = report_of(bundled)
    assert report["totals"]["files"] == 4 and report["totals"]["functions"] == 3
    spot = report["hot_spots"][0]
    assert (spot["name"], spot["complexity"], spot["nesting"]) == ("hot", 8, 4)
    (group,) = report["duplicates"]
    assert {f["name"] for f in group["functions"]} == {"first", "second"}
    assert report["problems"][0]["file"] == "broken.py"
    assert "`hot`" in (bundled.reports / "code_census.md").read_text()
    assert bundled.read("progress.json")["status"] == "done"


def test_killed_in_the_middle_it_measures_every_file_exactly_once(bundled: Any, tree: Path) -> None:
    seed = int(os.environ.get("LONGWATCH_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
    print(f"LONGWATCH_SEED={seed}")
    rng = random.Random(seed)
    kills, code = 0, None
    while code != 0:
        process = bundled.start("code_census.py", str(tree))
        end = time.monotonic() + (rng.uniform(0.1, 0.35) if kills < 5 else 60)
        while process.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        _out, err = process.communicate()
        assert err == ""
        code = process.returncode
    lines = (bundled.run_dir / "measures.jsonl").read_text().splitlines()
    files = [json.loads(line)["file"] for line in lines]
    assert len(files) == len(set(files)) == report_of(bundled)["totals"]["files"] == 1504
    print(f"{kills} kills")

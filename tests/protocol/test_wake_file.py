"""``wake.json``: all or nothing, and nothing in it can hurt."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from supervisor.core.run import Wake
from supervisor.protocol.problem import Problem
from supervisor.protocol.wake import LIMIT_BYTES, read_wake, wake_from_json


def written(directory: Path, text: str) -> Any:
    (directory / "wake.json").write_text(text)
    return read_wake(directory)


def test_no_file_is_no_wish(tmp_path: Path) -> None:
    assert read_wake(tmp_path) is None


def test_a_time_comes_as_unix_seconds_or_rfc_3339_and_unknown_keys_are_ignored(
    tmp_path: Path,
) -> None:
    wish = {"at": "2026-03-02T06:00:00+01:00", "epoch": 3, "reason": "pause", "mood": "good"}
    assert written(tmp_path, json.dumps(wish)) == Wake(1772427600.0, "pause", 3)
    assert written(tmp_path, '{"at": 1772427600.5, "epoch": 1}') == Wake(1772427600.5, "", 1)


def test_a_reason_is_cleaned() -> None:
    wake = wake_from_json({"at": 1.0, "epoch": 1, "reason": "\x1b]52;c;x\x07[bold]"})
    assert isinstance(wake, Wake)
    assert "\x1b" not in wake.reason and "\x07" not in wake.reason


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"epoch": 1}, "at"),
        ({"at": None, "epoch": 1}, "at"),
        ({"at": "soon", "epoch": 1}, "at"),
        ({"at": "2026-03-02T06:00:00", "epoch": 1}, "at"),
        ({"at": -1, "epoch": 1}, "at"),
        ({"at": 1e18, "epoch": 1}, "at"),
        ({"at": True, "epoch": 1}, "at"),
        ({"at": [1], "epoch": 1}, "at"),
        ({"at": 1}, "epoch"),
        ({"at": 1, "epoch": "1"}, "epoch"),
        ({"at": 1, "epoch": 1.0}, "epoch"),
        ({"at": 1, "epoch": 0}, "epoch"),
        ({"at": 1, "epoch": 2**70}, "epoch"),
        ({"at": 1, "epoch": 1, "reason": 3}, "reason"),
        ({"at": 1, "epoch": 1, "reason": "x" * 201}, "reason"),
    ],
)
def test_a_field_that_does_not_fit_refuses_all_of_it_and_is_named(value: Any, field: str) -> None:
    problem = wake_from_json(value)
    assert isinstance(problem, Problem) and problem.field == field


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"at": NaN}', '{"at":1,"at":2}', "\0"])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    assert isinstance(written(tmp_path, text), Problem)


def test_a_huge_file_a_fifo_and_a_link_are_refused_without_blocking(tmp_path: Path) -> None:
    huge = written(tmp_path, " " * (LIMIT_BYTES + 1))
    assert isinstance(huge, Problem) and huge.code == "too-large"
    (tmp_path / "wake.json").unlink()
    os.mkfifo(tmp_path / "wake.json")
    assert isinstance(read_wake(tmp_path), Problem)
    (tmp_path / "wake.json").unlink()
    (tmp_path / "wake.json").symlink_to("/etc/passwd")
    assert isinstance(read_wake(tmp_path), Problem)

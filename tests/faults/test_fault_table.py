"""The table of ``make faults``: it counts what failed, also what only hung or died."""

from __future__ import annotations

import everything
import pytest

LAYER = everything.Layer("L9", "a layer", ("-c", "print('7 points, 2 violations, 1.0 s, seed 3')"))


@pytest.mark.parametrize(
    ("text", "status", "expected"),
    [
        ("500 seeds, 0 violations, 5.5 s; 14 attempts\n", 0, ("500 seeds", 0)),
        ("x\n101 kills in 2 sessions, 3 violations, 9 s, seed 1\n", 1, ("101 kills", 3)),
        ("7 points, 0 violations, 1.0 s, seed 3\n", 1, ("7 points", 1)),
        ("FAILED a\n2 failed, 40 passed, 1 skipped in 9.9s\n", 1, ("42 tests", 2)),
        ("40 passed, 1 error in 9.9s\n", 1, ("41 tests", 1)),
        ("caught   1 s  a\nMISSED (x)  2 s  b\n1 of 2 planted bugs were missed\n", 1,
         ("1 of 2 caught", 1)),
        ("skipped: strace is not installed\n", 0, ("skipped", 0)),
        ("Traceback\n", 1, ("?", 1)),
    ],
)  # fmt: skip
def test_the_last_word_of_a_layer_becomes_its_row(
    text: str, status: int, expected: tuple[str, int]
) -> None:
    assert everything.read_result(text, status) == expected


def test_a_layer_is_run_shown_and_repeatable(capsys: pytest.CaptureFixture[str]) -> None:
    row = everything.run(LAYER, 30.0)
    assert (row.count, row.violations) == ("7 points", 2)
    assert "7 points, 2 violations" in capsys.readouterr().out
    assert "python -c print" in everything.table([row])


def test_a_layer_that_hangs_is_ended_and_counts() -> None:
    hanging = everything.Layer("L9", "hangs", ("-c", "import time; time.sleep(600)"))
    row = everything.run(hanging, 0.5)
    assert row.violations >= 1 and row.seconds < 30.0

"""The net catches something: bugs switched on in a copy make the named tests fail."""

from __future__ import annotations

from collections.abc import Iterator

import kill_points
import planted
import pytest

FAST = [bug for bug in planted.BUGS if bug.is_fast]


@pytest.fixture(scope="module")
def nursery() -> Iterator[planted.Nursery]:
    made = planted.Nursery()
    try:
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("bug", FAST, ids=[bug.name for bug in FAST])
def test_a_planted_bug_is_caught(nursery: planted.Nursery, bug: planted.Bug) -> None:
    if "kill_points" in bug.catcher and (reason := kill_points.why_not()):
        pytest.skip(reason)
    outcome = nursery.try_bug(bug)
    if outcome.startswith("NOT PLANTED"):
        pytest.skip(f"the code moved on, adapt planted.py: {outcome}")
    assert outcome == "caught"

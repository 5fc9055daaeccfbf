"""The net catches something: bugs switched on in a copy make the named tests fail."""

from __future__ import annotations

from collections.abc import Iterator

import kill_points
import planted
import pytest


@pytest.fixture
def nursery() -> Iterator[planted.Nursery]:
    made = planted.Nursery()
    try:
        yield made
    finally:
        made.end()


@pytest.mark.timeout(300)
def test_the_planted_bugs_that_show_quickly_are_caught(nursery: planted.Nursery) -> None:
    """One copy of the package for all of them; the others take ``planted.py`` some minutes."""
    fast = [bug for bug in planted.BUGS if bug.is_fast]
    if kill_points.why_not():
        fast = [bug for bug in fast if "kill_points" not in bug.catcher]
    outcomes = {bug.name: nursery.try_bug(bug) for bug in fast}
    print(outcomes)
    # Where the code moved on, the table of planted.py says so; that is no fault of the code.
    tried = [word for word in outcomes.values() if not word.startswith("NOT PLANTED")]
    assert tried and set(tried) == {"caught"}


@pytest.mark.parametrize("bug", planted.BUGS, ids=lambda bug: bug.name)
def test_every_planted_bug_has_its_place_in_the_code_and_its_catcher(bug: planted.Bug) -> None:
    """A bug that cannot be planted any more is a hole in the net."""
    assert (planted.ROOT / "supervisor" / bug.file).read_text().count(bug.old) >= 1
    path, _, name = bug.catcher.partition("::")
    asked = f"def {name.partition('[')[0]}(" if name else "def test_"
    assert asked in (planted.ROOT / path).read_text()

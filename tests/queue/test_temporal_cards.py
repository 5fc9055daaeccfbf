"""What machines on Temporal say of themselves, as the others read it."""

from __future__ import annotations

import pytest

pytest.importorskip("temporalio")

from supervisor.fleet.temporal_presence import host_id, read_plain

CARD = {"host": "atlas", "directory": "/work", "pools": {"read": 3}, "at": 1.0}


def test_a_card_is_read_from_the_details_of_a_heartbeat() -> None:
    card = read_plain({"card": CARD})
    assert card is not None and (card.host, card.pools) == ("atlas", {"read": 3})


def test_what_another_machine_wrote_cannot_control_a_terminal() -> None:
    card = read_plain({"card": {**CARD, "host": "a\x1b]52;c;x\x07"}})
    assert card is not None and card.host.isprintable()


@pytest.mark.parametrize("details", [None, [], {"card": 1}, {"card": {"pools": 1}}, {"stage": "x"}])
def test_details_that_are_no_card_are_nobody(details: object) -> None:
    assert read_plain(details) is None


def test_two_directories_of_a_machine_are_two_members() -> None:
    names = {host_id("lw", "atlas", "/a"), host_id("lw", "atlas", "/b")}
    assert len(names) == 2 and all(name.startswith("lw/host/atlas/") for name in names)

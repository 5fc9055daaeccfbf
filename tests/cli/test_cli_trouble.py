"""What ``longwatch status`` says first when the engine itself is not as it should be."""

from __future__ import annotations

from supervisor.cli.status_cmd import engine_trouble


def test_an_engine_that_is_well_says_nothing() -> None:
    assert engine_trouble({"storage": "ok", "watch": "events"}) == []
    assert engine_trouble({}) == []


def test_polling_and_a_log_that_cannot_be_stored_are_said_aloud() -> None:
    engine = {"storage": "the disk is full", "watch": "polling: nfs4 gives no events"}
    storage, watch = engine_trouble(engine)
    assert "the disk is full" in storage and "agents go on" in storage
    assert "nfs4 gives no events" in watch and "2 s" in watch

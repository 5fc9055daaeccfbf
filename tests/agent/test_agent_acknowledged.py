"""A step of a shared task waits until its line is stored for others, and not for ever."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from supervisor.agent import acknowledged
from supervisor.agent.acknowledged import ACKED, WANT, Acknowledgement, acknowledgement
from supervisor.agent.run_files import RunFiles
from supervisor.protocol.journal import ACKED_NAME, WANT_NAME


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    return RunFiles(str(tmp_path))


def test_both_sides_use_the_same_names() -> None:
    assert (WANT, ACKED) == (WANT_NAME, ACKED_NAME)


def test_only_a_shared_task_waits(files: RunFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGWATCH_JOURNAL_ACK", raising=False)
    assert acknowledgement(files) is None
    monkeypatch.setenv("LONGWATCH_JOURNAL_ACK", "1")
    assert acknowledgement(files) is not None


def test_it_returns_when_the_supervisor_has_stored_so_much(tmp_path: Path, files: RunFiles) -> None:
    def supervisor() -> None:
        while not (tmp_path / WANT).exists():
            time.sleep(0.001)
        files.write(ACKED, b"99", durable=False)
        time.sleep(0.05)
        files.write(ACKED, b"100", durable=False)

    thread = threading.Thread(target=supervisor)
    thread.start()
    waiting = Acknowledgement(files)
    assert waiting.wait(100)
    thread.join()
    assert (tmp_path / WANT).read_text() == "100\n"
    (tmp_path / ACKED).unlink()
    assert waiting.wait(100), "what was acknowledged once is not asked again"


def test_an_agent_goes_on_without_its_servers_and_waits_less_from_then_on(
    files: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acknowledged, "PATIENCE_S", 0.3)
    waiting = Acknowledgement(files)
    waiting._patience_s = 0.3
    began = time.monotonic()
    assert not waiting.wait(10)
    first = time.monotonic() - began
    assert not waiting.wait(20)
    assert time.monotonic() - began - first < first + 0.2
    files.write(ACKED, b"garbage", durable=False)
    assert not waiting.wait(20)
    files.write(ACKED, b"30", durable=False)
    assert waiting.wait(30)

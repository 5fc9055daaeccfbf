"""An engine that is there but does not answer: said in words, never a traceback."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from supervisor.control.messages import CallTimeoutError
from supervisor.control.sync_client import SyncClient
from supervisor.errors import EnvironmentFaultError


def test_a_call_that_is_not_answered_in_time_says_that_it_may_still_happen(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        client = SyncClient.connect(path)
        with pytest.raises(CallTimeoutError, match=r"submit\) may still happen") as told:
            client.call("submit", {}, 0.1)
        client.close()
    # The command line shows it as the fault of the machine; who waits for silence catches both.
    assert isinstance(told.value, EnvironmentFaultError) and isinstance(told.value, TimeoutError)

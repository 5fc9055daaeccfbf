"""What people see of the services that processes share in one file."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

from supervisor.core.breaker import BreakerPolicy, BreakerState
from supervisor.services.shared import SharedServices
from supervisor.services.terms import Limits

POLICY = BreakerPolicy(
    failure_rate=0.5, minimum_calls=4, window_s=60.0, cool_down_s=30.0, probe_s=10.0
)
CALLER = """
import sys
from pathlib import Path
from supervisor.core.breaker import BreakerPolicy
from supervisor.services.shared import SharedServices
from supervisor.services.terms import Limits
shared = SharedServices(Path(sys.argv[1]))
policy = BreakerPolicy(failure_rate=0.5, minimum_calls=4, window_s=60.0, cool_down_s=30.0,
                       probe_s=10.0)
for number in range(4):
    shared.reserve("web", Limits(requests_per_minute=60.0), 0)
    admission = shared.admit("web", policy, "caller")
    shared.record("web", policy, admission, "connection refused" if number % 2 else None)
"""


def test_another_process_sees_failures_limits_and_cool_down_of_what_one_called(
    tmp_path: Path,
) -> None:
    subprocess.run([sys.executable, "-c", CALLER, str(tmp_path)], check=True, timeout=30)
    shared = SharedServices(tmp_path)
    [web] = shared.overview()
    assert (web.name, web.state, web.why) == ("web", BreakerState.OPEN, "connection refused")
    assert 25 < web.wait_s <= 30 and web.policy == POLICY
    assert web.limits == Limits(requests_per_minute=60.0) and 2 < web.requests_ahead_s <= 4
    before = shared.reset("web")
    assert before is not None and before.state is BreakerState.OPEN
    assert shared.overview()[0].state is BreakerState.CLOSED
    assert shared.admit("web", POLICY, "somebody").is_allowed
    shared.close()


def test_a_service_that_nobody_called_cannot_be_reset(tmp_path: Path) -> None:
    shared = SharedServices(tmp_path)
    assert shared.reset("web") is None and shared.overview() == []
    shared.close()


def test_terms_that_cannot_be_read_cost_the_figures_and_nothing_else(tmp_path: Path) -> None:
    shared = SharedServices(tmp_path)
    shared.record("web", POLICY, shared.admit("web", POLICY, "a"), "refused")
    with sqlite3.connect(shared.path) as connection:
        connection.execute('UPDATE terms SET told = \'{"policy": {"window_s": 0}}\'')
    [web] = shared.overview()
    assert (web.policy, web.calls, web.why) == (None, 0, "refused")
    assert shared.admit("web", POLICY, "a").is_allowed
    shared.close()


def test_terms_are_written_once_and_again_only_when_they_change(tmp_path: Path) -> None:
    shared = SharedServices(tmp_path)

    def call() -> None:
        shared.record("web", POLICY, shared.admit("web", POLICY, "a"), None)

    call()
    with sqlite3.connect(shared.path) as connection:
        connection.execute("DELETE FROM terms")
    connection.close()
    call()
    assert shared.overview()[0].policy is None, "nothing changed, so nothing was written"
    shared.reserve("web", Limits(tokens_per_minute=10.0), 1.0)
    call()
    assert shared.overview()[0].limits.tokens_per_minute == 10.0
    shared.close()

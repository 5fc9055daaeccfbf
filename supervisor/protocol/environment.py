"""Names of the variables that an attempt, or the engine, is started with."""

from __future__ import annotations

from typing import Final

PROTOCOL_VERSION: Final = 1

RUN_DIR: Final = "LONGWATCH_RUN_DIR"
"""The agent's own directory; every file of the protocol is in it."""
RUN_ID: Final = "LONGWATCH_RUN_ID"
AGENT: Final = "LONGWATCH_AGENT"
"""Its name in the configuration."""
EPOCH: Final = "LONGWATCH_EPOCH"
"""Goes up with every attempt."""
ATTEMPT: Final = "LONGWATCH_ATTEMPT"
"""Counts from 1."""
DEADLINE: Final = "LONGWATCH_DEADLINE"
"""Unix seconds; absent when there is no limit."""
TASK_FILE: Final = "LONGWATCH_TASK_FILE"
"""The message to work on; absent without a task."""
RESUME_FROM: Final = "LONGWATCH_RESUME_FROM"
"""Path of the newest valid checkpoint; absent on a first start."""
PROTOCOL: Final = "LONGWATCH_PROTOCOL"
"""``PROTOCOL_VERSION`` as text."""
WOKEN: Final = "LONGWATCH_WOKEN"
"""Unix seconds, separated by commas: sleeps until exactly these times are over, because the
operator woke the run before; absent without any."""
WORKER: Final = "LONGWATCH_WORKER"
"""``1`` for a long-lived worker: deliveries come as files in its directory; else absent."""
SERVICES_FILE: Final = "LONGWATCH_SERVICES_FILE"
"""Path of the settings of external services, for ``supervisor.calls``."""
SHARED_DIR: Final = "LONGWATCH_SHARED_DIR"
"""Where breakers and rates are shared; absent where the usual place is used."""
JOURNAL_ACK: Final = "LONGWATCH_JOURNAL_ACK"
"""``1``: a step is complete once ``journal.acked`` says so; see ``protocol.journal``."""
KEEPER_FD: Final = "LONGWATCH_KEEPER_FD"
"""For the engine only: its end of the socket pair."""

PREFIX: Final = "LONGWATCH_"
"""Every name that starts so is ours; a configuration may not set one."""
FOR_AGENTS: Final = (
    RUN_DIR, RUN_ID, AGENT, EPOCH, ATTEMPT, DEADLINE, TASK_FILE, RESUME_FROM, PROTOCOL,
    SERVICES_FILE, SHARED_DIR, WOKEN, WORKER, JOURNAL_ACK,
)  # fmt: skip

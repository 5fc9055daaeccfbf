"""Seals the log: at the engine's end, once an hour, and whenever old events were forgotten.

Owns the id of the log, a file beside ``state.db``: seals lie outside the project and must not be
held against a log that was begun anew after its directory was deleted. A seal that cannot be
stored is said once and costs nothing else.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable

from supervisor.config.paths import Project
from supervisor.core.ids import is_run_id, ulid
from supervisor.core.moment import Moment
from supervisor.core.seal import Seal
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic
from supervisor.services.seals import Seals
from supervisor.store.event_log import SqliteEventLog


def read_log_id(project: Project) -> str | None:
    """Which log this is; None when it was never sealed."""
    try:
        found = project.log_id.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return None
    return found if is_run_id(found) else None


class LogSeals:
    """Signs where the log stands."""

    def __init__(self, project: Project, log: SqliteEventLog, clock: Callable[[], Moment]) -> None:
        self._project = project
        self._log = log
        self._clock = clock
        self._sealed: set[int] = set()
        self._is_problem_told = False

    async def seal(self) -> None:
        """Seal the oldest kept and the newest stored event, if they were not yet."""
        base_seq, base_hash, last_seq, last_hash = await self._log.ends()
        now = self._clock().wall
        fresh = [
            Seal(seq, own.hex(), now)
            for seq, own in ((base_seq, base_hash), (last_seq, last_hash))
            if seq > 0 and seq not in self._sealed
        ]
        if not fresh:
            return
        try:
            await asyncio.to_thread(self._store, fresh)
        except (OSError, EnvironmentFaultError) as error:
            if not self._is_problem_told:
                sys.stderr.write(f"longwatch engine: the event log cannot be sealed: {error}\n")
            self._is_problem_told = True
        else:
            self._sealed = {base_seq, last_seq}
            self._is_problem_told = False

    def _store(self, fresh: list[Seal]) -> None:
        is_first = self._log.report.is_new and not self._sealed
        log_id = read_log_id(self._project)
        if log_id is None or is_first:
            log_id = ulid(self._clock().wall, secrets.randbits(80))
            write_atomic(self._project.log_id, f"{log_id}\n".encode())
        seals = Seals(log_id)
        for seal in fresh:
            seals.add(seal)

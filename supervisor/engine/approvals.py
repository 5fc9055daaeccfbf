"""The rules that approve for good, on the engine's side: loaded, carried over what is forgotten,
and copied beside the log for the day it is lost.

The log is the truth while it is whole, and the copy can only take a right away: a new rule is
acknowledged when both have it, an end when both have lost it. So a rule that the log has but the
copy has not was revoked since that log was written (an old ``state.db`` put back) or was never
acknowledged, and goes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Callable
from dataclasses import replace

from supervisor.config.paths import Project
from supervisor.control.messages import CallRefusedError
from supervisor.core import events as e
from supervisor.core.always import RULE_EVENTS, Standing, fold_rules
from supervisor.core.moment import Moment
from supervisor.core.record import RecordError, from_plain, to_plain
from supervisor.core.rule import AlwaysRule
from supervisor.core.text import safe_text
from supervisor.engine.runs import Runs
from supervisor.errors import AgentError, EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import read_bytes
from supervisor.store.ports import EventLog

LIMIT_BYTES = 16 << 20
"""Above all rules there may be, with their actions."""
_VERSION = 1


class Approvals:
    """Keeper of the rules; the decisions are the core's."""

    def __init__(
        self, project: Project, log: EventLog, runs: Runs, clock: Callable[[], Moment]
    ) -> None:
        self._project = project
        self._log = log
        self._runs = runs
        self._clock = clock
        self._writing = asyncio.Lock()

    async def recover(self, *, is_log_lost: bool) -> None:
        """Take over the rules before anything is fed; after a loss from the copy."""
        copy = await asyncio.to_thread(read_copy, self._project)
        if is_log_lost:
            if copy is not None and copy.rules:
                self.carry("recovered from the copy beside a lost log", copy)
            return
        standing = fold_rules(await self._log.of_no_run(RULE_EVENTS))
        if copy is not None:
            standing = replace(standing, count=max(standing.count, copy.count))
        self._runs.restore_rules(standing)
        if copy is None:
            return
        kept = tuple(rule for rule in standing.rules if rule in copy.rules)
        if len(kept) < len(standing.rules):
            why = "those missing in the copy were revoked, or never confirmed"
            self.carry(why, replace(standing, rules=kept))

    def carry(self, why: str, standing: Standing | None = None) -> None:
        """Tell all rules again, because the events that made them are gone or will be."""
        standing = standing or self._runs.standing
        self._runs.note(e.AlwaysRulesCarried(standing.rules, standing.count, why))

    def carry_over(self, up_to: int) -> None:
        """Before the events up to that number are forgotten."""
        now = self._clock().wall
        standing = self._runs.standing
        if 0 < standing.since <= up_to:
            left = tuple(rule for rule in standing.rules if rule.expires_at > now)
            self.carry("their events grew old", Standing(left, standing.count))

    async def keep(self) -> None:
        """Bring the copy up to date; before a new rule is acknowledged, or one's end.

        What is in it is stored in the log, and not revoked.
        """
        async with self._writing:
            decided, stored = self._runs.standing, self._runs.published_standing
            rules = tuple(rule for rule in stored.rules if rule in decided.rules)
            standing = Standing(rules, decided.count)
            await asyncio.to_thread(_write_copy, self._project, standing)

    async def revoke(self, rule_id: str, by: str) -> AlwaysRule:
        """End a rule: it answers nothing any more when this returns, nor after any crash."""
        rule = self._runs.standing.find(rule_id)
        if rule is None:
            raise CallRefusedError(
                f"no rule {safe_text(rule_id, limit=40)}",
                fix="See: longwatch approvals",
            )
        # It counts for no question from here on, whatever is stored first.
        noted = self._runs.note(e.AlwaysRuleRevoked(rule.id, by))
        await self.keep()
        await noted
        return rule


def read_copy(project: Project) -> Standing | None:
    """The rules in the copy; None when there is none that can be read."""
    path = project.approvals
    data = read_bytes(path.parent, path.name, limit_bytes=LIMIT_BYTES)
    if isinstance(data, Problem):
        return None
    try:
        plain = json.loads(data)
        rules = tuple(from_plain(AlwaysRule, rule) for rule in plain["rules"])
        return Standing(rules, int(plain["count"]))
    except (RecordError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _write_copy(project: Project, standing: Standing) -> None:
    """Write it, or have none: a copy that is behind must not outlive a rule."""
    content = {
        "version": _VERSION,
        "count": standing.count,
        "rules": [to_plain(rule) for rule in standing.rules],
    }
    try:
        write_atomic(project.approvals, json.dumps(content).encode("ascii"))
    except (AgentError, EnvironmentFaultError) as error:
        sys.stderr.write(f"longwatch engine: {project.approvals.name}: {error}\n")
        with contextlib.suppress(OSError):
            project.approvals.unlink(missing_ok=True)

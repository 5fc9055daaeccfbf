"""Rules that approve for good over the deaths, the forgetting and the loss of the log.

A real SQLite log and real files; each "engine" here opens them anew, as after a kill.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from supervisor.config.paths import Project
from supervisor.control.messages import CallRefusedError
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.moment import Moment
from supervisor.core.run import Answer, RunState
from supervisor.engine.history import History
from supervisor.engine.runs import Reactions, Runs
from supervisor.store.event_log import SqliteEventLog
from tests.core.builders import SHA, T0, a_request, a_spec

DAY = 86400.0


class Engine:
    """What of an engine the rules need."""

    def __init__(self, project: Project, log: SqliteEventLog, wall: float) -> None:
        self.now = replace(T0, wall=wall)
        self.log = log
        reactions = Reactions(
            perform=lambda *_: None, decided=lambda _: None, publish=lambda _: None
        )
        self.runs = Runs(log, self.clock, random.Random(wall), reactions)
        self.history = History(project, log, self.runs, self.clock)
        self.approvals = self.history.approvals

    def clock(self) -> Moment:
        return self.now

    def asks(self, **changes: object) -> RunState:
        """A new run of the agent asks; where it stands then."""
        state = self.runs.create(a_spec(), "test").state
        self.runs.feed(state.id, f.StartWanted())
        self.runs.feed(state.id, f.SpawnDone(1, 7, 7))
        return self.runs.feed(state.id, f.RequestSeen(a_request(**changes))).state  # type: ignore[arg-type]

    async def allows_always(self, for_s: float = 7 * DAY) -> str:
        """Ask, approve for good, acknowledge; the rule's id."""
        state = self.asks()
        rule_id = self.runs.standing.next_id
        answer = Answer("kim", 0.0, SHA, allow=True)
        fact = f.AnswerGiven(state.open_requests[0].id, answer, f.AlwaysWish(rule_id, for_s))
        fed = self.runs.feed(state.id, fact)
        assert fed.refusal is None
        await fed.stored
        await self.approvals.keep()
        return rule_id

    def is_answered_by_rule(self) -> bool:
        answer = self.asks().requests[-1].answer
        return answer is not None and answer.rule_id is not None


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "config.toml").write_text("")
    found = Project(tmp_path)
    found.ensure()
    return found


@asynccontextmanager
async def engine(project: Project, wall: float = T0.wall) -> AsyncIterator[Engine]:
    log = await SqliteEventLog.open(project.state_db)
    found = Engine(project, log, wall)
    try:
        found.runs.restore(await log.load())
        await found.history.recover([])
        yield found
        found.runs.close()
    finally:
        await log.close()


def lose_the_log(project: Project) -> None:
    for path in project.state_dir.glob("state.db*"):
        path.unlink()


async def test_a_rule_answers_in_every_engine_after_the_one_that_made_it(project: Project) -> None:
    async with engine(project) as first:
        assert await first.allows_always() == "A1"
        assert first.is_answered_by_rule()
    async with engine(project, T0.wall + DAY) as second:
        assert second.is_answered_by_rule()
        assert not second.asks(sha256="cd" * 32).requests[-1].answer
    async with engine(project, T0.wall + 8 * DAY) as later:
        assert not later.is_answered_by_rule(), "it has expired"


async def test_a_revoked_rule_answers_nothing_from_that_moment_on(project: Project) -> None:
    async with engine(project) as first:
        rule_id = await first.allows_always()
        await first.approvals.revoke(rule_id.lower(), "kim")
        assert not first.is_answered_by_rule()
        with pytest.raises(CallRefusedError, match="no rule A1"):
            await first.approvals.revoke(rule_id, "kim")
    async with engine(project) as second:
        assert not second.is_answered_by_rule()
        assert await second.allows_always() == "A2", "a number is never given out again"


async def test_forgetting_old_events_loses_no_rule_that_stands(project: Project) -> None:
    async with engine(project) as first:
        await first.allows_always(for_s=300 * DAY)
    async with engine(project, T0.wall + 40 * DAY) as later:
        later.runs.note(e.EngineStarted("1", 1))
        await later.history.forget()
        assert later.log.report.problem is None
        left = await later.log.history(0, 1000)
        assert not [entry for entry in left if isinstance(entry.event, e.AlwaysRuleSet)]
        assert later.is_answered_by_rule()
    async with engine(project, T0.wall + 41 * DAY) as again:
        assert again.is_answered_by_rule()
        assert [rule.id for rule in again.runs.standing.rules] == ["A1"]
        assert again.runs.standing.next_id == "A2"


async def test_a_lost_log_loses_no_rule_and_brings_no_revoked_one_back(project: Project) -> None:
    async with engine(project) as first:
        await first.allows_always()
    lose_the_log(project)
    async with engine(project) as second:
        assert second.is_answered_by_rule()
        await second.approvals.revoke("A1", "kim")
    lose_the_log(project)
    async with engine(project) as third:
        assert not third.is_answered_by_rule()


async def test_a_log_deleted_under_a_living_engine_keeps_its_rules(project: Project) -> None:
    async with engine(project) as first:
        await first.allows_always()
        lose_the_log(project)
        await first.history.check()
        assert first.is_answered_by_rule()
    async with engine(project) as second:
        assert second.is_answered_by_rule()


async def test_an_old_copy_of_the_log_put_back_brings_no_revoked_rule_back(
    project: Project, tmp_path: Path
) -> None:
    async with engine(project) as first:
        await first.allows_always()
    yesterday = project.state_db.read_bytes()
    async with engine(project) as second:
        await second.approvals.revoke("A1", "kim")
    lose_the_log(project)
    project.state_db.write_bytes(yesterday)
    async with engine(project) as third:
        assert not third.is_answered_by_rule()


async def test_a_rule_stands_without_its_copy_and_a_torn_copy_gives_no_rule(
    project: Project,
) -> None:
    async with engine(project) as first:
        await first.allows_always()
    project.approvals.write_bytes(b'{"rules": [{"id": "A7"')
    async with engine(project) as second:
        assert second.is_answered_by_rule()
        await second.approvals.keep()
    project.approvals.unlink()
    async with engine(project) as third:
        assert third.is_answered_by_rule()
    lose_the_log(project)
    project.approvals.write_bytes(b'{"count": 1, "rules": [{"id": "A7", "agent": "reader"}]}')
    async with engine(project) as fourth:
        assert not fourth.is_answered_by_rule()

"""What clients may ask of the engine: one handler a method of the control socket.

Handlers translate; deciding is the core's, and every answer waits until what it reports is stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from supervisor.control.greeting import protocol_refusal
from supervisor.control.messages import PROTOCOL, CallRefusedError
from supervisor.core import facts as f
from supervisor.core import ids
from supervisor.core.facts import Fact
from supervisor.core.record import recorded_to_plain, to_plain
from supervisor.core.run import FINAL, RunState, Status
from supervisor.core.text import safe_text
from supervisor.engine.answer_calls import AnswerCalls, refused
from supervisor.engine.checkpoint_calls import CheckpointCalls
from supervisor.engine.journal_calls import JournalCalls
from supervisor.engine.metrics_calls import MetricsCalls
from supervisor.engine.mute_calls import MuteCalls
from supervisor.engine.params import flag, names, optional_text, text, whole
from supervisor.engine.past_calls import PastCalls
from supervisor.engine.queue_calls import QueueCalls
from supervisor.engine.service_calls import ServiceCalls
from supervisor.process.keeper_orders import KeeperError

if TYPE_CHECKING:
    from supervisor.control.connection import Connection
    from supervisor.engine.engine import Engine

Handler = Callable[["Connection", dict[str, Any]], Awaitable[Any]]
HISTORY_LIMIT = 5000


class Api:
    """The methods of the control socket, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._checkpoints = CheckpointCalls(engine)
        self._answers = AnswerCalls(engine)
        self._journal = JournalCalls(engine)
        self._queue = QueueCalls(engine)
        self._services = ServiceCalls(engine)
        self._past = PastCalls(engine)
        self._metrics = MetricsCalls(engine)

    def handlers(self) -> dict[str, Handler]:
        """Method name → handler."""
        return {
            "hello": self.hello,
            "snapshot": self.snapshot,
            "subscribe": self.subscribe,
            "start": self.start,
            "stop": self.stop,
            "restart": self.restart,
            "pause": self.pause,
            "resume": self.resume,
            "answer": self._answers.answer,
            "revoke": self._answers.revoke,
            "log": self.log,
            "history": self.history,
            "reload": self.reload,
            "shutdown": self.shutdown,
            "upgrade": self.upgrade,
            "checkpoints": self._checkpoints.list,
            "rollback": self._checkpoints.rollback,
            "mute": MuteCalls(self._engine).mute,
            "journal": self._journal.show,
            "journal_truncate": self._journal.truncate,
            "submit": self._queue.submit,
            "queue": self._queue.queue,
            "hosts": self._queue.hosts,
            "tasks": self._queue.tasks,
            "task": self._queue.task,
            "requeue": self._queue.requeue,
            "drop": self._queue.drop,
            "pool": self._queue.pool,
            "events": self._past.events,
            "past": self._past.past,
            "metrics": self._metrics.show,
            "services": self._services.show,
            "service_reset": self._services.reset,
        }

    async def hello(self, connection: Connection, params: dict[str, Any]) -> Any:
        """Who is there; a client of another protocol is told so here, and may only look."""
        connection.name = safe_text(text(params, "client", default=""), limit=80)
        protocol = whole(params, "protocol", default=PROTOCOL)
        reads_only = flag(params, "read_only")
        if protocol != PROTOCOL and not reads_only:
            raise protocol_refusal(protocol)
        connection.reads_only = reads_only
        return {"engine": self._engine.describe()}

    async def snapshot(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        """Everything shown, as of the newest stored event."""
        return self._snapshot()

    def _snapshot(self) -> dict[str, Any]:
        engine = self._engine
        return {
            "seq": engine.runs.published_seq,
            "now": to_plain(engine.clock()),
            "engine": engine.describe(),
            "agents": [to_plain(spec) for spec in engine.specs.values()],
            "runs": [to_plain(state) for state in engine.runs.published()],
            "samples": engine.samples(),
            "rules": [to_plain(rule) for rule in engine.runs.published_standing.rules],
        }

    async def subscribe(self, connection: Connection, params: dict[str, Any]) -> Any:
        """A snapshot (or what was missed since a number), then every event without a gap."""
        since = params.get("since")
        if since is None or whole(params, "since") > self._engine.runs.published_seq:
            # Nothing is known yet, or it is known of another log, before state.db was lost.
            self._join(connection)
            return self._snapshot()
        missed = await self._engine.journal_history(whole(params, "since"), HISTORY_LIMIT, None)
        published = self._engine.runs.published_seq
        if missed and missed[-1].seq < published and len(missed) >= HISTORY_LIMIT:
            self._join(connection)
            return self._snapshot()
        # What was published while the history was read is still missing: it is in memory only as
        # numbers, so read again until nothing came in between.
        while missed[-1].seq < published if missed else whole(params, "since") < published:
            last = missed[-1].seq if missed else whole(params, "since")
            missed += await self._engine.journal_history(last, HISTORY_LIMIT, None)
            published = self._engine.runs.published_seq
        self._join(connection)
        return {"seq": published, "events": [recorded_to_plain(entry) for entry in missed]}

    def _join(self, connection: Connection) -> None:
        """Every event from now on, and none of those that the reply holds."""
        self._engine.send_events()
        connection.subscribe()

    async def start(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """New runs, or unfinished ones continued from their checkpoint."""
        wanted, by = names(params), text(params, "by", default="client")
        specs = [self._spec(name) for name in wanted]
        started = []
        for spec in specs:
            begun = self._engine.begin(
                spec,
                is_fresh=flag(params, "fresh"),
                is_unattended=flag(params, "unattended"),
                is_waking=not flag(params, "asleep"),
                by=by,
            )
            started.append(begun)
        for _action, fed in started:
            await fed.stored
        return {
            "runs": [
                {"id": fed.state.id, "agent": fed.state.agent, "action": action}
                for action, fed in started
            ]
        }

    def _spec(self, name: str) -> Any:
        spec = self._engine.specs.get(name)
        if spec is None:
            known = ", ".join(sorted(self._engine.specs)) or "none"
            raise CallRefusedError(
                f"no agent {safe_text(name, limit=80)!r} in config.toml",
                code="unknown_run",
                why=f"Known agents: {known}",
            )
        return spec

    async def stop(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """End runs, with grace; answered when it is decided and stored."""
        by = text(params, "by", default="client")
        return await self._each(params, f.StopWanted(by, f"stopped by {by}"), "stopping")

    async def restart(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Again from the newest checkpoint."""
        by = text(params, "by", default="client")
        return await self._each(params, f.RestartWanted(by), "restarting")

    async def pause(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Hold still."""
        return await self._each(
            params, f.PauseWanted(text(params, "by", default="client")), "paused"
        )

    async def resume(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Go on."""
        return await self._each(
            params, f.ResumeWanted(text(params, "by", default="client")), "resumed"
        )

    async def _each(self, params: dict[str, Any], fact: Fact, action: str) -> Any:
        """Feed ``fact`` to the named runs; with ``all`` or ``lenient`` those that refuse are
        passed over."""
        is_all = flag(params, "all")
        is_lenient = is_all or flag(params, "lenient")
        if is_all:
            states = [s for s in self._engine.runs.states() if _may_concern(s, fact)]
        else:
            states = [await self._engine.resolve(name) for name in names(params)]
        fed = [(state, self._engine.runs.feed(state.id, fact)) for state in states]
        if not is_lenient:
            for state, outcome in fed:
                if outcome.refusal is not None:
                    raise refused(outcome.refusal, where=state.agent)
        for _state, outcome in fed:
            await outcome.stored
        return {
            "runs": [
                {
                    "id": state.id,
                    "agent": state.agent,
                    "action": action if outcome.refusal is None else outcome.refusal.what,
                }
                for state, outcome in fed
                if outcome.refusal is None
            ]
        }

    async def log(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """A piece of a run's output."""
        state = await self._engine.resolve(text(params, "run"))
        stream = text(params, "stream", default="out")
        if stream not in ("out", "err"):
            raise CallRefusedError(f"stream is {stream!r}, expected out or err", code="refused")
        offset = whole(params, "offset", default=0, minimum=None)
        limit = whole(params, "limit", default=65536)
        return await asyncio.to_thread(self._engine.read_log, state.id, stream, offset, limit)

    async def history(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """Stored events after a number."""
        limit = min(HISTORY_LIMIT, whole(params, "limit", default=1000))
        run = optional_text(params, "run")
        run_id = (await self._engine.resolve(run)).id if run else None
        entries = await self._engine.journal_history(
            whole(params, "since", default=0), limit, run_id
        )
        return {
            "events": [recorded_to_plain(entry) for entry in entries],
            "last": self._engine.runs.published_seq,
        }

    async def reload(self, _connection: Connection, _params: dict[str, Any]) -> Any:
        """Read config.toml again."""
        problems = await self._engine.reload()
        if problems:
            raise CallRefusedError(
                "config.toml has errors; the running configuration stays",
                code="refused",
                why="\n".join(problems),
                fix="See: longwatch config check",
            )
        return {"agents": sorted(self._engine.specs)}

    async def upgrade(self, _connection: Connection, params: dict[str, Any]) -> Any:
        """End this engine; the keeper starts the next one and every agent goes on."""
        by, with_keeper = text(params, "by", default="client"), flag(params, "keeper")
        try:
            await self._engine.departure.hand_over(by=by, with_keeper=with_keeper)
        except KeeperError as error:
            raise CallRefusedError(
                f"the keeper does not replace itself: {error.message}",
                code="refused",
                fix="longwatch down, then longwatch up; agents go on meanwhile",
            ) from error
        return {"leaving": True}

    async def shutdown(self, connection: Connection, params: dict[str, Any]) -> Any:
        """Leave; agents go on unless they are to be stopped."""
        if flag(params, "if_idle") and (
            self._engine.is_needed(besides=connection) or await self._engine.tasks.has_work()
        ):
            return {"left_running": [s.id for s in self._engine.runs.active()], "leaving": False}
        is_leaving, left = await self._engine.departure.leave(
            stop_agents=flag(params, "stop_agents"), by=text(params, "by", default="client")
        )
        return {"left_running": left, "leaving": is_leaving}


def _may_concern(state: RunState, fact: Fact) -> bool:
    if isinstance(fact, f.RestartWanted):
        return state.status not in FINAL
    if isinstance(fact, f.ResumeWanted):
        is_held_asleep = state.wake is not None and state.wake.is_held
        return state.status is Status.PAUSED or is_held_asleep
    return state.status not in FINAL


def is_unique_suffix(run_id: str, suffix: str) -> bool:
    """Whether people may mean this run by that end of an id."""
    return len(suffix) >= ids.MIN_SUFFIX and run_id.endswith(suffix.upper())

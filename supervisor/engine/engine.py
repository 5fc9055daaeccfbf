"""The engine's life: open what it needs, recover, serve, and leave without losing anything.

It may be killed at any instruction. The keeper starts it again, and everything needed to go on is
in the log, in the exit records and in the keeper's list of living attempts.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AsyncExitStack
from typing import Any

from supervisor import __version__
from supervisor.config.paths import Project
from supervisor.control import locate
from supervisor.control.connection import Connection
from supervisor.control.messages import PROTOCOL, events_line
from supervisor.control.server import Server
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.effects import Effect
from supervisor.core.events import Recorded
from supervisor.core.facts import Fact
from supervisor.core.record import recorded_line
from supervisor.core.run import FINAL, Anomaly, RunState, Status
from supervisor.core.spec import AgentSpec
from supervisor.engine.api import Api
from supervisor.engine.attempts import Attempts
from supervisor.engine.common_cause import CommonCause
from supervisor.engine.departure import Departure
from supervisor.engine.fleet import open_queue
from supervisor.engine.history import History, close_log
from supervisor.engine.locking import hold_engine_lock
from supervisor.engine.log_reader import read_piece
from supervisor.engine.luggage import Luggage
from supervisor.engine.membership import Membership
from supervisor.engine.memory import MemoryWatch
from supervisor.engine.metrics import Metrics
from supervisor.engine.notifier import Notifier
from supervisor.engine.observe import Observer
from supervisor.engine.perform import Performer, RunPort
from supervisor.engine.pools import Pools
from supervisor.engine.rounds import Rounds
from supervisor.engine.runs import Fed, Reactions, Runs
from supervisor.engine.secrets import Secrets
from supervisor.engine.service_watch import ServiceWatch
from supervisor.engine.specs import Specs
from supervisor.engine.spending import Spending
from supervisor.engine.starting import begin_run, resolve_run
from supervisor.engine.tasks import Tasks
from supervisor.process.daemon import replace_keeper
from supervisor.process.identity import moment_now
from supervisor.process.keeper_link import ExitNotice, KeeperError, KeeperLink
from supervisor.services.shared import SharedServices
from supervisor.store.event_log import SqliteEventLog


class Engine:
    """One project directory's supervisor."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.clock = moment_now
        self.started_at = time.time()
        self.secrets = Secrets(project, os.environ)
        self.rounds: Rounds
        self.runs: Runs
        self.history: History
        self.specs: Specs
        self.memory: MemoryWatch
        self.services: ServiceWatch
        self.notifier: Notifier
        self.luggage: Luggage | None = None
        self.membership: Membership | None = None
        """What shared tasks have with them."""
        self._config_problems: list[str] = []
        self.tasks: Tasks
        self.pools: Pools
        self.departure: Departure
        self._log: SqliteEventLog
        self._keeper: KeeperLink
        self._keeper_pid = 0
        self._keeper_version = ""
        self._server: Server
        self._observer: Observer
        self._performer: Performer
        self._attempts: Attempts
        self._common_cause: CommonCause
        self._spending: Spending
        self._leave = asyncio.Event()
        self._is_keeper_lost = False
        self._unsent: list[str] = []
        """Stored events that subscribers are told of at the end of this round of the loop."""

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> int:
        """Serve until told to leave; the exit status of the process."""
        self.project.ensure()
        async with AsyncExitStack() as stack:
            stack.enter_context(hold_engine_lock(self.project))
            await self._open(stack)
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, self._leave.set)
            try:
                await self._recover()
            except KeeperError as error:
                if error.code != "lost":
                    raise
                # It died just now: the next pair recovers, from the same log.
                self._is_keeper_lost = True
            else:
                await self._serve(stack)
                await self._leave.wait()
            self.runs.close()
            await self.history.close()
            await self.notifier.save()
        if self._is_keeper_lost and not self.departure.is_keeper_told:
            self._start_keeper()
        return 0

    async def _open(self, stack: AsyncExitStack) -> None:
        log = await SqliteEventLog.open(self.project.state_db, on_problem=self._storage_changed)
        self._log = log
        stack.push_async_callback(close_log, log)
        if log.report.problem:
            sys.stderr.write(
                f"longwatch engine: state.db was set aside as {log.report.set_aside}: "
                f"{log.report.problem}\n"
            )
        self._keeper = await KeeperLink.open(on_exited=self._exited, on_lost=self._keeper_lost)
        stack.callback(self._keeper.close)
        self.specs = Specs(self.project, self.secrets)
        self._config_problems = self.specs.load()
        self.runs = Runs(
            self._log,
            self.clock,
            random.SystemRandom(),
            Reactions(
                perform=self._perform,
                decided=self._decided,
                publish=self._publish,
                redacted=self.secrets.record,
            ),
        )
        self.history = History(self.project, log, self.runs, self.clock)
        self.metrics = Metrics(log, self.runs, self.clock, self.specs, self.feed)
        self._performer = Performer(
            self.project,
            self._keeper,
            self.clock,
            RunPort(state=self.runs.state, feed=self.feed, report=self._failed),
            self.secrets,
        )
        self._observer = Observer(
            self.project, self.clock, self.runs.state, self.feed, self.secrets
        )
        stack.callback(self._observer.close)
        self.memory = MemoryWatch(self.runs.state, self.feed, kept_in=self.project.oom_file)
        self._spending = Spending(self.runs.states, self.feed, self.clock)
        shared = SharedServices()
        stack.callback(shared.close)
        self.services = ServiceWatch(self.runs.active, self.feed, shared)
        self._common_cause = CommonCause(self.runs.state, self.feed)
        self.notifier = Notifier(self.project.outbox, log, self.runs, self.clock)
        await self._open_queue(stack, log)
        self._attempts = Attempts(
            self.project,
            self._keeper,
            self.runs,
            self._performer,
            self._observer,
            memory=self.memory,
            redacted=self.secrets.text,
            left=self.tasks.left,
        )
        self._server = Server(self.project.control_socket(), on_failure=self._handler_failed)
        for method, handler in Api(self).handlers().items():
            self._server.register(method, handler)
        self.rounds = Rounds(self)

    async def _open_queue(self, stack: AsyncExitStack, log: SqliteEventLog) -> None:
        self.tasks, self.luggage = await open_queue(self, log, stack)
        self.pools = Pools(self, self.tasks)
        self.departure = Departure(
            self.runs, self._performer, self._keeper, (self.tasks, self.pools), self._leave.set
        )

    async def _recover(self) -> None:
        loaded = await self._log.load()
        self.runs.restore(loaded)
        await self.metrics.recover()
        hello = await self._keeper.hello()
        self._keeper_pid, self._keeper_version = hello.pid, hello.version
        self.runs.note(e.EngineStarted(__version__, os.getpid()))
        problems = self._config_problems
        if problems:
            self.runs.note(e.ConfigRejected(tuple(problems)))
        else:
            self.runs.note(e.ConfigApplied(tuple(self.specs)))
        await self.history.recover(hello.attempts)
        for state in self.runs.active():
            self.project.ensure_run(state.id)
            # The file may have changed, or the directory moved, while no engine ran.
            if (spec := self.specs.in_force(state) or self.secrets.recovered(state)) != state.spec:
                self.feed(state.id, f.SpecWanted(spec))
        await self._attempts.recover(hello.attempts)
        await self.tasks.recover()
        await self.pools.recover(self._log)
        self.notifier.use(self.specs.notify)
        await self.notifier.recover()

    async def _serve(self, stack: AsyncExitStack) -> None:
        await self._server.start()
        stack.push_async_callback(self._server.close)
        locate.publish(self.project, self.project.control_socket())
        stack.callback(locate.withdraw, self.project)
        self.rounds.start()
        self.pools.start()
        stack.push_async_callback(self.pools.stop)
        stack.push_async_callback(self.rounds.stop)

    def _exited(self, notice: ExitNotice) -> None:
        self._attempts.exited(notice)

    def _keeper_lost(self, why: str) -> None:
        sys.stderr.write(f"longwatch engine: the keeper is gone: {why}\n")
        self._is_keeper_lost = True
        self._leave.set()

    def _start_keeper(self) -> None:
        """The keeper died: a new one, with a new engine, adopts the agents that it left."""
        engine = [sys.executable, "-P", "-m", "supervisor.engine", str(self.project.directory)]
        replace_keeper(self.project.state_dir, self.project.directory, engine)

    # -- facts and events ---------------------------------------------------------------------

    def feed(self, run_id: str, fact: Fact) -> Fed:
        """Decide on a fact about a run."""
        return self.runs.feed(run_id, fact)

    def _perform(self, run_id: str, effect: Effect) -> None:
        self._performer.perform(run_id, effect)

    def _decided(self, run_id: str) -> None:
        self._performer.follow_deadline(run_id)

    def _publish(self, batch: Sequence[Recorded]) -> None:
        for recorded in batch:
            self.notifier.see(recorded)
            self.metrics.see(recorded)
            self.rounds.exports.see(recorded)
            run_id = recorded.run_id
            state = self.runs.state(run_id) if run_id else None
            if state is None:
                continue
            self.history.see(run_id)
            if state.status in FINAL:
                self._observer.forget(run_id)
            if state.status is Status.SUCCEEDED:
                self.secrets.forget_run(run_id)
            self.tasks.see(run_id)
            if self.luggage is not None:
                self.luggage.see(recorded)
            self._common_cause.see(recorded)
            self._spending.see(recorded, self.specs.budget)
        if self.has_audience:
            if not self._unsent:
                asyncio.get_running_loop().call_soon(self.send_events)
            self._unsent += map(recorded_line, batch)

    def send_events(self) -> None:
        """One notice with all that was stored in this round of the loop. Before a snapshot is
        taken for a new subscriber, which would otherwise be told of them twice."""
        lines, self._unsent = self._unsent, []
        if lines:
            self._server.broadcast(events_line(lines))

    def _storage_changed(self, problem: str | None) -> None:
        word = f"cannot store events: {problem}" if problem else "storing events works again"
        sys.stderr.write(f"longwatch engine: {word}\n")

    def _handler_failed(self, method: str, error: Exception) -> None:
        """A bug of ours in a call: the client was told, the log gets the traceback."""
        sys.stderr.write(f"longwatch engine: call {method}:\n")
        traceback.print_exception(error)

    def _failed(self, run_id: str, error: Exception) -> None:
        """Something asked for could not be carried out: said on the run, never swallowed."""
        sys.stderr.write(f"longwatch engine: run {run_id}: {error}\n")
        state = self.runs.state(run_id)
        if state is None or state.status in FINAL:
            return
        key = f"engine-error:{type(error).__name__}:{state.epoch}"
        anomaly = Anomaly(
            key, "engine-error", "error", str(error)[:500], self.clock().wall, "longwatch"
        )
        self.feed(run_id, f.Noticed(anomaly))

    # -- what clients ask ---------------------------------------------------------------------

    def describe(self) -> dict[str, Any]:
        """The ``engine`` object of the control socket."""
        return {
            "pid": os.getpid(),
            "version": __version__,
            "protocol": PROTOCOL,
            "directory": str(self.project.directory),
            "started_at": self.started_at,
            "seq": self.runs.published_seq,
            "keeper_pid": self._keeper_pid,
            "keeper_version": self._keeper_version,
            "storage": self._log.storage_problem or self.history.trouble or "ok",
            "watch": self.rounds.watch_words,
        }

    @property
    def has_audience(self) -> bool:
        """Whether anybody watches: samples are taken for eyes only."""
        return bool(self._server.subscribers)

    def broadcast(self, notice: bytes) -> None:
        """Send an encoded notice to every subscriber."""
        self._server.broadcast(notice)

    def look(self, run_id: str, hinted: Collection[str] = ()) -> None:
        """Files of that run may have changed; ``hinted`` names those that the watch mentioned."""
        state = self.runs.state(run_id)
        if state is not None and state.status not in FINAL:
            self._observer.look(run_id, hinted)
            self.tasks.long.look(run_id, hinted)
            if self.luggage is not None and hinted:
                self.luggage.hinted(run_id, hinted)

    def samples(self) -> dict[str, Any]:
        """Newest CPU and memory of each living run."""
        return self.rounds.samples

    def begin(self, spec: AgentSpec, **how: Any) -> Any:
        """Start a run of an agent, or continue its unfinished one; ``how`` as in ``begin_run``."""
        return begin_run(self, spec, **how)

    async def resolve(self, name: str) -> RunState:
        """The run that people mean by an agent's name or the end of a run id."""
        return await resolve_run(self.runs, self._log, name)

    def read_log(self, run_id: str, stream: str, offset: int, limit: int) -> dict[str, Any]:
        """A piece of a run's output."""
        project = self.project
        path = project.out_log(run_id) if stream == "out" else project.err_log(run_id)
        return read_piece(path, offset, limit, self.secrets.redactor)

    @property
    def log(self) -> SqliteEventLog:
        """The stored events, for calls that only read them."""
        return self._log

    async def journal_history(self, since: int, limit: int, run_id: str | None) -> list[Recorded]:
        """Stored events after a number."""
        return await self._log.history(since, limit, run_id)

    async def reload(self) -> list[str]:
        """Read config.toml again; the problems, empty when it was applied."""
        problems = self.specs.load()
        if problems:
            await self.runs.note(e.ConfigRejected(tuple(problems)))
            return problems
        for state in self.runs.active():
            if (spec := self.specs.in_force(state)) is not None:
                self.feed(state.id, f.SpecWanted(spec))
        self.pools.follow()
        self.notifier.use(self.specs.notify)
        await self.runs.note(e.ConfigApplied(tuple(self.specs)))
        return []

    def is_needed(self, *, besides: Connection) -> bool:
        """Whether a run is unfinished or somebody else is looking."""
        return bool(self.runs.active()) or bool(self._server.subscribers - {besides})

    async def in_turn(self, run_id: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do ``work`` after everything asked for of that run before it; its error is raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def carry_out() -> None:
            try:
                await work()
            except Exception as error:  # noqa: BLE001  handed to the caller
                done.set_exception(error)
            else:
                done.set_result(None)

        self._performer.chain(run_id, carry_out)
        await done

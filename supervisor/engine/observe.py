"""From files in a run directory to facts: the scan says what changed, the safe reader reads it.

Reading is serialised for each run, so a checkpoint's generation number is decided once. Progress
is read at the leading edge and then at most ten times a second; a checkpoint at most four times a
second, because each one is copied and synced. Nothing is lost by that: the newest file stays on
disk, and everything is read once more before an exit is decided.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from supervisor.config.paths import Project
from supervisor.core import events as e
from supervisor.core import facts as f
from supervisor.core.facts import Fact
from supervisor.core.moment import Moment
from supervisor.core.own_questions import OWN_PREFIX
from supervisor.core.run import Anomaly, RunState
from supervisor.core.withheld import is_withheld, rejection_due_s
from supervisor.engine import checkpoints
from supervisor.engine.agent_events import AgentEvents
from supervisor.engine.runs import Fed
from supervisor.engine.secrets import Secrets
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.agent_events import EVENTS_NAME
from supervisor.protocol.checkpoint import checkpoint_check
from supervisor.protocol.problem import Problem
from supervisor.protocol.progress import progress_from_json
from supervisor.protocol.safe_files import (
    CHECKPOINT_LIMIT_BYTES,
    REQUEST_LIMIT_BYTES,
    read_bytes,
    read_object,
)
from supervisor.watch.scan import NOTHING_SEEN, Changes, Signatures, is_quiet, scan_run

PROGRESS_EVERY_S = 0.1
CHECKPOINT_EVERY_S = 0.25
KEEP_AGAIN_S = 1.0
"""Between two tries to keep a checkpoint that the machine refused."""
PROGRESS_NAME = "progress.json"
Rejectable = f.ProgressBad | f.CheckpointSeen | f.CheckpointBad
REJECTIONS = (e.ProgressRejected, e.CheckpointRejected)


@dataclass(slots=True)
class _Watched:
    """What is known of one run's directory."""

    directory: str
    seen: Signatures = NOTHING_SEEN
    hinted: set[str] = field(default_factory=set)
    """Names that the watch mentioned since the last look."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    progress_due: float = 0.0
    """Monotonic seconds before which progress is not read again."""
    checkpoint_due: float = 0.0
    is_progress_pending: bool = False
    is_checkpoint_pending: bool = False
    again: asyncio.TimerHandle | None = None
    withheld: dict[bool, int] = field(default_factory=dict)
    """Files that could not be used and were not told; of checkpoints (True), of progress."""
    retell_due: dict[bool, float] = field(default_factory=dict)
    """When to look at such a one again: it is told then, if it is still there."""
    trouble: str = ""
    """What the machine refused when a checkpoint was to be kept; said once."""


class Observer:
    """Reads run directories and feeds what it finds."""

    def __init__(
        self,
        project: Project,
        clock: Callable[[], Moment],
        state_of: Callable[[str], RunState | None],
        feed: Callable[[str, Fact], Fed],
        secrets: Secrets,
    ) -> None:
        self._secrets = secrets
        self._project = project
        self._clock = clock
        self._state_of = state_of
        self._feed = feed
        self._watched: dict[str, _Watched] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._events = AgentEvents(clock, state_of, feed, secrets, self._flag)

    def look(self, run_id: str, hinted: Collection[str] = ()) -> None:
        """Scan a run's directory now; cheap when nothing changed."""
        watched = self._of(run_id)
        self._events.look(run_id, watched.directory, is_hinted=EVENTS_NAME in hinted)
        watched.hinted.update(name for name in hinted if name != EVENTS_NAME)
        if watched.lock.locked():
            return  # It looks once more when it is done: the hints are kept.
        self._recall_withheld(watched)
        is_pending = watched.is_progress_pending or watched.is_checkpoint_pending
        state = self._state_of(run_id)
        if state is None or not (
            watched.hinted
            or is_pending
            or not is_quiet(watched.directory, state.spec.checkpoint, watched.seen)
        ):
            return
        changes = self._scan(run_id, watched)
        if not changes and not is_pending:
            return
        loop = asyncio.get_running_loop()
        if not (changes.checkpoint or watched.is_checkpoint_pending):
            # Nothing to wait for: a task for each of a thousand writers would cost a tenth.
            try:
                self._take_small(run_id, watched, changes)
            except Exception as error:  # noqa: BLE001 - as of a task: the other runs go on
                words = f"looking at run {run_id} failed"
                loop.call_exception_handler({"message": words, "exception": error})
            self._look_again(run_id, watched)
            return
        task = loop.create_task(self._take_or_say(run_id, watched, changes))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _take_or_say(self, run_id: str, watched: _Watched, changes: Changes) -> None:
        try:
            await self._take(run_id, watched, changes)
        except (EnvironmentFaultError, OSError) as error:
            trouble = self._secrets.text(f"run {run_id}: a checkpoint is not kept: {error}")
            if trouble != watched.trouble:
                sys.stderr.write(f"longwatch engine: {trouble}; tried again every second\n")
                self._flag(run_id, "checkpoint-not-kept", str(error))
            watched.trouble = trouble
            self._look_again(run_id, watched)

    async def look_finally(self, run_id: str) -> None:
        """Read everything that is there, without any delay: the attempt is over."""
        watched = self._of(run_id)
        self._events.look_finally(run_id, watched.directory)
        watched.progress_due = watched.checkpoint_due = 0.0
        await self._take(run_id, watched, None)

    def forget(self, run_id: str) -> None:
        """Stop looking at a run that is over."""
        self._events.forget(run_id)
        watched = self._watched.pop(run_id, None)
        if watched is not None and watched.again is not None:
            watched.again.cancel()

    def close(self) -> None:
        """No timer fires after this."""
        for run_id in tuple(self._watched):
            self.forget(run_id)

    def _of(self, run_id: str) -> _Watched:
        watched = self._watched.get(run_id)
        if watched is None:
            watched = self._watched[run_id] = _Watched(str(self._project.run_dir(run_id)))
        return watched

    def _scan(self, run_id: str, watched: _Watched) -> Changes:
        state = self._state_of(run_id)
        if state is None:
            return Changes(watched.seen)
        changes = scan_run(
            watched.directory, state.spec.checkpoint, watched.seen, hinted=watched.hinted
        )
        watched.seen = changes.seen
        if watched.hinted:
            watched.hinted = set()
        return changes

    async def _take(self, run_id: str, watched: _Watched, changes: Changes | None) -> None:
        async with watched.lock:
            if changes is None:
                changes = self._scan(run_id, watched)
            self._take_small(run_id, watched, changes)
            now = self._clock().mono
            if changes.checkpoint or watched.is_checkpoint_pending:
                watched.is_checkpoint_pending = now < watched.checkpoint_due
                if not watched.is_checkpoint_pending:
                    watched.checkpoint_due = now + CHECKPOINT_EVERY_S
                    await self._keep_checkpoint(run_id, watched)
        self._look_again(run_id, watched)

    def _take_small(self, run_id: str, watched: _Watched, changes: Changes) -> None:
        """Everything but the checkpoint: what is small enough to be read in the loop."""
        now = self._clock().mono
        for problem in changes.problems:
            self._flag(run_id, "unsafe-file", str(problem))
        for file_id in changes.requests:
            self._request(run_id, file_id)
        for file_id in changes.removed:
            self._feed(run_id, f.RequestGone(file_id))
        if changes.progress or watched.is_progress_pending:
            watched.is_progress_pending = now < watched.progress_due
            if not watched.is_progress_pending:
                watched.progress_due = now + PROGRESS_EVERY_S
                self._progress(run_id, watched)

    async def _keep_checkpoint(self, run_id: str, watched: _Watched) -> None:
        """What the machine refuses is tried again: the file may not change any more."""
        try:
            await self._checkpoint(run_id, watched)
        except (EnvironmentFaultError, OSError):
            watched.is_checkpoint_pending = True
            watched.checkpoint_due = self._clock().mono + KEEP_AGAIN_S
            raise
        watched.trouble = ""

    def _tell(self, run_id: str, watched: _Watched, fact: Rejectable) -> None:
        """Feed what may be a rejection; one that is too soon after another is counted."""
        is_checkpoint = not isinstance(fact, f.ProgressBad)
        fact = replace(fact, withheld=watched.withheld.get(is_checkpoint, 0))
        fed = self._feed(run_id, fact)
        if not is_withheld(fed.state, fact, fed.events):
            if any(isinstance(event, REJECTIONS) for event in fed.events):
                watched.withheld.pop(is_checkpoint, None)
            return
        watched.withheld[is_checkpoint] = fact.withheld + 1
        now = self._clock()
        wait_s = rejection_due_s(fed.state, is_checkpoint, now)
        watched.retell_due[is_checkpoint] = now.mono + wait_s

    def _recall_withheld(self, watched: _Watched) -> None:
        now = self._clock().mono
        for is_checkpoint in [kind for kind, due in watched.retell_due.items() if due <= now]:
            del watched.retell_due[is_checkpoint]
            if is_checkpoint:
                watched.is_checkpoint_pending = True
            else:
                watched.is_progress_pending = True

    def _look_again(self, run_id: str, watched: _Watched) -> None:
        if watched.again is not None:
            watched.again.cancel()
            watched.again = None
        dues = []
        if watched.is_progress_pending:
            dues.append(watched.progress_due)
        if watched.is_checkpoint_pending:
            dues.append(watched.checkpoint_due)
        dues += watched.retell_due.values()
        if watched.hinted:
            dues.append(0.0)
        if dues and self._watched.get(run_id) is watched:
            wait_s = max(0.0, min(dues) - self._clock().mono)
            watched.again = asyncio.get_running_loop().call_later(wait_s, self.look, run_id)

    def _progress(self, run_id: str, watched: _Watched) -> None:
        value = read_object(watched.directory, PROGRESS_NAME)
        if isinstance(value, Problem):
            if value.code != "missing":
                self._tell(run_id, watched, f.ProgressBad(f"{PROGRESS_NAME}: {value}"))
            return
        # Before anything is cut: the half of a secret is known by nobody.
        value = self._secrets.redactor.plain(value)
        reading = progress_from_json(value, seen_at=self._clock().wall)
        if isinstance(reading, Problem):
            self._tell(run_id, watched, f.ProgressBad(f"{PROGRESS_NAME}: {reading}"))
            return
        anomalies = tuple(reading.anomalies)
        self._feed(run_id, f.ProgressSeen(reading.progress, anomalies, reading.problems))

    def _request(self, run_id: str, file_id: str) -> None:
        name = f"requests/{file_id}.json"
        if file_id.startswith(OWN_PREFIX):
            self._flag(run_id, "bad-request", f"{name}: names that begin so are Longwatch's own")
            return
        value = read_object(self._project.run_dir(run_id), name, limit_bytes=REQUEST_LIMIT_BYTES)
        if isinstance(value, Problem):
            if value.code != "missing":
                self._flag(run_id, "bad-request", f"{name}: {value}")
            return
        try:
            draft = self._secrets.draft(run_id, file_id, value)
        except EnvironmentFaultError as error:
            self._flag(run_id, "request-not-kept", f"{name}: {error}")
            return
        if isinstance(draft, Problem):
            self._flag(run_id, "bad-request", f"{name}: {draft}")
            return
        for problem in draft.problems:
            self._flag(run_id, "request-field", f"{name}: {problem}")
        self._feed(run_id, f.RequestSeen(draft.request, written_at=self._written_at(run_id, name)))

    def _written_at(self, run_id: str, name: str) -> float | None:
        try:
            return (self._project.run_dir(run_id) / name).lstat().st_mtime
        except OSError:
            return None  # Removed since: the next look withdraws it.

    async def _checkpoint(self, run_id: str, watched: _Watched) -> None:
        state = self._state_of(run_id)
        if state is None:
            return
        name, directory = state.spec.checkpoint, self._project.run_dir(run_id)
        data = await asyncio.to_thread(
            read_bytes, directory, name, limit_bytes=CHECKPOINT_LIMIT_BYTES
        )
        if isinstance(data, Problem):
            if data.code != "missing":
                self._tell(run_id, watched, f.CheckpointBad(f"{name}: {data}"))
            return
        checked = await asyncio.to_thread(checkpoint_check, data, run_id, name)
        if isinstance(checked, Problem):
            self._tell(run_id, watched, f.CheckpointBad(f"{name}: {checked}"))
            return
        state = self._state_of(run_id)
        if state is None or (state.checkpoint and state.checkpoint.sha256 == checked.sha256):
            return
        generation = state.next_generation
        await asyncio.to_thread(checkpoints.keep, self._project, run_id, generation, data)
        fact = f.CheckpointSeen(checked.sha256, checked.size_bytes, checked.epoch, checked.sequence)
        self._tell(run_id, watched, fact)
        state = self._state_of(run_id)
        if state is not None:
            await asyncio.to_thread(checkpoints.sweep, self._project, state)

    def _flag(self, run_id: str, kind: str, message: str) -> None:
        now = self._clock().wall
        message = self._secrets.text(message)
        anomaly = Anomaly(f"{kind}:{message[:80]}", kind, "warning", message, now, "longwatch")
        state = self._state_of(run_id)
        if state is not None and not any(known.id == anomaly.id for known in state.anomalies):
            self._feed(run_id, f.Noticed(anomaly))

"""``Agent``: the one object an agent program talks to.

It only joins the parts; each of them is one file beside this one. May be used from several
threads and tasks; ``positions`` says how their steps are told apart.
"""

from __future__ import annotations

import os

from supervisor.agent import current
from supervisor.agent.asking import Asking
from supervisor.agent.checkpoint import CheckpointFile
from supervisor.agent.durable import Durable
from supervisor.agent.faults import (
    AgentFaultError,
    FencedError,
    NotEnteredError,
    ParkedExit,
    TerminatedExit,
)
from supervisor.agent.fence import Fence
from supervisor.agent.journal import Journal
from supervisor.agent.launch import Launch, read_launch
from supervisor.agent.noting import EVENTS, Notes
from supervisor.agent.positions import Positions
from supervisor.agent.progress import ProgressFile
from supervisor.agent.recovery import Recovery, former_end
from supervisor.agent.requests import Requests
from supervisor.agent.run_files import WAKE, RunFiles
from supervisor.agent.shutdown import Shutdown
from supervisor.agent.sleep import Sleeps
from supervisor.agent.steps import Steps
from supervisor.agent.task import Tasking
from supervisor.agent.track import Tracks
from supervisor.agent.values import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType
    from typing import Any, TypeVar

    from supervisor.agent.answer import Answer
    from supervisor.agent.question import Question

    T = TypeVar("T")


class Agent(Asking, Durable, Tasking):
    """One attempt of a run. Use it once: ``with Agent() as agent:``.

    Leaving the ``with`` normally means the run is done; with an exception, that it failed.
    """

    def __init__(self) -> None:
        self._launch_or_none: Launch | None = None
        self._shutdown = Shutdown()
        self._positions = Positions()

    def __enter__(self) -> Agent:
        """Read where the run stands; raises an AgentFaultError where that is not possible."""
        launch = read_launch(os.environ)
        files = RunFiles(launch.run_dir)
        files.prepare()
        fence = Fence(files, launch.run_id, launch.epoch)
        fence.claim()
        files.clear_leftovers()
        files.remove(WAKE)
        self._fence = fence
        self._positions.begin()
        self._progress = ProgressFile(files)
        former = self._progress.resume()
        try:
            self._read(launch, files)
        except AgentFaultError as error:
            self._say_failed(error)  # so that it is not tried again as a crash would be
            raise
        self._recovery = self._recovered(launch, former)
        self._pid = os.getpid()
        self._launch_or_none = launch
        self._notes = Notes(files.path(EVENTS), launch.epoch)
        self._progress.completed_steps = len(self._journal)
        self._shutdown.install()
        self._progress.flush()
        current.enter(self)
        return self

    def _read(self, launch: Launch, files: RunFiles) -> None:
        """What former attempts left, and the parts that go on from it."""
        self._journal = Journal(files, self._fence, launch.epoch)
        before = self._journal.sync
        self._checkpoint = CheckpointFile(
            files, self._fence, launch.run_id, launch.epoch, before=before
        )
        self._checkpoint.resume(launch.resume_from)
        self._resumed = self._checkpoint.user
        self._journal.load()
        self._steps = Steps(self._journal, self._positions, self._shutdown, launch.run_id)
        self._values = Values(self._journal, self._positions, self._shutdown)
        self._sleeps = Sleeps(
            files,
            self._values,
            self._positions,
            is_supervised=launch.is_supervised,
            woken=launch.woken,
        )
        self._tracks = Tracks(
            files, self._checkpoint, self._progress, self._positions, self._shutdown
        )
        self._requests = Requests(
            files,
            self._fence,
            self._progress,
            self._positions,
            self._shutdown,
            is_supervised=launch.is_supervised,
            before=before,
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Say how it ended. The exception goes on, so its traceback reaches standard error."""
        if os.getpid() != self._pid:
            return  # a forked child has no say about the run
        current.leave(self)
        with self._shutdown:
            if not self._fence.is_broken:
                self._leave(error)
            self._journal.close()
            self._launch.unlock()
        self._shutdown.remove()

    def _recovered(self, launch: Launch, former: object) -> Recovery | None:
        steps = len(self._journal)
        if launch.resume_from is None and not steps and launch.attempt == 1:
            return None
        return Recovery(
            attempt=launch.attempt,
            epoch=launch.epoch,
            steps=steps,
            why=former_end(former),
            state=self._resumed if launch.resume_from is not None else None,
            positions=self._positions,
        )

    def _leave(self, error: BaseException | None) -> None:
        if type(error).__name__ == "CancelledError":
            # What asyncio ends the other tasks with, the program's own included.
            error = self._positions.parked or TerminatedExit()
        status = _status_after(error)
        if status == "parked":
            self._sleeps.write_wake(self._launch.epoch)
        if error is not None and not isinstance(error, FencedError):
            self._steps.leave(error)
        if status == "failed" and error is not None:
            self._say_failed(error)
        self._progress.close(status)

    def _say_failed(self, error: BaseException) -> None:
        self._progress.add_error(
            {
                "kind": type(error).__name__,
                "message": str(error),
                "retryable": getattr(error, "retryable", None),
            }
        )

    # Where this attempt stands.

    @property
    def run_id(self) -> str:
        """Id of the run, the same in all its attempts."""
        return self._launch.run_id

    @property
    def name(self) -> str:
        """The agent's name in the configuration."""
        return self._launch.agent_name

    @property
    def epoch(self) -> int:
        """Goes up with every attempt, whoever started it."""
        return self._launch.epoch

    @property
    def attempt(self) -> int:
        """Counts the processes of this run from 1."""
        return self._launch.attempt

    @property
    def deadline(self) -> float | None:
        """Unix seconds at which the supervisor ends the run; None is no deadline."""
        return self._launch.deadline

    @property
    def run_dir(self) -> str:
        """Absolute path of the run's own directory, kept over all attempts."""
        return self._launch.run_dir

    @property
    def task_file(self) -> str | None:
        """Path of the task this run works on; None when it has none."""
        return self._launch.task_file

    @property
    def is_supervised(self) -> bool:
        """Whether somebody starts this program again when it leaves."""
        return self._launch.is_supervised

    @property
    def resumed(self) -> Any:
        """The state of the last ``checkpoint`` or ``stash``, or None on a first start.

        It comes from JSON: tuples are lists, keys are text. Reading it tells the SDK that this
        program may jump over steps that are done; see ``positions``.
        """
        launch = self._launch
        self._positions.keeps_own_position = True
        if self._resumed is not None and launch.resume_from is not None:
            self._positions.has_jumped = True
        return self._resumed

    # Being seen.

    def stages(self, names: Iterable[str]) -> None:
        """Declare all stages in their order, so that people see what is still to come."""
        self._entered()
        self._progress.stages = list(names)
        self._progress.touch()

    def stage(self, name: str, index: int | None = None, total: int | None = None) -> None:
        """Begin a stage; ``index`` (from 1) and ``total`` come from ``stages`` when left out."""
        self._entered()
        self._progress.set_stage(name, index, total)

    def progress(
        self,
        completed: float | None = None,
        total: float | None = None,
        unit: str | None = None,
        step: str | None = None,
    ) -> None:
        """Where the stage stands; None leaves a field as it was. Cheap: call it as you like."""
        self._entered()
        self._progress.set_step(completed=completed, total=total, unit=unit, name=step)

    def anomaly(self, kind: str, message: str, severity: str = "warning") -> None:
        """Report something unexpected; ``severity`` is info, warning or error."""
        self._entered()
        self._progress.add_anomaly(kind, message, severity)

    def error(
        self,
        message: str,
        *,
        kind: str | None = None,
        service: str | None = None,
        status_code: int | None = None,
        retryable: bool | None = None,
    ) -> None:
        """Report an error. The newest one's ``retryable`` decides what an exit leads to."""
        self._entered()
        self._progress.add_error(
            {
                "service": service,
                "kind": kind,
                "status_code": status_code,
                "retryable": retryable,
                "message": message,
            }
        )

    def usage(
        self,
        *,
        input_tokens: int = 0,
        output_tokens: int = 0,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        cost_usd: float = 0.0,
        model: str | None = None,
        context: tuple[int, int] | None = None,
    ) -> None:
        """Add what one model call used; the sums are over the whole run.

        ``context``: tokens in the model's context now, and how many fit into it.
        """
        self._entered()
        amounts = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "cache_read_tokens": cache_read_tokens,
            "cache_write_tokens": cache_write_tokens,
            "cost_usd": cost_usd,
        }
        self._progress.add_usage(amounts, model, context)

    def service(
        self,
        name: str,
        *,
        calls: int = 0,
        retries: int = 0,
        failures: int = 0,
        breaker: str | None = None,
    ) -> None:
        """Count calls to an external service; ``supervisor.calls`` does it by itself."""
        self._entered()
        counts = {"calls": calls, "retries": retries, "failures": failures}
        self._progress.add_service(name, counts, breaker)

    def event(self, kind: str, text: str = "", /, **fields: Any) -> None:
        """Note a ``thought``, a ``tool_call``, an ``observation`` …: it is shown and audited.

        Outside of a step it is noted again by each attempt that comes by. Cheap; not synced.
        """
        self._entered()
        self._notes.add(kind, text, fields)

    def log(self, *words: object) -> None:
        """A line on standard output, there at once; the supervisor keeps it."""
        print(*words, flush=True)

    # Being durable.

    def checkpoint(self, state: Any) -> None:
        """Store ``state`` (JSON values); on the disk when this returns, some milliseconds.

        Inside a ``track`` loop the item being worked on counts as not completed yet; ``stash``
        stores a state together with it.
        """
        self._entered()
        self._checkpoint.user = state
        with self._shutdown:
            self._checkpoint.save()
            self._positions.passed_checkpoint()
            self._progress.flush_pending()

    def stash(self, state: Any) -> None:
        """Store ``state`` with the next checkpoint: in a ``track`` loop, when the item completes.

        So sums over the items and the position in them never disagree.
        """
        self._entered()
        self._checkpoint.user = state

    def track(
        self,
        items: Iterable[T],
        stage: str | None = None,
        unit: str | None = None,
        key: Callable[[T], str] | None = None,
    ) -> Iterator[T]:
        """The items that are not done yet; an item is done when its body ran to the end.

        Each completed item is checkpointed. ``key`` names an item and lets the list change
        between attempts; without it, items are matched by position. May be nested.
        """
        self._entered()
        return self._tracks.iterate(items, stage, unit, key)

    @property
    def _launch(self) -> Launch:
        if self._launch_or_none is None:
            raise NotEnteredError("use it as: with Agent() as agent: …")
        return self._launch_or_none

    def park_for_service(self, service: str, latest_s: float, reason: str) -> None:
        """Leave until ``service`` may be called, ``latest_s`` from now at most.

        Returns at once where leaving would end other work of this process: wait in place then.
        ``supervisor.calls`` does this by itself.
        """
        self._entered()
        self._sleeps.park_for_service(service, latest_s, reason)

    def _ask(self, question: Question, *, park: bool) -> Answer:
        self._entered()
        return self._requests.ask(question, park=park)

    def _entered(self) -> None:
        _ = self._launch


def _status_after(error: BaseException | None) -> str:
    if isinstance(error, ParkedExit):
        return "parked"
    if isinstance(error, (TerminatedExit, KeyboardInterrupt)):
        return "stopped"
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return "done"
    return "failed"

"""Simulated agent processes: they work, checkpoint, ask, park, hang, crash and finish, by seed.

A process knows only its files: where it resumed, the answers that lie there, and its own dice.
What it will ask depends on the work, not on the attempt, as with a real program that runs again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from supervisor.core.progress import Progress, Step
from supervisor.core.run import Request, Wake

SILENT_STATUSES = (1, 2, 70, 75, 134)
"""Exit statuses a sick agent leaves with."""


@dataclass(slots=True)
class Files:
    """A run directory: what an agent and the engine tell each other."""

    progress: Progress | None = None
    checkpoint: tuple[int, int] | None = None
    """(epoch, sequence) of the agent's checkpoint file."""
    requests: dict[str, Request] = field(default_factory=dict)
    answers: dict[str, Request] = field(default_factory=dict)
    wake: Wake | None = None
    """The newest ``wake.json``, whichever attempt wrote it."""
    slept: set[int] = field(default_factory=set)
    """Steps before which it has slept, as its journal would tell it."""


@dataclass(frozen=True, slots=True)
class Nature:
    """What this world's agent is like; drawn once from the seed."""

    work: int
    """Steps to do."""
    crash: float
    hang: float
    exit_sick: float
    """Chances at each step."""
    asks_at: frozenset[int]
    """Steps that need the operator."""
    on_timeout: str
    patience: int
    """Looks for an answer before it parks."""
    checkpoint_every: int
    ignores_term: bool
    sleeps_at: frozenset[int] = frozenset()
    """Steps before which it sleeps."""
    naps: float = 0.0
    """Chance at each step that it leaves to sleep until a time that has passed."""


def draw_nature(rng: random.Random) -> Nature:
    """A nature from one stream."""
    work = rng.randint(1, 12)
    nature = Nature(
        work=work,
        crash=rng.choice((0.0, 0.05, 0.2, 0.6)),
        hang=rng.choice((0.0, 0.0, 0.1)),
        exit_sick=rng.choice((0.0, 0.0, 0.05)),
        asks_at=frozenset(n for n in range(work) if rng.random() < 0.2),
        on_timeout=rng.choice(("park", "deny", "default")),
        patience=rng.randint(0, 4),
        checkpoint_every=rng.choice((1, 1, 3, 100)),
        ignores_term=rng.random() < 0.2,
    )
    sleeps_at = frozenset(n for n in range(work) if rng.random() < 0.15)
    return replace(nature, sleeps_at=sleeps_at, naps=rng.choice((0.0, 0.0, 0.3)))


@dataclass(slots=True)
class Process:
    """One attempt, alive until ``exit_code`` or ``killed_by`` is set."""

    epoch: int
    pid: int
    done: int
    """Steps done; begins at what it resumed from."""
    nature: Nature
    rng: random.Random
    is_still: bool = False
    """SIGSTOP."""
    is_hanging: bool = False
    is_orphan: bool = False
    """A keeper that did not start it watches it: nobody will read its exit status."""
    looks: int = 0
    exit_code: int | None = None
    killed_by: int | None = None

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self.exit_code is None and self.killed_by is None

    def act(self, files: Files, wall: float, *, is_healed: bool) -> None:
        """Do one thing."""
        if self.is_still or not self.is_alive:
            return
        if self.is_hanging:
            self.is_hanging = not is_healed
            return
        draw = self.rng.random()
        if not is_healed and draw < self.nature.crash:
            self.killed_by = self.rng.choice((6, 9, 11))
        elif not is_healed and draw < self.nature.crash + self.nature.exit_sick:
            self.exit_code = self.rng.choice(SILENT_STATUSES)
        elif not is_healed and draw > 1.0 - self.nature.hang:
            self.is_hanging = True
        elif self.done in self.nature.sleeps_at - files.slept:
            files.slept.add(self.done)
            self._sleep(files, wall + self.rng.choice((0.4, 5.0, 90.0, 600.0)))
        elif not is_healed and self.rng.random() < self.nature.naps:
            self._sleep(files, wall - self.rng.choice((0.0, 60.0)))
        elif self.done in self.nature.asks_at and not self._has_answer(files, wall):
            self._wait_or_park(files, wall)
        else:
            self._work(files, wall)

    def _sleep(self, files: Files, at: float) -> None:
        """Sometimes it does not get as far as leaving."""
        files.wake = Wake(at, "pause", self.epoch)
        if self.rng.random() < 0.9:
            self.exit_code = 75

    def take_signal(self, number: int) -> None:
        """SIGTERM may be ignored, or taken while held still only after SIGCONT; SIGKILL never."""
        if number == 9 or not (self.nature.ignores_term or self.is_still):
            self.killed_by = number

    def _has_answer(self, files: Files, wall: float) -> bool:
        file_id = f"step-{self.done}"
        if file_id in files.answers:
            return True
        if file_id not in files.requests:
            files.requests[file_id] = self._question(file_id, wall)
        return False

    def _question(self, file_id: str, wall: float) -> Request:
        expires = wall + 20.0 if self.nature.on_timeout != "park" else None
        asked = Request("", file_id, "approve", f"{file_id}?", f"{self.done:064x}", wall, 0)
        return replace(asked, expires_at=expires, on_timeout=self.nature.on_timeout, default=False)

    def _wait_or_park(self, files: Files, wall: float) -> None:
        self.looks += 1
        if self.looks > self.nature.patience:
            if self.rng.random() < 0.3:
                files.wake = Wake(wall + 40.0, "look again", self.epoch)
            self.exit_code = 75

    def _work(self, files: Files, wall: float) -> None:
        if self.done >= self.nature.work:
            files.progress = Progress("done", updated_at=wall)
            self.exit_code = 0
            return
        self.done += 1
        self.looks = 0
        step = Step("work", float(self.done), float(self.nature.work))
        files.progress = Progress("working", step=step, updated_at=wall)
        if self.done % self.nature.checkpoint_every == 0:
            files.checkpoint = (self.epoch, self.done)

"""Tells people who are not looking: the shell around ``core.notices`` and ``core.outbox``.

Owns ``notify.json``: how far the log was looked at and what still has to be told. It is written
before anything is sent and after, so a death in between tells something twice at worst, and
nothing never. Only what is stored, and so redacted, is ever told.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from supervisor.config.notify import NO_NOTIFICATIONS, NotifySettings, Target
from supervisor.core import events as e
from supervisor.core import notify_events as n
from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.notices import Mark, digest, moved_mark, notice_of, status_notice
from supervisor.core.outbox import (
    Delivery,
    Outbox,
    TargetBox,
    delivered,
    due,
    next_due,
    put,
    refused,
    withdraw,
)
from supervisor.core.record import RecordError, canonical, from_plain
from supervisor.core.run import FINAL
from supervisor.engine.messengers import Send, send, shown
from supervisor.engine.runs import Runs
from supervisor.errors import EnvironmentFaultError
from supervisor.protocol.atomic import write_atomic
from supervisor.store.ports import EventLog

CATCH_UP = 5_000
"""Events read at a start that nobody was told of: of more than these the oldest are old news."""
LONGEST_NAP_S = 60.0
"""The wall clock decides about quiet hours and digests, and may be set at any moment."""
MAX_OUTBOX_BYTES = 4 << 20


class Notifier:
    """Sees every stored event; sends from its own task."""

    def __init__(
        self,
        path: Path,
        log: EventLog,
        runs: Runs,
        clock: Callable[[], Moment],
        carry: Send = send,
    ) -> None:
        self._path = path
        self._log = log
        self._states = runs.states
        self._note = runs.note
        self._clock = clock
        self._carry = carry
        self._settings = NO_NOTIFICATIONS
        self._outbox = Outbox()
        self._marks: dict[str, Mark] = {}
        self._agents: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._told_problem: set[str] = set()
        self._sending: set[str] = set()
        """Targets with a message on its way: one that hangs holds up no other."""
        self._saving = asyncio.Lock()
        self._is_unsaved = False

    def use(self, settings: NotifySettings) -> None:
        """From now on these rules; what waits for a target that is gone is dropped."""
        self._settings = settings
        boxes = {k: box for k, box in self._outbox.boxes.items() if k in settings.targets}
        self._outbox = Outbox(self._outbox.seq, boxes, self._outbox.told, self._outbox.status_at)
        self._is_unsaved = True
        self._wake.set()

    async def recover(self) -> None:
        """Go on where the last engine stopped: events that it stored and told nobody of."""
        found = await asyncio.to_thread(read_outbox, self._path)
        for state in self._states():
            self._agents[state.id] = state.agent
            if state.progress is not None:
                every = self._settings.policy.milestone_every
                self._marks[state.id] = moved_mark(
                    e.ProgressReported(state.progress), every, Mark()
                )
        if found is None:
            self._outbox = Outbox(seq=self._log.durable_seq, status_at=self._clock().wall)
            await self.save()  # Without it a death before the first message would lose it.
            return
        self._outbox = found
        self.use(self._settings)
        since = max(found.seq, self._log.durable_seq - CATCH_UP)
        for recorded in await self._log.history(since, CATCH_UP):
            self.see(recorded)

    def see(self, recorded: Recorded) -> None:
        """Take note of a stored event; a few microseconds."""
        if recorded.seq <= self._outbox.seq:
            return
        event, run_id, policy = recorded.event, recorded.run_id, self._settings.policy
        outbox = self._outbox
        outbox = Outbox(recorded.seq, outbox.boxes, outbox.told, outbox.status_at)
        if isinstance(event, e.RunCreated):
            self._agents[run_id] = event.spec.name
        if not policy.rules or not self._settings.targets or not run_id:
            self._outbox = outbox
            return
        mark = self._marks.get(run_id, Mark())
        agent = self._agents.get(run_id, "")
        notice = notice_of(recorded, agent, milestone_every=policy.milestone_every, mark=mark)
        if isinstance(event, e.ProgressReported):
            self._marks[run_id] = moved_mark(event, policy.milestone_every, mark)
        if isinstance(event, e.RequestAnswered | e.RequestClosed):
            outbox = withdraw(outbox, run_id, event.request_id)
            self._is_unsaved = True
        if notice is not None:
            outbox = put(outbox, policy, notice, self._clock().wall)
            self._is_unsaved = True
            self._wake.set()
        self._outbox = outbox

    async def follow(self) -> None:
        """Send what is due, for ever."""
        self._sending.clear()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                now, minute = self._now()
                self._tell_status(now)
                deliveries = due(self._idle(), self._settings.policy, now, minute)
                if deliveries:
                    self._sending |= {one.target for one in deliveries}
                    await self.save()
                    for one in deliveries:
                        group.create_task(self._send(one))
                    continue
                if self._is_unsaved:
                    # Quiet hours and digests are long, and the log of meanwhile may be too.
                    await self.save()
                    continue
                moment = next_due(self._idle(), self._settings.policy, now, minute)
                nap_s = LONGEST_NAP_S
                if moment is not None:
                    nap_s = min(nap_s, max(0.05, moment - now))
                try:
                    async with asyncio.timeout(nap_s):
                        await self._wake.wait()
                except TimeoutError:
                    pass  # Something may be due by now.

    async def save(self) -> None:
        """Keep what still has to be told."""
        self._is_unsaved = False
        if not self._settings.targets and not self._path.exists():
            return
        async with self._saving:  # Else an older picture might be written last.
            try:
                data = canonical(self._outbox).encode()
                await asyncio.to_thread(write_atomic, self._path, data)
            except EnvironmentFaultError as error:
                _say(f"what has to be told cannot be kept: {error}")

    def _idle(self) -> Outbox:
        """The outbox without targets that a message is on its way to."""
        boxes = {k: box for k, box in self._outbox.boxes.items() if k not in self._sending}
        return replace(self._outbox, boxes=boxes)

    async def _send(self, delivery: Delivery) -> None:
        try:
            await self._deliver(delivery)
            await self.save()
        finally:
            self._sending.discard(delivery.target)
            self._wake.set()

    async def _deliver(self, delivery: Delivery) -> None:
        target = self._settings.targets.get(delivery.target)
        if target is None:
            return
        message = digest((one.notice, one.count) for one in delivery.waiting)
        problem = await asyncio.to_thread(self._carry, target, message)
        now = self._clock().wall
        if problem is None:
            self._told_problem.discard(delivery.target)
            self._outbox = delivered(self._outbox, self._settings.policy, delivery, now)
            titles = tuple(one.notice.title for one in delivery.waiting)
            self._note(n.NotificationSent(await self._name(target), message.title, titles))
            return
        chance = random.SystemRandom().random()
        self._outbox, lost = refused(self._outbox, delivery, problem, now, chance)
        if lost or delivery.target not in self._told_problem:
            self._told_problem.add(delivery.target)
            name = await self._name(target)
            _say(f"{name} was not told: {problem}")
            self._note(n.NotificationFailed(name, problem, lost))

    async def _name(self, target: Target) -> str:
        return await asyncio.to_thread(shown, target)

    def _tell_status(self, now: float) -> None:
        every = self._settings.policy.status_every_s
        outbox = self._outbox
        if every is None or 0 <= now - outbox.status_at < every:
            return
        self._outbox = outbox = Outbox(outbox.seq, outbox.boxes, outbox.told, now)
        living = {s.id: s for s in self._states() if s.status not in FINAL}
        notice = status_notice(living, now)
        if notice is not None:
            self._outbox = put(outbox, self._settings.policy, notice, now)

    def _now(self) -> tuple[float, int]:
        now = self._clock().wall
        local = time.localtime(now)
        return now, 60 * local.tm_hour + local.tm_min


def read_outbox(path: Path) -> Outbox | None:
    """What was kept at ``path``; None when there is nothing usable: then nothing old is told."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_OUTBOX_BYTES + 1)
        return from_plain(Outbox, json.loads(data))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecordError) as error:
        _say(f"{path} cannot be used, nothing of before is told: {error}")
        return None


def waiting_of(outbox: Outbox) -> dict[str, TargetBox]:
    """Targets with something that could not be told yet."""
    return {name: box for name, box in outbox.boxes.items() if box.waiting}


def _say(words: str) -> None:
    sys.stderr.write(f"longwatch engine: {words}\n")

"""The queue of several machines on Temporal, under the suite of all queues, on a real server."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from queue_suite import Q, QueueBackend, QueueSuite, none_ready, one, task, text
from temporal_servers import TemporalServer

from supervisor.core.task import Counts, Join, Lease, Look, TaskState, join_key
from supervisor.errors import EnvironmentFaultError, RefusedError
from supervisor.queue.port import StaleLeaseError, TaskQueue

pytest.importorskip("temporalio")

from temporalio.client import Client
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from supervisor.fleet.temporal_connection import TemporalSettings
from supervisor.fleet.temporal_queue import TemporalTaskQueue
from supervisor.fleet.temporal_workflow import LongwatchTask

NAMES = itertools.count(1)
ALWAYS = {
    "test_a_submitted_task_comes_back_as_it_was",
    "test_a_payload_of_one_megabyte_comes_back_whole",
    "test_completing_twice_does_nothing_twice",
    "test_completing_submits_what_follows_in_the_same_step",
    "test_one_join_follows_another",
    "test_a_token_that_nobody_gave_out_is_refused",
}
"""Of the suite, what is checked without LONGWATCH_LONG."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TemporalServer]:
    made = TemporalServer(tmp_path_factory.mktemp("temporal"))
    made.start()
    yield made
    made.kill()


class TemporalBackend:
    """``queue_suite.QueueBackend`` under a prefix of the test's own."""

    lease_s = 3.0
    """An empty poll takes Temporal more than a second."""

    def __init__(self, server: TemporalServer) -> None:
        self.settings = TemporalSettings(
            address=server.address, prefix=f"t{next(NAMES)}", lease_s=self.lease_s, patience_s=15.0
        )
        self._opened: list[TemporalTaskQueue] = []
        self._queue: TemporalTaskQueue

    @property
    def queue(self) -> TaskQueue:
        return self._queue

    async def open(self) -> None:
        self._queue = await self.machine()

    async def machine(self) -> TemporalTaskQueue:
        """A client of its own, as on another machine."""
        made = await TemporalTaskQueue.open(self.settings)
        self._opened.append(made)
        return made

    @property
    def files(self) -> TemporalTaskQueue:
        return self._queue

    async def another(self) -> TaskQueue:
        return await self.machine()

    async def restart(self) -> None:
        await self._queue.close()
        await self.open()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def jump_wall_clock(self, seconds: float) -> None:
        """The server's time counts: a worker's clock is asked for nothing that matters."""

    async def close(self) -> None:
        for opened in self._opened:
            await opened.close()


@pytest.fixture
async def made(server: TemporalServer) -> AsyncIterator[TemporalBackend]:
    backend = TemporalBackend(server)
    await backend.open()
    yield backend
    await backend.close()


async def taken(queue: TaskQueue, count: int, name: str = Q) -> list[Lease]:
    """That many, in the order of their payloads: Temporal promises none of its own."""
    found = [await one(queue, name) for _ in range(count)]
    return sorted(found, key=lambda lease: lease.payload)


class TestTemporalQueue(QueueSuite):
    """What is told otherwise here is what docs/decisions/0008 takes back: the exact order, and
    lists that are of this very moment. All of it takes minutes: LONGWATCH_LONG=1."""

    @pytest.fixture
    async def backend(self, made: TemporalBackend, request: pytest.FixtureRequest) -> QueueBackend:
        if request.function.__name__ not in ALWAYS and not os.environ.get("LONGWATCH_LONG"):
            pytest.skip("part of the long run: LONGWATCH_LONG=1")
        return made

    async def test_two_claimers_never_get_one_task(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(60)])
        clients = [backend.queue, await backend.another()]

        async def take(number: int) -> list[Lease]:
            found: list[Lease] = []
            while more := await clients[number % 2].claim(Q, f"w{number}", 60.0, wait_s=6.0):
                found += more
            return found

        leases = await asyncio.gather(*(take(number) for number in range(6)))
        claimed = [lease for found in leases for lease in found]
        assert {lease.payload for lease in claimed} == {str(n) for n in range(60)}
        # On a busy machine a lease may be lost meanwhile: then the one before it is refused.
        lost = set(await backend.queue.extend([lease.token for lease in claimed], 60.0))
        held = [lease.payload for lease in claimed if lease.token not in lost]
        assert len(held) == len(set(held))

    async def test_completing_submits_what_follows_in_the_same_step(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task("draft")])
        lease = await one(backend.queue)
        following = [task(n, queue="review", group="g") for n in range(3)]
        assert await backend.queue.complete(lease.token, '{"ok":true}', following)
        detail = await backend.queue.get(lease.task.id)
        assert detail is not None
        assert (detail.task.state, detail.result) == (TaskState.DONE, '{"ok":true}')
        found = await taken(backend.queue, 3, "review")
        assert [lease.payload for lease in found] == ["0", "1", "2"]
        assert {lease.task.group for lease in found} == {"g"}

    async def test_tasks_are_listed_a_page_at_a_time(self, backend: QueueBackend) -> None:
        submitted = await backend.queue.submit([task(n) for n in range(7)])
        async with asyncio.timeout(20.0):
            while (await backend.queue.counts()).get(Q, Counts()).ready < 7:
                await asyncio.sleep(0.1)
        seen: list[str] = []
        while page := await backend.queue.listed(
            Q, TaskState.READY, after=seen[-1] if seen else "", limit=3
        ):
            assert len(page) <= 3
            seen += [found.id for found in page]
        assert seen == [done.id for done in submitted]

    async def test_tasks_are_found_by_what_they_carry_and_the_newest_come_first_when_asked(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit(
            [task({"path": "Lease-7.txt"}), task("b", key="k-LEASE"), task(3)]
        )
        ready = TaskState.READY
        async with asyncio.timeout(20.0):
            while len(await backend.queue.listed(Q, ready)) < 3:
                await asyncio.sleep(0.1)
        found = await backend.queue.listed(Q, ready, look=Look("lease"))
        assert [one.about for one in found] == ['{"path":"Lease-7.txt"}', '"b"']
        backwards = await backend.queue.listed(None, ready, limit=2, look=Look(newest_first=True))
        assert [one.about for one in backwards] == ["3", '"b"']

    async def test_the_oldest_that_waits_is_told_whatever_its_priority(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task(1)])
        async with asyncio.timeout(20.0):
            # The list, which has its age, may be a moment behind the number.
            while (counts := await backend.queue.counts()).get(Q, Counts()).oldest_at is None:
                await asyncio.sleep(0.1)
        (first,) = await backend.queue.listed(Q, TaskState.READY)
        assert abs((counts[Q].oldest_at or 0.0) - first.submitted_at) < 5.0
        await one(backend.queue)
        async with asyncio.timeout(20.0):
            while (await backend.queue.counts())[Q].oldest_at is not None:
                await asyncio.sleep(0.1)

    async def test_the_counts_say_where_every_task_stands(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(6)])
        await backend.queue.submit([task("late", delay_s=3600.0), task(1, queue="other")])
        done, dead, _held = [await one(backend.queue) for _ in range(3)]
        await backend.queue.complete(done.token, "1")
        await backend.queue.fail(dead.token, "no", None)
        expected = Counts(ready=3, delayed=1, leased=1, done=1, dead=1)
        async with asyncio.timeout(20.0):
            while True:
                counts = await backend.queue.counts()
                if replace(counts.get(Q, Counts()), oldest_at=None) == expected:
                    break
                await asyncio.sleep(0.1)
        assert counts["other"].ready == 1

    async def test_done_tasks_are_forgotten_by_age_and_nothing_else_is(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task(n, key=f"k{n}") for n in range(3)])
        done, dead = [await one(backend.queue) for _ in range(2)]
        await backend.queue.complete(done.token, "1")
        await backend.queue.fail(dead.token, "no", None)
        assert await backend.queue.forget(1.0) == 0
        async with asyncio.timeout(30.0):
            while await backend.queue.get(done.task.id) is not None:
                await backend.queue.forget(4e9)
        assert await backend.queue.get(dead.task.id) is not None

    async def test_the_oldest_comes_first(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(5)])
        found = await taken(backend.queue, 5)
        assert [lease.payload for lease in found] == [str(n) for n in range(5)]

    async def test_several_are_claimed_at_once_in_order(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(3)])
        assert len(await backend.queue.claim(Q, "worker", 30.0, limit=3, wait_s=5.0)) == 1

    async def test_the_more_urgent_comes_first(self, backend: QueueBackend) -> None:
        names = {"low": 0, "normal": 4, "high": 9}
        await backend.queue.submit([task(name, priority=level) for name, level in names.items()])
        await asyncio.sleep(1.0)  # Until all of them wait: there is no other way to see it.
        found = [json.loads((await one(backend.queue)).payload) for _ in names]
        assert found == ["high", "normal", "low"]

    async def test_an_extended_lease_outlives_its_first_length(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("long")])
        lease = await one(backend.queue, lease_s=backend.lease_s)
        for _ in range(4):
            await backend.pass_time(0.4 * backend.lease_s)
            assert await backend.queue.extend([lease.token], backend.lease_s) == []
        assert await backend.queue.complete(lease.token, "1")

    async def test_a_released_task_is_as_if_never_claimed(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("a", max_deliveries=1)])
        lease = await one(backend.queue)
        await backend.queue.release(lease.token)
        again = await one(backend.queue)
        assert (again.task.id, again.task.deliveries) == (lease.task.id, 1)
        assert await backend.queue.complete(again.token, "1")

    async def test_a_join_comes_once_when_its_whole_group_is_over(
        self, backend: QueueBackend
    ) -> None:
        joins = (Join(queue="sum", of=Q, max_deliveries=7),)
        await backend.queue.submit([task(n, group="g", joins=joins) for n in range(3)])
        leases = await taken(backend.queue, 3)
        for place in (2, 0):
            await backend.queue.complete(leases[place].token, text(place * 10))
        assert await none_ready(backend.queue, "sum")
        await backend.queue.complete(leases[1].token, "10")
        joined = await one(backend.queue, "sum")
        assert json.loads(joined.payload) == {"results": [0, 10, 20], "failed": []}
        assert (joined.task.group, joined.task.key) == ("g", join_key("g"))
        assert joined.task.max_deliveries == 7
        assert await none_ready(backend.queue, "sum")

    async def test_what_was_acknowledged_is_there_after_a_death(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task(n, key=f"k{n}") for n in range(4)])
        done, failed, held = [await one(backend.queue) for _ in range(3)]
        await backend.queue.complete(done.token, '"result"', [task("next", queue="review")])
        await backend.queue.fail(failed.token, "broken", None)
        await backend.restart()
        detail = await backend.queue.get(done.task.id)
        assert detail is not None and detail.result == '"result"'
        (dead,) = await backend.queue.listed(Q, TaskState.DEAD)
        assert dead.id == failed.task.id
        assert (await one(backend.queue, "review")).payload == '"next"'
        others = {done.payload, failed.payload, held.payload}
        assert {str(n) for n in range(4)} - others <= {(await one(backend.queue)).payload, *others}


async def test_what_a_task_has_with_it_is_fenced(made: TemporalBackend) -> None:
    await made.queue.submit([task("work", max_deliveries=9)])
    lease = await one(made.queue, lease_s=made.lease_s)
    await made.files.keep(lease.token, "journal", 0, b"one\n")
    await made.files.keep(lease.token, "journal", 4, b"two\n")
    await made.files.keep(lease.token, "journal", 0, b"one\ntwo\nthree\n")  # Again, and more.
    await made.files.keep(lease.token, "checkpoint", None, b"\x00\xff" * 400_000)
    with pytest.raises(RefusedError, match="14 bytes"):
        await made.files.keep(lease.token, "journal", 20, b"gap\n")
    there = await made.machine()
    await made.pass_time(1.5 * made.lease_s)
    again = await one(there)
    found = await there.take(again.token)
    assert found == {"journal": b"one\ntwo\nthree\n", "checkpoint": b"\x00\xff" * 400_000}
    assert await there.kept_size(again.task.id, "journal") == 14
    with pytest.raises(StaleLeaseError):
        await made.files.keep(lease.token, "journal", 14, b"stale\n")
    assert await there.take(again.token) == found
    await there.keep(again.token, "journal", None, b"")
    assert await there.complete(again.token, "1")


async def test_without_a_server_the_call_says_so_in_time() -> None:
    settings = TemporalSettings(address="127.0.0.1:9", patience_s=2.0)
    with pytest.raises(EnvironmentFaultError, match=r"127\.0\.0\.1:9"):
        await TemporalTaskQueue.open(settings)


async def test_a_task_beyond_its_deadline_or_cancelled_in_temporal_says_so(
    server: TemporalServer, made: TemporalBackend
) -> None:
    late = TemporalBackend(server)
    late.settings = replace(made.settings, deadline_s=1.5)
    await late.open()
    try:
        await late.queue.submit([task("late", key="late")])
        await made.queue.submit([task("unwanted", key="unwanted")])
        leases = [await one(late.queue), await one(made.queue)]
        client = await Client.connect(made.settings.address)
        await client.get_workflow_handle(f"{made.settings.prefix}/{Q}/unwanted").cancel()
        problems = {}
        async with asyncio.timeout(40):
            while len(problems) < 2:
                found = await made.queue.listed(Q, TaskState.DEAD)
                problems = {dead.key: dead.problem for dead in found}
                await asyncio.sleep(0.1)
        assert problems["unwanted"] == "cancelled in Temporal"
        assert problems["late"] == "not done by its deadline: [fleet] deadline"
        # Whoever worked on them is told so, and nothing he brings counts.
        tokens = [lease.token for lease in leases]
        assert await made.queue.extend(tokens, made.lease_s) == tokens
        assert await made.queue.requeue([leases[1].task.id]) == [leases[1].task.id]
        again = await one(made.queue)
        assert again.task.id == leases[1].task.id
        assert await made.queue.complete(again.token, "1")
    finally:
        await late.close()


async def test_the_workflow_of_a_finished_task_can_be_replayed(made: TemporalBackend) -> None:
    from temporalio.worker import Replayer, UnsandboxedWorkflowRunner

    await made.queue.submit([task("work", key="k", delay_s=0.2, max_deliveries=3)])
    first = await one(made.queue)
    await made.queue.fail(first.token, "no", 0.1)
    lease = await one(made.queue)
    await made.queue.complete(lease.token, "1", [task("next", queue="review")])
    client = await Client.connect(made.settings.address)
    history = await client.get_workflow_handle(f"{made.settings.prefix}/{Q}/k").fetch_history()
    # With the sandbox: it refuses what a workflow must not do.
    for runner in (SandboxedWorkflowRunner(), UnsandboxedWorkflowRunner()):
        replayer = Replayer(workflows=[LongwatchTask], workflow_runner=runner)
        await replayer.replay_workflow(history)

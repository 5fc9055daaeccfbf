"""The queue of several machines under the suite of all queues, against a real NATS server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from nats_servers import NatsServer
from queue_suite import QueueBackend, QueueSuite, none_ready, one, task

from supervisor.core.task import TaskState
from supervisor.errors import EnvironmentFaultError, RefusedError
from supervisor.fleet.nats_connection import NatsSettings
from supervisor.fleet.shared_queue import SharedTaskQueue
from supervisor.queue.port import StaleLeaseError, TaskQueue

NAMES = itertools.count(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    made = NatsServer(tmp_path_factory.mktemp("nats"))
    made.start()
    yield made
    made.kill()


class NatsBackend:
    """``queue_suite.QueueBackend`` in a namespace of the test's own."""

    lease_s = 0.4

    def __init__(self, server: NatsServer, directory: Path) -> None:
        self.settings = NatsSettings(
            servers=(server.url,), namespace=f"t{next(NAMES)}", patience_s=15.0
        )
        self._directory = directory
        self._numbers = itertools.count(1)
        self._opened: list[SharedTaskQueue] = []
        self._queue: SharedTaskQueue

    @property
    def queue(self) -> SharedTaskQueue:
        return self._queue

    async def open(self) -> None:
        self._queue = await self.machine("one")

    async def machine(self, name: str, **more: int) -> SharedTaskQueue:
        """A client with a replica of its own, as on a machine of that name."""
        made = await SharedTaskQueue.open(self.settings, self._directory / f"{name}.db", **more)
        self._opened.append(made)
        return made

    async def another(self) -> TaskQueue:
        return await self.machine(f"other{next(self._numbers)}")

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
async def made(server: NatsServer, tmp_path: Path) -> AsyncIterator[NatsBackend]:
    backend = NatsBackend(server, tmp_path)
    await backend.open()
    yield backend
    await backend.close()


class TestNatsQueue(QueueSuite):
    @pytest.fixture
    async def backend(self, made: NatsBackend) -> QueueBackend:
        return made


async def test_a_machine_that_comes_later_finds_everything(made: NatsBackend) -> None:
    await made.queue.submit([task(n, key=f"k{n}") for n in range(20)])
    lease = await one(made.queue)
    await made.queue.complete(lease.token, '"done"')
    late = await made.machine("late")
    assert await late.counts() == await made.queue.counts()
    detail = await late.get(lease.task.id)
    assert detail is not None and detail.result == '"done"'


async def test_a_snapshot_takes_the_place_of_the_log_it_holds(made: NatsBackend) -> None:
    busy = await made.machine("busy", snapshot_every=40)
    large = "x" * 300_000
    await busy.submit([task(large, key="large")])
    for n in range(200):
        await busy.submit([task(n, key=f"k{n}")])
    log = busy._log  # What the server keeps is the point.
    for _ in range(200):
        if (extent := await log.extent()).first > 1:
            break
        await asyncio.sleep(0.05)
    assert 1 < extent.first < extent.last
    late = await made.machine("late")
    assert (await late.counts())["research"].ready == 201
    assert (await one(late)).payload == f'"{large}"'
    # The first machine was closed before the cut and is behind it now.
    await made.restart()
    assert (await made.queue.counts())["research"].unfinished == 201


async def test_a_lease_lost_in_a_partition_settles_nothing_afterwards(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.start()
    backend = NatsBackend(server, tmp_path)
    await backend.open()
    here, there = backend.queue, await backend.machine("there")
    await here.submit([task("work")])
    lease = await one(here, lease_s=1.0)
    try:
        server.kill()
        completing = asyncio.create_task(here.complete(lease.token, '"mine"'))
        await asyncio.sleep(1.2)
        assert not completing.done(), "a completion counts only when the server has it"
        completing.cancel()
        server.start()
        again = await one(there)
        assert (again.task.id, again.task.deliveries) == (lease.task.id, 2)
        assert await there.complete(again.token, '"theirs"')
        with pytest.raises(StaleLeaseError):
            await here.complete(lease.token, '"mine"')
        detail = await here.get(lease.task.id)
        assert detail is not None and detail.result == '"theirs"'
    finally:
        await backend.close()
        server.kill()


async def test_what_was_acknowledged_survives_the_servers_death(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    server.start()
    backend = NatsBackend(server, tmp_path)
    await backend.open()
    try:
        await backend.queue.submit([task(n) for n in range(10)])
        lease = await one(backend.queue)
        await backend.queue.complete(lease.token, "1")
        server.kill()
        server.start()
        assert (await one(backend.queue)).payload == "1"
        counts = (await backend.queue.counts())["research"]
        assert (counts.done, counts.leased, counts.ready) == (1, 1, 8)
    finally:
        await backend.close()
        server.kill()


async def test_without_a_server_the_call_says_so_in_time(tmp_path: Path) -> None:
    settings = NatsSettings(servers=("nats://127.0.0.1:9",), patience_s=1.0)
    with pytest.raises(EnvironmentFaultError, match=r"127\.0\.0\.1:9"):
        await SharedTaskQueue.open(settings, tmp_path / "x.db")


async def test_four_machines_share_two_hundred_tasks_without_doing_one_twice(
    made: NatsBackend,
) -> None:
    machines = [await made.machine(f"m{n}") for n in range(4)]
    await machines[0].submit([task(n) for n in range(200)])
    seen: list[str] = []

    async def work(queue: SharedTaskQueue, name: str) -> None:
        while leases := await queue.claim("research", name, 30.0, limit=5, wait_s=0.5):
            for lease in leases:
                assert await queue.complete(lease.token, lease.payload)
                seen.append(lease.payload)

    await asyncio.gather(*(work(queue, f"m{n}") for n, queue in enumerate(machines)))
    assert sorted(map(int, seen)) == list(range(200))
    assert await none_ready(machines[3])
    assert len(await machines[1].listed("research", TaskState.DONE, limit=500)) == 200


async def test_what_a_task_has_with_it_is_fenced_and_goes_with_its_end(made: NatsBackend) -> None:
    await made.queue.submit([task("work", max_deliveries=9)])
    lease = await one(made.queue, lease_s=made.lease_s)
    await made.queue.keep(lease.token, "journal", 0, b"one\n")
    await made.queue.keep(lease.token, "journal", 4, b"two\n")
    await made.queue.keep(lease.token, "journal", 0, b"one\ntwo\nthree\n")  # Sent again, and more.
    await made.queue.keep(lease.token, "checkpoint", None, b"\x00\xff" * 200_000)
    with pytest.raises(RefusedError, match="14 bytes"):
        await made.queue.keep(lease.token, "journal", 20, b"gap\n")
    there = await made.machine("there")
    await made.pass_time(1.5 * made.lease_s)
    again = await one(there)
    found = await there.take(again.token)
    assert found == {"journal": b"one\ntwo\nthree\n", "checkpoint": b"\x00\xff" * 200_000}
    assert await there.kept_size(again.task.id, "journal") == 14
    with pytest.raises(StaleLeaseError):
        await made.queue.keep(lease.token, "journal", 14, b"stale\n")
    await there.keep(again.token, "journal", None, b"")
    await there.complete(again.token, "1")
    assert await there.take(again.token) == {}


async def test_who_comes_back_when_a_task_is_long_done_is_told_so(made: NatsBackend) -> None:
    await made.queue.submit([task("work", max_deliveries=9)])
    lease = await one(made.queue, lease_s=made.lease_s)
    await made.queue.keep(lease.token, "journal", 0, b"one\n")
    there = await made.machine("there")
    await made.pass_time(1.5 * made.lease_s)
    again = await one(there)
    await there.keep(again.token, "journal", 0, b"one\ntwo\n")
    await there.complete(again.token, "1")
    # Nothing of the task is left but its fence.
    for name in ("journal", "results/1"):
        with pytest.raises(StaleLeaseError):
            await made.queue.keep(lease.token, name, 4 if name == "journal" else None, b"late\n")
    restarted = await made.machine("here")
    with pytest.raises(StaleLeaseError):
        await restarted.keep(lease.token, "journal", 0, b"late\n")


async def test_a_first_file_of_who_lost_the_task_is_not_acknowledged(made: NatsBackend) -> None:
    """There was nothing to take over when the other machine looked."""
    await made.queue.submit([task("work", max_deliveries=9)])
    lease = await one(made.queue, lease_s=made.lease_s)
    await made.queue.keep(lease.token, "state", None, b"{}")
    there = await made.machine("there")
    await made.pass_time(1.5 * made.lease_s)
    again = await one(there)
    assert await there.take(again.token) == {"state": b"{}"}
    with pytest.raises(StaleLeaseError):
        await made.queue.keep(lease.token, "journal", 0, b"late\n")

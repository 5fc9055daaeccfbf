"""What every task queue promises (``supervisor.queue.port``), as one suite for all backends.

A backend's test file makes a subclass with a fixture ``backend`` and nothing else:

    class TestNatsQueue(QueueSuite):
        @pytest.fixture
        async def backend(self) -> AsyncIterator[QueueBackend]: ...

The suite never sleeps by itself: ``backend.pass_time`` does, or moves a clock of the backend's own.
"""

from __future__ import annotations

import asyncio
import json
from typing import Protocol

import pytest

from supervisor.core.ids import is_run_id
from supervisor.core.task import (
    MAX_KEY_LENGTH,
    MAX_PAYLOAD_BYTES,
    Join,
    Lease,
    Look,
    NewTask,
    TaskState,
    join_key,
)
from supervisor.queue.port import StaleLeaseError, TaskQueue, TaskRefusedError

Q = "research"


class QueueBackend(Protocol):
    """A backend under test: empty at the start of each test, gone at its end."""

    lease_s: float
    """A lease that is as short as the backend can tell apart: what ``pass_time`` has to outlast."""

    @property
    def queue(self) -> TaskQueue:
        """A client; the same one each time until ``restart``."""
        ...

    async def another(self) -> TaskQueue:
        """A second client of the same tasks, as on another machine."""
        ...

    async def restart(self) -> None:
        """The client dies without a word and ``queue`` is a new one."""
        ...

    async def pass_time(self, seconds: float) -> None:
        """Let that much time pass for leases and delays."""
        ...

    def jump_wall_clock(self, seconds: float) -> None:
        """Set the wall clock of this machine forward or back."""
        ...


def text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def task(value: object = None, queue: str = Q, **more: object) -> NewTask:
    return NewTask(**{"queue": queue, "payload": text(value), **more})  # type: ignore[arg-type]


async def one(queue: TaskQueue, name: str = Q, lease_s: float = 30.0) -> Lease:
    found = await queue.claim(name, "worker", lease_s, wait_s=10.0)
    assert len(found) == 1, "no task came"
    return found[0]


async def none_ready(queue: TaskQueue, name: str = Q) -> bool:
    return await queue.claim(name, "nobody", 30.0) == []


class QueueSuite:
    """Every promise; see the module."""

    # -- submitting -----------------------------------------------------------------------------

    async def test_a_submitted_task_comes_back_as_it_was(self, backend: QueueBackend) -> None:
        value = {"document": "contract ü \U0001f600", "pages": [1, 2, None], "deep": {"a": 1.5}}
        (done,) = await backend.queue.submit([task(value, key="c-1", max_deliveries=3)])
        assert done.is_new and done.state is TaskState.READY and is_run_id(done.id)
        lease = await one(backend.queue)
        assert json.loads(lease.payload) == value
        found = lease.task
        assert (found.id, found.queue, found.key) == (done.id, Q, "c-1")
        assert (found.deliveries, found.max_deliveries) == (1, 3)
        assert found.state is TaskState.LEASED and found.worker == "worker"

    async def test_a_payload_of_one_megabyte_comes_back_whole(self, backend: QueueBackend) -> None:
        value = {"text": "x" * (1 << 20)}
        await backend.queue.submit([task(value)])
        lease = await one(backend.queue)
        assert json.loads(lease.payload) == value
        assert await backend.queue.complete(lease.token, text(value))
        detail = await backend.queue.get(lease.task.id)
        assert detail is not None and detail.result == text(value)

    async def test_the_same_key_is_one_task(self, backend: QueueBackend) -> None:
        (first,) = await backend.queue.submit([task(1, key="same")])
        second, other = await backend.queue.submit(
            [task(2, key="same"), task(3, queue="other", key="same")]
        )
        assert (second.id, second.is_new) == (first.id, False)
        assert other.is_new and other.id != first.id
        lease = await one(backend.queue)
        assert lease.payload == "1"
        assert await none_ready(backend.queue)
        await backend.queue.complete(lease.token, "null")
        (late,) = await backend.queue.submit([task(4, key="same")])
        assert (late.id, late.is_new, late.state) == (first.id, False, TaskState.DONE)
        assert await none_ready(backend.queue)

    async def test_many_submitters_of_one_key_get_one_task(self, backend: QueueBackend) -> None:
        clients = [backend.queue, await backend.another()]
        answers = await asyncio.gather(
            *(clients[n % 2].submit([task(n, key="race")]) for n in range(20))
        )
        assert len({answer[0].id for answer in answers}) == 1
        assert sum(answer[0].is_new for answer in answers) == 1

    async def test_an_id_of_ones_own_is_kept_and_taken_once(self, backend: QueueBackend) -> None:
        own = "01J0000000000000000000000A"
        (first,) = await backend.queue.submit([task(1, id=own)])
        (again,) = await backend.queue.submit([task(2, id=own)])
        assert (first.id, again.id, again.is_new) == (own, own, False)
        assert (await one(backend.queue)).payload == "1"
        assert await none_ready(backend.queue)

    @pytest.mark.parametrize(
        "bad",
        [
            {"key": ""},
            {"key": "k" * (MAX_KEY_LENGTH + 1)},
            {"priority": 10},
            {"priority": -1},
            {"delay_s": -1.0},
            {"delay_s": float("nan")},
            {"max_deliveries": 0},
            {"payload": '"\ud800"'},
            {"joins": (Join(queue="sum", of=Q),)},
        ],
        ids=str,
    )
    async def test_a_bad_task_is_refused_with_all_beside_it(
        self, backend: QueueBackend, bad: dict[str, object]
    ) -> None:
        with pytest.raises(TaskRefusedError):
            await backend.queue.submit([task(1), task(2, **bad)])
        assert await none_ready(backend.queue)

    async def test_a_payload_beyond_the_limit_is_refused(self, backend: QueueBackend) -> None:
        with pytest.raises(TaskRefusedError, match="at most"):
            await backend.queue.submit([task("x" * MAX_PAYLOAD_BYTES)])
        assert await none_ready(backend.queue)

    # -- order ----------------------------------------------------------------------------------

    async def test_the_oldest_comes_first(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(5)])
        await backend.queue.submit([task(n) for n in range(5, 10)])
        taken = [(await one(backend.queue)).payload for _ in range(10)]
        assert taken == [str(n) for n in range(10)]

    async def test_the_more_urgent_comes_first(self, backend: QueueBackend) -> None:
        await backend.queue.submit(
            [task("low", priority=0), task("normal"), task("high", priority=9), task("normal 2")]
        )
        taken = [json.loads((await one(backend.queue)).payload) for _ in range(4)]
        assert taken == ["high", "normal", "normal 2", "low"]

    async def test_several_are_claimed_at_once_in_order(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(5)])
        first = await backend.queue.claim(Q, "worker", 30.0, limit=3)
        rest = await backend.queue.claim(Q, "worker", 30.0, limit=3)
        assert [lease.payload for lease in first + rest] == ["0", "1", "2", "3", "4"]
        assert len(first) == 3

    async def test_queues_do_not_see_each_other(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(1, queue="a"), task(2, queue="b")])
        assert (await one(backend.queue, "b")).payload == "2"
        assert await none_ready(backend.queue, "b")
        assert (await one(backend.queue, "a")).payload == "1"

    # -- time -----------------------------------------------------------------------------------

    async def test_a_delayed_task_is_not_claimed_before_it_is_due(
        self, backend: QueueBackend
    ) -> None:
        (done,) = await backend.queue.submit([task(1, delay_s=2 * backend.lease_s)])
        assert done.state is TaskState.DELAYED
        assert await none_ready(backend.queue)
        await backend.pass_time(backend.lease_s)
        assert await none_ready(backend.queue)
        await backend.pass_time(1.5 * backend.lease_s)
        assert (await one(backend.queue)).task.id == done.id

    async def test_a_claim_waits_for_what_is_submitted_meanwhile(
        self, backend: QueueBackend
    ) -> None:
        waiting = asyncio.create_task(backend.queue.claim(Q, "worker", 30.0, wait_s=30.0))
        await asyncio.sleep(0)
        await (await backend.another()).submit([task("late")])
        found = await asyncio.wait_for(waiting, 20.0)
        assert [lease.payload for lease in found] == ['"late"']

    @pytest.mark.parametrize("jump_s", [86_400.0, -86_400.0])
    async def test_a_wall_clock_that_is_set_moves_nothing(
        self, backend: QueueBackend, jump_s: float
    ) -> None:
        await backend.queue.submit([task("held"), task("late", delay_s=2 * backend.lease_s)])
        lease = await one(backend.queue, lease_s=2 * backend.lease_s)
        backend.jump_wall_clock(jump_s)
        assert await none_ready(backend.queue)
        await backend.pass_time(2.5 * backend.lease_s)
        again = [await one(backend.queue), await one(backend.queue)]
        assert sorted(found.payload for found in again) == ['"held"', '"late"']
        with pytest.raises(StaleLeaseError):
            await backend.queue.complete(lease.token, "1")

    # -- leases and fencing ---------------------------------------------------------------------

    async def test_two_claimers_never_get_one_task(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(60)])
        clients = [backend.queue, await backend.another()]

        async def take(number: int) -> list[Lease]:
            taken: list[Lease] = []
            while found := await clients[number % 2].claim(Q, f"w{number}", 30.0, limit=2):
                taken += found
            return taken

        taken = await asyncio.gather(*(take(number) for number in range(6)))
        payloads = [lease.payload for leases in taken for lease in leases]
        assert sorted(payloads, key=int) == [str(n) for n in range(60)]

    async def test_a_dead_workers_task_is_delivered_again(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("work")])
        first = await one(backend.queue, lease_s=backend.lease_s)
        assert await none_ready(backend.queue)
        await backend.pass_time(1.5 * backend.lease_s)
        second = await one(backend.queue)
        assert second.task.id == first.task.id
        assert second.task.deliveries == 2
        assert second.token != first.token
        assert second.payload == '"work"'

    async def test_who_lost_the_lease_can_do_nothing_any_more(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("work")])
        old = await one(backend.queue, lease_s=backend.lease_s)
        await backend.pass_time(1.5 * backend.lease_s)
        new = await one(backend.queue)
        assert await backend.queue.extend([old.token, new.token], 30.0) == [old.token]
        for stale in (
            backend.queue.complete(old.token, '"old"', [task("next", queue="after")]),
            backend.queue.fail(old.token, "no", None),
            backend.queue.release(old.token),
        ):
            with pytest.raises(StaleLeaseError):
                await stale
        assert await none_ready(backend.queue, "after")
        assert await backend.queue.complete(new.token, '"new"')
        detail = await backend.queue.get(new.task.id)
        assert detail is not None and detail.result == '"new"'
        with pytest.raises(StaleLeaseError):
            await backend.queue.complete(old.token, '"old"')

    async def test_an_extended_lease_outlives_its_first_length(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("long")])
        lease = await one(backend.queue, lease_s=backend.lease_s)
        for _ in range(3):
            await backend.pass_time(0.6 * backend.lease_s)
            assert await backend.queue.extend([lease.token], backend.lease_s) == []
            assert await none_ready(backend.queue)
        assert await backend.queue.complete(lease.token, "1")

    @pytest.mark.parametrize("token", ["", "x", "01J0000000000000000000000A.1", "é.9", "a.b.c"])
    async def test_a_token_that_nobody_gave_out_is_refused(
        self, backend: QueueBackend, token: str
    ) -> None:
        await backend.queue.submit([task("work")])
        with pytest.raises(StaleLeaseError):
            await backend.queue.complete(token, "1")
        assert await backend.queue.extend([token], 30.0) == [token]
        assert (await one(backend.queue)).payload == '"work"'

    async def test_a_released_task_is_as_if_never_claimed(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("a", max_deliveries=1), task("b")])
        lease = await one(backend.queue)
        await backend.queue.release(lease.token)
        again = await one(backend.queue)
        assert (again.task.id, again.task.deliveries) == (lease.task.id, 1)
        assert await backend.queue.complete(again.token, "1")

    # -- ends -----------------------------------------------------------------------------------

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
        taken = [(await one(backend.queue, "review")) for _ in range(3)]
        assert [found.payload for found in taken] == ["0", "1", "2"]
        assert {found.task.group for found in taken} == {"g"}

    async def test_completing_twice_does_nothing_twice(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("draft")])
        lease = await one(backend.queue)
        following = [task("next", queue="review")]
        assert await backend.queue.complete(lease.token, "1", following) is True
        assert await backend.queue.complete(lease.token, "2", following) is False
        await one(backend.queue, "review")
        assert await none_ready(backend.queue, "review")
        detail = await backend.queue.get(lease.task.id)
        assert detail is not None and detail.result == "1"

    async def test_two_that_complete_at_once_do_it_once(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("draft")])
        lease = await one(backend.queue)
        clients = [backend.queue, await backend.another()]
        answers = await asyncio.gather(
            *(c.complete(lease.token, "1", [task("next", queue="review")]) for c in clients)
        )
        assert sorted(answers) == [False, True]
        await one(backend.queue, "review")
        assert await none_ready(backend.queue, "review")

    async def test_what_follows_and_cannot_be_taken_completes_nothing(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task("draft")])
        lease = await one(backend.queue)
        with pytest.raises(TaskRefusedError):
            await backend.queue.complete(
                lease.token, "1", [task(1, queue="review"), task(2, queue="review", priority=99)]
            )
        assert await none_ready(backend.queue, "review")
        assert await backend.queue.complete(lease.token, "2")

    async def test_a_failed_task_waits_and_comes_again(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("work", max_deliveries=3)])
        lease = await one(backend.queue)
        state = await backend.queue.fail(lease.token, "exit status 1", backend.lease_s)
        assert state is TaskState.DELAYED
        assert await none_ready(backend.queue)
        await backend.pass_time(1.5 * backend.lease_s)
        again = await one(backend.queue)
        assert (again.task.deliveries, again.task.problem) == (2, "exit status 1")

    async def test_after_its_last_delivery_a_task_is_a_dead_letter(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task("work", max_deliveries=2)])
        states = []
        for _ in range(2):
            lease = await one(backend.queue)
            states.append(await backend.queue.fail(lease.token, "it broke", 0.0))
        assert states == [TaskState.DELAYED, TaskState.DEAD]
        assert await none_ready(backend.queue)
        (dead,) = await backend.queue.listed(Q, TaskState.DEAD)
        assert (dead.id, dead.problem, dead.deliveries) == (lease.task.id, "it broke", 2)
        assert dead.finished_at is not None

    async def test_what_cannot_be_helped_is_dead_at_once(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task("work", max_deliveries=5)])
        lease = await one(backend.queue)
        assert await backend.queue.fail(lease.token, "bad input", None) is TaskState.DEAD
        assert await none_ready(backend.queue)

    async def test_a_task_that_takes_every_worker_down_ends_as_a_dead_letter(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task("poison", max_deliveries=2)])
        for _ in range(2):
            await one(backend.queue, lease_s=backend.lease_s)
            await backend.pass_time(1.5 * backend.lease_s)
        assert await none_ready(backend.queue)
        (dead,) = await backend.queue.listed(Q, TaskState.DEAD)
        assert dead.problem is not None and "worker" in dead.problem

    async def test_a_dead_letter_is_requeued_with_fresh_deliveries(
        self, backend: QueueBackend
    ) -> None:
        (done,) = await backend.queue.submit([task("work", max_deliveries=1, key="k")])
        lease = await one(backend.queue)
        await backend.queue.fail(lease.token, "no", None)
        assert await backend.queue.requeue([done.id, "01J0000000000000000000000A"]) == [done.id]
        assert await backend.queue.requeue([done.id]) == []
        again = await one(backend.queue)
        assert (again.task.id, again.task.deliveries, again.payload) == (done.id, 1, '"work"')
        with pytest.raises(StaleLeaseError):
            await backend.queue.complete(lease.token, "1")
        assert await backend.queue.complete(again.token, "1")

    async def test_a_dropped_dead_letter_is_gone_and_its_key_free(
        self, backend: QueueBackend
    ) -> None:
        (done,) = await backend.queue.submit([task("work", key="k")])
        assert await backend.queue.drop([done.id]) == []
        lease = await one(backend.queue)
        await backend.queue.fail(lease.token, "no", None)
        assert await backend.queue.drop([done.id]) == [done.id]
        assert await backend.queue.get(done.id) is None
        assert await backend.queue.listed(None, TaskState.DEAD) == []
        (new,) = await backend.queue.submit([task("work", key="k")])
        assert new.is_new and new.id != done.id

    # -- joins ----------------------------------------------------------------------------------

    async def test_a_join_comes_once_when_its_whole_group_is_over(
        self, backend: QueueBackend
    ) -> None:
        joins = (Join(queue="sum", of=Q, max_deliveries=7),)
        await backend.queue.submit([task(n, group="g", joins=joins) for n in range(3)])
        await backend.queue.submit([task("other", group="h", joins=joins)])
        leases = [await one(backend.queue) for _ in range(4)]
        for place in (2, 0):
            assert await none_ready(backend.queue, "sum")
            await backend.queue.complete(leases[place].token, text(place * 10))
        assert await none_ready(backend.queue, "sum")
        await backend.queue.complete(leases[1].token, "10")
        joined = await one(backend.queue, "sum")
        assert json.loads(joined.payload) == {"results": [0, 10, 20], "failed": []}
        assert (joined.task.group, joined.task.key) == ("g", join_key("g"))
        assert joined.task.max_deliveries == 7
        assert await none_ready(backend.queue, "sum")

    async def test_a_join_does_not_wait_for_a_dead_letter(self, backend: QueueBackend) -> None:
        joins = (Join(queue="sum", of=Q),)
        await backend.queue.submit([task(n, group="g", joins=joins) for n in range(2)])
        good, bad = [await one(backend.queue) for _ in range(2)]
        await backend.queue.complete(good.token, '"good"')
        await backend.queue.fail(bad.token, 'a "quoted" problem', None)
        joined = json.loads((await one(backend.queue, "sum")).payload)
        assert joined == {
            "results": ["good"],
            "failed": [{"task": bad.task.id, "problem": 'a "quoted" problem'}],
        }
        await backend.queue.requeue([bad.task.id])
        again = await one(backend.queue)
        await backend.queue.complete(again.token, '"late"')
        assert await none_ready(backend.queue, "sum")

    async def test_what_a_task_leads_to_belongs_to_the_group_it_waits_for(
        self, backend: QueueBackend
    ) -> None:
        join = Join(queue="sum", of="each")
        await backend.queue.submit([task("all", group="g", joins=(join,))])
        root = await one(backend.queue)
        parts = [task(n, queue="each", group="g", joins=(join,)) for n in range(2)]
        await backend.queue.complete(root.token, '"split"', parts)
        assert await none_ready(backend.queue, "sum")
        for _ in range(2):
            part = await one(backend.queue, "each")
            await backend.queue.complete(part.token, part.payload)
        joined = json.loads((await one(backend.queue, "sum")).payload)
        assert joined == {"results": [0, 1], "failed": []}

    async def test_one_join_follows_another(self, backend: QueueBackend) -> None:
        joins = (Join(queue="sum", of=Q), Join(queue="end", of="sum"))
        await backend.queue.submit([task(1, group="g", joins=joins)])
        first = await one(backend.queue)
        await backend.queue.complete(first.token, "1")
        second = await one(backend.queue, "sum")
        await backend.queue.complete(second.token, "2")
        last = await one(backend.queue, "end")
        assert json.loads(last.payload) == {"results": [2], "failed": []}
        assert last.task.joins == ()

    # -- deaths of everybody --------------------------------------------------------------------

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
        assert (await one(backend.queue)).payload == "3"
        assert held.task.id in {lease.task.id for lease in await backend.queue.held_by("worker")}

    async def test_a_worker_goes_on_with_its_leases_after_a_death_of_its_own(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task("mine"), task("theirs")])
        mine = await one(backend.queue)
        await backend.queue.claim(Q, "somebody else", 30.0)
        await backend.restart()
        (held,) = await backend.queue.held_by("worker")
        assert (held.task.id, held.payload) == (mine.task.id, '"mine"')
        assert await backend.queue.extend([held.token], 30.0) == []
        assert await backend.queue.complete(held.token, "1")
        assert await backend.queue.held_by("worker") == []

    async def test_an_unacknowledged_completion_may_be_sent_again_after_a_death(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task("work")])
        lease = await one(backend.queue)
        await backend.queue.complete(lease.token, "1", [task("next", queue="review")])
        await backend.restart()
        again = await backend.queue.complete(lease.token, "1", [task("next", queue="review")])
        assert again is False
        await one(backend.queue, "review")
        assert await none_ready(backend.queue, "review")

    # -- looking --------------------------------------------------------------------------------

    async def test_the_counts_say_where_every_task_stands(self, backend: QueueBackend) -> None:
        await backend.queue.submit([task(n) for n in range(6)])
        await backend.queue.submit([task("late", delay_s=3600.0), task(1, queue="other")])
        done, dead, _held = [await one(backend.queue) for _ in range(3)]
        await backend.queue.complete(done.token, "1")
        await backend.queue.fail(dead.token, "no", None)
        counts = await backend.queue.counts()
        mine = counts[Q]
        assert (mine.ready, mine.delayed, mine.leased, mine.done, mine.dead) == (3, 1, 1, 1, 1)
        assert counts["other"].ready == 1
        assert mine.unfinished == 5

    async def test_tasks_are_listed_a_page_at_a_time(self, backend: QueueBackend) -> None:
        submitted = await backend.queue.submit([task(n) for n in range(7)])
        seen: list[str] = []
        while page := await backend.queue.listed(
            Q, TaskState.READY, after=seen[-1] if seen else "", limit=3
        ):
            assert len(page) <= 3
            seen += [found.id for found in page]
        assert seen == [done.id for done in submitted]
        assert await backend.queue.listed("unknown", TaskState.READY) == []

    async def test_tasks_are_found_by_what_they_carry_and_the_newest_come_first_when_asked(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit(
            [task({"path": "Lease-7.txt"}), task("b", key="k-LEASE"), task(3)]
        )
        ready = TaskState.READY
        found = await backend.queue.listed(Q, ready, look=Look("lease"))
        assert [one.about for one in found] == ['{"path":"Lease-7.txt"}', '"b"']
        backwards = await backend.queue.listed(None, ready, limit=2, look=Look(newest_first=True))
        assert [one.about for one in backwards] == ["3", '"b"']
        rest = await backend.queue.listed(
            Q, ready, after=backwards[-1].id, look=Look(newest_first=True)
        )
        assert [one.id for one in rest] == [found[0].id]
        assert await backend.queue.listed(Q, TaskState.DEAD, look=Look("lease")) == []

    async def test_the_oldest_that_waits_is_told_whatever_its_priority(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task(1, priority=1), task(2, priority=9)])
        (first,) = await backend.queue.listed(Q, TaskState.READY, limit=1)
        assert (await backend.queue.counts())[Q].oldest_at == first.submitted_at
        await one(backend.queue)
        assert (await backend.queue.counts())[Q].oldest_at == first.submitted_at
        await one(backend.queue)
        assert (await backend.queue.counts())[Q].oldest_at is None

    async def test_done_tasks_are_forgotten_by_age_and_nothing_else_is(
        self, backend: QueueBackend
    ) -> None:
        await backend.queue.submit([task(n, key=f"k{n}") for n in range(4)])
        done, dead = [await one(backend.queue) for _ in range(2)]
        await backend.queue.complete(done.token, "1")
        await backend.queue.fail(dead.token, "no", None)
        assert await backend.queue.forget(1.0) == 0
        assert await backend.queue.forget(4e9) == 1
        assert await backend.queue.get(done.task.id) is None
        assert await backend.queue.get(dead.task.id) is not None
        counts = (await backend.queue.counts())[Q]
        assert (counts.ready, counts.dead, counts.done) == (2, 1, 0)

    async def test_an_unknown_task_is_none(self, backend: QueueBackend) -> None:
        assert await backend.queue.get("01J0000000000000000000000A") is None
        assert await backend.queue.counts() == {}

    async def test_closing_ends_a_claim_that_waits(self, backend: QueueBackend) -> None:
        other = await backend.another()
        waiting = asyncio.create_task(other.claim(Q, "worker", 30.0, wait_s=60.0))
        await asyncio.sleep(0)
        await other.close()
        await other.close()
        assert await asyncio.wait_for(waiting, 20.0) == []

"""Pages of a long log, and the picture as it was: against a real file."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from store_samples import BOOT, spec

from supervisor.core import events as e
from supervisor.core.events import Event, Recorded
from supervisor.core.fold import apply
from supervisor.core.ids import ulid
from supervisor.core.moment import Moment
from supervisor.core.progress import Progress, Step
from supervisor.core.run import Exit, ExitKind, RunState, Status
from supervisor.store import searching
from supervisor.store.event_log import SqliteEventLog
from supervisor.store.searching import Search

BASE = 1_700_000_000.0


class Story:
    """Events with their states after each of them."""

    def __init__(self) -> None:
        self.log: list[Recorded] = []
        self.states: list[dict[str, RunState]] = [{}]

    def happen(self, run_id: str, event: Event, at_s: float) -> None:
        at = Moment(BASE + at_s, 100.0 + at_s, BOOT)
        self.log.append(Recorded(len(self.log) + 1, at, run_id, event))
        states = dict(self.states[-1])
        if run_id:
            states[run_id] = apply(states.get(run_id), run_id, event, at)
        self.states.append(states)


def run_of(at_s: float) -> str:
    return ulid(BASE + at_s, int(at_s) + 7)


def story() -> Story:
    """Two runs: one crashes and goes on, one starts later and is done."""
    told, first, second = Story(), run_of(0), run_of(60)
    told.happen("", e.ConfigApplied(("crawler", "writer")), -1)
    told.happen(first, e.RunCreated(spec("crawler"), "started by op"), 0)
    told.happen(first, e.AttemptStarting(1, 1, "first attempt"), 1)
    told.happen(first, e.AttemptStarted(1, 4000, 1), 2)
    for number in range(5):
        step = Step("pages", number, 10, "pages")
        told.happen(first, e.ProgressReported(Progress("working", step=step)), 10 + number)
    gone = Exit(ExitKind.CRASH, "exit status 3: 100%_wrong", 3, at=BASE + 20)
    told.happen(first, e.AttemptExited(1, gone), 20)
    again = Moment(BASE + 22, 122.0, BOOT)
    told.happen(first, e.BackoffBegan(again, 2.0, 1, 5, "exit status 3"), 20)
    told.happen(second, e.RunCreated(spec("writer"), "Grüße"), 60)
    told.happen(first, e.AttemptStarting(2, 2, "retry"), 62)
    told.happen(first, e.AttemptStarted(2, 4100, 1), 63)
    return told


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[tuple[SqliteEventLog, Story]]:
    log, made = await SqliteEventLog.open(tmp_path / "state.db"), story()
    log.append(made.log, list(made.states[-1].values()))
    await log.durable(log.last_seq)
    yield log, made
    await log.close()


def seqs(events: Sequence[Recorded]) -> list[int]:
    return [recorded.seq for recorded in events]


async def test_pages_go_back_from_the_end_and_say_when_the_beginning_is_reached(
    told: tuple[SqliteEventLog, Story],
) -> None:
    log, made = told
    before, seen = None, []
    while True:
        page = await log.search(Search(), before=before, limit=4)
        seen = [*seqs(page.events), *seen]
        if page.next_seq is None:
            break
        before = page.next_seq
    assert seen == seqs(made.log) and (page.first, page.last) == (1, len(made.log))


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        (Search(text="100%_WRONG"), ["AttemptExited"]),
        (Search(text="100x_wrong"), []),
        (Search(text="grüße"), ["RunCreated"]),
        (Search(text="writer", types=("RunCreated",)), ["RunCreated"]),
        (Search(types=("BackoffBegan", "ConfigApplied")), ["ConfigApplied", "BackoffBegan"]),
        (Search(run_id=run_of(60)), ["RunCreated"]),
        (Search(run_id=run_of(0), text="retry"), ["AttemptStarting"]),
        (Search(text="!';--"), []),
    ],
)
async def test_only_what_fits_is_found_in_both_directions(
    told: tuple[SqliteEventLog, Story], search: Search, expected: list[str]
) -> None:
    log, _made = told
    back = await log.search(search, limit=100)
    forward = await log.search(search, after=0, limit=100)
    assert [type(recorded.event).__name__ for recorded in back.events] == expected
    assert back.events == forward.events and back.next_seq is forward.next_seq is None
    if expected and search.run_id:
        assert set(back.agents) == {search.run_id}


async def test_an_agents_name_finds_the_events_of_its_runs(
    told: tuple[SqliteEventLog, Story],
) -> None:
    log, made = told
    page = await log.search(Search(text="CRAWL"), limit=100)
    of_run = [recorded.seq for recorded in made.log if recorded.run_id == run_of(0)]
    assert [seq for seq in seqs(page.events) if seq > 1] == of_run
    assert page.agents[run_of(0)] == "crawler"


async def test_the_past_is_what_every_client_was_shown_then_at_each_single_event(
    told: tuple[SqliteEventLog, Story],
) -> None:
    log, made = told
    for seq in range(1, len(made.log) + 1):
        past = await log.past(seq=seq, wall=None)
        assert past.at is not None and past.at.seq == seq
        assert {state.id: state for state in past.runs} == made.states[seq]
        assert past.agents == ("crawler", "writer")


@pytest.mark.parametrize(
    ("at_s", "seq"), [(-2.0, 0), (-1.0, 1), (9.9, 4), (12.5, 7), (20.0, 11), (61.0, 12), (1e6, 14)]
)
async def test_a_time_finds_the_newest_event_of_then(
    told: tuple[SqliteEventLog, Story], at_s: float, seq: int
) -> None:
    log, _made = told
    past = await log.past(seq=None, wall=BASE + at_s)
    assert (past.at.seq if past.at else 0) == seq


async def test_what_was_forgotten_is_said_and_breaks_nothing(
    told: tuple[SqliteEventLog, Story],
) -> None:
    log, made = told
    # The stored states hold everything, so the beginning of both runs may go.
    assert await log.forget(3) == 3
    past = await log.past(seq=len(made.log), wall=None)
    assert (past.unknown, past.first) == (1, 4)
    assert [state.agent for state in past.runs] == ["writer"]


async def test_a_look_into_a_long_log_is_bounded_and_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "SCANNED_AT_ONCE", 500)
    log, made, run_id = await SqliteEventLog.open(tmp_path / "state.db"), Story(), run_of(0)
    made.happen(run_id, e.RunCreated(spec("crawler"), "needle"), 0)
    made.happen(run_id, e.AttemptStarting(1, 1, "first attempt"), 1)
    made.happen(run_id, e.AttemptStarted(1, 4000, 1), 2)
    for number in range(2_000):
        step = Step("pages", number, None, "pages")
        made.happen(run_id, e.ProgressReported(Progress("working", step=step)), 3 + number)
    log.append(made.log, list(made.states[-1].values()))
    await log.durable(log.last_seq)
    looks, before = 0, None
    while True:
        page = await log.search(Search(text="needle"), before=before, limit=10)
        looks, before = looks + 1, page.next_seq
        if page.events or before is None:
            break
    assert seqs(page.events) == [1] and looks == 5
    began = time.perf_counter()
    past = await log.past(seq=2_003, wall=None)
    taken_s = time.perf_counter() - began
    [state] = past.runs
    assert state.status is Status.RUNNING and state.progress == made.log[-1].event.progress  # type: ignore[attr-defined]
    assert taken_s < 10, "a thousand progress events are folded, not all of them"
    await log.close()

"""The picture and its rows, without Textual."""

from __future__ import annotations

from typing import Any

import pytest
from tui_script import BASE_WALL, World, answered, busy_world, moment

from supervisor.core import events as e
from supervisor.core.progress import Step
from supervisor.core.run import Status
from supervisor.tui import model, render, story, view
from supervisor.tui.arrange import Arranger, Plan
from supervisor.tui.checklist import checklist_lines
from supervisor.tui.model import GapError, Picture
from supervisor.tui.rows import Row, row_of
from supervisor.tui.theme import look_of
from supervisor.tui.widgets.columns import chosen_columns


def picture_of(world: World) -> Picture:
    return model.from_snapshot(world.snapshot(), Picture())


def rows_of(picture: Picture, **plan: Any) -> list[Row]:
    return list(Arranger().rows(picture, moment(), Plan(**plan)))


def fold(picture: Picture, *plain: dict) -> Picture:
    return model.fold(picture, model.events_from_plain({"events": list(plain)}))


def test_a_snapshot_and_the_events_after_it_give_what_the_engine_has() -> None:
    world = busy_world()
    picture = picture_of(world)
    run_id = next(iter(world.runs))
    event = world.progress(run_id, -1, step=Step("documents", 48, 100, "documents"))
    picture = fold(picture, event)
    assert picture.runs == world.runs
    assert picture.seq == world.seq


def test_an_event_seen_before_changes_nothing() -> None:
    world = busy_world()
    before = picture_of(world)
    run_id = next(iter(world.runs))
    event = world.progress(run_id, -1, step=Step("documents", 48, 100, "documents"))
    once = fold(before, event)
    assert fold(once, event) == once


def test_a_missing_event_is_noticed() -> None:
    world = busy_world()
    picture = picture_of(world)
    run_id = next(iter(world.runs))
    world.progress(run_id, -1, step=Step("documents", 48, 100, "documents"))
    second = world.progress(run_id, -1, step=Step("documents", 49, 100, "documents"))
    with pytest.raises(GapError):
        fold(picture, second)


def test_errors_of_a_changed_configuration_stay_until_one_is_applied() -> None:
    world = busy_world()
    picture = picture_of(world)
    picture = fold(picture, world.happen("", e.ConfigRejected(("line 3: unknown key",))))
    assert picture.problems == ("line 3: unknown key",)
    picture = fold(picture, world.happen("", e.ConfigApplied(("license-audit",))))
    assert picture.problems == () and picture.agents_stale


def test_open_requests_come_oldest_first_and_leave_when_answered() -> None:
    world = busy_world()
    first, second = list(world.runs)[:2]
    world.ask(first, -60, kind="approve", title="later")
    picture = picture_of(world)
    waiting = model.open_requests(picture)
    assert [item.run.id for item in waiting] == [second, first]
    event = world.happen(second, answered(world.runs[second], waiting[0].request.id))
    assert [item.run.id for item in model.open_requests(fold(picture, event))] == [first]


def test_the_table_puts_who_needs_me_first_and_the_finished_last() -> None:
    rows = rows_of(picture_of(busy_world()))
    words = [row.look.word for row in rows]
    assert words[:2] == ["asks you", "held"]
    assert [row.needs_me for row in rows[:3]] == [True, True, False]
    assert set(words[-3:]) == {"failed", "done", "idle"}


def test_a_running_row_says_stage_count_and_time_left() -> None:
    rows = rows_of(picture_of(busy_world()))
    row = next(row for row in rows if row.agent == "license-audit")
    assert row.note == "extract: 47 of 100 documents  ·  at 3.6 documents/min"
    assert row.beside == "at 3.6 documents/min"
    assert (row.stage, row.done, row.share) == ("extract 2/4", "47/100", 0.47)
    assert (row.eta, row.retries, row.flags, row.time) == ("14m", "↻1", "⚑1", "24m/2h")


def test_the_estimate_is_said_with_its_basis_and_moves_with_the_clock() -> None:
    state = next(iter(busy_world().runs.values()))
    assert view.eta_text(state, moment()) == "eta 14 min (at 3.6 documents/min)"
    assert view.eta_text(state, moment(300)) == "eta 9 min (at 3.6 documents/min)"


def test_a_retry_says_when_and_which_try() -> None:
    state = next(s for s in busy_world().runs.values() if s.agent == "crawler")
    assert view.retry_text(state, moment()).startswith("next try in 12 s, 3 of 5: exit status 75")
    assert view.retry_text(state, moment(60)).startswith("next try now, 3 of 5")


def test_a_question_says_since_when_it_waits_and_what_happens_at_its_end() -> None:
    world = busy_world()
    state = next(s for s in world.runs.values() if s.agent == "contract-review")
    assert view.note_of(state, moment()).startswith("since 4 min: Publish the reviewed report")
    request = state.open_requests[0]
    assert view.expiry_text(request, moment()) == "26 min left, then it is denied"
    assert view.expiry_text(request, moment(1600)).startswith("its time is over")


def test_a_step_without_a_total_has_no_share_and_no_estimate() -> None:
    world = World()
    run_id = world.start("AAAA", "counter", -100)
    world.progress(run_id, -50, step=Step("items", 3, None, "items"))
    row = row_of(world.runs[run_id], None, moment())
    assert row.share is None and row.eta == "" and row.note == "3 items"


def test_a_total_of_zero_divides_nothing() -> None:
    world = World()
    run_id = world.start("AAAA", "counter", -100)
    world.progress(run_id, -50, step=Step("items", 0, 0, "items"))
    assert row_of(world.runs[run_id], None, moment()).share is None


def test_a_filter_looks_at_name_state_and_sentence() -> None:
    picture = picture_of(busy_world())
    assert [row.agent for row in rows_of(picture, text="DOCUMENTS")] == ["license-audit"]
    assert [row.agent for row in rows_of(picture, text="held")] == ["price-watch"]


def test_older_runs_of_an_agent_are_there_only_on_request() -> None:
    world = World()
    old = world.start("AAAA", "twice", -100)
    world.happen(old, e.RunSucceeded("exit status 0"), -90)
    world.start("BBBB", "twice", -80)
    picture = picture_of(world)
    assert len(rows_of(picture)) == 1
    assert len(rows_of(picture, older=True)) == 2


def test_totals_count_by_state_and_sum_what_is_used() -> None:
    totals = view.totals(picture_of(busy_world()))
    assert totals.asks == 1
    assert {look.word: number for look, number in totals.counts}["running"] == 3
    assert totals.cost_usd == pytest.approx(9.15)


def test_the_checklist_marks_what_is_done_at_work_and_to_come() -> None:
    state = next(iter(busy_world().runs.values()))
    lines = [line.plain for line in checklist_lines(state, moment(), 40)]
    assert lines[:4] == [
        "✓ fetch                                –",
        "● extract  47 of 100 documents     9 min",
        "▷ compare  next                         ",
        "○ report                                ",
    ]
    narrow = [line.plain for line in checklist_lines(state, moment(), 20)]
    assert narrow[1] == "● extract  47… 9 min", "the time stays, the words give way"


def test_the_timeline_is_newest_first_and_tells_of_crash_and_recovery() -> None:
    state = next(iter(busy_world().runs.values()))
    lines = [line.plain for line in story.timeline_lines(state)]
    assert lines[0] == "13:59:20 ▪ checkpoint 12, 18.0K"
    assert "13:50:00 ✗ killed by SIGKILL" in lines
    assert "13:50:03 ● attempt 2 from checkpoint 11" in lines
    assert lines[-1].endswith("created")


def test_every_status_has_a_look_of_its_own() -> None:
    looks = [look_of(status) for status in Status]
    assert len({look.glyph for look in looks}) == len(looks)
    assert len({look.word for look in looks}) == len(looks)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200, 300])
def test_columns_fit_every_width_and_the_needed_ones_stay(width: int) -> None:
    columns = chosen_columns(width)
    assert sum(cells + 2 for _, cells in columns) + 2 <= width
    if width >= 80:
        titles = {column.title for column, _ in columns}
        assert {"STATUS", "AGENT", "PROGRESS", "TRY", "FLAG"} <= titles


def test_spans_of_time_read_like_a_person_says_them() -> None:
    spans = (0, 59, 61, 3600, 3900, 90000)
    assert [render.duration(s) for s in spans] == [
        "0 s", "59 s", "1 min", "1 h", "1 h 05 min", "1 d 1 h",
    ]  # fmt: skip
    assert [render.short_duration(s) for s in spans] == ["0s", "59s", "1m", "1h", "1h05", "1d01h"]
    assert render.clock(BASE_WALL) == "14:00:00"


@pytest.mark.parametrize("share", [0, 0.01, 0.3333, 0.5, 0.99, 1, 1.7, -3])
def test_a_bar_is_always_as_wide_as_asked(share: float) -> None:
    for width in (1, 8, 15):
        assert sum(len(text) for text, _ in render.bar(share, width, "")) == width

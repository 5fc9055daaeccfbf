"""Requests answered by keyboard: what is sent, what is shown, and what is not."""

from __future__ import annotations

import pytest
from textual.events import AppFocus
from textual.widgets import Input, TextArea
from tui_script import BASE_WALL, Driven, World, answered, busy_world, driven

from supervisor.core import events as e
from supervisor.tui.link import CallError
from supervisor.tui.screens.dashboard import Dashboard
from supervisor.tui.screens.request import RequestScreen

HASH = "ab12cd34ef56" + "0" * 52


def asking(**fields: object) -> tuple[World, str]:
    """A world of one run with one open request."""
    world = World()
    run_id = world.start("7F3K", "license-audit", -300)
    plain = {"kind": "approve", "title": "Go on?", "action": {"argv": ["ls"]}, "sha256": HASH}
    world.ask(run_id, -60, **{**plain, **fields})
    world.happen(run_id, e.WaitBegan("asks 7F3K-1"), -60)
    return world, run_id


def is_asking(it: Driven) -> bool:
    return isinstance(it.app.screen, RequestScreen)


@pytest.mark.parametrize(("key", "allow"), [("y", True), ("n", False)])
async def test_y_approves_and_n_denies_with_the_hash_of_what_was_shown(
    key: str, allow: bool
) -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.open_oldest()
        await it.press(key)
        await it.until(lambda: not is_asking(it), "the question to close")
        assert it.backend.asked("answer") == [
            {"id": "7F3K-1", "hash": HASH, "by": "tui", "allow": allow}
        ]
        word = "approved" if allow else "denied"
        await it.until(lambda: f"7F3K-1 {word}" in it.text())


async def test_the_focus_is_on_deny_so_that_enter_alone_consents_to_nothing() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("enter")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["allow"] is False


async def test_approve_by_tab_and_enter() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("tab")
        await it.press("enter")
        assert it.backend.asked("answer") == [], "the focus has just moved"
        it.clock.advance(0.31)
        await it.press("enter")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["allow"] is True


async def test_the_oldest_request_comes_first() -> None:
    world, run_id = asking(title="the newer one")
    world.ask(run_id, -200, kind="approve", title="the older one", sha256="0ld" + HASH[3:])
    async with driven(world) as it:
        await it.open_oldest()
        assert "the older one" in it.text() and "1 more open" in it.text()
        await it.press("n")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["hash"].startswith("0ld")


async def test_keys_are_dead_for_300_ms_after_the_question_came_up() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.press("i")
        await it.until(lambda: is_asking(it) and "ls" in it.text())
        it.clock.advance(0.29)
        await it.press("y", "n", "enter")
        assert it.backend.asked("answer") == []
        assert "press again" in it.text()
        it.clock.advance(0.02)
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"))


async def test_keys_are_dead_again_after_the_terminal_got_the_focus() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.open_oldest()
        it.app.post_message(AppFocus())
        await it.pilot.pause()
        await it.press("y")
        assert it.backend.asked("answer") == []


async def test_i_and_y_typed_in_one_go_approve_nothing() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.press("i", "y", "y")
        await it.until(lambda: is_asking(it))
        assert it.backend.asked("answer") == []


async def test_escape_leaves_the_request_open() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))
        assert it.backend.asked("answer") == []
        assert "waiting for you since 1 min: Go on?" in it.text()


async def test_a_number_chooses_that_option() -> None:
    world, _ = asking(kind="choose", title="Which one?", options=("red", "green"), action=None)
    async with driven(world) as it:
        await it.open_oldest()
        assert "1  red" in it.text() and "2  green" in it.text()
        await it.press("2")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer") == [
            {"id": "7F3K-1", "hash": HASH, "by": "tui", "option": "green"}
        ]


async def test_an_option_is_chosen_by_arrow_and_enter_and_a_number_too_high_does_nothing() -> None:
    world, _ = asking(kind="choose", title="Which one?", options=("red", "green"), action=None)
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("7", "down", "down", "up", "enter")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["option"] == "red"


async def test_text_is_typed_and_sent_with_enter() -> None:
    world, _ = asking(kind="text", title="Which customer?", action=None)
    async with driven(world) as it:
        await it.open_oldest()
        await it.press(*"Queen y", "enter")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["text"] == "Queen y"


async def test_a_question_for_text_can_be_denied_from_within_the_field() -> None:
    world, _ = asking(kind="text", title="Which customer?", action=None)
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("ctrl+n")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["allow"] is False


async def test_a_text_to_edit_starts_from_what_the_agent_wrote() -> None:
    world, _ = asking(kind="edit", title="Mend it", action=None, default="Dear all,\nbye")
    async with driven(world) as it:
        await it.open_oldest()
        assert it.app.screen.query_one(TextArea).text == "Dear all,\nbye"
        await it.press(*"Oh ", "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["text"] == "Oh Dear all,\nbye"


async def test_a_comment_goes_with_the_answer() -> None:
    world, _ = asking()
    async with driven(world) as it:
        await it.open_oldest()
        await it.press("c", *"not now", "enter")
        assert it.app.screen.query_one("#comment", Input).value == "not now"
        it.clock.advance(1)
        await it.press("n")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["comment"] == "not now"


async def test_the_question_on_screen_never_changes_places_with_a_new_one() -> None:
    world, run_id = asking(title="the first")
    async with driven(world) as it:
        await it.open_oldest()
        # An older one appears, for example from an engine that was just found again.
        it.backend.tell(world.ask(run_id, -3000, kind="approve", title="sneaky", sha256="f" * 64))
        await it.until(lambda: "1 more open" in it.text())
        assert "the first" in it.text()
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["hash"] == HASH


async def test_an_answer_given_elsewhere_is_told_and_nothing_can_be_decided_any_more() -> None:
    world, run_id = asking()
    async with driven(world) as it:
        await it.open_oldest()
        it.backend.tell(world.happen(run_id, answered(world.runs[run_id], "7F3K-1", "ada (cli)")))
        await it.until(lambda: "already answered" in it.text())
        assert "7F3K-1 approved by ada (cli)" in it.text()
        await it.press("y", "n", "enter")
        assert it.backend.asked("answer") == []
        await it.press("escape")
        await it.until(lambda: isinstance(it.app.screen, Dashboard))


async def test_a_request_that_expired_while_it_was_read_is_told() -> None:
    world, run_id = asking(expires_at=BASE_WALL + 5)
    async with driven(world) as it:
        await it.open_oldest()
        closed = e.RequestClosed("7F3K-1", expired=True, why="nobody answered in time")
        it.backend.tell(world.happen(run_id, closed))
        await it.until(lambda: "nobody answered in time" in it.text())
        await it.press("y")
        assert it.backend.asked("answer") == []


@pytest.mark.parametrize("code", ["conflict", "expired", "hash_mismatch"])
async def test_a_refused_answer_is_told_and_final(code: str) -> None:
    world, _ = asking()
    async with driven(world) as it:
        it.backend.refusals["answer"] = CallError("7F3K-1 was already answered by cli", code)
        await it.open_oldest()
        await it.press("y")
        await it.until(lambda: "already answered by cli" in it.text())
        assert is_asking(it) and code.replace("_", " ") in it.text()
        it.clock.advance(1)
        await it.press("y")
        assert len(it.backend.asked("answer")) == 1


async def test_an_answer_that_did_not_arrive_can_be_given_again() -> None:
    world, _ = asking()
    async with driven(world) as it:
        it.backend.refusals["answer"] = CallError("the engine cannot be reached")
        await it.open_oldest()
        await it.press("y")
        await it.until(lambda: "cannot be reached" in it.text())
        it.backend.refusals.clear()
        it.clock.advance(1)
        await it.press("y")
        await it.until(lambda: not is_asking(it))
        assert len(it.backend.asked("answer")) == 2


async def test_approving_takes_having_seen_the_end() -> None:
    payload = "".join(f"harmless line {n}\n" for n in range(4000)) + "rm -rf /home"
    world, _ = asking(action={"payload": payload})
    async with driven(world, (80, 24)) as it:
        await it.open_oldest()
        assert "more lines below" in it.text()
        await it.press("y")
        assert it.backend.asked("answer") == []
        await it.press("pagedown")
        it.clock.advance(1)
        await it.press("y")
        assert it.backend.asked("answer") == []
        await it.press("end")
        await it.until(lambda: "rm -rf /home" in it.text())
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("answer"))


async def test_denying_does_not_take_reading_it_all() -> None:
    world, _ = asking(action={"payload": "x\n" * 500})
    async with driven(world, (80, 24)) as it:
        await it.open_oldest()
        await it.press("n")
        await it.until(lambda: it.backend.asked("answer"))


async def test_the_action_is_shown_exactly_and_the_agents_words_apart() -> None:
    async with driven(busy_world()) as it:
        await it.open_oldest()
        text = it.text()
        for shown in ('0 "rsync"', '2 "--delete"', '3 "out/report 2026/"', '"/srv/research"'):
            assert shown in text
        assert "RSYNC_RSH" in text and "132 bytes, request 3fa91c0d77e2" in text
        assert "the agent says" in text and "min left, then it is denied" in text
        assert text.index("exactly this will be done") < text.index("the agent says")

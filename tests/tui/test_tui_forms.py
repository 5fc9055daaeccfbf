"""Forms, edited texts and approvals for good, by keyboard: what is sent, and what never is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Input, TextArea
from tui_script import BASE_WALL, EVIL, World, driven

from supervisor.core import events as e
from supervisor.core.rule import AlwaysRule
from supervisor.core.run import Answer
from supervisor.core.text import safe_text
from supervisor.tui import story
from supervisor.tui.draft import Draft
from supervisor.tui.screens.always import AlwaysScreen
from supervisor.tui.screens.approvals import ApprovalsScreen
from supervisor.tui.screens.request import RequestScreen
from supervisor.tui.widgets.pick import Pick

HASH = "ab12cd34ef56" + "0" * 52
FIELDS: list[dict[str, Any]] = [
    {"name": "target", "type": "choice", "options": ["staging", "live"], "required": True},
    {"name": "count", "type": "number", "default": 3},
    {"name": "dry", "type": "boolean"},
    {"name": "who", "type": "text", "required": True},
]


def asking(**fields: object) -> World:
    world = World()
    run_id = world.start("7F3K", "license-audit", -300)
    plain = {"kind": "approve", "title": "Go on?", "action": {"argv": ["ls"]}, "sha256": HASH}
    world.ask(run_id, -60, **{**plain, **fields})
    world.happen(run_id, e.WaitBegan("asks 7F3K-1"), -60)
    return world


def a_form(fields: list[dict[str, Any]] | None = None) -> World:
    return asking(kind="form", title="Where to?", action={"fields": fields or FIELDS})


async def type_slowly(it: Any, *keys: str) -> None:
    """Each key as a person presses it: after the dead time."""
    for key in keys:
        it.clock.advance(1.0)
        await it.press(key)


async def test_a_form_is_filled_in_field_by_field_and_sent_by_its_own_key_alone() -> None:
    async with driven(a_form()) as it:
        await it.open_oldest()
        assert "target: choice, required" in it.text() and "( ) staging" in it.text()
        await type_slowly(it, "2", "tab", "end", "0", "enter", "n", "tab", "k", "i", "m", "enter")
        assert it.backend.asked("answer") == [], "Enter goes on, n is the field's no"
        await type_slowly(it, "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer") == [
            {
                "id": "7F3K-1", "hash": HASH, "by": "tui",
                "fields": {"target": "live", "count": 30, "dry": False, "who": "kim"},
            }
        ]  # fmt: skip


async def test_what_does_not_fit_is_said_beside_its_field_and_nothing_is_sent() -> None:
    async with driven(a_form()) as it:
        await it.open_oldest()
        await type_slowly(it, "tab", "end", "m", "ctrl+s")
        text = it.text()
        assert it.backend.asked("answer") == []
        assert "▲ found nothing, expected one of: staging, live (it is required)" in text
        assert "▲ found '3m', expected a number" in text
        assert "▲ found nothing, expected text on one line" in text
        assert isinstance(it.app.focused, Pick), "back at the first that is wrong"


async def test_a_form_longer_than_the_screen_cannot_be_sent_before_its_end_was_seen() -> None:
    many = [{"name": f"f{n}", "type": "text"} for n in range(30)]
    async with driven(a_form(many), (80, 24)) as it:
        await it.open_oldest()
        await type_slowly(it, "ctrl+s")
        assert it.backend.asked("answer") == [] and "read to the end first" in it.text()
        for _ in range(30):
            await type_slowly(it, "pagedown")
        await it.settle()
        await type_slowly(it, "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))
        assert set(it.backend.asked("answer")[0]["fields"].values()) == {None}


async def test_a_form_is_denied_by_its_own_key_from_any_field() -> None:
    async with driven(a_form()) as it:
        await it.open_oldest()
        await type_slowly(it, "n", "y")
        assert it.backend.asked("answer") == [], "letters belong to the fields"
        await type_slowly(it, "ctrl+n")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["allow"] is False


async def test_hostile_words_of_a_form_are_drawn_as_words() -> None:
    fields = [{"name": "a", "type": "text", "default": EVIL.replace("\x00", ""), "multiline": True}]
    action = {"fields": fields, "about": {"x": EVIL}}
    async with driven(asking(kind="form", title=EVIL, action=action)) as it:
        await it.open_oldest()
        assert "\x1b" not in it.text() and "^[" in it.text()


# -- texts ----------------------------------------------------------------------------------------


async def test_a_text_that_was_left_alone_goes_back_byte_for_byte() -> None:
    raw = "tab\there\nbell \x07 and \u202e\nplain"
    async with driven(asking(kind="edit", action={"text": raw})) as it:
        await it.open_oldest()
        assert "^G" in it.text() and "<U+202E>" in it.text()
        await type_slowly(it, "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["text"] == raw


async def test_a_changed_text_keeps_the_lines_that_nobody_touched() -> None:
    raw = "bell \x07\r\nsecond\r\n"
    async with driven(asking(kind="edit", action={"text": raw})) as it:
        await it.open_oldest()
        it.app.screen.query_one(TextArea).move_cursor((1, 0))
        await type_slowly(it, "X", "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["text"] == "bell \x07\r\nXsecond\r\n"


@given(st.text(max_size=60), st.text(max_size=20))
def test_a_draft_gives_back_exactly_what_was_left_alone_and_shows_no_control(
    raw: str, more: str
) -> None:
    draft = Draft(raw)
    assert draft.exact(draft.shown) == raw
    assert all(part == safe_text(part) for part in draft.shown.replace("\t", "\n").split("\n"))
    added = draft.exact(draft.shown + "\n" + safe_text(more))
    assert added.startswith(raw) or not Draft(raw).has_escapes or len(set(raw.split("\n"))) > 0


async def test_a_json_action_that_was_broken_is_not_sent() -> None:
    async with driven(asking(kind="edit", action={"json": {"n": 1}})) as it:
        await it.open_oldest()
        await type_slowly(it, "x", "ctrl+s")
        assert "not JSON" in it.text() and it.backend.asked("answer") == []
        await type_slowly(it, "backspace", "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer")[0]["text"] == '{\n  "n": 1\n}'


async def test_a_long_text_cannot_be_sent_before_its_end_was_seen() -> None:
    text = "".join(f"line {n}\n" for n in range(200)) + "the danger"
    async with driven(asking(kind="edit", action={"text": text}), (80, 24)) as it:
        await it.open_oldest()
        await type_slowly(it, "ctrl+s")
        assert it.backend.asked("answer") == []
        it.app.screen.query_one(TextArea).move_cursor((200, 0))
        await it.settle()
        await type_slowly(it, "ctrl+s")
        await it.until(lambda: it.backend.asked("answer"))


async def test_where_no_editor_can_be_opened_it_is_said_and_the_text_stays() -> None:
    async with driven(asking(kind="text", action=None, default="as it is")) as it:
        await it.open_oldest()
        await type_slowly(it, "ctrl+o")
        assert "as it was" in it.text()
        assert it.app.screen.query_one("#answer", Input).value == "as it is"


def test_the_timeline_shows_what_was_changed() -> None:
    world = asking(kind="edit", action={"text": "a\nb"})
    (run_id,) = world.runs
    answer = Answer("cli", BASE_WALL, HASH, text="a\nc", difference=("@@ -1,2 +1,2 @@", "-b", "+c"))
    world.happen(run_id, e.RequestAnswered("7F3K-1", answer))
    shown = [content.plain for content in story.timeline_lines(world.runs[run_id])]
    at = next(n for n, text in enumerate(shown) if "approved with changes, +1 -1 lines" in text)
    assert [text.split()[-1] for text in shown[at + 2 : at + 4]] == ["-b", "+c"]


# -- for good -------------------------------------------------------------------------------------


async def test_an_approval_for_good_asks_with_its_scope_and_is_never_a_single_key() -> None:
    async with driven(asking(title="Publish?")) as it:
        await it.open_oldest()
        await type_slowly(it, "a")
        await it.until(lambda: isinstance(it.app.screen, AlwaysScreen))
        text = it.text()
        for words in ("license-audit", "ab12cd34ef56", "30 days", "Publish?", "until"):
            assert words in text
        await it.press("y")
        assert it.backend.asked("answer") == [], "it has just come up"
        await type_slowly(it, "2")
        await it.press("y")
        assert it.backend.asked("answer") == [], "what it says has just changed"
        await type_slowly(it, "y")
        await it.until(lambda: it.backend.asked("answer"))
        assert it.backend.asked("answer") == [
            {"id": "7F3K-1", "hash": HASH, "by": "tui", "allow": True, "always": True,
             "for_s": 7 * 86400.0}
        ]  # fmt: skip


@pytest.mark.parametrize("key", ["n", "escape"])
async def test_no_to_always_approves_nothing_and_goes_back_to_the_request(key: str) -> None:
    async with driven(asking()) as it:
        await it.open_oldest()
        await type_slowly(it, "a", key)
        await it.until(lambda: isinstance(it.app.screen, RequestScreen))
        assert it.backend.asked("answer") == []
        await it.press("y")
        assert it.backend.asked("answer") == [], "keys are dead after it came back"


async def test_always_takes_having_seen_the_end_and_is_for_approvals_alone() -> None:
    async with driven(asking(action={"payload": "x\n" * 500}), (80, 24)) as it:
        await it.open_oldest()
        await type_slowly(it, "a")
        assert isinstance(it.app.screen, RequestScreen)
    async with driven(asking(kind="choose", options=("a", "b"), action=None)) as it:
        await it.open_oldest()
        await type_slowly(it, "a")
        assert isinstance(it.app.screen, RequestScreen)


RULE = AlwaysRule(
    id="A1", agent="license-audit", cwd="/srv", sha256=HASH, title="Publish?", action=["ls", EVIL],
    set_by="kim (cli)", set_at=BASE_WALL - 60, expires_at=BASE_WALL + 86400, request_id="7F3K-1",
)  # fmt: skip


async def test_what_is_approved_always_is_listed_whole_and_revoked_once_confirmed() -> None:
    world = World()
    world.start("7F3K", "license-audit", -300)
    async with driven(world) as it:
        await it.press("A")
        await it.until(lambda: isinstance(it.app.screen, ApprovalsScreen))
        assert "nothing is approved always" in it.text()
        expired = replace(RULE, id="A2", sha256="f" * 64, expires_at=BASE_WALL - 1)
        for rule in (RULE, expired):
            it.backend.tell(world.happen("", e.AlwaysRuleSet(rule)))
        await it.until(lambda: "kim (cli)" in it.text())
        text = it.text()
        assert '"ls"' in text and "Publish?" in text and "23 h" in text
        assert "\x1b" not in text and "A2" not in text
        await type_slowly(it, "x")
        assert it.backend.asked("revoke") == [], "it asks first"
        await type_slowly(it, "y")
        await it.until(lambda: it.backend.asked("revoke"))
        assert it.backend.asked("revoke") == [{"id": "A1", "by": "tui"}]
        it.backend.tell(world.happen("", e.AlwaysRuleRevoked("A1", "tui")))
        await it.until(lambda: "nothing is approved always" in it.text())

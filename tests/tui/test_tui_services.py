"""The screen of the external services: what it says, and the one thing it can do."""

from __future__ import annotations

from copy import deepcopy

from tui_places import SERVICES, places_world, view
from tui_script import EVIL, Driven, World, busy_world, driven

from supervisor.tui.screens.confirm import ConfirmScreen
from supervisor.tui.screens.services import ServicesScreen


async def opened(it: Driven) -> None:
    await it.press("S")
    await it.until(lambda: isinstance(it.app.screen, ServicesScreen), "the services")
    await it.until(lambda: it.backend.asked("services"), "the call")
    await it.settle()


async def test_what_is_broken_stands_first_with_when_it_is_tried_again() -> None:
    async with driven(places_world()) as it:
        await opened(it)
        await it.until(lambda: "anthropic" in it.text(), "the services")
        lines = [line.strip() for line in it.text().splitlines() if line.strip()]
        rows = [line for line in lines if line.startswith(("✗", "●", "◌"))]
        assert rows[0].startswith("✗ web") and "a probe in 13 s" in rows[0]
        assert rows[1].startswith("◌ search") and "calls go on in 48 s" in rows[1]
        assert rows[2].startswith("● anthropic") and "12%" in rows[2]
        assert "connection refused by 10.0.0.7" in it.text()
        await it.press("G")
        assert "5 of 42 calls in the last 1 min" in it.text()
        assert "80.0k tokens a minute, the next waits 3 s" in it.text()
        assert "license-audit" in it.text(), "who calls it"


async def test_a_service_that_only_agents_speak_of_is_listed_without_a_breaker() -> None:
    async with driven(busy_world()) as it:
        await opened(it)
        await it.until(lambda: "not shared" in it.text(), "declared services")
        await it.press("x")
        assert not it.backend.asked("service_reset")
        assert "nothing to reset" in it.text()


async def test_a_reset_asks_first_and_then_names_exactly_that_service() -> None:
    async with driven(places_world()) as it:
        await opened(it)
        await it.until(lambda: "a probe in" in it.text(), "the services")
        await it.press("x")
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert "every project on this machine" in it.text().replace("\n", " ").replace("  ", " ")
        assert not it.backend.asked("service_reset")
        await it.settle()
        await it.press("y")
        await it.until(lambda: it.backend.asked("service_reset"), "the call")
        assert it.backend.asked("service_reset") == [{"service": "web", "by": "tui"}]
        await it.until(lambda: "breaker of web is closed" in it.text(), "a word on it")


async def test_the_mark_stays_on_a_service_while_others_change_places() -> None:
    world = places_world()
    async with driven(world) as it:
        await opened(it)
        await it.until(lambda: "a probe in" in it.text(), "the services")
        await it.press("j")
        assert isinstance(it.app.screen, ServicesScreen)
        assert it.app.screen._list.chosen == "/search"
        better = deepcopy(SERVICES)
        better["services"] = [view("web"), view("search"), view("aaa", "open", wait_s=3.0)]
        world.answers["services"] = better
        it.app.screen.load()
        await it.until(lambda: "aaa" in it.text(), "the newer answer")
        assert it.app.screen._list.chosen == "/search"


async def test_names_and_errors_of_services_are_shown_and_never_obeyed() -> None:
    world = World()
    world.answers["services"] = {
        "file": "x",
        "problem": EVIL,
        "services": [view(EVIL, "open", why=EVIL, wait_s=1.0)],
    }
    async with driven(world) as it:
        await opened(it)
        await it.until(lambda: "a probe in" in it.text(), "the service")
        await it.press("x")
        await it.until(lambda: isinstance(it.app.screen, ConfirmScreen), "the question")
        assert all(line.isprintable() for line in it.text().splitlines())


async def test_an_engine_that_does_not_know_the_call_is_said_in_one_line() -> None:
    from supervisor.tui.link import CallError

    async with driven(busy_world()) as it:
        it.backend.refusals["services"] = CallError("there is no method 'services'")
        await it.press("S")
        await it.until(lambda: "there is no method" in it.text(), "the reason")

"""The external services that all agents of the machine share, and closing a breaker by hand."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult

from supervisor.core.text import safe_text
from supervisor.tui import keys, place_keys, render, service_rows
from supervisor.tui.actions import Plan
from supervisor.tui.messages import PlanWanted
from supervisor.tui.render import line
from supervisor.tui.screens.place import PlaceScreen
from supervisor.tui.service_rows import Service
from supervisor.tui.theme import BAD, MUTED, STRONG, TEXT
from supervisor.tui.widgets.bars import OneLine
from supervisor.tui.widgets.lines import Lines

REFRESH_S = 1.0
"""A cool-down is watched by the second; reading the shared file takes a millisecond."""


class ServicesScreen(PlaceScreen):
    """A table of services above, everything about the marked one below."""

    CSS_PATH = "services.tcss"
    SCOPE = place_keys.SERVICES
    BINDINGS = keys.bindings(SCOPE)
    REFRESH_S = REFRESH_S

    def __init__(self) -> None:
        super().__init__()
        self._answers: dict[str, dict[str, Any]] = {}
        """By machine; the empty name is the only one."""
        self._is_answered = False
        """Until then nothing is marked: the first of half the list may be the last of all."""
        self._services: list[Service] = []
        self._columns = OneLine(id="columns")
        self._detail = Lines(id="detail-lines")

    def body(self) -> ComposeResult:
        """The table and the marked service."""
        yield self._columns
        yield self._list
        yield self._detail

    def load(self) -> None:
        """Ask every machine."""
        for host in [host.name for host in self._picture.hosts] or [""]:
            where = {"host": host} if host else {}
            self.ask("services", lambda said, host=host: self._take(host, said), **where)

    def refused(self, words: str) -> None:
        """Show at least what the agents say."""
        super().refused(words)
        self._is_answered = True
        self.draw()

    def _take(self, host: str, said: dict[str, Any]) -> None:
        self._is_answered = True
        self._answers[host] = said
        self.draw()

    def draw(self) -> None:
        """Fill the table."""
        if not self._is_answered:
            self._list.fill([("", line(("  asking the engine …", MUTED)))])
            return
        self._services = service_rows.services_of(self._picture, self._answers)
        self._columns.set_content(service_rows.heading(self.size.width))
        rows = [
            (service.key, service_rows.row(service, self.size.width)) for service in self._services
        ]
        self._list.fill(rows or [("", line(("  No service was called yet.", MUTED)))])
        self._list.styles.height = min(len(rows) + 1, max(3, self.size.height // 2 - 2))
        self._draw_head()
        self._draw_detail()

    def _draw_head(self) -> None:
        bad = sum(service.state in ("open", "half-open") for service in self._services)
        problems = [said["problem"] for said in self._answers.values() if said.get("problem")]
        state = (f"   {render.plural(bad, 'breaker')} open", BAD) if bad else ("", "")
        words = "shared by every project of this machine"
        why = f"   not shared: {render.clean(problems[0], 120)}" if problems else ""
        parts = (" services", STRONG), state, (f"   {words}", MUTED), (why, BAD)
        self._head.set_content(line(*parts))

    def _chosen(self) -> Service | None:
        return next((item for item in self._services if item.key == self._list.chosen), None)

    def _draw_detail(self) -> None:
        service = self._chosen()
        width = max(30, self._detail.size.width - 1)
        self._detail.set_lines(service_rows.detail(service, width) if service else [])
        self._detail.refresh()

    def on_pick_list_chosen(self) -> None:
        """Another one is marked."""
        self._draw_detail()

    def action_reset(self) -> None:
        """Close the breaker of the marked service, once confirmed."""
        service = self._chosen()
        if service is None or not service.view:
            self.say((" it has no shared breaker: there is nothing to reset", MUTED))
            return
        if service.state == "closed" and not service.view.get("failures"):
            self.say((f" {safe_text(service.name, limit=80)} works: nothing to reset", MUTED))
            return
        self.post_message(PlanWanted(reset_plan(service), self.load))


def reset_plan(service: Service) -> Plan:
    """What a reset means, before it is done."""
    name = render.clean(service.name, 80)
    _, word, style = service_rows.LOOKS[service.state]
    question = [
        line(("Close the breaker of ", TEXT), (name, STRONG), (f" ({word})", style), ("?", TEXT)),
        render.BLANK,
        line(("Every agent of every project on this machine calls it again at once,", MUTED)),
        line(("and what it asked to wait for is forgotten. If it is still down, the", MUTED)),
        line(("breaker opens again by itself.", MUTED)),
    ]
    params = {"service": service.name, **({"host": service.host} if service.host else {})}
    return Plan("service_reset", params, f"the breaker of {name} is closed", question)

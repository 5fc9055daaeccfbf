"""The line at the top (who, how many, what it costs) and the keys at the bottom."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget

from supervisor import __version__
from supervisor.tui import keys, render, theme, view
from supervisor.tui.keys import Key
from supervisor.tui.model import Host, Link, Picture
from supervisor.tui.render import Part, line
from supervisor.tui.theme import ASK_BADGE, FAINT, KEY, MUTED, STRONG, TEXT
from supervisor.tui.view import Totals

LINKS = {
    Link.CONNECTING: ("○", "connecting", MUTED),
    Link.LIVE: ("●", "live", theme.DONE),
    Link.LOST: ("✗", "reconnecting", theme.BAD),
}


class OneLine(Widget):
    """A widget of one line that is made of parts."""

    DEFAULT_CSS = """
    OneLine { height: 1; width: 1fr; }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._content = line()

    @property
    def content(self) -> Content:
        """What is shown."""
        return self._content

    def set_content(self, content: Content) -> None:
        """Show this line."""
        if not content.is_same(self._content):
            self._content = content
            self.refresh()

    def render(self) -> Content:
        """The line, cut at the edge."""
        return self._content.truncate(max(1, self.size.width), ellipsis=True)


class TopBar(OneLine):
    """Name, directory, counts by state, use of the machine, connection."""

    def show(self, picture: Picture, totals: Totals) -> None:
        """Draw these totals in the width there is: what matters least goes first."""
        right = _right(picture, totals)
        room = self.size.width - 2
        for left, shown in (
            *((_left(totals), right[dropped:]) for dropped in range(len(right))),
            (_left(totals, words=False), right[-1:]),
            (_left(totals, words=False), []),
        ):
            gap = room - _cells(left) - _cells(shown)
            if gap >= 2 or not shown:
                self.set_content(line((" ", ""), *left, (" " * gap, ""), *shown))
                return


def _left(totals: Totals, *, words: bool = True) -> list[Part]:
    """Name, what asks, and the counts; without ``words`` only glyphs and numbers."""
    parts: list[Part] = [("longwatch", STRONG), ("  ", "")]
    if totals.asks:
        word = "ask you" if totals.asks > 1 else "asks you"
        parts += [(f" ◆ {totals.asks} {word} ", ASK_BADGE), ("  ", "")]
    for look, number in totals.counts:
        if look.word not in ("asks you", "parked"):
            word = f" {look.word}" if words else ""
            parts.append((f"{look.glyph} {number}{word}  ", look.style))
    return parts


def _right(picture: Picture, totals: Totals) -> list[Part]:
    glyph, word, style = LINKS[picture.link]
    parts: list[Part] = []
    if where := _where(picture):
        parts.append((f"{where}   ", FAINT))
    if totals.cost_usd:
        parts.append((f"{render.cost(totals.cost_usd)}   ", MUTED))
    if totals.rss_bytes:
        use = f"cpu {totals.cpu_percent:.0f}%  mem {render.size(totals.rss_bytes)}   "
        parts.append((use, MUTED))
    parts.append((f"{glyph} {word}", style))
    return parts


def _where(picture: Picture) -> str:
    """Machine and directory; a version that is not ours."""
    if picture.hosts:
        living = sum(host.link is Link.LIVE for host in picture.hosts)
        others = ", ".join(
            f"{render.clean(host.name, 30)} has {render.clean(host.engine.version, 20)}"
            for host in picture.hosts
            if host.engine.version not in ("", __version__)
        )
        return f"{living} of {len(picture.hosts)} hosts" + (f" ({others})" if others else "")
    engine = picture.engine
    where = render.middle(render.clean(engine.directory), 40) if engine.directory else ""
    if not picture.host:
        return where
    is_other = engine.version not in ("", __version__)
    version = f" longwatch {render.clean(engine.version, 20)}" if is_other else ""
    return f"{render.clean(picture.host, 30)}:{where}{version}"


def _cells(parts: list[Part]) -> int:
    return sum(len(text) for text, _ in parts)


class KeyBar(OneLine):
    """The keys that work here; the most needed stay when it is narrow."""

    def __init__(self, scope: str, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._keys = keys.in_footer(scope)

    def offer(self, offered: list[Key]) -> None:
        """Show these keys instead."""
        if offered != self._keys:
            self._keys = offered
            self.refresh()

    def render(self) -> Content:
        """As many keys as fit, in the order of their rank."""
        room = self.size.width - 1
        parts: list[Part] = [(" ", "")]
        for key in self._keys:
            shown = keys.shown(key)
            cells = len(shown) + len(key.label) + 3
            if cells - 2 > room:
                break
            parts += [(shown, KEY), (f" {key.label}  ", MUTED)]
            room -= cells
        return line(*parts)


class Banner(OneLine):
    """A line that is only there when there is something to say."""

    DEFAULT_CSS = """
    Banner { display: none; }
    Banner.-shown { display: block; }
    """

    def say(self, *parts: Part) -> None:
        """Show these parts; none hides the line."""
        self.set_class(bool(parts), "-shown")
        self.set_content(line(*parts))


def link_banner(picture: Picture) -> list[Part]:
    """What to say of the connection and of a configuration with errors; empty when all is well."""
    if lost := [host for host in picture.hosts if host.link is Link.LOST]:
        return _lost_hosts(lost)
    if picture.link is Link.LOST and picture.host:
        host = Host(
            picture.host, picture.link, picture.link_why, picture.retry_in_s, picture.engine
        )
        return _lost_hosts([host])
    if picture.link is Link.LOST:
        last = " The last picture stays." if picture.is_loaded else ""
        why = render.clean(picture.link_why, 80)
        return [
            (" ✗ engine lost, reconnecting ", theme.BAD_BADGE),
            (f" {why}.{last} Agents go on without it.", TEXT),
        ]
    others = picture.hosts or (Host(picture.host or "the engine", engine=picture.engine),)
    for host in others:
        if told := view.other_protocol_text(host):
            return [(" ▲ looking only ", theme.BAD_BADGE), (f" {told}", TEXT)]
    if picture.problems:
        more = f" and {len(picture.problems) - 1} more" if len(picture.problems) > 1 else ""
        what = render.clean(picture.problems[0], 160)
        return [(" ▲ config.toml not applied ", theme.BAD_BADGE), (f" {what}{more}", TEXT)]
    if picture.is_loaded and picture.engine.storage != "ok":
        what = render.clean(picture.engine.storage, 160)
        return [(" ▲ storage ", theme.BAD_BADGE), (f" {what}", TEXT)]
    return []


def _lost_hosts(lost: Sequence[Host]) -> list[Part]:
    """Which machines are gone, and when they are tried again."""
    first = lost[0]
    name = render.clean(first.name, 30)
    when = f"trying again in {first.retry_in_s} s" if first.retry_in_s else "trying again now"
    more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
    why = render.clean(first.why, 160)
    was_there = first.engine.pid > 0
    what = f"connection to {name} lost" if was_there else f"{name} cannot be reached"
    return [
        (f" ✗ {what}{more} ", theme.BAD_BADGE),
        (f" {when}: {why}", TEXT),
    ]

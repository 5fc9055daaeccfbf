"""Settings in lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

from supervisor.config.listing import DEFAULT, FILE, UNSET, Listing, Setting
from supervisor.tui import render
from supervisor.tui.render import fit, line
from supervisor.tui.theme import ASK, BAD, DONE, FAINT, MUTED, STRONG, TEXT

ALWAYS_SHOWN = ("defaults", "budget", "notify", "metrics", "tui")
"""Sections of which every key is shown; of the others those that are written, until asked for."""
NAME_CELLS = 28
SOURCE_CELLS = 14
WIDE_CELLS = 110
"""From here on each line says what the setting means."""


def shown(listing: Listing, words: str, *, is_all: bool) -> list[Setting]:
    """What the list holds."""
    wanted = words.lower().split()
    return [
        setting
        for setting in listing.settings
        if (is_all or wanted or setting.source == FILE or setting.key[0] in ALWAYS_SHOWN)
        and all(word in _text(setting) for word in wanted)
    ]


def _text(setting: Setting) -> str:
    return f"{dotted(setting)} {setting.about}".lower()


def dotted(setting: Setting) -> str:
    """Its name in the whole file, as problems name it."""
    return ".".join(setting.key)


def rows(
    settings: Sequence[Setting], listing: Listing, width: int, is_quiet: bool
) -> Iterable[tuple[str, Content]]:
    """Key and line of each, with a line of its own where a section begins.

    ``is_quiet``: nothing is said of what is left out.
    """
    section = ""
    for setting in settings:
        if setting.section != section:
            section = setting.section
            hidden = sum(one.section == section for one in listing.settings) - sum(
                one.section == section for one in settings
            )
            more = f"   {hidden} more at their default" if hidden and not is_quiet else ""
            name = render.clean(section, 60)
            yield "", line((f" [{name}]", STRONG), (more, FAINT))
        yield dotted(setting), _row(setting, listing.faulty.get(dotted(setting)), width)


def _row(setting: Setting, fault: str | None, width: int) -> Content:
    room = max(12, width - NAME_CELLS - SOURCE_CELLS - 6)
    meaning = ""
    if width >= WIDE_CELLS:
        room, meaning = width // 4, setting.about
    is_ours = setting.source == DEFAULT
    style = BAD if fault else FAINT if setting.shown == UNSET else MUTED if is_ours else TEXT
    source = "✗ faulty" if fault else render.clean(setting.source, 40)
    source_style = BAD if fault else DONE if setting.source == FILE else FAINT if is_ours else ASK
    name = fit(render.clean(setting.name, 60), NAME_CELLS - 1)
    return line(
        (f"   {name} ", MUTED if is_ours else TEXT),
        (f"{fit(render.clean(setting.shown, 400), room - 1)} ", style),
        (fit(source, SOURCE_CELLS), source_style),
        (meaning, FAINT),
    )


def detail(setting: Setting, listing: Listing, width: int) -> list[Content]:
    """Everything about one: where it stands, its meaning, what may stand there, when it counts."""
    fault = listing.faulty.get(dotted(setting))
    where = f"   line {setting.line}" if setting.line else ""
    told = [
        line(
            (render.clean(dotted(setting), 120), STRONG),
            (f"   {render.clean(setting.source, 60)}", FAINT),
            (where, FAINT),
        ),
        line((render.clean(setting.about, 200), TEXT)),
        line(("now       ", FAINT), (render.clean(setting.shown, 600), TEXT)),
        line(("may be    ", FAINT), (render.clean(setting.allowed, 300), MUTED)),
        line(("counts    ", FAINT), (setting.takes, MUTED)),
    ]
    if fault:
        told.insert(1, line((f"✗ {render.clean(fault, 400)}", BAD)))
    return [part for whole in told for part in render.wrap(whole, width)]


def differences(before: Listing, after: Listing) -> list[str]:
    """What somebody else changed: ``agents.x.timeout: 2h → 3h``."""
    old = {dotted(setting): setting.shown for setting in before.settings}
    new = {dotted(setting): setting.shown for setting in after.settings}
    return [
        f"{key}: {render.clean(old.get(key, UNSET), 60)} → {render.clean(new.get(key, UNSET), 60)}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key, UNSET) != new.get(key, UNSET)
    ]

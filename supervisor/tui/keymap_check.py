"""``[tui.keys]`` against the table of keys: every fault said at once, nothing half in force.

Pure but for the problems it reports. A key that would answer a question may not be one that is
pressed in passing, nor the one that fingers know for the opposite.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from supervisor.config.problems import Problems, nearest, show
from supervisor.config.tui import TuiSettings, report_key
from supervisor.tui import keymap, keys

IN_PASSING = frozenset(
    {"enter", "space", "escape", "tab", "up", "down", "left", "right", "pageup", "pagedown",
     "home", "end", "j", "k", "g", "G"}
)  # fmt: skip
"""Keys of reading and moving: none of them may decide anything."""
DECIDES = ("request.allow", "standing.yes", "confirm.yes")
REFUSES = ("request.deny", "standing.no", "confirm.no")


def check_keymap(settings: TuiSettings, problems: Problems) -> Mapping[str, str]:
    """The names of actions to Textual's keys, joined by commas; faults are reported."""
    known = {key.id: key for key in keys.KEYS}
    found: dict[str, str] = {}
    for action, written in settings.keys.items():
        if action not in known:
            close = nearest(action, known)
            fix = f'Did you mean "{close}"?' if close else "See: longwatch config keys"
            expected = "the name of an action"
            report_key(settings, problems, action, ("no such action", expected, fix))
        elif (read := _read(settings, problems, known[action], written)) is not None:
            found[action] = read
    for first, second, key, scope in clashes(found):
        own = second if second in found else first
        other = first if own == second else second
        place = keys.SCOPES[scope]
        told = (
            f"{show(keymap.write_key(key))} is already {other} ({known[other].label}), "
            f"{place[:1].lower()}{place[1:]}",
            "a key of its own where it works",
            f'Give "{other}" another key too, or choose another here.',
        )
        report_key(settings, problems, own, told)
    return MappingProxyType(found)


def _read(
    settings: TuiSettings, problems: Problems, key: keys.Key, written: tuple[str, ...]
) -> str | None:
    names = []
    for one in written:
        name = keymap.read_key(one)
        found, expected, fix = "", "", ""
        if name is None:
            found, expected = f"{show(one)} is no key", 'such as "x", "ctrl+x", "f5", "/" or "esc"'
        elif key.action == keys.OPTION:
            found, expected, fix = "its keys are the digits", "nothing here", "Take the line out."
        elif key.id == "app.interrupt":
            found, expected, fix = "Ctrl+C always leaves", "nothing here", "Take the line out."
        elif key.id in DECIDES and (name in IN_PASSING or name == "n"):
            found, expected = f"{show(one)} would say yes", "no key pressed in passing, and not n"
        elif key.id in REFUSES and name == "y":
            found, expected = f"{show(one)} would say no", "any key but y"
        if found:
            report_key(settings, problems, key.id, (found, expected, fix))
            return None
        names.append(name or "")
    return ",".join(dict.fromkeys(names))


def clashes(found: Mapping[str, str]) -> list[tuple[str, str, str, str]]:
    """(action, action, key, scope) of every key that would mean two things in one place.

    Only pairs of which at least one is the operator's: the table holds none by itself.
    """
    pairs: dict[tuple[str, str, str], str] = {}
    for scope in keys.SCOPES:
        taken: dict[str, str] = {}
        for key in keys.active_in(scope):
            for name in found.get(key.id, key.keys).split(","):
                other = taken.setdefault(name, key.id)
                if other != key.id and (other in found or key.id in found):
                    pairs.setdefault((other, key.id, name), scope)
    return [(*pair, scope) for pair, scope in pairs.items()]

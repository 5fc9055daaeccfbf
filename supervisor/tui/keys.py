"""The table of keys: bindings, the footer, the palette, the help screen and docs/keys.md.

Owns: every key of the interface. Must never be bypassed by a widget with a binding of its own.
``python -m supervisor.tui.keys`` prints docs/keys.md.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from textual.binding import Binding, BindingType

from supervisor.tui import keymap, place_keys
from supervisor.tui.key import Key as Key  # noqa: PLC0414  told again from here

ALWAYS = "always"
EVERYWHERE = "everywhere"
RUNS = "runs"
RUN = "run"
OPEN_RUN = "open-run"
REQUEST = "request"
LOG = "log"
CONFIRM = "confirm"
HELP = "help"
WHY = "why"

APPROVALS = "approvals"
STANDING = "standing"

MENU = "many"
SWEEP = "many-runs"
ALIKE = "many-answers"

OPTION = "option"

SCOPES: dict[str, str] = {
    ALWAYS: "Always",
    EVERYWHERE: "Everywhere but in a question or while typing",
    RUNS: "In the table of runs",
    RUN: "On the run that is selected or open",
    OPEN_RUN: "In an open run",
    REQUEST: "In a request",
    LOG: "In a log",
    APPROVALS: "In the list of what is approved always",
    STANDING: "When asked to approve always",
    CONFIRM: "When asked to confirm",
    MENU: "When choosing what to do to many runs",
    SWEEP: "When asked to confirm something for many runs",
    ALIKE: "When a question of several runs is answered for all of them",
    **place_keys.SCOPES,
    WHY: "When told why",
    HELP: "In the help",
}
ALSO: dict[str, tuple[str, ...]] = {
    RUNS: (RUN, EVERYWHERE, ALWAYS),
    RUN: (EVERYWHERE, ALWAYS),
    OPEN_RUN: (RUN, EVERYWHERE, ALWAYS),
    LOG: (EVERYWHERE, ALWAYS),
    REQUEST: (ALWAYS,),
    APPROVALS: (ALWAYS,),
    STANDING: (ALWAYS,),
    CONFIRM: (ALWAYS,),
    MENU: (ALWAYS,),
    SWEEP: (ALWAYS,),
    ALIKE: (ALWAYS,),
    WHY: (ALWAYS,),
    HELP: (ALWAYS,),
    **dict.fromkeys(place_keys.SCOPES, (EVERYWHERE, ALWAYS)),
}
"""Scopes whose keys work in a scope too; a request and a confirmation take all keys alone."""


def _reading(name: str, scope: str) -> tuple[Key, ...]:
    """The keys that scroll a card to be read to its end."""
    return (
        Key(f"{name}.up", "up,k", "up", "up", "One line up", scope, shown="↑ k"),
        Key(f"{name}.down", "down,j", "down", "down", "One line down", scope, shown="↓ j"),
        Key(f"{name}.page-up", "pageup", "page_up", "page up", "One page up", scope, shown="PgUp"),
        Key(f"{name}.page-down", "pagedown,space", "page_down", "read on", "One page down", scope,
            5, "PgDn"),
        Key(f"{name}.end", "end,G", "bottom", "end", "To the end", scope, shown="End G"),
    )  # fmt: skip


_TABLE: tuple[Key, ...] = (
    Key("app.inbox", "i", "inbox", "answer", "Go to the oldest open request; again for the "
        "next run that needs you", EVERYWHERE, 1),
    Key("app.help", "question_mark", "help", "help", "Show these keys", EVERYWHERE, 3, "?"),
    Key("app.palette", "ctrl+p", "command_palette", "commands", "Search all commands", EVERYWHERE,
        9, "Ctrl+P"),
    Key("app.approvals", "A", "approvals", "approvals", "What is approved always, and ending it",
        EVERYWHERE),
    *place_keys.EVERYWHERE_KEYS,
    Key("app.theme", "T", "theme", "theme", "The next theme: dark, light, high contrast, the "
        "terminal's 16 colours", EVERYWHERE),
    Key("app.interrupt", "ctrl+c", "leave", "leave now", "Leave, also out of a text field; the "
        "agents go on", ALWAYS, shown="Ctrl+C", priority=True),
    Key("app.leave", "q", "leave", "leave", "Leave; the agents go on", EVERYWHERE, 2),
    Key("app.stop-all", "Q", "stop_all", "stop all",
        "Stop all agents and the engine, and leave", EVERYWHERE, 11, asks=True),
    Key("runs.up", "up,k", "up", "up", "One run up", RUNS, shown="↑ k"),
    Key("runs.down", "down,j", "down", "down", "One run down", RUNS, shown="↓ j"),
    Key("runs.page-up", "pageup", "page_up", "page up", "One page up", RUNS, shown="PgUp"),
    Key("runs.page-down", "pagedown", "page_down", "page down", "One page down", RUNS,
        shown="PgDn"),
    Key("runs.top", "home,g", "top", "first", "The first run", RUNS, shown="Home g"),
    Key("runs.bottom", "end,G", "bottom", "last", "The last run", RUNS, shown="End G"),
    Key("runs.filter", "slash", "filter", "filter", "Show only runs that fit: words, agent:x, "
        "state:failed, stage:x, why:x, -state:done", RUNS, 5, "/"),
    Key("runs.clear", "escape", "clear", "clear filter", "Show all runs again", RUNS,
        shown="Esc"),
    Key("runs.older", "a", "older", "older runs", "Show or hide older finished runs", RUNS),
    Key("runs.sort-right", "greater_than_sign,right", "sort(1)", "sort", "Sort by the next column "
        "(a click on its heading does it too)", RUNS, 7, "< >"),
    Key("runs.sort-left", "less_than_sign,left", "sort(-1)", "sort back", "Sort by the column "
        "before", RUNS, shown="< ←"),
    Key("runs.turn", "o", "turn", "turn round", "Turn the order round", RUNS),
    Key("runs.group", "b", "group", "group", "Group by agent, by stage, by state, or not", RUNS, 8),
    Key("runs.fold", "space", "fold", "fold", "Fold the group, or unfold it", RUNS, shown="Space"),
    Key("runs.many", "F", "app.many", "fleet", "Pause, resume or restart many runs, or answer a "
        "question that several ask: all, those that fit the filter, or a group", RUNS, 9,
        asks=True),
    Key("runs.pane", "d", "pane", "details", "Show or hide the detail pane", RUNS),
    Key("runs.open", "enter", "open", "open", "Open the run, or unfold the group", RUNS, 4,
        "Enter"),
    Key("run.log", "l", "app.log_run", "log", "Show the run's log", RUN, 6),
    Key("run.start", "s", "app.start_run", "start", "Start the agent, or continue its run", RUN, 7),
    Key("run.stop", "x", "app.stop_run", "stop", "Stop the run; it keeps its checkpoint", RUN, 8,
        asks=True),
    Key("run.restart", "r", "app.restart_run", "restart", "End the attempt and start the next one",
        RUN, 10, asks=True),
    Key("run.pause", "p", "app.pause_run", "pause", "Hold the run still, or let it go on", RUN, 12),
    Key("run.why", "w", "app.why_run", "why", "Why it is in this state: the rule, the figures, the "
        "events, and what happens next", RUN, 9),
    Key("open-run.pane", "1,2,3,4,5,6,7,8", OPTION, "pane", "Stages, attempts, timeline, "
        "checkpoints, anomalies, usage, journal, log", OPEN_RUN, 3, "1-8"),
    Key("open-run.next", "tab", "pane(1)", "next pane", "The next pane", OPEN_RUN, shown="Tab"),
    Key("open-run.previous", "shift+tab", "pane(-1)", "pane before", "The pane before", OPEN_RUN,
        shown="Shift+Tab"),
    Key("open-run.zoom", "z,enter", "zoom", "zoom", "All the room for this pane, or for all again",
        OPEN_RUN, 13, "z Enter"),
    Key("open-run.up", "up,k", "up", "up", "One line up in the pane", OPEN_RUN, shown="↑ k"),
    Key("open-run.down", "down,j", "down", "down", "One line down in the pane", OPEN_RUN,
        shown="↓ j"),
    Key("open-run.page-up", "pageup", "page_up", "page up", "One page up", OPEN_RUN, shown="PgUp"),
    Key("open-run.page-down", "pagedown,space", "page_down", "page down", "One page down",
        OPEN_RUN, shown="PgDn"),
    Key("open-run.top", "home,g", "top", "first", "To its first line", OPEN_RUN, shown="Home g"),
    Key("open-run.bottom", "end,G", "bottom", "last", "To its last line", OPEN_RUN,
        shown="End G"),
    Key("open-run.rollback", "b", "roll_back", "roll back", "Resume from the marked checkpoint at "
        "the next attempt", OPEN_RUN, asks=True),
    Key("open-run.mute", "m", "mute", "mute", "Anomalies of the marked kind are no problem for "
        "this agent; again takes it back", OPEN_RUN, asks=True),
    Key("open-run.search", "slash", "search", "search log", "Search in the log", OPEN_RUN,
        shown="/"),
    Key("open-run.error", "left_square_bracket", "error(-1)", "error before", "The newest line of "
        "the log that tells of an error, and the one before", OPEN_RUN, shown="["),
    Key("open-run.back", "escape,backspace", "back", "back", "Back to the table", OPEN_RUN, 5,
        "Esc"),
    Key("request.allow", "y", "allow", "yes", "Approve exactly what is shown", REQUEST, 1),
    Key("request.deny", "n", "deny", "no", "Deny", REQUEST, 2),
    Key("request.option", "1,2,3,4,5,6,7,8,9", OPTION, "choose", "Choose the option of that "
        "number", REQUEST, 3, "1-9"),
    Key("request.send", "ctrl+s", "send", "send", "Send the text (Enter too on one line)",
        REQUEST, 4, "Ctrl+S", priority=True),
    Key("request.refuse", "ctrl+n", "refuse", "deny", "Deny while a field has the focus",
        REQUEST, 5, "Ctrl+N", priority=True),
    Key("request.editor", "ctrl+o", "editor", "$EDITOR", "Write the text in your own editor; it "
        "comes back here and is sent from here", REQUEST, 6, "Ctrl+O", priority=True),
    Key("request.always", "a", "always", "always", "Approve this and every later request of this "
        "agent that is exactly the same (asks first)", REQUEST, 9),
    Key("request.comment", "c", "comment", "comment", "Add a comment to the answer", REQUEST, 6),
    Key("request.up", "up,k", "up", "up", "One line or option up", REQUEST, shown="↑ k"),
    Key("request.down", "down,j", "down", "down", "One line or option down", REQUEST,
        shown="↓ j"),
    Key("request.page-up", "pageup", "page_up", "page up", "One page up", REQUEST, shown="PgUp",
        priority=True),
    Key("request.page-down", "pagedown", "page_down", "read on", "One page down: first of the "
        "question, then of what is written", REQUEST, 7, "PgDn", priority=True),
    Key("request.space", "space", "space", "read on", "One page down, or the next word of a "
        "field to pick from", REQUEST, shown="Space"),
    Key("request.end", "end,G", "bottom", "end", "To the end of the request", REQUEST,
        shown="End G"),
    Key("request.leave-open", "escape", "leave_open", "leave open", "Go back; the request stays "
        "open", REQUEST, 8, "Esc", priority=True),
    Key("log.follow", "f", "follow", "follow", "Follow the end of the log", LOG, 4),
    Key("log.search", "slash", "search", "search", "Search in the log", LOG, 5, "/"),
    Key("log.next", "n", "next", "next", "Next line that matches", LOG, 6),
    Key("log.previous", "N", "previous", "previous", "Previous line that matches", LOG, 7),
    Key("log.error", "right_square_bracket", "error(1)", "next error", "Next line that tells of an "
        "error", LOG, 10, "]"),
    Key("log.error-before", "left_square_bracket", "error(-1)", "error before", "The line before "
        "that tells of an error", LOG, 8, "["),
    Key("log.wrap", "w", "wrap", "wrap", "Wrap long lines, or cut them", LOG, 12),
    Key("log.right", "right", "aside(1)", "right", "To the right, while nothing is wrapped", LOG,
        shown="→"),
    Key("log.left", "left", "aside(-1)", "left", "To the left again", LOG, shown="←"),
    Key("log.stream", "e", "stream", "out/err", "Output, errors, or both", LOG, 11),
    Key("log.other", "tab", "other", "other half", "While both are shown: move in the other one",
        LOG, shown="Tab"),
    Key("log.up", "up,k", "up", "up", "One line up", LOG, shown="↑ k"),
    Key("log.down", "down,j", "down", "down", "One line down", LOG, shown="↓ j"),
    Key("log.page-up", "pageup", "page_up", "page up", "One page up", LOG, shown="PgUp"),
    Key("log.page-down", "pagedown,space", "page_down", "page down", "One page down", LOG,
        shown="PgDn"),
    Key("log.top", "home,g", "top", "start", "To the first line loaded", LOG, shown="Home g"),
    Key("log.bottom", "end,G", "bottom", "end", "To the end", LOG, shown="End G"),
    Key("log.back", "escape", "back", "back", "Back", LOG, 9, "Esc"),
    Key("approvals.up", "up,k", "up", "up", "One rule up", APPROVALS, shown="↑ k"),
    Key("approvals.down", "down,j", "down", "down", "One rule down", APPROVALS, shown="↓ j"),
    Key("approvals.page-up", "pageup", "page_up", "page up", "One page up", APPROVALS,
        shown="PgUp"),
    Key("approvals.page-down", "pagedown,space", "page_down", "page down", "One page down",
        APPROVALS, shown="PgDn"),
    Key("approvals.revoke", "x", "revoke", "revoke", "Ask again from now on", APPROVALS, 1,
        asks=True),
    Key("approvals.back", "escape,q", "back", "back", "Back", APPROVALS, 2, "Esc"),
    Key("standing.yes", "y", "yes", "approve always", "Approve, now and later, as it says",
        STANDING, 1),
    Key("standing.for", "1,2,3,4", OPTION, "how long", "A day, a week, 30 days, a year", STANDING,
        2, "1-4"),
    Key("standing.no", "n,escape", "no", "no", "Back to the request; nothing is approved",
        STANDING, 3, "n Esc"),
    *place_keys.KEYS,
    Key("confirm.yes", "y", "yes", "yes", "Do it", CONFIRM, 1),
    Key("confirm.no", "n,escape", "no", "no", "Leave everything as it is", CONFIRM, 2, "n Esc"),
    Key("many.option", "1,2,3,4,5,6,7,8,9", OPTION, "choose", "What to do; all of it is shown "
        "before anything is done", MENU, 1, "1-9"),
    Key("many.back", "escape,q,n", "back", "back", "Back; nothing is done", MENU, 2, "Esc"),
    Key("many-runs.yes", "y", "yes", "yes", "Do it to every run listed", SWEEP, 1),
    Key("many-runs.no", "n,escape", "no", "no", "Leave everything as it is", SWEEP, 2, "n Esc"),
    *_reading("many-runs", SWEEP),
    Key("many-answers.yes", "y", "yes", "approve all", "Approve for every run listed", ALIKE, 1),
    Key("many-answers.option", "1,2,3,4,5,6,7,8,9", OPTION, "choose", "Choose that option for "
        "every run listed", ALIKE, 2, "1-9"),
    Key("many-answers.deny", "n", "deny", "deny all", "Deny for every run listed", ALIKE, 3),
    Key("many-answers.no", "escape", "no", "leave open", "Go back; every request stays open", ALIKE,
        4, "Esc"),
    *_reading("many-answers", ALIKE),
    *_reading("why", WHY),
    Key("why.back", "escape,q,w", "back", "back", "Back", WHY, 1, "Esc"),
    Key("help.up", "up,k", "up", "up", "One line up", HELP, shown="↑ k"),
    Key("help.down", "down,j", "down", "down", "One line down", HELP, shown="↓ j"),
    Key("help.page-up", "pageup", "page_up", "page up", "One page up", HELP, shown="PgUp"),
    Key("help.page-down", "pagedown,space", "page_down", "page down", "One page down", HELP, 1,
        "PgDn"),
    Key("help.back", "escape,q,question_mark", "back", "back", "Back", HELP, 2, "Esc"),
)  # fmt: skip

VIM: dict[str, str] = {
    "up": "k", "down": "j", "page_up": "ctrl+u", "page_down": "ctrl+d", "top": "g",
    "bottom": "G", "back": "h",
}  # fmt: skip
"""By action: what fingers of vim press. Every screen has it that moves, where it is free there."""
VIM_WORDS = "Everywhere that moves: j k, Ctrl+D Ctrl+U, g G as in vim, and h goes back."


def _taken_beside(key: Key) -> set[str]:
    """Keys that mean something wherever ``key`` works."""
    scopes = {name for name in SCOPES if key.scope in (name, *ALSO.get(name, ()))}
    around = {near for name in scopes for near in (name, *ALSO.get(name, ()))}
    return {name for other in _TABLE if other.scope in around for name in other.keys.split(",")}


def _with_vim(key: Key) -> Key:
    also = VIM.get(key.action)
    if also is None or key.scope == REQUEST or also in _taken_beside(key):
        return key
    return replace(key, keys=f"{key.keys},{also}", shown=key.shown or key.keys)


KEYS: tuple[Key, ...] = tuple(map(_with_vim, _TABLE))
"""The whole table."""


def shown(key: Key) -> str:
    """The keys in force, as people read them."""
    if keymap.is_own(key.id):
        return keymap.write_keys(keymap.keys_of(key.id, key.keys))
    return key.shown or key.keys


def hint(action: str) -> str:
    """The first key of an action, for a sentence: ``s starts it``."""
    usual = next(key.keys for key in KEYS if key.id == action)
    return keymap.write_key(keymap.keys_of(action, usual).split(",")[0])


def of_scope(scope: str) -> list[Key]:
    """The keys of one scope, in the order of the table."""
    return [key for key in KEYS if key.scope == scope]


def active_in(scope: str) -> list[Key]:
    """The keys that work in a scope, its own first."""
    return [key for name in (scope, *ALSO.get(scope, ())) for key in of_scope(name)]


def in_footer(scope: str) -> list[Key]:
    """What the footer offers in a scope, the most needed first."""
    own = [key for key in active_in(scope) if key.rank]
    if scope == LOG or scope in place_keys.SCOPES:
        own = [key for key in own if key.scope == scope]
    return sorted(own, key=lambda key: key.rank)


def bindings(*scopes: str) -> list[BindingType]:
    """Textual bindings of these scopes."""
    return [binding for name in scopes for key in of_scope(name) for binding in _bindings(key)]


def _bindings(key: Key) -> list[Binding]:
    if key.action != OPTION:
        return [_binding(key, key.id, key.keys, key.action)]
    # A binding for each digit: the action has to know which one it was.
    return [
        _binding(key, f"{key.id}-{digit}", digit, f"{OPTION}({digit})")
        for digit in key.keys.split(",")
    ]


def _binding(key: Key, binding_id: str, keys: str, action: str) -> Binding:
    return Binding(
        keys,
        action,
        key.label,
        show=False,
        id=binding_id,
        tooltip=key.tooltip,
        priority=key.priority,
    )


def markdown() -> str:
    """docs/keys.md."""
    from supervisor.tui import tasks

    lines = [
        "# Keys",
        "",
        "Made from `supervisor/tui/keys.py` by `python -m supervisor.tui.keys`; a test holds",
        "the two together. Keys of your own stand in `config.toml` under the name of the action;",
        "footer and help follow, and `longwatch config keys` prints what is in force:",
        "",
        "```toml",
        "[tui.keys]",
        '"run.stop" = "K"                   # one key, or a list of up to eight',
        '"runs.down" = ["down", "ctrl+n"]   # letters, ctrl+x, alt+x, f5, esc, pgdn, /',
        "```",
        "",
        "An unknown name and a key that would mean two things in one place are errors, all said at",
        "once, and the interface does not start. The digits and Ctrl+C stay where they are; what",
        "says yes can be no key that is pressed in passing.",
        "",
        VIM_WORDS,
        "",
        "## Ten tasks of every day",
        "",
        "By keyboard alone; a test does them in a real terminal.",
        "",
        *tasks.lines(),
    ]
    for scope, title in SCOPES.items():
        lines += ["", f"## {title}", "", "| key | what it does | its name |", "|---|---|---|"]
        for key in of_scope(scope):
            asks = " (asks first)" if key.asks else ""
            lines.append(f"| `{shown(key)}` | {key.tooltip}{asks} | {key.id} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())

"""The part of the table of keys that belongs to the screens beside the dashboard.

Read by ``keys`` alone, which checks it and makes bindings, footer, help and docs/keys.md from it.
"""

from __future__ import annotations

from supervisor.tui.key import Key

SERVICES = "services"
METRICS = "metrics"
QUEUE = "queue"
EVENTS = "events"
PAST = "past"
INBOX = "inbox"
SETTINGS = "settings"

SCOPES: dict[str, str] = {
    SERVICES: "Among the services",
    METRICS: "In the metrics",
    QUEUE: "Among queues and tasks",
    EVENTS: "Among the events",
    PAST: "In the past",
    INBOX: "In the inbox",
    SETTINGS: "Among the settings",
}
"""Scopes of these screens. What works everywhere works in each of them too."""

EVERYWHERE_KEYS: tuple[Key, ...] = (
    Key("app.questions", "I", "go('inbox')", "inbox", "Every open question of every run, by risk "
        "and age", "everywhere"),
    Key("app.services", "S", "go('services')", "services", "External services: breakers, failures, "
        "retries, limits", "everywhere"),
    Key("app.metrics", "M", "go('metrics')", "metrics", "Metrics: completions, durations, retries, "
        "waiting, tokens and cost over time", "everywhere"),
    Key("app.queues", "W", "go('queues')", "tasks", "Tasks, queues, pipelines: what waits where, "
        "workers, dead letters", "everywhere"),
    Key("app.events", "E", "go('events')", "events", "Everything that happened, and the dashboard "
        "as it was", "everywhere"),
    Key("app.settings", "C", "go('settings')", "settings", "The settings of config.toml: what is "
        "in force, from where, and changing it", "everywhere"),
    Key("app.past", "P", "go('past')", "as it was", "The dashboard as it was a minute ago, or at "
        "any other time", "everywhere"),
)  # fmt: skip


def _moving(scope: str, thing: str) -> tuple[Key, ...]:
    """What every list has."""
    return (
        Key(f"{scope}.up", "up,k", "up", "up", f"One {thing} up", scope, shown="↑ k"),
        Key(f"{scope}.down", "down,j", "down", "down", f"One {thing} down", scope, shown="↓ j"),
        Key(f"{scope}.page-up", "pageup", "page_up", "page up", "One page up", scope,
            shown="PgUp"),
        Key(f"{scope}.page-down", "pagedown,space", "page_down", "page down", "One page down",
            scope, shown="PgDn"),
        Key(f"{scope}.top", "home,g", "top", "first", f"The first {thing}", scope, shown="Home g"),
        Key(f"{scope}.bottom", "end,G", "bottom", "last", f"The last {thing}", scope,
            shown="End G"),
        Key(f"{scope}.machine", "m", "machine", "machine", "The next machine, where there are "
            "several", scope),
        Key(f"{scope}.back", "escape", "back", "back", "Back", scope, 9, "Esc"),
    )  # fmt: skip


KEYS: tuple[Key, ...] = (
    *_moving(SERVICES, "service"),
    Key("inbox.allow", "y", "allow", "yes", "Approve exactly what is shown", INBOX, 1),
    Key("inbox.deny", "n", "deny", "no", "Deny", INBOX, 2),
    Key("inbox.option", "1,2,3,4,5,6,7,8,9", "option", "choose", "Choose the option of that number",
        INBOX, 3, "1-9"),
    Key("inbox.open", "enter", "open", "open", "The question by itself: to write a text, fill in a "
        "form or add a comment", INBOX, 4, "Enter"),
    Key("inbox.always", "a", "always", "always", "Approve this and every later request of this "
        "agent that is exactly the same (asks first)", INBOX, 7),
    Key("inbox.order", "s", "order", "order", "By risk and then age, or by age alone", INBOX, 6),
    Key("inbox.up", "up,k", "up", "up", "One question up", INBOX, shown="↑ k"),
    Key("inbox.down", "down,j", "down", "down", "One question down", INBOX, shown="↓ j"),
    Key("inbox.read-on", "space,pagedown", "read_on", "read on", "One page down in the question",
        INBOX, 5, "Space"),
    Key("inbox.read-back", "pageup", "read_back", "read back", "One page up in it", INBOX,
        shown="PgUp"),
    Key("inbox.top", "home,g", "top", "first", "The first question", INBOX, shown="Home g"),
    Key("inbox.bottom", "end,G", "bottom", "last", "The last question", INBOX, shown="End G"),
    Key("inbox.back", "escape", "back", "back", "Back", INBOX, 9, "Esc"),
    Key("metrics.period", "p", "period", "period", "The last 24 hours, 7 days, 30 days",
        METRICS, 1),
    Key("metrics.next", "right,n", "agent(1)", "next agent", "The next agent; after the last one "
        "all of them", METRICS, 2, "→ n"),
    Key("metrics.previous", "left,N", "agent(-1)", "agent before", "The agent before", METRICS,
        shown="← N"),
    Key("metrics.back", "escape", "back", "back", "Back", METRICS, 9, "Esc"),
    *_moving(QUEUE, "line"),
    Key("queue.open", "enter", "open", "open", "The tasks of the queue, or the run of the task",
        QUEUE, 1, "Enter"),
    Key("queue.other", "tab", "other", "tasks", "From the queues to the tasks, and back", QUEUE, 2,
        "Tab"),
    Key("queue.view", "1,2,3,4,5,6", "option", "which", "Tasks that are not done, running, "
        "waiting, later, dead, done", QUEUE, 3, "1-6"),
    Key("queue.filter", "slash", "filter", "find", "Only tasks with a text in id, key, payload or "
        "problem", QUEUE, 4, "/"),
    Key("queue.more", "plus,equals_sign", "workers(1)", "add worker", "One worker more for the "
        "marked queue, at once", QUEUE, 5, "+"),
    Key("queue.fewer", "minus", "workers(-1)", "fewer", "One worker fewer; what runs is not ended",
        QUEUE, 6, "-"),
    Key("queue.requeue", "r", "dead('requeue')", "requeue", "Try the marked dead letter again",
        QUEUE, 7, asks=True),
    Key("queue.drop", "d", "dead('drop')", "drop", "Remove the marked dead letter for good", QUEUE,
        8, asks=True),
    Key("queue.requeue-all", "R", "all_dead('requeue')", "requeue all", "Try every dead letter of "
        "the marked queue again", QUEUE, asks=True),
    Key("queue.drop-all", "D", "all_dead('drop')", "drop all", "Remove every dead letter of the "
        "marked queue for good", QUEUE, asks=True),
    Key("queue.next", "n", "next", "next page", "The next page of tasks", QUEUE, 10),
    Key("queue.previous", "N", "previous", "page before", "The page of tasks before", QUEUE),
    Key("services.reset", "x", "reset", "reset", "Close the breaker by hand: calls go out again "
        "at once", SERVICES, 1, asks=True),
    *_moving(EVENTS, "event"),
    Key("events.past", "enter", "past", "as it was", "The dashboard as it was after the marked "
        "event", EVENTS, 1, "Enter"),
    Key("events.find", "slash", "find", "find", "Only events that say this, or whose agent is "
        "called so", EVENTS, 2, "/"),
    Key("events.kinds", "1,2,3,4,5,6,7,8,9,0", "option", "kinds", "Only events of this kind; again "
        "for all", EVENTS, 3, "0-9"),
    Key("events.one-run", "r", "one_run", "this run", "Only events of the marked one's run; again "
        "for all", EVENTS, 4),
    Key("events.go-to", "t", "go_to", "time", "Go to a time: 03:12, yesterday 14:00, 2h ago, "
        "#1234", EVENTS, 5),
    *_moving(SETTINGS, "setting"),
    Key("settings.edit", "enter", "edit", "change", "Change the marked setting in config.toml",
        SETTINGS, 1, "Enter"),
    Key("settings.reset", "backspace,delete", "reset", "default", "Take it out of config.toml, so "
        "that its default counts again", SETTINGS, 2, "Backspace"),
    Key("settings.find", "slash", "find", "find", "Only settings whose name or meaning says this",
        SETTINGS, 3, "/"),
    Key("settings.all", "a", "all", "all", "Every key there is, or those that are written and the "
        "general ones", SETTINGS, 4),
    *_moving(PAST, "run"),
    Key("past.next", "right", "step(1)", "event", "The next event", PAST, 1, "← →"),
    Key("past.previous", "left", "step(-1)", "back", "The event before", PAST, shown="←"),
    Key("past.next-stop", "n", "stop_at(1)", "what matters", "On to where something happened that "
        "matters", PAST, 2, "n N"),
    Key("past.previous-stop", "N", "stop_at(-1)", "before", "Back to where something happened "
        "that matters", PAST),
    Key("past.minute-on", "greater_than_sign", "minutes(1)", "minute", "A minute on", PAST, 3,
        "< >"),
    Key("past.minute-back", "less_than_sign", "minutes(-1)", "minute back", "A minute back", PAST,
        shown="<"),
    Key("past.go-to", "t", "go_to", "time", "Go to a time: 03:12, yesterday 14:00, 2h ago, #1234",
        PAST, 4),
)  # fmt: skip

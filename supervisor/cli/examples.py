"""An example or more of every verb, for its help and the manual page; a test parses each.

In the examples ``nightly`` is an agent, ``7F3K`` the end of a run's id and ``7F3K-1`` a request.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """One command line and what it is for."""

    line: str
    """Without the program's name."""
    why: str


EXAMPLES: dict[str, tuple[Example, ...]] = {
    "run": (
        Example("run", "the interface, with the agents that have autostart"),
        Example("run nightly --headless", "one line an event; exit 0 when it succeeded"),
    ),
    "status": (
        Example("status", "a table of what runs"),
        Example("status nightly --json", "one run, for a script"),
    ),
    "why": (Example("why nightly", "the rule, the figures, and what happens next"),),
    "requests": (Example("requests", "every open question, whole"),),
    "answer": (
        Example("answer 7F3K-1 --allow --comment 'looks good'", "approve exactly that"),
        Example("answer 7F3K-1 --edit", "change the proposed text in your editor"),
        Example("answer 7F3K-1 --field count=3", "fill in a form"),
    ),
    "approvals": (
        Example("approvals", "what is approved for good"),
        Example("approvals revoke R-1", "ask again from now on"),
    ),
    "logs": (
        Example("logs nightly -f", "follow it to its end"),
        Example("logs 7F3K --stderr -n 200", "the last 200 lines of its errors"),
    ),
    "events": (Example("events -f", "everything that happens"),),
    "submit": (Example("submit reviews task.json --key 17", "once, however often it is sent"),),
    "services": (
        Example("services", "breakers, failure rates and limits of the machine"),
        Example("services reset anthropic --yes", "close its breaker now"),
    ),
    "hosts": (Example("hosts", "who shares tasks with this machine, and who is asked for"),),
    "queue": (Example("queue reviews --tasks dead", "its tasks that were given up"),),
    "task": (Example("task 7F3K", "where it stands, and its result"),),
    "dead": (Example("dead requeue --all", "try all of them again"),),
    "pool": (Example("pool reviews --workers 3", "from now on three at a time"),),
    "start": (
        Example("start nightly", "start it, or continue its run"),
        Example("start nightly --fresh", "from the beginning, whatever it kept"),
    ),
    "stop": (Example("stop nightly", "returns when nothing of it lives"),),
    "restart": (Example("restart nightly", "its next attempt, from its checkpoint"),),
    "pause": (Example("pause --all", "every run holds still"),),
    "resume": (Example("resume --all", "and goes on"),),
    "up": (
        Example("up", "engine and agents, without an interface"),
        Example("up --foreground", "the same for a service manager: it stays here"),
    ),
    "down": (
        Example("down", "the engine leaves, the agents go on"),
        Example("down --stop-agents", "and they end too, gracefully"),
    ),
    "checkpoints": (Example("checkpoints nightly --rollback 3", "resume from generation 3"),),
    "mute": (
        Example("mute nightly retry-spike", "no problem for this agent: its runs show no flag"),
        Example("mute", "what is muted, and who said so"),
    ),
    "unmute": (Example("unmute nightly retry-spike", "it flags runs again"),),
    "journal": (Example("journal nightly truncate --from 12", "run step 12 and later again"),),
    "metrics": (
        Example("metrics", "the last seven days, by agent"),
        Example("metrics --agent nightly --by day --since 30d", "a month of one agent"),
    ),
    "audit": (Example("audit verify", "whether the event log is whole"),),
    "upgrade-engine": (Example("upgrade-engine", "after a new version was installed"),),
    "restart-engine": (Example("restart-engine", "agents notice nothing"),),
    "notify": (Example("notify test", "one message to every target, now"),),
    "backup": (Example("backup /backups/monday", "config.toml and all state, agents at work"),),
    "service": (
        Example("service install", "starts with the machine, and again after a death"),
        Example("service show", "the file that it would write"),
    ),
    "serve": (Example("serve", "says the address to open; this machine alone, with a key in it"),),
    "dial": (Example("dial", "what ssh starts for --host"),),
    "config": (
        Example("config check", "every problem at once"),
        Example("config keys", "the keys of the interface, yours marked"),
    ),
    "doctor": (Example("doctor", "before the first long night"),),
    "completion": (
        Example("completion bash > ~/.local/share/bash-completion/completions/longwatch", "bash"),
        Example("completion zsh > ~/.zfunc/_longwatch", "zsh, with ~/.zfunc in fpath"),
        Example("completion fish > ~/.config/fish/completions/longwatch.fish", "fish"),
    ),
    "init": (Example("init --demo", "three agents to try"),),
}


def epilog_of(verb: str, program: str) -> str:
    """The examples as a block of help; empty when there are none."""
    examples = EXAMPLES.get(verb, ())
    if not examples:
        return ""
    lines = [line for one in examples for line in (f"  {program} {one.line}", f"      {one.why}")]
    return "\n".join(["examples:" if len(examples) > 1 else "example:", *lines])

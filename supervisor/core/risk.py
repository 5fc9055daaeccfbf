"""How much depends on an answer: what would be done if it were a yes, in three words and why.

Pure. For the order in which people look, never for deciding anything. What an agent says of its
request can raise the risk and never lower it; what is not understood is in the middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from supervisor.core.run import Request


class Level(IntEnum):
    """Ordered: more is worse."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2


@dataclass(frozen=True, slots=True)
class Risk:
    """Of one request."""

    level: Level
    why: str
    """In a few words, ours."""

    @property
    def word(self) -> str:
        """``low``, ``medium``, ``high``."""
        return self.level.name.lower()


GROUPS: tuple[tuple[str, frozenset[str]], ...] = (
    ("removes something", frozenset({
        "rm", "rmdir", "unlink", "shred", "delete", "deletes", "remove", "drop", "truncate",
        "purge", "destroy", "erase", "wipe", "mkfs", "format", "prune", "uninstall", "revert",
        "reset", "overwrite",
    })),
    ("leaves this machine", frozenset({
        "push", "publish", "deploy", "release", "upload", "send", "mail", "email", "sendmail",
        "post", "tweet", "submit", "merge", "scp", "rsync", "twine", "apply", "rollout",
    })),
    ("spends", frozenset({"pay", "payment", "purchase", "buy", "order", "transfer", "refund",
                          "invoice", "subscribe"})),
    ("changes rights or the system", frozenset({
        "sudo", "su", "doas", "chmod", "chown", "kill", "pkill", "killall", "shutdown", "reboot",
        "systemctl", "iptables", "mount", "umount", "dd", "crontab", "useradd", "passwd",
    })),
    ("forces its way", frozenset({"force", "hard", "no-verify", "yes-i-know"})),
    ("runs what it fetches", frozenset({"curl", "wget"})),
)  # fmt: skip
"""Words of a command or of a tool's name, and what they do. One of them is enough."""
READING = frozenset({
    "ls", "cat", "head", "tail", "grep", "rg", "wc", "stat", "file", "du", "df", "pwd", "echo",
    "date", "whoami", "id", "which", "tree", "diff", "cmp", "sort", "uniq", "less",
    "read", "read_file", "list", "list_files", "search", "get", "view", "glob",
})  # fmt: skip
"""Programs and tools that only look."""
READING_GIT = frozenset({"status", "log", "diff", "show", "blame", "branch", "describe"})
SHELL_SIGNS = re.compile(r"[;&|<>`$]|\n")
"""In a command that is one text: it may be more than one program."""
PROSE = frozenset({
    "payload", "body", "text", "content", "message", "old", "new", "old_string", "new_string",
    "diff", "patch", "explanation", "description",
})  # fmt: skip
"""Keys whose value is a text to be written: its words say nothing of what is done."""
COMMANDS = frozenset({"argv", "command", "cmd", "tool", "name", "sql", "query", "script", "code",
                      "method", "steps", "commands"})  # fmt: skip
"""Keys whose value says what is done, however long it is."""
FEW_WORDS = 6
"""Of any other text: a longer one is about something and does nothing."""
MOST_CHARACTERS = 20_000
MOST_DEPTH = 6
_WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_ORDER = ("tool", "name", "argv", "command", "cmd")


def risk_of(request: Request) -> Risk:
    """What a yes to it would mean."""
    action = request.action
    found = _group_in(f"{request.title} ")
    if action is not None and request.kind != "form":
        found = next(filter(None, map(_group_in, _said(action, 0))), None) or found
    if found is not None:
        return Risk(Level.HIGH, found)
    if request.kind in ("choose", "text", "form"):
        return Risk(Level.LOW, "a question: the answer alone does nothing")
    if action is None:
        return Risk(Level.MEDIUM, "it does not say what would be done")
    if _only_looks(action):
        return Risk(Level.LOW, "only looks")
    if request.kind == "edit":
        return Risk(Level.MEDIUM, "a text that goes on as you leave it")
    return Risk(Level.MEDIUM, "changes something, nothing known to be worse")


def _group_in(text: str) -> str | None:
    words = {word.lower() for word in _WORD.findall(text[:MOST_CHARACTERS].replace("_", " "))}
    words |= {part for word in words for part in word.split("-")}
    for group, known in GROUPS:
        if hit := sorted(words & known):
            return f"{group}: {hit[0]}"
    return None


def _said(value: Any, depth: int, *, is_command: bool = False) -> Iterator[str]:
    """Every text of an action that may say what it does, what names the tool first."""
    if depth > MOST_DEPTH:
        return
    if isinstance(value, str):
        if is_command or len(value.split(None, FEW_WORDS)) <= FEW_WORDS:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _said(item, depth + 1, is_command=is_command)
    elif isinstance(value, dict):
        keys = sorted(map(str, value), key=lambda key: (key not in _ORDER, key))
        for key in keys:
            if key not in PROSE:
                known = is_command or key in COMMANDS
                yield from _said(value.get(key), depth + 1, is_command=known)


def _only_looks(action: Any) -> bool:
    """Whether it is one program, or one tool, that is known to change nothing."""
    if not isinstance(action, dict):
        return False
    argv = action.get("argv")
    if isinstance(argv, list) and argv and all(isinstance(word, str) for word in argv):
        return _reads(argv)
    command = action.get("command", action.get("cmd"))
    if isinstance(command, str):
        return not SHELL_SIGNS.search(command) and _reads(command.split())
    tool = action.get("tool", action.get("name"))
    return isinstance(tool, str) and tool.lower() in READING and not PROSE & set(action)


def _reads(words: list[str]) -> bool:
    program = words[0].rpartition("/")[2] if words else ""
    if program == "git":
        return len(words) > 1 and words[1] in READING_GIT
    return program in READING

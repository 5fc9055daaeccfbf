"""Carries one message to one target: apprise, a command of the user's, or the desktop.

Runs in a thread of its own and may take as long as its time-out; whatever goes wrong comes back as
one phrase. apprise is imported with the first address, never before (about 0.3 s).
"""

from __future__ import annotations

import html
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from supervisor.config.notify import Target, expanded
from supervisor.core.notices import Notice
from supervisor.core.report import rfc3339
from supervisor.core.text import safe_text

COMMAND_TIMEOUT_S = 30.0
MAX_PROBLEM = 300

Send = Callable[[Target, Notice], str | None]
"""What went wrong, one phrase; None when it was taken."""

_TELLING: ContextVar[list[str] | None] = ContextVar("longwatch_telling", default=None)
_CALLS = re.compile(
    r"(?<!\w)@(?=(?:everyone|here|channel|all|room|team)\b)|<(?=[!@#])", re.IGNORECASE
)


def send(target: Target, notice: Notice, environ: Mapping[str, str] | None = None) -> str | None:
    """Tell ``notice`` to ``target``; blocks."""
    try:
        match target.kind:
            case "url":
                return _through_apprise(target.words[0], notice, environ or os.environ)
            case "command":
                return _through_command(target.words, notice)
            case _:
                return _on_desktop(notice)
    except Exception as error:  # noqa: BLE001  # A plug-in may raise anything.
        return _phrase(f"{type(error).__name__}: {error}")


def shown(target: Target) -> str:
    """The target for people, without what is secret in its address."""
    if target.kind == "command":
        return safe_text(" ".join(target.words), limit=80)
    if target.kind != "url":
        return target.kind
    scheme = target.words[0].partition("://")[0]
    try:
        from apprise import Apprise

        made: Any = Apprise.instantiate(expanded(target.words[0], os.environ))
        return safe_text(made.url(privacy=True), limit=80) if made else f"{scheme}://…"
    except Exception:  # noqa: BLE001  # Only the name is wanted here.
        return f"{scheme}://…"


def _through_apprise(url: str, notice: Notice, environ: Mapping[str, str]) -> str | None:
    try:
        address = expanded(url, environ)
    except KeyError as missing:
        return f"the variable {missing.args[0]} is not set where the engine was started"
    from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType

    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING, "error": NotifyType.FAILURE}
    # The messages are ours, and no picture is fetched from elsewhere for them.
    asset = AppriseAsset(app_id="longwatch", app_desc="longwatch", app_url="", image_url_mask="")
    plugin: Any = Apprise.instantiate(address, asset=asset)
    if not plugin:
        return "apprise does not know this kind of address: see its list of services"
    apprise: Any = Apprise(asset=asset)
    apprise.add(plugin)
    with _own_warnings("apprise") as said:
        is_taken = apprise.notify(
            body=_calling_nobody(notice.body or notice.title),
            title=_calling_nobody(notice.title),
            notify_type=kinds[notice.severity],
            body_format=NotifyFormat.TEXT,
        )
    if is_taken:
        return None
    hidden = "; ".join(dict.fromkeys(said)).replace(address, "…")
    return _phrase(hidden.strip().replace("\n", "; ") or "it was not taken, no reason was given")


@contextmanager
def _own_warnings(name: str) -> Iterator[list[str]]:
    """What is logged there meanwhile for this message: others are told at the same time.

    By context, not by thread: apprise sends from threads of its own, in a copy of the context.
    """
    said: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if _TELLING.get() is said:
                said.append(record.getMessage())

    handler, logger = Keep(logging.WARNING), logging.getLogger(name)
    logger.addHandler(handler)
    token = _TELLING.set(said)
    try:
        yield said
    finally:
        _TELLING.reset(token)
        logger.removeHandler(handler)


def _calling_nobody(text: str) -> str:
    """Without the words by which a chat service calls people: an agent must not wake a company.

    ``@everyone``, ``@here`` and the like of Slack, Teams, Discord and Matrix, and ``<!channel>``.
    """
    return _CALLS.sub(lambda found: f"{found[0][0]}\N{WORD JOINER}{found[0][1:]}", text)


def message_json(notice: Notice) -> dict[str, Any]:
    """A message as a command gets it."""
    return {
        "kind": notice.kind.value,
        "agent": notice.agent,
        "run": notice.run_id,
        "title": notice.title,
        "body": notice.body,
        "severity": notice.severity,
        "at": rfc3339(notice.at),
    }


def _through_command(argv: tuple[str, ...], notice: Notice) -> str | None:
    data = json.dumps(message_json(notice)).encode()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return _phrase(f"{argv[0]} cannot be started: {error.strerror}")
    try:
        _, said = process.communicate(data, timeout=COMMAND_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        # Its own session: nothing else can be in that group.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return f"{argv[0]} did not end within {COMMAND_TIMEOUT_S:g} s"
    if process.returncode == 0:
        return None
    last = said.decode(errors="replace").strip().splitlines()[-1:] or [""]
    return _phrase(f"{argv[0]} ended with {process.returncode} {last[0]}".strip())


def _on_desktop(notice: Notice) -> str | None:
    if sys.platform == "darwin":
        script = (
            "on run argv\ndisplay notification (item 2 of argv) with title (item 1 of argv)\nend"
        )
        argv = ("osascript", "-e", script, notice.title, notice.body)
    else:
        urgency = {"info": "low", "warning": "normal", "error": "critical"}[notice.severity]
        # A body is markup (links, pictures) by the desktop's specification, a title is not.
        body = html.escape(notice.body, quote=False)
        argv = ("notify-send", "-a", "longwatch", "-u", urgency, "--", notice.title, body)
        if not os.environ.get("DBUS_SESSION_BUS_ADDRESS") and not os.environ.get("DISPLAY"):
            return "no desktop can be reached from where the engine was started"
    if shutil.which(argv[0]) is None:
        return f"{argv[0]} is not installed"
    return _through_command(argv, notice)


def _phrase(text: str) -> str:
    return safe_text(text, limit=MAX_PROBLEM)

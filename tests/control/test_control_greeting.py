"""The first words of two longwatches, and what ssh said, in words for a person."""

from __future__ import annotations

import json

import pytest

from supervisor import __version__
from supervisor.control.greeting import (
    difference,
    greeting_line,
    protocol_refusal,
    read_greeting,
    refusal_line,
)
from supervisor.control.host import RemoteHost, parse_host, remote_line, ssh_argv
from supervisor.control.ssh_faults import fault_of
from supervisor.errors import LongwatchError, NotRunningError, UserError

BOX = RemoteHost("box", "me@box", "~/my research")


def test_a_greeting_is_read_as_it_was_written() -> None:
    read = read_greeting(greeting_line("/srv/x", started=True), "box")
    assert read is not None
    assert (read.version, read.protocol, read.directory, read.started) == (
        __version__, 1, "/srv/x", True,
    )  # fmt: skip


@pytest.mark.parametrize("line", [b"Welcome!\n", b"[1]\n", b"\xff\n", b"{}\n", b"[" * 10**5])
def test_what_is_no_greeting_is_passed_over(line: bytes) -> None:
    assert read_greeting(line, "box") is None


def test_the_error_there_is_raised_here_as_what_it_was() -> None:
    line = refusal_line(NotRunningError("nothing runs for /x", fix="longwatch up"))
    with pytest.raises(NotRunningError, match="on box: nothing runs for /x") as caught:
        read_greeting(line, "box")
    assert caught.value.fix == "There: longwatch up"


def test_hostile_words_of_the_other_side_are_harmless() -> None:
    told = {"longwatch": "dial", "error": {"kind": "\x1b[2J", "what": "\x1b]0;x\x07", "why": 3}}
    with pytest.raises(LongwatchError) as caught:
        read_greeting(json.dumps(told).encode(), "box")
    assert str(caught.value).isprintable()


def test_who_has_to_upgrade_is_the_older_side() -> None:
    older = difference({"version": "0.0.1", "protocol": 0}, "box")
    newer = difference({"version": "99", "protocol": 2}, "box")
    assert "looking only" in older and older.endswith("upgrade longwatch on box")
    assert "looking only" in newer and newer.endswith("upgrade longwatch on this machine")
    assert "where the engine runs" in protocol_refusal(2).fix
    assert "where you are" in protocol_refusal(0).fix
    assert difference({"version": __version__, "protocol": 1}, "box") == ""


@pytest.mark.parametrize("word", ["-oProxyCommand=x", "", "a b", "box;id", "$(id)", "b\nx", "ä"])
def test_no_address_can_be_an_option_or_a_command(word: str) -> None:
    with pytest.raises(UserError, match="expected user@box"):
        parse_host(word)


def test_the_remote_line_keeps_every_word_whole() -> None:
    line = remote_line(RemoteHost("b", "b", "~/a b';id;'", ("~/bin/longwatch",)), ["dial"])
    assert line.startswith("sh -c '")
    argv = ssh_argv(BOX, ["status", "it's"], is_batch=True)
    assert argv[-3:-1] == ["--", "me@box"] and "BatchMode=yes" in argv
    assert "BatchMode=yes" not in ssh_argv(BOX, ["dial"], is_batch=False)


@pytest.mark.parametrize(
    ("status", "said", "told", "needs_person"),
    [
        (255, "me@box: Permission denied (publickey).", "box refused the key", True),
        (255, "Host key verification failed.", "not known here yet", True),
        (255, "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
         "not the one that is known", False),
        (255, "ssh: Could not resolve hostname box: Name or service not known",
         "no machine is called box", False),
        (255, "ssh: connect to host box port 22: Connection timed out", "does not answer", False),
        (255, "", "the connection to box failed", False),
        (127, "sh: 1: exec: longwatch: not found", "not installed on box", False),
        (2, "longwatch: there is no command 'dial'", "too old", False),
        (0, "", "is not longwatch", False),
        (None, "", "did not answer in time", False),
    ],
)  # fmt: skip
def test_what_ssh_said_becomes_what_to_do(
    status: int | None, said: str, told: str, needs_person: bool
) -> None:
    fault = fault_of(BOX, status, said, "\x1b]0;x\x07 message of the day")
    assert told in fault.what
    assert fault.fix and str(fault).replace("\n", "").isprintable()
    assert fault.needs_person is needs_person

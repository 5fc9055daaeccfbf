"""What ``--host`` means: names of config.toml, addresses of ssh, and running a verb over there."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from supervisor.config.paths import Project
from supervisor.control.host import SSH, RemoteHost, parse_host, ssh_argv
from supervisor.control.ssh_faults import SSH_FAILED
from supervisor.errors import EnvironmentFaultError, UserError

SSH_VARIABLE = "LONGWATCH_SSH"
"""The ssh to use with its first options, split as a shell would: a wrapper, or ``ssh -F FILE``."""
FLEET = "fleet"
"""Every machine of ``[fleet]`` that can be operated; ``fleet:NAME`` is one."""
ALL = "all"
"""Every machine of ``[hosts]``."""


def named_hosts(words: Sequence[str], directory: Path | None) -> list[RemoteHost]:
    """The machines of every ``--host``, each once; ``directory`` is ``-C``, for all of them."""
    fleet = [word for word in words if word == FLEET or word.startswith(f"{FLEET}:")]
    if fleet:
        if len(fleet) < len(words):
            raise UserError("machines of the fleet and others cannot be mixed", where="--host")
        return _of_fleet(fleet, directory)
    known = _configured() if any("@" not in word for word in words) else {}
    wanted = [name for word in words for name in (known if word == ALL and known else (word,))]
    if not wanted:
        raise UserError("no [hosts.NAME] in config.toml", where="--host all")
    found: dict[str, RemoteHost] = {}
    for word in wanted:
        host = known[word] if word in known else _by_address(word, known)
        if directory is not None:
            there = f"{host.word.partition(':')[0]}:{directory}"
            host = replace(host, directory=str(directory), word=there)
        found.setdefault(f"{host.address}:{host.directory or ''}", host)
    return _told_apart(list(found.values()))


def one_host(words: Sequence[str], directory: Path | None) -> RemoteHost:
    """The machine of a verb; UserError for several."""
    hosts = named_hosts(words, directory)
    if len(hosts) > 1:
        raise UserError(
            f"this command takes one --host, found {len(hosts)}",
            fix="Several are for the interface: longwatch --host a --host b",
        )
    return hosts[0]


def run_there(host: RemoteHost, verb: str, words: Sequence[str]) -> int:
    """Run the verb on that machine, with this terminal's streams; its exit status."""
    from supervisor.cli.output import is_dialogue

    argv = ssh_argv(host, [verb, *_without_host(words)], is_batch=not is_dialogue())
    try:
        status = subprocess.run(argv, check=False).returncode
    except OSError as error:
        raise EnvironmentFaultError(f"cannot run {argv[0]}: {error.strerror}") from error
    if status == SSH_FAILED:
        raise EnvironmentFaultError(
            f"the connection to {host.name} failed", fix=f"Try: ssh {host.address}"
        )
    return status


def _without_host(words: Sequence[str]) -> list[str]:
    """The verb's own words: where it runs was said to us, not to the machine there."""
    kept: list[str] = []
    skip = False
    for word in words:
        if not skip and word not in ("--host", "-C"):
            if not word.startswith(("--host=", "-C")):
                kept.append(word)
            continue
        skip = not skip
    return kept


def _configured() -> dict[str, RemoteHost]:
    """The machines of the config.toml here or above, if there is one that names any."""
    try:
        project = Project.find()
        if b"hosts" not in project.config_file.read_bytes():
            return {}
    except (UserError, OSError):
        return {}
    from supervisor.config.load import load_config

    return {
        name: RemoteHost(
            name,
            table.address,
            table.directory,
            name,
            command=tuple(table.command),
            ssh=_ssh() if table.ssh == list(SSH) else tuple(table.ssh),
        )
        for name, table in load_config(project).hosts.items()
    }


def _of_fleet(words: Sequence[str], directory: Path | None) -> list[RemoteHost]:
    """Machines that are reached over the servers of ``[fleet]``; this one directly."""
    from supervisor.cli.hosts_cmd import fleet_of

    project = Project.find(directory)
    cards = fleet_of(project)
    names = {word.partition(":")[2] for word in words}
    program = (sys.executable, "-P", "-m", "supervisor.cli.main", "-C", str(project.directory))
    found = []
    for name, card in cards.items():
        is_here = card.directory == str(project.directory) and card.host == _own_host(project)
        if (is_here or card.operates) if "" in names else name in names:
            carrier = (*program, "dial", *(() if is_here else ("--through", name)))
            word = f"{FLEET}:{name}"
            found.append(RemoteHost(name, word, card.directory, word, carrier=carrier))
    missing = names - {"", *cards}
    if missing or not found:
        raise UserError(
            f"no machine of the fleet is called {min(missing)!r}"
            if missing
            else "no machine of the fleet can be operated now",
            why=f"there are: {', '.join(cards) or 'none'}",
            fix="See: longwatch hosts; each needs operate = true in its [fleet]",
            where="--host",
        )
    return found


def _own_host(project: Project) -> str:
    from supervisor.config.load import load_config
    from supervisor.fleet.settings import host_name

    return host_name(load_config(project).fleet)


def _by_address(word: str, known: Mapping[str, RemoteHost]) -> RemoteHost:
    name, mark, directory = word.partition(":")
    if mark and name in known:
        return replace(known[name], directory=directory, word=word)
    return parse_host(word, _ssh())


def _ssh() -> tuple[str, ...]:
    words = os.environ.get(SSH_VARIABLE, "")
    try:
        return tuple(shlex.split(words)) or SSH
    except ValueError as error:
        raise UserError(f"cannot split it: {error}", where=f"${SSH_VARIABLE}") from error


def _told_apart(hosts: list[RemoteHost]) -> list[RemoteHost]:
    """Two directories of one machine get names that differ."""
    names = [host.name for host in hosts]
    return [
        host
        if names.count(host.name) == 1
        else replace(
            host, name=f"{host.name}:{(host.directory or '~').rsplit('/', 1)[-1] or 'root'}"
        )
        for host in hosts
    ]

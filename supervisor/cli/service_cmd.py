"""``longwatch service``: a service of the user's own service manager keeps this project running.

Writes one file, never as root for others, and replaces nothing that somebody else wrote. systemd
is told at once when it answers; otherwise the commands to type are said.
"""

from __future__ import annotations

import argparse
import os
import shlex
import time
from typing import Any

from supervisor.cli import output
from supervisor.cli.exit_codes import ExitStatus
from supervisor.cli.service_file import (
    LAUNCHD,
    SYSTEMD,
    ServiceFile,
    environment_file,
    kind_here,
    look,
)
from supervisor.cli.service_manager import UserManager
from supervisor.cli.session import ATTEMPT_EVERY_S, log_tail, try_connect
from supervisor.config.defaults import START_TIMEOUT_S
from supervisor.config.paths import Project
from supervisor.core.service_unit import Found, differences
from supervisor.errors import EnvironmentFaultError, UserError
from supervisor.process.daemon import living_holder

ACTIONS = ("install", "uninstall", "status", "show")
SHOWN_DIFFERENCES = 12
LINGER_HINT = "loginctl enable-linger"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("action", choices=ACTIONS, help="what to do; show only prints the file")
    parser.add_argument("--name", help="another name than that of the directory")
    parser.add_argument(
        "--force", action="store_true", help="replace or remove a file with other content"
    )
    parser.add_argument(
        "--kind", choices=(SYSTEMD, LAUNCHD), help="of `show`: for the other service manager"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Do it; exit status 1 when `status` finds the service not well."""
    if arguments.kind is not None and arguments.action != "show":
        raise UserError("--kind is of `show` alone", fix="Leave it out.", where="--kind")
    file = look(project, arguments.name, arguments.kind or kind_here())
    if arguments.action == "show":
        _show(file, arguments)
        return ExitStatus.DONE
    if arguments.action == "status":
        return _status(file, project, arguments)
    if arguments.action == "install":
        _install(file, project, arguments)
    else:
        _uninstall(file, arguments)
    return ExitStatus.DONE


def _show(file: ServiceFile, arguments: argparse.Namespace) -> None:
    if arguments.json:
        output.json({"path": str(file.path), "name": file.name, "text": file.wanted})
    else:
        output.block(file.wanted.rstrip("\n"))


# -- install ----------------------------------------------------------------------------------


def _install(file: ServiceFile, project: Project, arguments: argparse.Namespace) -> None:
    from supervisor.config.load import load_config

    config = load_config(project)
    _refuse_others(file, is_forced=arguments.force)
    project.ensure()
    if file.found is not Found.SAME:
        file.write()
    told = [f"{'kept' if file.found is Found.SAME else 'wrote'} {file.path}"]
    manager = UserManager()
    if file.kind == SYSTEMD and manager.answers():
        done, commands = _enable(manager, file, project)
        told.append(done)
    else:
        done, commands = "", _by_hand(file)
    passed = {name for spec in config.agents.values() for name in spec.env_pass}
    missing = sorted(name for name in passed - _given(project) if name in os.environ)
    lingers = manager.lingers() if file.kind == SYSTEMD else None
    if arguments.json:
        output.json(
            {
                "path": str(file.path),
                "name": file.name,
                "written": file.found is not Found.SAME,
                "done": done,
                "next": commands,
                "linger": lingers,
                "missing_environment": missing,
            }
        )
        return
    for line in told:
        output.line(line)
    if commands:
        output.line(f"next: {' && '.join(commands)}")
    if missing:
        output.line(
            f"the service will not have {', '.join(missing)} of this shell: write NAME=value lines "
            f"into {environment_file(project)} (chmod 600)"
        )
    if lingers is False:
        output.line(f"it ends when you log out, until you type once: {LINGER_HINT}")


def _refuse_others(file: ServiceFile, *, is_forced: bool) -> None:
    if file.found is Found.OTHER_PROJECT:
        raise UserError(
            f"{file.path} is the service of {file.owner}",
            why="two projects cannot share one name",
            fix="Give this one another: --name NAME",
        )
    if file.there is None or file.found is Found.SAME or is_forced:
        return
    if file.found is Found.FOREIGN:
        raise UserError(
            f"{file.path} was not made by longwatch",
            why="it is left alone",
            fix="Give another name with --name, or replace it with --force.",
        )
    lines = differences(file.there, file.wanted)
    more = len(lines) - SHOWN_DIFFERENCES
    shown = [*lines[:SHOWN_DIFFERENCES], *([f"and {more} more lines"] if more > 0 else [])]
    raise UserError(
        f"{file.path} has other content",
        why="\n".join(("- is there, + would be written:", *shown)),
        fix="Replace it with --force (agents go on).",
    )


def _enable(manager: UserManager, file: ServiceFile, project: Project) -> tuple[str, list[str]]:
    """What was done, and the commands that are left to a person."""
    unit = file.unit
    manager.call("daemon-reload")
    manager.call("enable", unit)
    holder = living_holder(project.keeper_lock)
    if holder is None:
        manager.call("restart", unit)
        _wait_for_engine(project, unit)
        return "enabled and started", []
    if int(manager.properties(unit).get("MainPID") or 0) == holder.pid:
        if file.found is Found.SAME:
            return "enabled; it runs already", []
        restart = f"systemctl --user restart {shlex.quote(unit)}"
        return "enabled; what changed counts from its next start (agents go on)", [restart]
    down = shlex.join(["longwatch", "-C", str(project.directory), "down"])
    return (
        f"enabled; a keeper (pid {holder.pid}) runs outside of it, to hand over (agents go on)",
        [down, f"systemctl --user start {shlex.quote(unit)}"],
    )


def _wait_for_engine(project: Project, unit: str) -> None:
    end = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < end:
        client = try_connect(project)
        if client is not None:
            client.close()
            return
        time.sleep(ATTEMPT_EVERY_S)
    raise EnvironmentFaultError(
        f"{unit} was started, but no engine answered within {START_TIMEOUT_S:g} s",
        why=log_tail(project),
        fix=f"See: systemctl --user status {unit}; journalctl --user -u {unit}",
    )


def _by_hand(file: ServiceFile) -> list[str]:
    if file.kind == LAUNCHD:
        return [f"launchctl bootstrap gui/{os.getuid()} {shlex.quote(str(file.path))}"]
    unit = shlex.quote(file.unit)
    return ["systemctl --user daemon-reload", f"systemctl --user enable --now {unit}"]


def _given(project: Project) -> set[str]:
    """Names that the service's own file of variables holds."""
    try:
        text = environment_file(project).read_text(errors="replace")
    except OSError:
        return set()
    lines = (line.strip() for line in text.splitlines())
    return {line.partition("=")[0].strip() for line in lines if "=" in line and line[0] not in "#;"}


# -- uninstall --------------------------------------------------------------------------------


def _uninstall(file: ServiceFile, arguments: argparse.Namespace) -> None:
    """What runs goes on: only its start with the machine, and after a death, ends."""
    if file.there is None:
        raise UserError(f"no service at {file.path}", fix="See: longwatch service status")
    if file.found is Found.OTHER_PROJECT:
        raise UserError(f"{file.path} is the service of {file.owner}", fix="Use -C, or --name.")
    if file.found is Found.FOREIGN and not arguments.force:
        raise UserError(
            f"{file.path} was not made by longwatch", fix="Remove it with --force if it is yours."
        )
    manager = UserManager()
    answers = file.kind == SYSTEMD and manager.answers()
    if answers:
        manager.call("disable", file.unit)
    file.remove()
    commands: list[str] = []
    if answers:
        manager.call("daemon-reload")
    elif file.kind == LAUNCHD:
        commands = [f"launchctl bootout gui/{os.getuid()}/{file.path.stem}"]
    else:
        commands = ["systemctl --user daemon-reload"]
    if arguments.json:
        output.json({"removed": str(file.path), "next": commands})
        return
    output.line(f"removed {file.path}; what runs goes on, longwatch down ends the engine")
    if commands:
        output.line(f"next: {' && '.join(commands)}")


# -- status -----------------------------------------------------------------------------------


def _status(file: ServiceFile, project: Project, arguments: argparse.Namespace) -> int:
    manager = UserManager()
    answers = file.kind == SYSTEMD and manager.answers()
    shown = manager.properties(file.unit) if answers else {}
    holder = living_holder(project.keeper_lock)
    main_pid = int(shown.get("MainPID") or 0) or None
    state: dict[str, Any] = {
        "name": file.name,
        "path": str(file.path),
        "file": file.found.value,
        "manager_answers": answers,
        "enabled": shown.get("UnitFileState") == "enabled" if answers else None,
        "active": shown.get("ActiveState") == "active" if answers else None,
        "state": f"{shown['ActiveState']} ({shown['SubState']})" if "SubState" in shown else None,
        "main_pid": main_pid,
        "keeper_pid": holder.pid if holder else None,
        "linger": manager.lingers() if file.kind == SYSTEMD else None,
    }
    is_installed = file.found in (Found.SAME, Found.CHANGED)
    is_well = is_installed and holder is not None and (not answers or main_pid == holder.pid)
    if arguments.json:
        output.json({**state, "well": is_well})
    else:
        for line in _status_lines(state, file):
            output.line(line)
    return ExitStatus.DONE if is_well else ExitStatus.NOT_WELL


def _status_lines(state: dict[str, Any], file: ServiceFile) -> list[str]:
    lines = [f"{file.unit}: {file.found.value}"]
    if file.there is None:
        lines.append("install it: longwatch service install")
    elif file.found is Found.CHANGED:
        lines.append("its file differs from what this version and shell would write; to see it: "
                     "longwatch service install")  # fmt: skip
    elif file.owner and file.found is Found.OTHER_PROJECT:
        lines.append(f"that one is of {file.owner}; give this one a name: --name NAME")
    if state["state"] is not None:
        enabled = "starts with the machine" if state["enabled"] else "not enabled"
        lines.append(f"{state['state']}, {enabled}")
    elif file.kind == SYSTEMD:
        lines.append("no user manager of systemd answers here")
    lines.append(_keeper_line(state))
    if state["linger"] is False:
        lines.append(f"ends when you log out, until you type once: {LINGER_HINT}")
    return lines


def _keeper_line(state: dict[str, Any]) -> str:
    pid = state["keeper_pid"]
    if pid is None:
        return "no keeper runs here"
    if not state["manager_answers"]:
        return f"keeper: pid {pid}"
    if pid == state["main_pid"]:
        return f"keeper: pid {pid}, started by the service"
    return (
        f"keeper: pid {pid}, started outside of the service; to hand over (agents go on): "
        f"longwatch down, then: systemctl --user start longwatch-{state['name']}.service"
    )

"""``longwatch serve``: the interface in a browser, on loopback, behind a token."""

from __future__ import annotations

import argparse
import secrets
import sys

from supervisor.cli import output
from supervisor.cli.exit_codes import say
from supervisor.errors import EnvironmentFaultError, UserError

PORT = 8421
ADDRESS = "127.0.0.1"
EXTRA = "longwatch[web]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"0 takes a free one (default {PORT})"
    )
    parser.add_argument(
        "--address",
        default=ADDRESS,
        metavar="IP",
        help="where to listen; anything but loopback lets the network in (default 127.0.0.1)",
    )
    parser.add_argument("--json", action="store_true", help="the address as one JSON line")


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is told to end; the address with its token is printed once."""
    if not 0 <= arguments.port <= 65535:
        raise UserError(f"found port {arguments.port}, expected 0 to 65535", where="--port")
    try:
        from supervisor.tui import web
    except ImportError as error:
        raise EnvironmentFaultError(
            f"serving needs an extra that is not installed ({error.name})",
            fix=f"pipx install '{EXTRA}', or: pip install '{EXTRA}'",
        ) from error
    from supervisor.tui.web_gate import Gate, is_loopback

    words, title = _where(arguments)
    gate = Gate(secrets.token_urlsafe(32), secrets.token_urlsafe(32), arguments.address)
    program = (sys.executable, "-P", "-m", "supervisor.cli.main")
    served = web.Served(web.window_argv(program, words), title, gate)
    bound = web.listen(arguments.address, arguments.port)
    address, port = bound.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{port}/?token={gate.token}"

    def ready() -> None:
        if arguments.json:
            output.json_line({"url": url, "address": address, "port": port})
            return
        output.line(url)
        output.line("Whoever has this address acts as you. Ctrl-C ends it; the agents go on.")

    if not is_loopback(arguments.address):
        say(
            f"longwatch: WARNING: {arguments.address} can be reached from the network, and nothing "
            "is encrypted.\n  Whoever reads the address on the way can start and stop agents and "
            "approve as you.\n  Better: longwatch serve here, and ssh -L 8421:127.0.0.1:8421 there"
        )
    with bound:
        web.serve(served, bound, ready)
    return 0


def _where(arguments: argparse.Namespace) -> tuple[list[str], str]:
    """The words of a window's command line, and its title; wrong ones are said before serving."""
    words: list[str] = []
    if arguments.host:
        from supervisor.cli.places import named_hosts

        hosts = named_hosts(arguments.host, arguments.directory)
        words += [part for word in arguments.host for part in ("--host", word)]
        if arguments.directory is not None:
            words += ["-C", str(arguments.directory)]
        return words, f"longwatch · {', '.join(host.name for host in hosts)}"
    from supervisor.config.paths import Project

    project = Project.find(arguments.directory)
    return ["-C", str(project.directory)], f"longwatch · {project.directory.name}"

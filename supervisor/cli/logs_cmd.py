"""``longwatch logs RUN [-f] [--stderr]``: an agent's output, made harmless for the terminal."""

from __future__ import annotations

import argparse
import time

from supervisor.cli import output
from supervisor.cli.session import connect, snapshot
from supervisor.cli.status_cmd import find
from supervisor.config.paths import Project
from supervisor.control.sync_client import SyncClient
from supervisor.core.mirror import Mirror
from supervisor.core.run import FINAL
from supervisor.core.text import safe_text

LOOK_EVERY_S = 0.15
TAIL_BYTES = 65_536
PIECE_BYTES = 262_144
MAX_LINE = 16_384
"""Characters of one line that are shown; the rest is counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("name", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument("-f", "--follow", action="store_true", help="until the run is over")
    parser.add_argument("--stderr", action="store_true", help="only standard error")
    parser.add_argument("--stdout", action="store_true", help="only standard output")
    parser.add_argument("-n", "--lines", type=int, default=200, help="from the end (default 200)")
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(arguments: argparse.Namespace, project: Project) -> int:
    """Print the end of the output; with ``-f`` go on until the run is over."""
    with connect(project) as client:
        state = find(list(Mirror(snapshot(client)).runs.values()), arguments.name)
        wanted = ["err"] if arguments.stderr else ["out"] if arguments.stdout else ["out", "err"]
        printer = _Printer(as_json=arguments.json, with_heads=len(wanted) > 1)
        streams = {name: _Stream(client, state.id, name) for name in wanted}
        for name, stream in streams.items():
            printer.show(name, stream.tail(arguments.lines))
        while arguments.follow:
            over = Mirror(snapshot(client)).runs[state.id].status in FINAL
            for name, stream in streams.items():
                printer.show(name, stream.new())
            if over:
                break
            time.sleep(LOOK_EVERY_S)
        for name, stream in streams.items():
            printer.show(name, stream.rest())
    return 0


class _Stream:
    """One output file, read piece by piece, given out in whole lines."""

    def __init__(self, client: SyncClient, run_id: str, name: str) -> None:
        self._client = client
        self._run = run_id
        self._name = name
        self._offset = 0
        self._part = ""

    def tail(self, count: int) -> list[str]:
        """The last ``count`` whole lines."""
        piece = self._read(-TAIL_BYTES)
        lines = self._lines(piece["data"])
        if int(str(piece["start"])) > 0 and lines:
            lines = lines[1:]  # The first one was cut at its beginning.
        return lines[-count:] if count > 0 else []

    def new(self) -> list[str]:
        """Whole lines that came since, at most one piece of them."""
        return self._lines(self._read(self._offset)["data"])

    def rest(self) -> list[str]:
        """A last line without an end."""
        part, self._part = self._part, ""
        return [part] if part else []

    def _read(self, offset: int) -> dict[str, object]:
        piece: dict[str, object] = self._client.call(
            "log", {"run": self._run, "stream": self._name, "offset": offset, "limit": PIECE_BYTES}
        )
        self._offset = int(str(piece["offset"]))
        return piece

    def _lines(self, data: object) -> list[str]:
        *whole, self._part = (self._part + str(data)).split("\n")
        return whole


class _Printer:
    """Lines to the terminal, with a head where the stream changes, as ``tail -f a b`` does."""

    def __init__(self, *, as_json: bool, with_heads: bool) -> None:
        self._as_json = as_json
        self._with_heads = with_heads
        self._last = "out"

    def show(self, stream: str, lines: list[str]) -> None:
        """Print ``lines`` of ``stream``."""
        if not lines:
            return
        if self._as_json:
            for line in lines:
                output.json_line({"stream": stream, "line": safe_text(line)})
            return
        if self._with_heads and stream != self._last:
            output.line(f"==> standard {'error' if stream == 'err' else 'output'} <==")
        self._last = stream
        for line in lines:
            output.line(_bounded(line))


def _bounded(line: str) -> str:
    shown = safe_text(line.rstrip("\r"), keep_newlines=True)
    if len(shown) <= MAX_LINE:
        return shown
    return f"{shown[:MAX_LINE]} … ({len(shown) - MAX_LINE} more characters)"

"""``longwatch logs RUN [-f] [--stderr]``: an agent's output, made harmless for the terminal."""

from __future__ import annotations

import argparse
import time

from supervisor.cli import output
from supervisor.cli.live import Steady
from supervisor.cli.log_lines import LogLine, LogLines
from supervisor.cli.session import Place, connect
from supervisor.cli.status_cmd import find
from supervisor.core.mirror import Mirror
from supervisor.core.run import FINAL

LOOK_EVERY_S = 0.15
TAIL_BYTES = 65_536
PIECE_BYTES = 262_144
PIECES_A_LOOK = 64
"""Pieces of one stream (16 MB) printed before the other stream has its turn."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("name", metavar="RUN", help="an agent or the end of a run id")
    parser.add_argument("-f", "--follow", action="store_true", help="until the run is over")
    parser.add_argument("--stderr", action="store_true", help="only standard error")
    parser.add_argument("--stdout", action="store_true", help="only standard output")
    parser.add_argument("-n", "--lines", type=int, default=200, help="from the end (default 200)")
    parser.add_argument("--json", action="store_true", help="one object a line")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Print the end of the output; with ``-f`` go on until the run is over."""
    client = Steady(place, connect(place))
    try:
        state = find(list(Mirror(client.call("snapshot", {})).runs.values()), arguments.name)
        wanted = ["err"] if arguments.stderr else ["out"] if arguments.stdout else ["out", "err"]
        printer = _Printer(as_json=arguments.json, with_heads=len(wanted) > 1)
        streams = {name: _Stream(client, state.id, name) for name in wanted}
        for name, stream in streams.items():
            printer.show(name, stream.tail(arguments.lines))
        is_over = not arguments.follow
        while not is_over:
            # Asked before reading: what came until the run was over is printed.
            is_over = Mirror(client.call("snapshot", {})).runs[state.id].status in FINAL
            has_more = True
            while has_more:
                has_more = False
                for stream in streams.values():
                    has_more |= stream.show_new(printer)
            if not is_over:
                time.sleep(LOOK_EVERY_S)
        for name, stream in streams.items():
            printer.show(name, stream.lines.rest())
    finally:
        client.close()
    return 0


class _Stream:
    """One output file, read piece by piece, given out in whole lines."""

    def __init__(self, client: Steady, run_id: str, name: str) -> None:
        self._client = client
        self._run = run_id
        self._name = name
        self.lines = LogLines(-TAIL_BYTES)

    def tail(self, count: int) -> list[LogLine]:
        """The last ``count`` whole lines."""
        lines = self.lines.feed(self._read())
        return lines[-count:] if count > 0 else []

    def show_new(self, printer: _Printer) -> bool:
        """Print what came since; whether there may be more already."""
        for _ in range(PIECES_A_LOOK):
            piece = self._read()
            printer.show(self._name, self.lines.feed(piece))
            if int(str(piece["offset"])) >= int(str(piece["size"])) or not piece["data"]:
                return False
        return True

    def _read(self) -> dict[str, object]:
        wanted = {"run": self._run, "stream": self._name, "offset": self.lines.offset}
        piece: dict[str, object] = self._client.call("log", {**wanted, "limit": PIECE_BYTES})
        return piece


class _Printer:
    """Lines to the terminal, with a head where the stream changes, as ``tail -f a b`` does."""

    def __init__(self, *, as_json: bool, with_heads: bool) -> None:
        self._as_json = as_json
        self._with_heads = with_heads
        self._last = "out"

    def show(self, stream: str, lines: list[LogLine]) -> None:
        """Print ``lines`` of ``stream``."""
        if not lines:
            return
        if self._as_json:
            for line in lines:
                output.json_line({"stream": stream, "line": line.shown()})
            return
        if self._with_heads and stream != self._last:
            output.line(f"==> standard {'error' if stream == 'err' else 'output'} <==")
        self._last = stream
        # One write for all of them: 100,000 lines a second have to be kept up with.
        output.block("\n".join(line.shown() for line in lines))

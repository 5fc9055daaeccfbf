"""``longwatch submit QUEUE [FILE…|-]``: one task, a task a file, or thousands from JSON lines.

Each task gets its id here, so a call whose answer was lost is made again and adds nothing twice.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from supervisor.cli import output
from supervisor.cli.live import Steady
from supervisor.cli.progress_bar import ProgressBar
from supervisor.cli.session import Place, connect, own_name
from supervisor.config.durations import DurationError, parse_duration
from supervisor.config.paths import ensure_private
from supervisor.control.host import RemoteHost
from supervisor.core.ids import next_ulid
from supervisor.core.record import canonical
from supervisor.core.task import MAX_PAYLOAD_BYTES
from supervisor.errors import UserError

AT_ONCE = 1_000
AT_FIRST = 100
"""Of the first call, where tasks need not come together: the queue of several machines may take
tens of milliseconds for each."""
QUICK_S, SLOW_S = 2.0, 8.0
"""A call that took less is followed by a larger one, one that took more by a smaller one."""
TIMEOUT_S = 70.0
"""Of a call: the engine itself gives up after 60 s, and says so."""
AT_ONCE_BYTES = 512 << 10
"""Of one call: half of what the socket takes from a client, because JSON may escape a character."""
INLINE_BYTES = 400 << 10
"""A larger payload goes by a file in ``.longwatch/payloads`` instead of through the socket."""
JSON_LINES = (".jsonl", ".ndjson")
Entry = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``submit``."""
    parser.add_argument("queue", metavar="QUEUE", help="a pool, a pipeline, or PIPELINE.STAGE")
    parser.add_argument(
        "files", nargs="*", metavar="FILE",
        help="a .json file is the payload, .jsonl a task a line, of any other its path; - is stdin",
    )  # fmt: skip
    parser.add_argument("--payload", metavar="JSON", help="the payload itself")
    parser.add_argument("--lines", action="store_true", help="every file is JSON lines")
    parser.add_argument("--key", metavar="K", help="taken once as long as it is known")
    parser.add_argument("--key-field", metavar="FIELD", help="of JSON lines: where the key is")
    parser.add_argument("--priority", type=int, metavar="0-9", help="higher first (default 4)")
    parser.add_argument("--delay", metavar="TIME", help="not before so much time has passed: 90s")
    parser.add_argument(
        "--together", action="store_true", help="one group: a join of the pipeline waits for all"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(arguments: argparse.Namespace, place: Place) -> int:
    """Submit everything; exit 0 once all of it is stored."""
    if arguments.key and (len(arguments.files) > 1 or _is_lines(arguments, arguments.files[:1])):
        raise UserError("--key is for one task", fix="For JSON lines use --key-field")
    delay_s = _delay_s(arguments.delay)
    submitter = _Submitter(place, arguments.queue, together=arguments.together)
    total = sum(_count(arguments, name) for name in arguments.files) or 1
    with submitter:
        bar = ProgressBar(f"submitting to {arguments.queue}", total, hidden=arguments.json)
        for payload, key in _payloads(arguments):
            entry: Entry = {"payload": payload, "key": key}
            if arguments.priority is not None:
                entry["priority"] = arguments.priority
            if delay_s:
                entry["delay_s"] = delay_s
            submitter.add(entry)
            bar.show(submitter.done)
        submitter.flush()
        bar.finish()
    return _report(submitter, as_json=arguments.json)


def _report(submitter: _Submitter, *, as_json: bool) -> int:
    if as_json:
        output.json({"queue": submitter.queue, "tasks": submitter.told, "new": submitter.new})
        return 0
    known = submitter.done - submitter.new
    if submitter.done == 1 and submitter.told:
        task = submitter.told[0]
        what = "submitted" if task["new"] else f"known already, {task['state']}"
        output.line(f"{submitter.queue}: {what} ({task['id']})")
    else:
        also = f", {known} were known" if known else ""
        output.line(f"{submitter.queue}: {submitter.new} tasks submitted{also}")
    return 0


class _Submitter:
    """Collects tasks into calls of a bounded size."""

    def __init__(self, place: Place, queue: str, *, together: bool) -> None:
        self._place = place
        self._client = Steady(place, connect(place))
        self.queue = queue
        self._newest = ""
        self._group = self._new_id() if together else None
        self._entries: list[Entry] = []
        self._size = 0
        self._at_once = AT_ONCE if together else AT_FIRST
        self.done = 0
        self.new = 0
        self.told: list[dict[str, Any]] = []
        """The first answers; thousands of ids are of no use to anybody but ``--json``."""

    def __enter__(self) -> _Submitter:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def add(self, entry: Entry) -> None:
        """Submit ``entry``, now or with the ones behind it."""
        entry["id"] = self._new_id()
        size = len(canonical(entry["payload"]))
        if size > MAX_PAYLOAD_BYTES:
            raise UserError(
                f"a payload of {size} bytes; at most {MAX_PAYLOAD_BYTES} are taken",
                fix="Submit the path of the file instead of what is in it",
            )
        if size > INLINE_BYTES:
            entry["payload_file"] = self._by_file(entry["id"], entry.pop("payload"))
            size = 0
        if self._entries and (
            self._size + size > AT_ONCE_BYTES or len(self._entries) >= self._at_once
        ):
            self.flush()
        self._entries.append(entry)
        self._size += size

    def flush(self) -> None:
        """Submit what is collected."""
        if not self._entries:
            return
        params = {"queue": self.queue, "tasks": self._entries, "by": own_name()}
        if self._group:
            params["group"] = self._group
        # The ids make a second call harmless: an engine that died is waited for.
        began = time.monotonic()
        result = self._client.call("submit", params, TIMEOUT_S)
        took_s = time.monotonic() - began
        if took_s < QUICK_S:
            self._at_once = min(AT_ONCE, 2 * self._at_once)
        elif took_s > SLOW_S and self._group is None:
            self._at_once = max(1, self._at_once // 2)
        self.queue = result["queue"]
        self.told += result["tasks"]
        self.done += len(result["tasks"])
        self.new += sum(task["new"] for task in result["tasks"])
        self._entries, self._size = [], 0

    def _by_file(self, task_id: str, payload: Any) -> str:
        from supervisor.protocol.atomic import write_atomic

        if isinstance(self._place, RemoteHost):
            raise UserError(
                f"a payload of over {INLINE_BYTES} bytes for another machine",
                fix="Copy the file there and submit its path",
            )
        directory = self._place.payloads_dir
        ensure_private(directory)
        name = f"{task_id}.json"
        write_atomic(directory / name, canonical(payload).encode())
        return name

    def _new_id(self) -> str:
        self._newest = next_ulid(time.time(), secrets.randbits(80), self._newest)
        return self._newest


def _payloads(arguments: argparse.Namespace) -> Iterator[tuple[Any, str | None]]:
    if arguments.payload is not None:
        if arguments.files:
            raise UserError("--payload and a file", fix="Give one of the two")
        yield _parsed(arguments.payload, "--payload"), arguments.key
    elif not arguments.files:
        yield None, arguments.key
    for name in arguments.files:
        if _is_lines(arguments, [name]):
            for number, line in enumerate(_lines(name), 1):
                payload = _parsed(line, f"{name}, line {number}")
                yield payload, _key_in(payload, arguments.key_field, f"{name}, line {number}")
        elif name == "-":
            yield _parsed(sys.stdin.read(), "standard input"), arguments.key
        elif name.endswith(".json"):
            yield _parsed(_read(name), name), arguments.key
        else:
            path = Path(name).resolve()
            if not path.exists():
                raise UserError(f"no file {name}")
            yield {"path": str(path), "name": path.name}, arguments.key


def _is_lines(arguments: argparse.Namespace, names: list[str]) -> bool:
    return any(arguments.lines or name.endswith(JSON_LINES) for name in names)


def _count(arguments: argparse.Namespace, name: str) -> int:
    """Tasks in a file, for the bar; what cannot be counted ahead is one."""
    if name == "-" or not _is_lines(arguments, [name]):
        return 1
    return sum(1 for _ in _lines(name))


def _lines(name: str) -> Iterator[str]:
    if name == "-":
        yield from (line for line in sys.stdin if line.strip())
        return
    try:
        with Path(name).open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {name}: {error}") from error


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {name}: {error}") from error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"no JSON: {error}", where=where, fix="A payload is one JSON value"
        ) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not allowed")


def _key_in(payload: Any, field: str | None, where: str) -> str | None:
    if field is None:
        return None
    value = payload.get(field) if isinstance(payload, dict) else None
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise UserError(f"no key in the field {field!r}", where=where)
    return str(value)


def _delay_s(text: str | None) -> float:
    if text is None:
        return 0.0
    try:
        return parse_duration(text, zero=True) or 0.0
    except DurationError as error:
        raise UserError(str(error), where="--delay") from error

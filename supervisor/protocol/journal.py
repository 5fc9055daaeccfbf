"""``journal.jsonl`` as people look at it: each line, where it stands, and whether it counts.

Owns reading for display and for cutting. ``supervisor.agent.journal`` has its own copy of the
rules, because agents load nothing of ours; a test holds the two together. Every line is hostile:
nothing here raises for what is in it, and what is shown still has to be cleaned by who shows it.
"""

from __future__ import annotations

import json
from binascii import crc32
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.protocol.bounded_json import Bounds
from supervisor.protocol.problem import Problem
from supervisor.protocol.safe_files import parse_object, peek_bytes, read_bytes

JOURNAL_NAME = "journal.jsonl"
WANT_NAME = "journal.want"
"""How many bytes of the journal an agent of a shared task waits for."""
ACKED_NAME = "journal.acked"
"""How many are stored where another machine would find them."""
HEAD = b'{"check":"'
BODY_AT = len(HEAD) + 8 + 2
"""Offset of the checked bytes: after the head, 8 digits, a quote and a comma."""
JOURNAL_LIMIT_BYTES = 256 << 20
"""Some million steps; a larger one is read with jq."""
LINE_BOUNDS = Bounds(max_depth=100, max_nodes=100_000, is_strict=False)
PREVIEW_LIMIT = 2000
"""Characters kept of a result or an error: more than is shown, so that a secret is found whole."""
TEXT_LIMIT = 300
MAX_AT = 253_402_300_800
"""Unix seconds at the end of the year 9999."""

TEXTS = ("scope", "name", "args")


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of the file."""

    number: int
    """From 1; what a person calls the step by."""
    offset: int
    """Of its first byte in the file."""
    state: str
    """``done``, ``failed`` (an error that counts), ``open`` (an error that is tried again),
    ``value``, ``note`` (takes back or passes over others), ``repeated``, ``outdated`` (of an
    attempt that was not the newest), ``damaged`` or ``torn``."""
    scope: str = ""
    name: str = ""
    occurrence: int = 0
    args: str = ""
    epoch: int = 0
    at: float | None = None
    """Unix seconds when it was written; None where it does not say."""
    preview: str = ""
    retryable: bool | None = None
    file: str = ""
    """Where a large result is, below the run directory, as the agent wrote it."""
    took_s: float | None = None
    """How long the step ran; None where the line does not say."""


def read_journal(run_dir: Path) -> list[JournalLine] | Problem:
    """Every line of the run's journal; none when there is no file."""
    data = read_bytes(run_dir, JOURNAL_NAME, limit_bytes=JOURNAL_LIMIT_BYTES)
    if isinstance(data, Problem):
        return [] if data.code == "missing" else data
    return journal_lines(data)


def journal_lines(data: bytes) -> list[JournalLine]:
    """The lines in ``data``."""
    whole: list[tuple[int, int, dict[str, Any]]] = []
    lines: list[JournalLine] = []
    offset = 0
    pieces = data.split(b"\n")
    for number, piece in enumerate(pieces, start=1):
        is_last = not any(pieces[number:])
        entry = _entry(piece) if number < len(pieces) else None
        if entry is not None:
            whole.append((number, offset, entry))
        elif piece or not is_last:
            lines.append(JournalLine(number, offset, "torn" if is_last else "damaged"))
        offset += len(piece) + 1
    return sorted([*lines, *_judged(whole)], key=lambda line: line.number)


def _entry(piece: bytes) -> dict[str, Any] | None:
    body = piece[BODY_AT:]
    if piece[: len(HEAD)] != HEAD or piece[len(HEAD) : BODY_AT] != b'%08x",' % crc32(body):
        return None
    entry = parse_object(b"{" + body, LINE_BOUNDS)
    if isinstance(entry, Problem) or type(entry.get("epoch")) is not int:
        return None
    if any(not isinstance(entry.get(name, ""), str) for name in TEXTS):
        return None
    is_counted = all(type(entry.get(name, 0)) is int for name in ("occurrence", "skip"))
    return entry if is_counted else None


def _judged(whole: list[tuple[int, int, dict[str, Any]]]) -> list[JournalLine]:
    """The good lines, each with what it stands for; the rules are those of the SDK's index."""
    entries = [entry for _number, _offset, entry in whole]
    counts = _counting(entries)
    states: list[str] = []
    places: dict[tuple[str, str, int], int] = {}
    for index, entry in enumerate(entries):
        place = _place(entry)
        if not counts[index]:
            states.append("note" if "skip" in entry else "outdated")
            continue
        known = places.get(place)
        if "void" in entry:
            states.append("note")
            if known is not None:
                states[known] = "open"
                del places[place]
            continue
        if known is not None and entries[known]["epoch"] == entry["epoch"]:
            states.append("repeated")
            continue
        states.append(_outcome(entry))
        if _is_left_open(entry, next(_following(entries, counts, index), None)):
            states[index] = "open"
        else:
            if known is not None:
                states[known] = "outdated"
            places[place] = index
    return [_line(*whole[index], states[index]) for index in range(len(whole))]


def _counting(entries: list[dict[str, Any]]) -> list[bool]:
    """Which lines count as far as epochs go."""
    counts: list[bool] = []
    newest = 0
    for entry in entries:
        if "skip" in entry:
            passed = max(0, min(entry["skip"], len(counts)))
            counts[len(counts) - passed :] = [False] * passed
        counts.append(entry["epoch"] >= newest and "skip" not in entry)
        newest = max(newest, entry["epoch"])
    return counts


def _following(entries: list[dict[str, Any]], counts: list[bool], index: int) -> Any:
    return (entries[i] for i in range(index + 1, len(entries)) if counts[i])


def _is_left_open(entry: dict[str, Any], following: dict[str, Any] | None) -> bool:
    error = entry.get("error")
    if not isinstance(error, dict) or error.get("retryable") is False:
        return False
    return following is None or following["epoch"] != entry["epoch"]


def _outcome(entry: dict[str, Any]) -> str:
    if "error" in entry:
        return "failed"
    return "value" if "value" in entry else "done"


def _place(entry: dict[str, Any]) -> tuple[str, str, int]:
    return (entry.get("scope", ""), entry.get("name", ""), entry.get("occurrence", 0))


def _line(number: int, offset: int, entry: dict[str, Any], state: str) -> JournalLine:
    scope, name, occurrence = _place(entry)
    at, took = entry.get("at"), entry.get("took")
    error = entry.get("error")
    retryable = error.get("retryable") if isinstance(error, dict) else None
    return JournalLine(
        number,
        offset,
        state,
        scope[:TEXT_LIMIT],
        name[:TEXT_LIMIT],
        occurrence,
        entry.get("args", "")[:TEXT_LIMIT],
        entry["epoch"],
        float(at) if isinstance(at, (int, float)) and 0 <= at < MAX_AT else None,
        _preview(entry),
        retryable if isinstance(retryable, bool) else None,
        _file(entry),
        float(took) if isinstance(took, (int, float)) and 0 <= took < MAX_AT else None,
    )


def _file(entry: dict[str, Any]) -> str:
    name = entry.get("result_file")
    return name if isinstance(name, str) and len(name) <= TEXT_LIMIT else ""


def preview_of_file(run_dir: Path, line: JournalLine) -> str:
    """The beginning of a large result, how large it is, and where; blocks for one read."""
    peeked = peek_bytes(run_dir, line.file, PREVIEW_LIMIT)
    if isinstance(peeked, Problem):
        return f"in {line.file}, which cannot be read: {peeked}"
    head, size = peeked
    return f"{size} bytes in {line.file}: {head.decode('utf-8', 'replace')}"


def _preview(entry: dict[str, Any]) -> str:
    if "skip" in entry:
        return f"{entry['skip']} lines of an outdated attempt before this do not count"
    if "void" in entry:
        return "the error did not count: the attempt ended by it"
    error = entry.get("error")
    if isinstance(error, dict):
        return f"{error.get('kind')}: {error.get('message')}"[:PREVIEW_LIMIT]
    if "result_file" in entry:
        return f"in {entry['result_file']}"[:PREVIEW_LIMIT]
    value = entry["value"] if "value" in entry else entry.get("result")
    return json.dumps(value)[:PREVIEW_LIMIT]

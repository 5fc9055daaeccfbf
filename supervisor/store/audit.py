"""Whether the stored log is what was once written: every place that is not, named.

Owns the rules of the audit and the exported form; no I/O of its own, rows come in order from
wherever they are. Reads a log to its end however damaged it is: what an auditor wants is the list
of what was touched, not the first surprise. Where a Thinned row stands, progress reports were
dropped by our own retention; what stood there cannot be checked, so their number is told.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from supervisor.core.record import canonical
from supervisor.store.ports import ZERO_HASH
from supervisor.store.rows import THINNED, Row, canonical_line, chained, follows

NEARBY = 64
"""Rows on either side among which the one that belongs to a place is looked for."""
MAX_FINDINGS = 1_000
"""A log that was renumbered is wrong in every line; nobody reads on after these."""

Stored = tuple[Row, bytes]
"""A row and the hash that is stored with it."""
Link = tuple[int, bytes]
"""Seq and hash of an event."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written."""

    kind: str
    """``changed``, ``removed``, ``reordered``, ``added`` or ``cut``."""
    first: int
    last: int
    """Seqs of the events it is about."""
    what: str
    """One sentence for people."""


@dataclass(slots=True)
class Audit:
    """What reading the whole log came to."""

    first_seq: int = 0
    """The oldest event that is kept; 0 when there is none."""
    end: Link = (0, ZERO_HASH)
    """The newest event."""
    checked: int = 0
    """Events whose content and place are proven by the chain."""
    thinned: int = 0
    """Progress reports that retention dropped because newer ones supersede them."""
    findings: list[Finding] = field(default_factory=list)

    def add(self, kind: str, first: int, last: int, what: str) -> None:
        """Note a finding; one that goes on right after the last of its kind is joined to it."""
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(kind, first, last, what))


def audit(stored: Iterable[Stored], base: Link, end: Link | None = None) -> Audit:
    """Check rows in order; the first is chained to ``base``, the last was noted as ``end``."""
    report, (seq, previous) = Audit(end=base), base
    rows = iter(stored)
    before: deque[Stored] = deque(maxlen=NEARBY)
    ahead: deque[Stored] = deque(islice(rows, NEARBY))
    while ahead:
        row, own = ahead.popleft()
        ahead.extend(islice(rows, 1))
        report.first_seq = report.first_seq or row.seq
        if row.type == THINNED and follows(row, seq, previous, own):
            report.thinned += row.seq - seq
        elif row.seq <= seq:
            report.add("added", row.seq, row.seq, f"event {row.seq} is there twice")
        elif row.seq != seq + 1:
            # What it was chained to is gone, so only its own successor can vouch for its hash.
            report.add("removed", seq + 1, row.seq - 1, _missing(seq + 1, row.seq - 1))
        elif chained(previous, row) == own:
            report.checked += 1
        elif moved := _belonging(row.seq, previous, (*before, *ahead)):
            was, own_of_it = moved
            report.add("reordered", row.seq, was, f"event {row.seq} now stands at {was}")
            before.append((row, own))
            seq, previous = row.seq, own_of_it
            continue
        else:
            text = f"event {row.seq} ({row.type}) is not what was written"
            report.add("changed", row.seq, row.seq, text)
        before.append((row, own))
        seq, previous = max(seq, row.seq), own
    report.end = (seq, previous)
    _check_end(report, end)
    return report


def _check_end(report: Audit, end: Link | None) -> None:
    seq, last_hash = report.end
    if end is None:
        return
    if seq < end[0]:
        report.add("cut", seq + 1, end[0], f"{_missing(seq + 1, end[0])} (at the end)")
    elif seq > end[0]:
        first = end[0] + 1
        report.add("added", first, seq, f"events {first} to {seq} stand after the noted end")
    elif last_hash != end[1] and not report.findings:
        report.add("changed", seq, seq, f"event {seq} is not the end that was noted")


def _belonging(place: int, previous: bytes, nearby: Sequence[Stored]) -> tuple[int, bytes] | None:
    """Where the event that was written at ``place`` stands now, with its hash; None if nowhere."""
    for row, own in nearby:
        if row.type != THINNED and chained(previous, row._replace(seq=place)) == own:
            return row.seq, own
    return None


def _missing(first: int, last: int) -> str:
    return f"event {first} is missing" if first == last else f"events {first} to {last} are missing"


def exported(stored: Stored, previous: bytes) -> dict[str, Any]:
    """One row for a line: the event as clients get it, its hash, and what it is chained to."""
    row, own = stored
    return {**json.loads(canonical_line(row)), "hash": own.hex(), "prev_hash": previous.hex()}


def read_exported(lines: Iterable[str]) -> Iterator[tuple[Stored, Link]]:
    """The rows of an export with what each says it is chained to; ValueError names the line."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _parsed(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"line {number} is no exported event: {error}") from None


def _parsed(plain: Any) -> tuple[Stored, Link]:
    at = plain["at"]
    moment = (float(at["wall"]), float(at["mono"]), str(at["boot"]))
    data = canonical(plain["data"])
    row = Row(int(plain["seq"]), *moment, str(plain["run_id"]), str(plain["type"]), data)
    own, previous = bytes.fromhex(plain["hash"]), bytes.fromhex(plain["prev_hash"])
    return (row, own), (row.seq - 1, previous)

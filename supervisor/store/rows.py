"""One event as it is stored, and how it is chained to the one before. No I/O.

The hash of a row is SHA-256 over the hash before it and the row's canonical line, which is the
canonical JSON of ``core.record.recorded_to_plain``; so an exported log can be checked by anybody.
Text is escaped to ASCII, because a lone surrogate could not be stored otherwise.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from supervisor.core.events import Recorded
from supervisor.core.moment import Moment
from supervisor.core.record import canonical, entry_line, event_from_plain, from_plain
from supervisor.core.run import RunState

LOST = "Lost"
"""Stored name that holds the place of a progress event which was dropped while the disk was full.
It is no event; an EventsLost in the same transaction counts these."""

THINNED = "Thinned"
"""Stored name that holds the place of consecutive progress events which newer ones supersede. It
keeps the seq and hash of the last of them, and says what the first was chained to."""
NO_EVENTS = frozenset({LOST, THINNED})
"""Rows that readers skip and the chain covers."""
_PROGRESS = "ProgressReported"


class Row(NamedTuple):
    """The columns of an event in their order, without its hash."""

    seq: int
    wall: float
    mono: float
    boot: str
    run_id: str
    type: str
    data: str


def encode(recorded: Recorded) -> Row:
    """``recorded`` as a row; ValueError for a value that JSON has no form for (NaN)."""
    event, at = recorded.event, recorded.at
    data = recorded.data_json or canonical(event)
    # float(): an integer would come back from a REAL column as a float and break the hash.
    moment = (float(at.wall), float(at.mono), at.boot)
    return Row(recorded.seq, *moment, recorded.run_id, type(event).__name__, data)


def decode(row: Row) -> Recorded:
    """The reverse; RecordError for a type nobody knows."""
    return Recorded(
        seq=row.seq,
        at=Moment(row.wall, row.mono, row.boot),
        run_id=row.run_id,
        event=event_from_plain(row.type, json.loads(row.data)),
    )


def lost_row(seq: int) -> Row:
    """What is stored in the place of a dropped event."""
    return Row(seq, 0.0, 0.0, "", "", LOST, "{}")


def superseded(page: Sequence[tuple[int, str, str]], up_to: int) -> list[tuple[int, int]]:
    """Which rows of a page can be thinned: first and last index of each stretch without a gap.

    ``page`` is (seq, run id, type) in order. A progress event is superseded when the same run
    reports again later in the page. The first row stays: what it is chained to is not in the page.
    """
    newest = {run_id: seq for seq, run_id, kind in page if kind == _PROGRESS}
    stretches: list[tuple[int, int]] = []
    for index, (seq, run_id, kind) in enumerate(page):
        if not index or kind != _PROGRESS or seq >= newest[run_id] or seq > up_to:
            continue
        if stretches and stretches[-1][1] == index - 1 and page[index - 1][0] == seq - 1:
            stretches[-1] = (stretches[-1][0], index)
        else:
            stretches.append((index, index))
    return stretches


def thinned_row(last_seq: int, before: tuple[int, bytes]) -> Row:
    """What is stored in the place of events up to ``last_seq``; ``before``: seq and hash ahead."""
    return lost_row(last_seq)._replace(
        type=THINNED, data=canonical({"after": before[0], "hash": before[1].hex()})
    )


def follows(row: Row, seq: int, previous: bytes, stored: bytes) -> bool:
    """Whether a row with the hash ``stored`` goes on after the row ``seq`` with ``previous``."""
    if row.type == THINNED:
        return row.data == thinned_row(row.seq, (seq, previous)).data and row.seq > seq
    return row.seq == seq + 1 and chained(previous, row) == stored


def canonical_line(row: Row) -> str:
    """Canonical JSON of the event: keys sorted, no blanks; what the hash covers."""
    return entry_line(row.seq, (row.wall, row.mono, row.boot), row.run_id, row.type, row.data)


def chained(previous: bytes, row: Row) -> bytes:
    """The hash of ``row`` after the row with the hash ``previous``; 32 bytes."""
    return hashlib.sha256(previous + canonical_line(row).encode("ascii")).digest()


def encode_state(state: RunState) -> str:
    """A run's state as JSON text."""
    return canonical(state)


def decode_state(record: str) -> RunState:
    """The reverse; RecordError or ValueError when it was written by something else."""
    return from_plain(RunState, json.loads(record))

"""Looking for events in a long log: a page at a time, each look bounded, never the whole of it.

Functions of a connection, as in ``reading``. Nothing here writes.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from supervisor.core.events import Recorded
from supervisor.store.queries import queries
from supervisor.store.reading import chain_ends
from supervisor.store.rows import NO_EVENTS, Row, decode

SCANNED_AT_ONCE = 100_000
"""Events that one look goes over at most: about 50 ms in SQLite when nothing fits."""
MAX_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for. Everything that is given has to fit."""

    run_id: str | None = None
    types: tuple[str, ...] = ()
    """Stored names; none is every event."""
    text: str = ""
    """Part of what the event says, of its kind, or of its agent's name; case does not matter."""


@dataclass(frozen=True, slots=True)
class Page:
    """What one look found."""

    events: tuple[Recorded, ...]
    """Oldest first; a page may hold fewer than the limit, or none, and not be the last."""
    next_seq: int | None
    """Where the next look goes on in the same direction; None: the end was reached."""
    first: int
    """Seq of the oldest event of the log."""
    last: int
    agents: dict[str, str]
    """By run id, of the events found."""


def search_before(
    connection: sqlite3.Connection, search: Search, seq: int | None, limit: int
) -> Page:
    """The newest events before ``seq`` (None: of all) that fit."""
    base, _hash, last, _last_hash = chain_ends(connection)
    start = last + 1 if seq is None else min(seq, last + 1)
    floor = max(base + 1, start - SCANNED_AT_ONCE)
    of_run = search.run_id is not None
    name = "search_run_before" if of_run else "search_before"
    found = _rows(connection, name, search, (start, floor, limit))
    following: int | None = found[-1].seq if len(found) >= limit else floor
    if len(found) < limit and (of_run or floor <= base + 1):
        following = None
    return _page(connection, search, found[::-1], following)


def search_after(connection: sqlite3.Connection, search: Search, seq: int, limit: int) -> Page:
    """The oldest events after ``seq`` that fit."""
    base, _hash, last, _last_hash = chain_ends(connection)
    start = max(seq, base)
    ceiling = min(last, start + SCANNED_AT_ONCE)
    of_run = search.run_id is not None
    name = "search_run_after" if of_run else "search_after"
    found = _rows(connection, name, search, (start, ceiling, limit))
    following: int | None = found[-1].seq if len(found) >= limit else ceiling
    if len(found) < limit and (of_run or ceiling >= last):
        following = None
    return _page(connection, search, found, following)


def seq_at(connection: sqlite3.Connection, wall: float) -> int:
    """Seq of the newest event of that Unix time or before; 0 when all are younger.

    Found by halving: a clock that was set back puts a few events on the wrong side, no more.
    """
    sql = queries("event_log.sql")["first_at_or_after"]
    base, _hash, last, _last_hash = chain_ends(connection)
    low, high = base, last
    while low < high:
        middle = (low + high + 1) // 2
        found = connection.execute(sql, (middle,)).fetchone()
        if found is not None and found[1] <= wall:
            low = min(found[0], high)
        else:
            high = middle - 1
    return low if low > base else 0


def _rows(
    connection: sqlite3.Connection, name: str, search: Search, bounds: tuple[int, int, int]
) -> list[Row]:
    """``bounds``: the seq to begin at, the one to end at, and how many rows at most."""
    (seq, floor, limit), text = bounds, like(search.text)
    bound = {
        "seq": seq,
        "floor": floor,
        "limit": limit,
        "run": search.run_id,
        "types": f",{','.join(search.types)}," if search.types else "",
        "text": text,
        "runs": _runs_named(connection, text),
    }
    rows = connection.execute(queries("event_log.sql")[name], bound)
    return [row for columns in rows if (row := Row(*columns)).type not in NO_EVENTS]


def like(text: str) -> str:
    """A LIKE pattern for ``text`` anywhere in ASCII JSON, with ``!`` as the escape; empty stays."""
    inner = json.dumps(text)[1:-1]
    for special in ("!", "%", "_"):
        inner = inner.replace(special, "!" + special)
    return f"%{inner}%" if text else ""


def _runs_named(connection: sqlite3.Connection, pattern: str) -> str:
    if not pattern:
        return ""
    found = connection.execute(queries("event_log.sql")["runs_of_agents"], (pattern,))
    return "," + ",".join(row[0] for row in found) + ","


def _page(
    connection: sqlite3.Connection, search: Search, rows: list[Row], following: int | None
) -> Page:
    base, _hash, last, _last_hash = chain_ends(connection)
    sql, agents = queries("event_log.sql")["agent_of_run"], {}
    for run_id in {row.run_id for row in rows if row.run_id}:
        found = connection.execute(sql, (run_id,)).fetchone()
        if found is not None:
            agents[run_id] = found[0]
    wanted = search.text.casefold()
    kept = [row for row in rows if not wanted or _says(row, agents.get(row.run_id, ""), wanted)]
    return Page(tuple(map(decode, kept)), following, base + 1, last, agents)


def _says(row: Row, agent: str, wanted: str) -> bool:
    """Whether a value of the event fits: names of fields are our words, which nobody looks for."""
    if wanted in row.type.casefold() or wanted in agent.casefold():
        return True
    waiting = [json.loads(row.data)]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif wanted in str(value).casefold():
            return True
    return False

"""Figures in ``state.db``: hours, days of long ago, and all time, beside how far they go.

Owns three tables. They are derived: whoever finds them missing or of another version drops them
and folds the log again. What is added goes in together with the number of the newest event it
holds, in one transaction, so no event is ever counted twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from supervisor.core.figures import Figures
from supervisor.core.metrics import FOLD_VERSION, Key, Tally
from supervisor.core.metrics_report import Piece
from supervisor.core.record import RecordError, canonical, from_plain
from supervisor.store.database import Database
from supervisor.store.queries import queries

DAY_H = 24
COMPACT_AT_ONCE = 2_000
"""Hours that become days in one transaction: about 50 ms."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What the tables hold, as far as counting goes on from it."""

    seq: int
    """The figures hold every event up to this one."""
    since: float | None
    """Unix seconds of the first event that they hold."""
    tallies: dict[str, Tally]
    record: str
    """JSON of whoever watches the figures."""


@dataclass(frozen=True, slots=True)
class Addition:
    """What one transaction adds."""

    seq: int
    since: float | None
    record: str
    figures: Mapping[Key, Figures]
    tallies: Mapping[str, str | None]
    """As JSON; None removes it."""


class MetricsTable:
    """The figures of one project."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Kept | None:
        """What there is; None when it has to be made anew."""
        return await self._database.read(_load)

    async def reset(self) -> None:
        """Remove everything."""
        await self._database.write(_reset)

    async def add(self, addition: Addition) -> bool:
        """Add figures; whether the tables held what they were taken to hold before.

        False after the file was replaced under us: then every tally has to be given once more.
        """
        return await self._database.write(lambda c: _add(c, addition))

    async def span(self, first: int, end: int, agent: str = "") -> tuple[int, list[Piece]]:
        """Figures that touch the hours [first, end), and the newest event that they hold."""
        bounds: dict[str, int | str] = {"first": first, "end": end, "agent": agent}
        return await self._database.read_aside(lambda c: _span(c, bounds))

    async def totals(self) -> dict[str, Figures]:
        """Everything ever counted, by agent."""
        sql = queries("metrics.sql")["read_totals"]
        rows = await self._database.read_aside(lambda c: c.execute(sql).fetchall())
        return {agent: _figures(record) for agent, record in rows}

    async def compact(self, before_h: int, forget_before_h: int) -> int:
        """Hours of before become days, days of before that are removed; how many hours did."""
        return await self._database.write(lambda c: _compact(c, before_h, forget_before_h))


def _load(connection: sqlite3.Connection) -> Kept | None:
    sql = queries("metrics.sql")
    found = connection.execute(sql["read_state"]).fetchone()
    if found is None or found[0] != FOLD_VERSION:
        return None
    _version, seq, since, record = found
    try:
        rows = connection.execute(sql["read_runs"])
        tallies = {run_id: from_plain(Tally, json.loads(plain)) for run_id, plain in rows}
    except (RecordError, ValueError):
        return None
    return Kept(seq, since, tallies, record)


def _reset(connection: sqlite3.Connection) -> None:
    sql = queries("metrics.sql")
    for name in ("drop_all", "drop_all_runs", "drop_state"):
        connection.execute(sql[name])


def _add(connection: sqlite3.Connection, addition: Addition) -> bool:
    sql = queries("metrics.sql")
    known = connection.execute(sql["read_state"]).fetchone()
    if known is not None and known[1] >= addition.seq and addition.figures:
        return True  # A commit that was reported as failed and was not: it is in already.
    totals: dict[str, Figures] = {}
    for (agent, hour), figures in addition.figures.items():
        _merge(connection, (1, hour, agent), figures)
        totals.setdefault(agent, Figures()).add(figures)
    for agent, figures in totals.items():
        _merge(connection, (0, 0, agent), figures)
    for run_id, record in addition.tallies.items():
        if record is None:
            connection.execute(sql["drop_run"], (run_id,))
        else:
            connection.execute(sql["put_run"], (run_id, record))
    state = (FOLD_VERSION, addition.seq, addition.since, addition.record)
    connection.execute(sql["write_state"], state)
    return known is not None


def _merge(connection: sqlite3.Connection, key: tuple[int, int, str], more: Figures) -> None:
    sql = queries("metrics.sql")
    found = connection.execute(sql["read_one"], key).fetchone()
    figures = _figures(found[0]) if found is not None else Figures()
    figures.add(more)
    connection.execute(sql["put_one"], (*key, canonical(figures)))


def _span(connection: sqlite3.Connection, bounds: dict[str, int | str]) -> tuple[int, list[Piece]]:
    sql = queries("metrics.sql")
    connection.execute("BEGIN")  # One view of both tables.
    try:
        state = connection.execute(sql["read_state"]).fetchone()
        rows = connection.execute(sql["read_span"], bounds).fetchall()
    finally:
        connection.execute("ROLLBACK")
    pieces = [Piece(agent, start, hours, _figures(record)) for hours, start, agent, record in rows]
    return (state[1] if state else 0), pieces


def _compact(connection: sqlite3.Connection, before_h: int, forget_before_h: int) -> int:
    sql = queries("metrics.sql")
    limit = before_h - before_h % DAY_H
    rows = connection.execute(sql["old_hours"], (limit, COMPACT_AT_ONCE)).fetchall()
    days: dict[Key, Figures] = {}
    for start, agent, record in rows:
        day = (agent, start - start % DAY_H)
        days.setdefault(day, Figures()).add(_figures(record))
        connection.execute(sql["drop_hour"], (start, agent))
    for (agent, start), figures in days.items():
        _merge(connection, (DAY_H, start, agent), figures)
    connection.execute(sql["drop_days"], (forget_before_h,))
    return len(rows)


def _figures(record: str) -> Figures:
    """A row that nobody can read counts as nothing: the figures are no truth of their own."""
    try:
        return from_plain(Figures, json.loads(record))
    except (RecordError, ValueError):
        return Figures()

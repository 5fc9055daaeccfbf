"""Medians, percentiles and the table that ``make bench`` prints."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Row:
    """One measured thing; figures are compared only within one run of the bench."""

    what: str
    unit: str
    samples: tuple[float, ...]
    floor: float | None = None
    """Median of the floor in the same run; the ratio is ours divided by it."""
    note: str = ""

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.samples)

    @property
    def p95(self) -> float:
        """The sample that 95 % do not exceed."""
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]


@dataclass(slots=True)
class Report:
    """Everything measured in one run."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Keep a row and show it at once."""
        self.rows.append(row)
        print(line_of(row), flush=True)

    def leave_out(self, what: str, why: str) -> None:
        """Say that something could not be measured here."""
        self.left_out.append(f"{what}: {why}")
        print(f"  {what:<52} left out: {why}", flush=True)

    def to_plain(self) -> dict[str, object]:
        """For ``results.json``."""
        return {
            "rows": [
                {
                    "what": row.what,
                    "unit": row.unit,
                    "n": len(row.samples),
                    "median": row.median,
                    "p95": row.p95,
                    "min": min(row.samples),
                    "max": max(row.samples),
                    "ratio_to_floor": row.median / row.floor if row.floor else None,
                    "note": row.note,
                }
                for row in self.rows
            ],
            "left_out": self.left_out,
        }


def head() -> str:
    """The table's first line."""
    columns = f"{'median':>10} {'p95':>10} {'min–max':>19} {'× floor':>8}"
    return f"  {'what':<52} {'n':>5} {columns}  unit"


def line_of(row: Row) -> str:
    """One row of the table."""
    ratio = f"{row.median / row.floor:8.2f}" if row.floor else " " * 8
    spread = f"{min(row.samples):.4g}–{max(row.samples):.4g}"
    note = f"  {row.note}" if row.note else ""
    return (
        f"  {row.what:<52} {len(row.samples):>5} {row.median:>10.4g} {row.p95:>10.4g} "
        f"{spread:>19} {ratio}  {row.unit}{note}"
    )

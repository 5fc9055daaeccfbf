"""What a seal says about a log: that it held this event with this hash. Pure.

A hash chain shows that an event was changed, but not that its last events were cut off, nor that
all of it was written anew. A seal kept elsewhere shows both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seal:
    """That a log held this event."""

    seq: int
    hash: str
    """Hex SHA-256 of that event in the chain."""
    at: float
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class SealReport:
    """What seals say about a log."""

    confirmed: Seal | None
    """The newest one that fits: up to there nothing was cut off or written anew."""
    problems: tuple[str, ...]


def compare(
    seals: Sequence[Seal], hashes: Mapping[int, str], base: tuple[int, str], last_seq: int
) -> SealReport:
    """Hold seals against a log; ``hashes``: of the sealed seqs that it still has.

    ``base`` is what its oldest event is chained to. A sealed event that retention forgot or
    thinned says nothing any more.
    """
    confirmed, problems = None, []
    for seal in seals:
        own = base[1] if seal.seq == base[0] else hashes.get(seal.seq)
        if seal.seq > last_seq:
            first = last_seq + 1
            problems.append(f"events {first} to {seal.seq} were sealed and are missing at the end")
        elif own is not None and own != seal.hash:
            problems.append(f"event {seal.seq} was sealed with another hash: the log was rewritten")
        elif own is not None:
            confirmed = seal
    return SealReport(confirmed, tuple(dict.fromkeys(problems)))

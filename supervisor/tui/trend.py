"""The last minute of a run: processor, memory and tokens, for small curves.

Pure. Owns how much is kept: it is made of the samples that the engine sends anyway and is stored
nowhere else. Must never fill a gap: a curve holds what was seen, and nothing from before that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

KEPT = 32
"""Samples a run keeps: a minute, at one every 2 s."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What a run used, sample by sample, the newest last."""

    cpu_percent: tuple[float, ...] = ()
    rss_bytes: tuple[float, ...] = ()
    tokens: tuple[float, ...] = ()
    """All tokens of the run up to then."""

    def plus(self, cpu_percent: float, rss_bytes: float, tokens: float) -> Trend:
        """With one more sample; the oldest goes."""
        return Trend(
            (*self.cpu_percent[1 - KEPT :], cpu_percent),
            (*self.rss_bytes[1 - KEPT :], rss_bytes),
            (*self.tokens[1 - KEPT :], tokens),
        )

    @property
    def tokens_each(self) -> tuple[float, ...]:
        """Tokens between one sample and the next; a counter that began anew gives 0."""
        pairs = zip(self.tokens, self.tokens[1:], strict=False)
        return tuple(max(0.0, after - before) for before, after in pairs)


NO_TREND = Trend()


def spark(values: Sequence[float], cells: int, top: float) -> str:
    """The newest ``cells`` values as blocks, ``top`` or more a full one; blanks where there are
    fewer. 0 is the lowest block, so that nothing used and nothing known differ."""
    shown = values[-cells:] if cells > 0 else ()
    most = max(top, *shown) if shown else top
    levels = "▁▂▃▄▅▆▇█"
    blocks = (levels[round(min(1.0, max(0.0, value / most)) * 7)] for value in shown)
    return "".join(blocks).rjust(cells) if most > 0 else (levels[0] * len(shown)).rjust(cells)

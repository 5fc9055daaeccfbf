"""Detectors of a run that uses too much: memory, tokens, context; and of what it writes badly."""

from __future__ import annotations

import itertools
from typing import ClassVar

from supervisor.core.describe import duration
from supervisor.core.detect.look import Look, Terms
from supervisor.core.size import size_words

BUCKETS = 6
"""Pieces of the window; the least of each counts, so a collector's saw-tooth is no growth."""
SLACK = 1.02
"""A piece has to be so much above the one before."""
CHECKPOINTS = 6
"""Seen before their pace is known."""
GAP_FACTOR = 5.0
TOKEN_FACTOR = 5.0


class MemoryGrowth:
    """Memory that only ever grows."""

    kind: ClassVar[str] = "memory-growth"

    def __init__(self) -> None:
        self._epoch = 0
        self._bucket = -1
        self._least: list[int] = []
        """Of each piece, the newest last."""

    def see(self, look: Look, terms: Terms) -> str | None:
        """The least of each of six pieces above the one before, and above what was ever usual."""
        if look.rss_bytes is None:
            return None
        bucket = int(look.work_s / (terms.memory_window_s / BUCKETS))
        if look.state.epoch != self._epoch:
            self._epoch, self._least, self._bucket = look.state.epoch, [], bucket
        if bucket != self._bucket or not self._least:
            self._bucket = bucket
            self._least = [*self._least[-BUCKETS:], look.rss_bytes]
        self._least[-1] = min(self._least[-1], look.rss_bytes)
        whole = self._least[:-1]  # The newest piece is not over.
        if len(whole) < BUCKETS:
            return None
        grows = all(b >= a * SLACK for a, b in itertools.pairwise(whole))
        first, last = whole[0], whole[-1]
        limit = max(first * terms.memory_factor, first + terms.memory_bytes)
        if not grows or last < limit or last <= look.usual.rss_bytes * 1.2:
            return None
        span = duration(terms.memory_window_s)
        usual = (
            f"; usual are {size_words(look.usual.rss_bytes)} at most"
            if look.usual.rss_bytes
            else ""
        )
        return f"memory grew from {size_words(first)} to {size_words(last)} in {span}{usual}"


class TokenBurn:
    """Tokens used and nothing got anywhere."""

    kind: ClassVar[str] = "token-burn"

    def __init__(self) -> None:
        self._most = 0
        """Used between two moves of this run."""
        self._newest = 0

    def see(self, look: Look, terms: Terms) -> str | None:
        """More than the threshold, and five times what a move cost so far or usually."""
        used, before = look.tokens_since, self._newest
        self._newest = used
        if look.moved_s == look.work_s:
            self._most = max(self._most, before)
            return None
        usual = max(self._most, look.usual.tokens_between)
        if used < max(terms.tokens, TOKEN_FACTOR * usual):
            return None
        cost = f"; a move cost {usual:,} at most before" if usual else ""
        return f"{used:,} tokens since it last got anywhere, {duration(look.still_s)} ago{cost}"


class ContextFull:
    """The model's context is nearly full: the next answer may be cut or refused."""

    kind: ClassVar[str] = "context-nearly-full"

    def see(self, look: Look, terms: Terms) -> str | None:
        """By the agent's own count."""
        usage = look.progress.usage if look.progress else None
        if usage is None or not usage.context_limit:
            return None
        share = usage.context_tokens / usage.context_limit
        if share < terms.context_share:
            return None
        return (
            f"{usage.context_tokens:,} of {usage.context_limit:,} tokens of context "
            f"are used ({share:.0%})"
        )


class StaleCheckpoint:
    """Progress without a checkpoint: what would be lost grows."""

    kind: ClassVar[str] = "stale-checkpoint"

    def __init__(self) -> None:
        self._generation = 0
        self._at_s = 0.0
        self._seen = 0
        self._longest_s = 0.0

    def see(self, look: Look, terms: Terms) -> str | None:
        """Of an agent that wrote some, and five times longer than between any two of them."""
        newest = look.state.checkpoint
        generation = newest.generation if newest else 0
        if generation != self._generation:
            if self._seen:
                self._longest_s = max(self._longest_s, look.work_s - self._at_s)
            self._generation, self._at_s = generation, look.work_s
            self._seen += 1
            return None
        old_s = look.work_s - self._at_s
        goes_on = look.moved_s > self._at_s
        limit_s = max(terms.checkpoint_after_s, GAP_FACTOR * self._longest_s)
        if self._seen < CHECKPOINTS or not goes_on or old_s < limit_s:
            return None
        before = duration(max(1.0, self._longest_s))
        return f"no checkpoint for {duration(old_s)} of progress; until then one every {before}"


class SchemaViolation:
    """A progress file that cannot be used, and stays so."""

    kind: ClassVar[str] = "schema-violation"

    def __init__(self) -> None:
        self._since_s: float | None = None

    def see(self, look: Look, terms: Terms) -> str | None:
        """A writer caught in the middle is not meant: only what stays."""
        if look.state.stale is None:
            self._since_s = None
            return None
        if self._since_s is None:
            self._since_s = look.work_s
        bad_s = look.work_s - self._since_s
        if bad_s < terms.rejected_after_s:
            return None
        return f"its progress cannot be used for {duration(bad_s)}: {look.state.stale}"


class ClockJump:
    """The wall clock was set: times that people read do not fit together."""

    kind: ClassVar[str] = "clock-jump"

    def see(self, look: Look, terms: Terms) -> str | None:
        """Against the monotonic clock; a suspend is seen as a jump forward as well."""
        if abs(look.wall_off_s) < terms.jump_s:
            return None
        way = "forward" if look.wall_off_s > 0 else "back"
        return (
            f"the wall clock was set {way} by {duration(abs(look.wall_off_s))}; limits are "
            "counted without it, times in texts and files are not"
        )

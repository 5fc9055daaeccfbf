"""A window of a log: lines fit to be shown, bounded, cleaned, never interpreted.

Pure: the link feeds it what ``log`` returned. Escape sequences are left out, colours kept as
styles; every other control is shown. A carriage return ends a line, so that nothing is
overwritten. The window begins near the end and grows there; asked for earlier or later output it
moves through the file, and never holds more than ``KEPT_LINES`` lines and ``KEPT_BYTES`` bytes,
however large the file is.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from supervisor.core.sgr import Span, read_line
from supervisor.core.text import safe_text

KEPT_LINES = 20_000
"""Lines in the window; the others stay on disk and are read again when they are wanted."""
KEPT_BYTES = 2 << 20
"""Of the file, in the window."""
MAX_LINE = 16 * 1024
"""Characters of one line shown; the rest is counted (RELIABILITY, trap 9)."""
FIRST_BYTES = 64 * 1024
"""How far before the end of the log reading begins."""
WINDOW_BYTES = 64 * 1024
"""How much earlier or later output is read at once."""

_ENDS = re.compile(r"\r\n|\n|\r")
_LEFT_OUT = "… output was left out here: it came faster than it is kept or can be read"


@dataclass(frozen=True, slots=True)
class LogChunk:
    """One answer of ``log``."""

    data: str
    offset: int
    """Where to go on reading."""
    start: int
    """Where ``data`` really began."""
    size: int
    """Bytes of the whole log so far."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One line: clean text, and the styles its agent gave it."""

    text: str
    spans: tuple[Span, ...] = ()


class Want(StrEnum):
    """What is to be read next."""

    NEWER = "newer"
    """What was written since; the usual."""
    EARLIER = "earlier"
    LATER = "later"
    """What follows the window, which does not reach to the end of the file."""


class _Block:
    """Neighbouring bytes of the file as pieces: the end of a line, whole lines, a beginning."""

    __slots__ = ("cuts", "end", "head", "is_gap", "rest", "start", "whole")

    def __init__(self, chunk: LogChunk, *, is_gap: bool = False) -> None:
        self.start, self.end = chunk.start, chunk.offset
        self.is_gap = is_gap
        """What was written just before it was lost."""
        self.head: _Part | None = None
        """Up to the first end of a line; None while there is none."""
        self.whole: list[Shown] = []
        self.rest = _Part()
        self._take(chunk.data)

    def grow(self, chunk: LogChunk) -> None:
        self.end = chunk.offset
        self._take(chunk.data)

    def _take(self, data: str) -> None:
        first, *others = _ENDS.split(data)
        self.rest = self.rest.plus(first)
        for part in others:
            if self.head is None:
                self.head = self.rest
            else:
                self.whole.append(self.rest.shown())
            self.rest = _Part().plus(part)


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of a line, raw, of which at most ``MAX_LINE`` characters are kept."""

    text: str = ""
    cut: int = 0

    def plus(self, more: str, cut: int = 0) -> _Part:
        if not more and not cut:
            return self
        room = 0 if self.cut else max(0, MAX_LINE - len(self.text))
        return _Part(self.text + more[:room], self.cut + cut + max(0, len(more) - room))

    def shown(self) -> Shown:
        if not self.cut and self.text.isascii() and self.text.isprintable():
            return Shown(self.text)
        plain, spans = read_line(self.text.replace("\t", "    "))
        shown, spans = _cleaned(plain, spans)
        more = f" … {self.cut:,} more characters" if self.cut else ""
        return Shown(shown + more, spans)


def _cleaned(plain: str, spans: tuple[Span, ...]) -> tuple[str, tuple[Span, ...]]:
    """``safe_text`` piece by piece, so that the spans move along with what grows."""
    if not spans:
        return safe_text(plain), ()
    parts: list[str] = []
    moved: list[Span] = []
    length = at = 0
    for span in spans:
        before, inside = safe_text(plain[at : span.start]), safe_text(plain[span.start : span.end])
        parts += (before, inside)
        moved.append(Span(length + len(before), length + len(before) + len(inside), span.ink))
        length += len(before) + len(inside)
        at = span.end
    return "".join(parts) + safe_text(plain[at:]), tuple(moved)


class Tail:
    """A window of one stream of one run."""

    def __init__(self, run_id: str, stream: str) -> None:
        self.run_id = run_id
        self.stream = stream
        """out | err"""
        self.offset = -FIRST_BYTES
        """Where to go on reading at the end of the file."""
        self.size = 0
        self.is_loaded = False
        self.is_pinned = False
        """Somebody reads here: the window does not move on by itself."""
        self.want = Want.NEWER
        self.shift = 0
        """Lines added at the front (or, negative, taken away) since the view last asked."""
        self.version = 0
        """Goes up whenever lines change in another way than by more at the end."""
        self.on_want: Callable[[], None] = lambda: None
        """Called when something else is to be read; whoever reads sets it."""
        self._blocks: deque[_Block] = deque()
        self._is_at_front = False
        self._lines: list[Shown] = []
        self._rest = _Part()

    # -- what there is ------------------------------------------------------------------------

    @property
    def lines(self) -> Sequence[Shown]:
        """Whole lines, clean, oldest first."""
        return self._lines

    @property
    def pending(self) -> Shown:
        """The last line as far as it was written."""
        return self._rest.shown() if self.is_at_end else Shown("")

    @property
    def is_cut(self) -> bool:
        """Earlier output exists that is not in the window."""
        return bool(self._blocks) and not self._is_at_front

    @property
    def is_at_end(self) -> bool:
        """The window reaches to the newest output that was read."""
        return not self._blocks or self._blocks[-1].end >= self.offset >= 0

    @property
    def where(self) -> tuple[int, int]:
        """Offsets in the file between which the window lies."""
        return (self._blocks[0].start, self._blocks[-1].end) if self._blocks else (0, 0)

    # -- asking -------------------------------------------------------------------------------

    def ask(self, want: Want) -> bool:
        """Have earlier or later output read; False when there is none."""
        is_there = self.is_cut if want is Want.EARLIER else not self.is_at_end
        if not is_there:
            return False
        self.want = want
        self.on_want()
        return True

    def to_end(self) -> None:
        """Back to the newest output."""
        self.is_pinned = False
        if not self.is_at_end:
            self.offset, self.is_loaded, self.want = -FIRST_BYTES, False, Want.NEWER
            self.on_want()

    def next_read(self) -> tuple[int, int | None]:
        """Offset of what is to be read next, and how many bytes; None is as much as there is."""
        begin, end = self.where
        if self.want is Want.EARLIER:
            start = max(0, begin - WINDOW_BYTES)
            return start, begin - start
        if self.want is Want.LATER:
            return end, WINDOW_BYTES
        if self.is_loaded and not self.is_at_end:
            return self.offset, 0  # Only how large the file is.
        if self.offset >= 0 and not self.is_pinned and self.size - self.offset > KEPT_BYTES:
            return self.size - FIRST_BYTES, None  # A flood: what nobody could read is passed over.
        return self.offset, None

    # -- feeding ------------------------------------------------------------------------------

    def feed(self, chunk: LogChunk, want: Want = Want.NEWER) -> bool:
        """Take in what was read because of ``want``; True when anything changed."""
        if want is self.want:
            self.want = Want.NEWER
        if want is Want.EARLIER:
            self._put_before(chunk)
        elif want is Want.LATER:
            self._put_behind(chunk)
        else:
            return self._put_newest(chunk)
        return True

    def _put_newest(self, chunk: LogChunk) -> bool:
        was_loaded, self.is_loaded = self.is_loaded, True
        was_at_end = self.is_at_end
        before, self.offset, self.size = self.offset, chunk.offset, chunk.size
        if not was_loaded:
            self._blocks = deque([_Block(chunk)])
            self._is_at_front = chunk.start == 0
            self._join()
            return True
        is_gap = chunk.start != before
        if not chunk.data and not is_gap:
            return False
        if not was_at_end:
            return True  # The window is elsewhere: only the size of the file is news.
        last = self._blocks[-1]
        if self.is_pinned and self._is_full(chunk.offset - chunk.start):
            return True  # It is let go of here, and read again when somebody goes there.
        if is_gap or last.end - last.start > WINDOW_BYTES:
            self._blocks.append(_Block(chunk, is_gap=is_gap))
            self._append_joined(self._blocks[-1])
        else:
            self._grow(last, chunk)
        self._drop_oldest()
        return True

    def _grow(self, block: _Block, chunk: LogChunk) -> None:
        had, had_head = len(block.whole), block.head is not None
        block.grow(chunk)
        if not had_head and block.head is not None:
            # The first end of a line: what came before it is known only to all blocks together.
            self._join()
            return
        self._lines += block.whole[had:]
        self._rest = block.rest if block.head is not None else self._rest.plus(chunk.data)

    def _append_joined(self, block: _Block) -> None:
        if block.is_gap:
            if self._rest.text:
                self._lines.append(self._rest.shown())
            self._lines.append(Shown(_LEFT_OUT))
            self._rest = _Part()
        if block.head is None:
            self._rest = self._rest.plus(block.rest.text, block.rest.cut)
            return
        head = self._rest.plus(block.head.text, block.head.cut)
        if head.text or not head.cut:
            self._lines.append(head.shown())
        self._lines += block.whole
        self._rest = block.rest

    def _put_before(self, chunk: LogChunk) -> None:
        begin, _end = self.where
        if not chunk.data or chunk.offset != begin or chunk.start >= begin:
            # What was there is gone by now: the window begins at what is left.
            self._is_at_front = True
            self._join()
            return
        before = len(self._lines)
        self._blocks.appendleft(_Block(chunk))
        self._is_at_front = chunk.start == 0
        self._join()
        self.shift += len(self._lines) - before
        while len(self._blocks) > 1 and self._is_full():
            self._blocks.pop()
            self._join()

    def _put_behind(self, chunk: LogChunk) -> None:
        _begin, end = self.where
        if not chunk.data and chunk.start == end:
            return
        block = _Block(chunk, is_gap=chunk.start != end)
        self._blocks.append(block)
        self.size = max(self.size, chunk.size)
        self._join()
        self._drop_oldest()
        self.offset = max(block.end, self.offset)

    def _drop_oldest(self) -> None:
        before = len(self._lines)
        has_dropped = False
        while len(self._blocks) > 1 and self._is_full():
            self._blocks.popleft()
            self._is_at_front = False
            self._join()
            has_dropped = True
        if has_dropped:
            self.shift += len(self._lines) - before

    def _is_full(self, more_bytes: int = 0) -> bool:
        held_bytes = sum(block.end - block.start for block in self._blocks) + more_bytes
        return len(self._lines) > KEPT_LINES or held_bytes > KEPT_BYTES

    def _join(self) -> None:
        """The lines of all blocks: those that lie across two of them are put together."""
        self.version += 1
        first = self._blocks[0]
        self._lines = []
        self._rest = _Part()
        blocks: chain[_Block] | deque[_Block] = self._blocks
        if not self._is_at_front and first.head is not None and not first.is_gap:
            # The broken first line of a window is left out.
            self._lines += first.whole
            self._rest = first.rest
            blocks = chain(list(self._blocks)[1:])
        for block in blocks:
            self._append_joined(block)

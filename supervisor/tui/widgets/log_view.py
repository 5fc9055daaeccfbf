"""The end of a log, wrapped to the width there is, following the newest line."""

from __future__ import annotations

from textual.content import Content

from supervisor.tui import render
from supervisor.tui.render import line
from supervisor.tui.tail import KEPT_LINES, Tail
from supervisor.tui.theme import FAINT, FOUND, MUTED, TEXT
from supervisor.tui.widgets.lines import Lines


class LogView(Lines):
    """Lines of a log. Follows its end until the operator scrolls up."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.is_following = True
        self.needle = ""
        """What is searched for; matching parts are marked."""
        self._tail: Tail | None = None
        self._taken = 0
        self._wrapped: list[tuple[Content, bool]] = []
        self._pending: list[Content] = []
        self._wrapped_width = 0

    def show(self, tail: Tail | None) -> None:
        """Show this log; only what is new since the last time is worked on."""
        if tail is not self._tail or self._wrapped_width != self.room:
            self._tail, self._taken, self._wrapped = tail, 0, []
            self._wrapped_width = self.room
        if tail is None or not self.room:
            self._put([])
            return
        new = min(tail.taken - self._taken, len(tail.lines))
        for text in list(tail.lines)[len(tail.lines) - new :] if new else []:
            self._wrapped.extend(self._wrap(text))
        del self._wrapped[: max(0, len(self._wrapped) - KEPT_LINES)]
        self._taken = tail.taken
        pending = [item for item, _ in self._wrap(tail.pending)] if tail.pending else []
        head = [line(("… earlier output is in the file", FAINT))] if tail.is_cut else []
        if tail.is_loaded and not self._wrapped and not pending:
            which = "error output" if tail.stream == "err" else "output"
            head = [line((f"no {which} yet", FAINT))]
        self._put([*head, *(item for item, _ in self._wrapped), *pending])

    def again(self) -> None:
        """Draw everything anew (another width or another search)."""
        self._wrapped_width = 0
        self.show(self._tail)

    def follow(self, *, on: bool) -> None:
        """Stay at the end, or where it is."""
        self.is_following = on
        if on:
            self.scroll_end(animate=False, immediate=True)

    def matches(self) -> list[int]:
        """Rows that contain what is searched for."""
        wanted = self.needle.casefold()
        if not wanted:
            return []
        return [place for place, row in enumerate(self.lines) if wanted in row.plain.casefold()]

    def on_resize(self) -> None:
        """Wrap to the new width."""
        if self._wrapped_width != self.room:
            self.again()

    def _put(self, lines: list[Content]) -> None:
        self._lines = lines
        self.tell_length()
        self.refresh()
        if self.is_following:
            self.scroll_end(animate=False, immediate=True)

    def _wrap(self, text: str) -> list[tuple[Content, bool]]:
        pieces = render.chop(text, max(10, self.room))
        return [(self._marked(piece, place > 0), place > 0) for place, piece in enumerate(pieces)]

    def _marked(self, piece: str, is_rest: bool) -> Content:
        content = line((piece, MUTED if is_rest else TEXT))
        wanted, at = self.needle.casefold(), 0
        folded = piece.casefold()
        if not wanted or len(folded) != len(piece):
            return content
        while (at := folded.find(wanted, at)) >= 0:
            content = content.stylize(FOUND, at, at + len(wanted))
            at += len(wanted)
        return content

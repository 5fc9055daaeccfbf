"""A real browser without a window, and what a page's terminal shows."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
LIMIT_S = 40.0
_PIECE = re.compile(r"\x1b\[(?P<args>[?<>=0-9;]*)[ $]?(?P<end>[A-Za-z])|(?P<text>[^\x1b]+)|\x1b.")


def why_not() -> str:
    """Why there can be no browser here; empty when there can."""
    if CHROMIUM is None:
        return "chromium is not installed"
    for needed in ("playwright", "textual_serve"):
        if importlib.util.find_spec(needed) is None:
            return f"{needed} is not installed"
    return ""


class PageTerminal:
    """One window: the page, and the screen that its socket's bytes draw."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.requested: list[str] = []
        self.is_closed = False
        self._cells: dict[tuple[int, int], str] = {}
        page.on("request", lambda request: self.requested.append(request.url))
        page.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        self.requested.append(socket.url)
        socket.on("framereceived", lambda data: isinstance(data, bytes) and self._draw(data))
        socket.on("close", lambda _socket: setattr(self, "is_closed", True))

    def _draw(self, data: bytes) -> None:
        row, column = 1, 1
        for piece in _PIECE.finditer(data.decode("utf-8", "replace")):
            if piece["end"] == "H":
                numbers = [int(part or 1) for part in (piece["args"] or "1;1").split(";")]
                row, column = (*numbers, 1)[:2]
            for character in piece["text"] or "":
                if character == "\n":
                    row, column = row + 1, 1
                elif character != "\r":
                    self._cells[row, column] = character
                    column += 1

    def text(self) -> str:
        """The screen."""
        rows: dict[int, dict[int, str]] = {}
        for (row, column), character in self._cells.items():
            rows.setdefault(row, {})[column] = character
        return "\n".join(
            "".join(cells.get(column, " ") for column in range(1, max(cells) + 1))
            for _row, cells in sorted(rows.items())
        )

    def line_with(self, words: str) -> str:
        """The first line that holds the words."""
        return next((line for line in self.text().splitlines() if words in line), "")

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait for a condition."""
        for _ in range(int(LIMIT_S / 0.05)):
            if condition():
                return
            await asyncio.sleep(0.05)
        pytest.fail(f"never: {what}\n{self.text()}")


@asynccontextmanager
async def browser() -> AsyncIterator[Any]:
    """A browser; ``new_context`` makes a profile, as of another person."""
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield running
        finally:
            await running.close()

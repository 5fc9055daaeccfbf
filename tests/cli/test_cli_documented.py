"""What README and docs tell people to type is understood by the command line as it is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.cli.parsers import top_parser, verb_parser
from supervisor.cli.verbs import BY_NAME

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCED = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_IN_TEXT = re.compile(r"`(longwatch [^`…|<]+)`")
_END = re.compile(r"\s#\s.*$|\s(?:\||&&|;|>|<)\s?.*$")


def commands(page: Path) -> Iterator[str]:
    text = page.read_text()
    for block in _FENCED.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                if part.strip().startswith("longwatch"):
                    yield _END.sub("", part.strip())
    if page.name in ("README.md", "operations.md"):
        yield from (_END.sub("", found) for found in _IN_TEXT.findall(text))


EVERY = [(page.name, line) for page in PAGES for line in commands(page)]


def test_there_is_something_to_check() -> None:
    assert len(EVERY) > 60


@pytest.mark.parametrize(("page", "line"), EVERY, ids=[f"{p}:{line}" for p, line in EVERY])
def test_a_documented_command_is_understood(page: str, line: str) -> None:
    words = shlex.split(line)[1:]
    at = 0
    while at < len(words) and words[at].startswith("-"):
        at += 2 if words[at] in ("-C", "--host") else 1
    top_parser().parse_args(words[:at])
    if at < len(words):
        assert words[at] in BY_NAME, f"{page}: there is no command {words[at]}"
        rest = [word for word in words[at + 1 :] if word != "…"]
        if "[" not in line:
            verb_parser(BY_NAME[words[at]]).parse_intermixed_args(rest)

"""Help, examples and the manual page: all of it true, none of it missing."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from supervisor.cli import man_page
from supervisor.cli.examples import EXAMPLES, Example
from supervisor.cli.exit_codes import ExitStatus
from supervisor.cli.parsers import top_parser, verb_parser
from supervisor.cli.verbs import BY_NAME, VERBS

DOCS = Path(__file__).parents[2] / "docs"
EVERY = [(verb, example) for verb, examples in EXAMPLES.items() for example in examples]


def test_every_verb_has_an_example_and_every_example_a_verb() -> None:
    assert {verb.name for verb in VERBS} == set(EXAMPLES)


@pytest.mark.parametrize(("verb", "example"), EVERY, ids=[one.line for _, one in EVERY])
def test_an_example_parses(verb: str, example: Example) -> None:
    words = shlex.split(example.line.split(" > ")[0])
    assert words[0] == verb
    verb_parser(BY_NAME[verb]).parse_args(words[1:])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_help_of_a_verb_shows_its_examples_and_explains_every_option(verb: object) -> None:
    parser = verb_parser(verb)  # type: ignore[arg-type]
    text = parser.format_help()
    for example in EXAMPLES[parser.prog.split()[1]]:
        assert f"longwatch {example.line}" in text and example.why in text
    silent = [action.dest for action in parser._actions if not action.help]
    assert not silent, f"nothing is said of {silent}"


def test_the_help_of_all_names_every_verb() -> None:
    text = top_parser().format_help()
    assert all(f"\n  {verb.name}" in text for verb in VERBS)


def test_the_manual_page_is_what_the_parsers_make() -> None:
    assert (DOCS / "longwatch.1").read_text() == man_page.page(), "run: make man"


def test_the_manual_page_names_every_exit_status() -> None:
    assert set(man_page.STATUSES) == set(ExitStatus)


@pytest.mark.skipif(shutil.which("man") is None, reason="man is not installed")
def test_man_reads_the_page_without_a_warning() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-E", "UTF-8", "-l", str(DOCS / "longwatch.1")],
        capture_output=True, text=True, timeout=60, check=False, env={"PATH": "/usr/bin:/bin",
        "MANWIDTH": "100", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "longwatch answer 7F3K-1 --allow --comment 'looks good'" in done.stdout

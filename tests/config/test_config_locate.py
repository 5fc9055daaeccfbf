"""The line of a key in a TOML text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.config.locate import KeyLines

TEXT = '''\
top = 1
[agents.a]            # [agents.no]
command = [
  "x = 3",
  "[agents.b]",
]
text = """
[agents.c]
key = 1
"""
raw = \'\'\'
[agents.d]\'\'\'
env = { X = "}" , Y = "2" }
dotted.key = "a # b"
["agents"."b c"]
"quo ted" = 1
  [[list]]
'''


def test_each_key_has_the_line_it_stands_on() -> None:
    lines = KeyLines(TEXT)
    assert lines.line_of(("top",)) == 1
    assert lines.line_of(("agents", "a")) == 2
    assert lines.line_of(("agents", "a", "command")) == 3
    assert lines.line_of(("agents", "a", "text")) == 7
    assert lines.line_of(("agents", "a", "raw")) == 11
    assert lines.line_of(("agents", "a", "dotted", "key")) == 14
    assert lines.line_of(("agents", "b c", "quo ted")) == 16
    assert lines.line_of(("list",)) == 17


def test_what_is_not_found_is_on_the_line_of_what_is_around_it() -> None:
    lines = KeyLines(TEXT)
    assert lines.line_of(("agents", "a", "env", "Y")) == 13
    assert lines.line_of(("agents", "a", "command", 1)) == 3
    assert lines.line_of(("agents", "b")) == 2
    assert lines.line_of(("nowhere",)) is None


@given(st.text(alphabet="[]{}\"'=.#\\\na b", max_size=60))
def test_no_text_makes_it_fail(text: str) -> None:
    KeyLines(text).line_of(("a",))

"""What reaches standard output and standard error, and the exit status of each error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor import errors
from supervisor.cli import output
from supervisor.cli.exit_codes import guard
from supervisor.cli.output import cell_width, lay_out

HOSTILE = "\x1b]52;c;x\x07\x9b31m\u202e\x7f\u200b[@click=app.quit]"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UserError("x"), 2),
        (errors.ConfigError(("x", "y")), 2),
        (errors.HeldElsewhereError("x"), 3),
        (errors.NotRunningError("x"), 4),
        (errors.RefusedError("x"), 1),
        (errors.EnvironmentFaultError("x"), 1),
        (errors.AgentError("x"), 1),
        (KeyboardInterrupt(), 130),
        (SystemExit(0), 0),
    ],
)
def test_each_error_has_its_exit_status_and_no_traceback(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    assert guard(fail) == status
    assert "Traceback" not in capsys.readouterr().err


def test_a_bug_shows_its_traceback_exits_70_and_says_where_to_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert guard(lambda: 1 // 0) == 70
    said = capsys.readouterr()
    assert "ZeroDivisionError" in said.err and "report it" in said.err and said.out == ""


def test_an_error_says_what_why_and_what_to_do_on_lines_of_their_own(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> int:
        raise errors.NotRunningError("nothing runs", why="because", fix="longwatch up", where="x")

    guard(fail)
    assert capsys.readouterr().err == "longwatch: x: nothing runs\n  because\n  longwatch up\n"


def test_hostile_text_never_reaches_a_stream_as_a_control(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> int:
        output.line(HOSTILE)
        output.block(HOSTILE)
        output.json({HOSTILE: [HOSTILE]})
        output.json_line(HOSTILE)
        output.table(("A",), [(HOSTILE,)])
        raise errors.UserError(HOSTILE, why=HOSTILE, fix=HOSTILE, where=HOSTILE)

    guard(fail)
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert all(line.isprintable() for line in text.split("\n"))


def test_json_is_read_back_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    output.json({"text": HOSTILE})
    assert json.loads(capsys.readouterr().out) == {"text": HOSTILE}


ROWS = st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=5)


@given(ROWS, st.integers(min_value=20, max_value=120))
def test_a_table_fits_the_width_whatever_is_in_it(rows: list[tuple[str, str]], width: int) -> None:
    lines = lay_out(("NAME", "WHAT"), rows, width)
    assert len(lines) == len(rows) + 1
    assert all(cell_width(line) <= width for line in lines)


def test_without_a_terminal_nothing_is_cut() -> None:
    assert lay_out(("A",), [("x" * 500,)], None)[1] == "x" * 500


def test_wide_characters_count_two_cells() -> None:
    assert lay_out(("A", "B"), [("日本", "x"), ("abcd", "y")], 80)[1:] == ["日本  x", "abcd  y"]

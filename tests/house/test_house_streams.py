"""Each stream has one owner: what an agent wrote passes one cleaner on its way to a terminal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CLI = Path(__file__).parents[2] / "supervisor" / "cli"
OWNERS = {
    "stdout": {"output.py"},
    "stderr": {"exit_codes.py"},
    "__stdout__": set[str](),
    "__stderr__": set[str](),
}
ASKING = {"ask_inline.py"}
"""Where ``input`` may stand: it writes its prompt itself, which has to be a text of ours."""
WRITING = {"print", "print_exc", "print_exception", "print_stack", "pprint", "help", "breakpoint"}
RAW = {("os", "write"), ("os", "fdopen"), ("os", "writev")}
RELAYING = {"dial_cmd.py"}
"""Carries frames between ssh and the control socket: a program reads them, never a terminal."""


def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def attributes(path: Path) -> list[tuple[str, str, int]]:
    """(module or variable, attribute, line) of every plain ``a.b``."""
    return [
        (node.value.id, node.attr, node.lineno)
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]


@pytest.mark.parametrize("path", sorted(CLI.rglob("*.py")), ids=lambda path: path.name)
def test_only_the_owner_of_a_stream_touches_it(path: Path) -> None:
    for owner, name, line in attributes(path):
        if owner == "sys" and name in OWNERS:
            assert path.name in OWNERS[name], f"{path.name}:{line}: sys.{name}"
        is_relay = path.name in RELAYING
        assert is_relay or (owner, name) not in RAW, f"{path.name}:{line}: {owner}.{name}"
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module == "sys":
            named = {alias.name for alias in node.names}
            assert not named & {*OWNERS, "*"}, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", sorted(CLI.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_prints_and_only_the_inline_question_reads(path: Path) -> None:
    for node in nodes(path):
        if isinstance(node, ast.Name):
            assert node.id not in WRITING, f"{path.name}:{node.lineno}: {node.id}"
            if node.id == "input":
                assert path.name in ASKING, f"{path.name}:{node.lineno}: input"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = node.func.attr
            assert called not in WRITING, f"{path.name}:{node.lineno}: {called}"


def test_a_prompt_holds_no_text_of_an_agent() -> None:
    """``read`` is ``input``: what it is given reaches the terminal uncleaned."""
    prompts = [
        node.args[0]
        for node in nodes(CLI / "ask_inline.py")
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "read"
    ]
    assert len(prompts) >= 3
    for prompt in prompts:
        for part in ast.walk(prompt):
            if isinstance(part, ast.FormattedValue):
                value = part.value
                assert isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
                assert value.func.id == "len", ast.dump(value)
            else:
                assert isinstance(
                    part,
                    ast.Constant | ast.JoinedStr | ast.Call | ast.Name | ast.Load | ast.Attribute,
                )


def test_json_is_made_by_the_owner_of_standard_output_alone() -> None:
    """It escapes everything outside ASCII; ``json.dumps`` elsewhere might not."""
    for path in sorted(CLI.rglob("*.py")):
        if path.name != "output.py":
            assert ("json", "dumps") not in {(a, b) for a, b, _line in attributes(path)}, path.name

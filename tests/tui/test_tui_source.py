"""Rules that the source of the interface keeps, read from the source itself."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from textual.app import App
from textual.screen import ModalScreen
from textual.scroll_view import ScrollView
from textual.widget import Widget

ROOM = Path(__file__).parents[2] / "supervisor" / "tui"
SOURCES = sorted(ROOM.rglob("*.py"))
SHEETS = sorted(ROOM.rglob("*.tcss"))
TAKES_MARKUP = {"Static", "Label", "Digits", "Markdown", "Link", "Tooltip", "Rule", "RichLog"}
"""Widgets that read a bare string as markup, and are not used here."""
CALLS_TAKING_TEXT = {"update", "notify", "write_line", "add_option", "add_row", "add_column"}
SHOWS_NOTHING = {"web.py"}
"""A server of pages: its `update` is of headers."""
NOT_WIDGETS = {"guard.py", "link.py", "client.py", "web_session.py"}
"""Classes in which a name of Textual's widgets hides nothing."""
COLOUR = re.compile(r"#[0-9a-fA-F]{6}\b|\brgba?\(")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else ""
            yield getattr(function, "id", name), node


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_widget_is_given_a_string_that_it_would_read_as_markup(path: Path) -> None:
    for name, call in calls(parsed(path)):
        assert name not in TAKES_MARKUP, f"{path.name}:{call.lineno}: {name}"
        assert name not in {"from_markup", "highlight"}, f"{path.name}:{call.lineno}: {name}"
        if name in CALLS_TAKING_TEXT and path.name not in SHOWS_NOTHING:
            assert all(isinstance(item, ast.Constant) for item in call.args), (
                f"{path.name}:{call.lineno}: {name}() takes only literals"
            )
        if name in {"Button", "Content"} and call.args:
            assert isinstance(call.args[0], ast.Constant), f"{path.name}:{call.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_titles_in_borders_and_tooltips_are_literals(path: Path) -> None:
    for node in ast.walk(parsed(path)):
        targets = node.targets if isinstance(node, ast.Assign) else []
        for target in targets:
            if isinstance(target, ast.Attribute) and target.attr in {
                "border_title", "border_subtitle", "tooltip", "title", "sub_title",
            }:  # fmt: skip
                assert isinstance(node.value, ast.Constant), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", [*SOURCES, *SHEETS], ids=lambda path: path.name)
def test_colours_are_named_in_the_theme_alone(path: Path) -> None:
    if path.name != "theme.py":
        assert not COLOUR.search(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_widgets_and_screens_do_not_import_the_app_or_the_engine(path: Path) -> None:
    if path.parent.name not in {"widgets", "screens"}:
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.module not in {"supervisor.tui.app", "supervisor.tui.link"}
            assert not node.module.startswith(("supervisor.control", "supervisor.engine"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_attribute_of_ours_hides_a_private_one_of_textual(path: Path) -> None:
    theirs = names_of_textual()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ClassDef) and path.name not in NOT_WIDGETS:
            ours = {name for name in _own(node) if name.startswith("_")}
            assert not ours & theirs - {"_fatal_error", "_last"}, f"{path.name}: {ours & theirs}"


@cache
def names_of_textual() -> set[str]:
    """What the base classes have, and what their instances carry."""
    made = (App(), ModalScreen(), ScrollView(), Widget())
    return {name for item in made for name in (*dir(type(item)), *vars(item))}


def _own(node: ast.AST) -> set[str]:
    found = {item.name for item in ast.walk(node) if isinstance(item, ast.FunctionDef)}
    for item in ast.walk(node):
        if (
            isinstance(item, ast.Attribute)
            and isinstance(item.ctx, ast.Store)
            and isinstance(item.value, ast.Name)
            and item.value.id == "self"
        ):
            found.add(item.attr)
    return {name for name in found if not name.startswith("__")}

"""What a step returns, by its annotation: the same type in every attempt, or refused at once."""

from __future__ import annotations

from typing import Any

import pytest

TYPES = """
from __future__ import annotations
import collections, dataclasses, datetime, decimal, enum, uuid
from pathlib import Path
from typing import Any, Literal, NamedTuple, Optional, TypedDict
class Color(enum.Enum): RED = object(); BLUE = 2
class Level(enum.IntEnum): LOW = 1
class Point(NamedTuple):
    x: int
    at: datetime.datetime
class Row(TypedDict):
    name: str
    when: datetime.date
@dataclasses.dataclass(frozen=True)
class Doc:
    name: str
    pages: list[Point] = dataclasses.field(default_factory=list)
    parent: Optional[Doc] = None
    colors: dict[Color, set[int]] = dataclasses.field(default_factory=dict)
    size: int = dataclasses.field(init=False, default=0)
    def __post_init__(self): object.__setattr__(self, 'size', len(self.pages))
@dataclasses.dataclass
class Note:
    text: str
@dataclasses.dataclass
class Longer(Note):
    more: str = ''
WHEN = datetime.datetime(2026, 5, 1, 12, tzinfo=datetime.UTC)
"""

GOOD = [
    ("Doc", "Doc('a', [Point(1, WHEN)], Doc('b'), {Color.RED: {1, 2}})"),
    ("list[Doc | Note | None]", "[Doc('a'), Note('n'), None]"),
    ("tuple[int, str, float]", "(1, 'x', 2.5)"),
    ("tuple[Path, ...]", "(Path('a'), Path('/b'))"),
    ("dict[int, bytes]", "{1: b'\\xff\\x00', 2: b''}"),
    ("dict[str, datetime.timedelta]", "{'a': datetime.timedelta(days=1, microseconds=3)}"),
    ("frozenset[decimal.Decimal]", "frozenset({decimal.Decimal('1.10')})"),
    ("Row", "{'name': 'x', 'when': datetime.date(2026, 1, 2)}"),
    ("Level", "Level.LOW"),
    ("Optional[uuid.UUID]", "uuid.UUID(int=5)"),
    ("datetime.time | int", "datetime.time(3, 4)"),
    ("Literal['a', 'b']", "'a'"),
    ("Any", "{'a': [1, None]}"),
    ("Point", "Point(1, WHEN)"),
]


def test_annotated_results_come_back_as_their_type(room: Any) -> None:
    functions = "".join(
        f"def f{number}() -> {hint}:\n    return {value}\n"
        for number, (hint, value) in enumerate(GOOD)
    )
    body = (
        TYPES
        + "import os\nfrom supervisor.agent import Agent\n"
        + functions
        + "with Agent() as agent:\n"
        + "".join(
            f"    got = agent.step(f{number})\n"
            f"    assert got == {value} and type(got) is type({value}), got\n"
            for number, (_hint, value) in enumerate(GOOD)
        )
        + "    print(len(open(agent.run_dir + '/journal.jsonl').readlines()))\n"
        + "    if agent.attempt == 1: os._exit(9)\n"
    )
    room.prelude = ""
    first, second = room.run(body), room.run(body)
    assert (first[0], first[2]) == (9, "")
    assert (second[0], second[2]) == (0, "")
    assert second[1] == f"{len(GOOD)}\n"


@pytest.mark.parametrize(
    ("hint", "value", "says"),
    [
        ("Note", "Longer('a', 'b')", "is a Longer, no Note"),
        ("list[int]", "[Note('a')]", "is a Note, no int"),
        ("object", "Note('a')", "annotate what the step returns"),
        ("dict[str, Any]", "{'a': (1, 2)}", "is a tuple"),
        ("Missing", "Note('a')", "cannot be read at run time"),
        ("list[Note]", "(Note('a'),)", "is a tuple, no list"),
        ("complex", "1j", "no type that can be stored"),
    ],
)
def test_what_would_not_come_back_equal_is_refused_at_once(
    room: Any, hint: str, value: str, says: str
) -> None:
    room.prelude = ""
    code, _out, err = room.run(
        TYPES
        + "from supervisor.agent import Agent\n"
        + f"def f() -> {hint}:\n    return {value}\n"
        + "with Agent() as agent:\n    agent.step(f)\n"
    )
    assert code == 1 and "UnfitValueError" in err and "step f" in err and says in err, err
    assert room.journal() == []


def test_pydantic_models_come_back_without_the_sdk_importing_pydantic(room: Any) -> None:
    body = """
import datetime, sys
assert 'pydantic' not in sys.modules
from pydantic import BaseModel
class Part(BaseModel):
    when: datetime.datetime
    tags: set[str] = set()
class Whole(BaseModel):
    parts: list[Part]
def f() -> Whole:
    return Whole(parts=[Part(when='2026-01-01T00:00:00Z', tags={'a'})])
def g() -> dict[str, Part]:
    return {'p': f().parts[0]}
with Agent() as agent:
    print(repr(agent.step(f)), agent.step(g)['p'].when.year)
    if agent.attempt == 1: os._exit(9)
"""
    first, second = room.run(body, SITE="1"), room.run(body, SITE="1")
    assert (first[0], second[0], second[2]) == (9, 0, "")
    assert first[1] == second[1] and first[1].startswith("Whole(") and "2026" in first[1]


def test_an_annotation_that_changed_under_the_run_is_a_clear_error(room: Any) -> None:
    body = """
import dataclasses
@dataclasses.dataclass
class D:
    {field}: int
def f() -> D: return D(1)
with Agent() as agent:
    agent.step(f)
    os._exit(9)
"""
    assert room.run(body.format(field="a"))[0] == 9
    code, _out, err = room.run(body.format(field="b"))
    assert code == 1 and "JournalMismatchError" in err and "no field a" in err

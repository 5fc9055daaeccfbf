"""Bad bytes get a Problem that names what is wrong, before they cost memory or time."""

from __future__ import annotations

import json
import math
import time
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.protocol.bounded_json import AGENT_STATE, Bounds, parse_json
from supervisor.protocol.problem import Problem

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

GOOD = json.dumps(
    {"status": "läuft", "step": {"name": "dök", "completed": 3, "total": 10}, "stages": ["a", "b"]},
    ensure_ascii=False,
).encode()
MEGABYTE = 1 << 20

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


def problem_of(data: bytes) -> Problem:
    found = parse_json(data)
    assert isinstance(found, Problem), found
    assert str(found).isascii()
    assert str(found).isprintable()
    return found


@unhurried
@given(value=values, is_ascii=st.booleans())
def test_what_json_can_carry_comes_back_as_it_was(value: object, is_ascii: bool) -> None:
    assert parse_json(json.dumps(value, ensure_ascii=is_ascii).encode()) == value


@unhurried
@given(st.binary(max_size=300))
def test_random_bytes_never_raise(data: bytes) -> None:
    parse_json(data)
    parse_json(data, AGENT_STATE)


@unhurried
@given(st.text('[]{}",:\\ntu0dDeE1.-"', max_size=60))
def test_random_json_like_text_never_raises(text: str) -> None:
    strict, loose = parse_json(text.encode()), parse_json(text.encode(), AGENT_STATE)
    assert isinstance(strict, Problem) or strict == loose or loose != loose


def test_a_file_cut_at_any_byte_is_refused() -> None:
    for cut in range(len(GOOD)):
        problem_of(GOOD[:cut])


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"", "empty", "empty"),
        (b" \n", "empty", "empty"),
        (b"\0" * 4096, "encoding", "NUL"),
        (b"\xef\xbb\xbf{}", "encoding", "BOM"),
        ("{}".encode("utf-16"), "encoding", "UTF-16"),
        ("{}".encode("utf-16-le"), "encoding", "UTF-16"),
        ("{}".encode("utf-16-be"), "encoding", "UTF-16"),
        ("{}".encode("utf-32-le"), "encoding", "UTF-16"),
        (b'{"a": "\xff"}', "encoding", "0xff at offset 7"),
        (b'{"a": "\xed\xa0\x80"}', "encoding", "0xed"),
        (b'{"a": "\xc0\x80"}', "encoding", "0xc0"),
        (b"{} x", "syntax", "more text after the end"),
        (b"{}{}", "syntax", "more text after the end"),
        (b'{"a": NaN}', "number", "a: found NaN"),
        (b'{"a": [1, -Infinity]}', "number", "a[1]: found -Infinity"),
        (b'{"step": {"total": 1e999}}', "number", "step.total: found 1e999"),
        (b'{"a": ' + b"9" * 5000 + b"}", "number", "a: found a number of 5000 characters"),
        (b'{"a": 9223372036854775808}', "number", "a: found 9223372036854775808"),
        (b'{"a": -9223372036854775809}', "number", "64 bits"),
        (b'{"s": {"a": 1, "a": 2}}', "duplicate", "s: found the key 'a' twice"),
        (b'{"a": ["\\ud800"]}', "surrogate", "a[0]: found a lone surrogate"),
        (b'{"\\udcff": 1}', "surrogate", "lone surrogate"),
        (b"[" * 100_000, "nodes", "100001 values"),
        (b"[" * 5_000 + b"]" * 5_000, "depth", "32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "depth", "32 levels"),
        (b"[" + b"1," * 10_000 + b"1]", "nodes", "10002 values"),
        (b"[" * 40, "depth", "32 levels"),
    ],
)
def test_bad_bytes_are_refused_with_a_message_that_names_it(
    data: bytes, code: str, says: str
) -> None:
    problem = problem_of(data)
    assert problem.code == code
    assert says in str(problem)


def test_brackets_and_commas_inside_text_do_not_count() -> None:
    text = '[{,"\\' * 20_000
    assert parse_json(json.dumps({"a": text}).encode()) == {"a": text}


def test_depth_and_nodes_are_exact() -> None:
    assert not isinstance(parse_json(b"[" * 32 + b"]" * 32), Problem)
    bounds = Bounds(max_depth=4, max_nodes=4)
    assert parse_json(b"[1,2,3]", bounds) == [1, 2, 3]
    assert isinstance(parse_json(b"[1,2,3,4]", bounds), Problem)


@pytest.mark.parametrize(
    "data",
    [
        b'"' + b'\\"' * (MEGABYTE // 2),
        b'"' * MEGABYTE,
        b"[" * MEGABYTE,
        b"[" * (MEGABYTE // 2) + b"]" * (MEGABYTE // 2),
        b"[" + b"{}," * (MEGABYTE // 3) + b"{}]",
        b"{" + b",".join(b'"key%d":1' % n for n in range(200_000)) + b"}",
        b'"' + b"\\" * (MEGABYTE - 1),
        b"," * MEGABYTE,
        b"{" + b",".join(b'"k%d":1' % n for n in range(9_998)) + b',"k9997":1}',
        b'{"a":0.' + b"1" * MEGABYTE + b"x}",
    ],
    ids=["escapes", "quotes", "open", "nested", "objects", "keys", "backslashes", "commas", "twice",
         "digits"],
)  # fmt: skip
def test_a_megabyte_of_malice_costs_little_memory_and_time(data: bytes) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        problem_of(data)
        assert tracemalloc.get_traced_memory()[1] < 6 * MEGABYTE
    finally:
        tracemalloc.stop()
    assert time.process_time() - began < 2.0  # measured: under 0.02


def test_state_of_the_agents_own_may_hold_what_only_python_reads() -> None:
    value = parse_json(b'{"loss": NaN, "big": 36893488147419103232}', AGENT_STATE)
    assert math.isnan(value["loss"])
    assert value["big"] == 2**65

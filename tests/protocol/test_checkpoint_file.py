"""A checkpoint is whole, ours and of this run, or it is refused."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervisor.protocol.canonical import canonical_sha256
from supervisor.protocol.checkpoint import CheckpointFacts, checkpoint_check
from supervisor.protocol.problem import Problem

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RUN = "01JX0000000000000000000001"
STATE: dict[str, Any] = {"position": 7, "done": ["ä", "b"], "share": 0.5}


def envelope(**changes: Any) -> dict[str, Any]:
    whole = {
        "longwatch_checkpoint": 1,
        "run_id": RUN,
        "epoch": 3,
        "sequence": 12,
        "sha256": canonical_sha256(STATE),
        "state": STATE,
    }
    return {**whole, **changes}


def check(value: Any, name: str = "checkpoint.json") -> CheckpointFacts | Problem:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return checkpoint_check(data, RUN, name)


def test_a_good_envelope_gives_its_place_in_the_run() -> None:
    data = json.dumps(envelope(), indent=1).encode()
    assert check(data) == CheckpointFacts(hashlib.sha256(data).hexdigest(), len(data), 3, 12)


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"run_id": "01JX0000000000000000000002"}, "foreign", "run_id"),
        ({"state": {**STATE, "position": 8}}, "checksum", "sha256"),
        ({"state": None}, "checksum", "sha256"),
        ({"sha256": "0" * 64}, "checksum", "sha256"),
        ({"sha256": "short"}, "schema", "sha256"),
        ({"epoch": "3"}, "schema", "epoch"),
        ({"epoch": -1}, "schema", "epoch"),
        ({"sequence": 0}, "schema", "sequence"),
        ({"sequence": True}, "schema", "sequence"),
        ({"longwatch_checkpoint": 2}, "schema", "longwatch_checkpoint"),
        ({"state": [float("nan")]}, "schema", "state"),
    ],
)
def test_a_wrong_envelope_is_refused(changes: dict[str, Any], code: str, field: str) -> None:
    for name in ("checkpoint.json", "state.bin"):
        problem = check(envelope(**changes), name)
        assert isinstance(problem, Problem)
        assert (problem.code, problem.field) == (code, field)


@pytest.mark.parametrize("missing", ["run_id", "epoch", "sequence", "sha256", "state"])
def test_an_envelope_without_a_field_is_refused(missing: str) -> None:
    whole = envelope()
    del whole[missing]
    problem = check(whole)
    assert isinstance(problem, Problem)
    assert problem.field == missing


def test_an_envelope_cut_at_any_byte_is_refused() -> None:
    data = json.dumps(envelope()).encode()
    for cut in range(len(data)):
        assert isinstance(check(data[:cut]), Problem)


def test_a_flipped_bit_never_gives_another_state() -> None:
    data = bytearray(json.dumps(envelope()).encode())
    start = data.index(b'"state"') + 9
    rng = random.Random(7)
    for _ in range(400):
        place, bit = rng.randrange(start, len(data) - 1), 1 << rng.randrange(8)
        data[place] ^= bit
        if not isinstance(check(bytes(data)), Problem):
            assert json.loads(data)["state"] == STATE, "only its spelling changed"
        data[place] ^= bit


@pytest.mark.parametrize("data", [b"", b"{", b"\0" * 512, b"\xef\xbb\xbf{}", b"{} x", b"\xff"])
def test_a_json_file_that_does_not_parse_is_refused(data: bytes) -> None:
    assert isinstance(check(data), Problem)


@pytest.mark.parametrize("data", [b"[1, 2]", b'{"epoch": NaN}', b"5", b'{"a": 1, "a": 2}'])
def test_json_without_an_envelope_is_opaque(data: bytes) -> None:
    assert check(data) == CheckpointFacts(hashlib.sha256(data).hexdigest(), len(data))


@pytest.mark.parametrize("data", [b"\x80\x04\x95cos\nsystem\n", b"{", b"\0", b"x" * 100])
def test_any_other_file_is_opaque_bytes(data: bytes) -> None:
    assert check(data, "state.pickle") == CheckpointFacts(
        hashlib.sha256(data).hexdigest(), len(data)
    )
    assert isinstance(check(b"", "state.pickle"), Problem)


def test_more_values_than_are_checked_are_no_proof_of_damage_but_no_envelope_either() -> None:
    many = list(range(600_000))
    assert isinstance(check(many), CheckpointFacts)
    problem = check(envelope(state=many))
    assert isinstance(problem, Problem)
    assert problem.code == "nodes"


def test_a_deep_state_is_refused_without_a_traceback() -> None:
    assert isinstance(check(b"[" * 50_000 + b"]" * 50_000), Problem)


@unhurried
@given(st.binary(max_size=200), st.sampled_from(["a.json", "a"]))
def test_random_bytes_never_raise(data: bytes, name: str) -> None:
    checkpoint_check(data, RUN, name)
    checkpoint_check(b'{"longwatch_checkpoint":' + data, RUN, name)
